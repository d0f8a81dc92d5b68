package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

func key(id string) state.Key { return state.Key{Space: "space", ID: id} }

func commit(t testing.TB, s state.Store, ops ...state.Op) {
	t.Helper()
	if err := s.Commit(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
}

// countRaw returns how many keys a bucket of the file has, expired or not.
func countRaw(t *testing.T, path, bucket string) int {
	t.Helper()
	n := 0
	edit(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	return n
}

func TestSweepRemovesWhatExpiredFirst(t *testing.T) {
	c, path := newClock(), newPath(t)
	s := openStore(t, path, bolt.Options{Now: c.Now})
	start := c.Now().Truncate(time.Second)
	for i := range 10 { // the later in order, the earlier they expire
		commit(t, s, state.Put(key(fmt.Sprint(i)), []byte("value")).Until(start.Add(time.Duration(20-i)*time.Second)))
	}
	commit(t, s, state.Put(key("never"), nil), state.Put(key("later"), nil).Until(start.Add(time.Hour)))
	if got := sweep(t, s, 5); len(got) != 0 {
		t.Errorf("swept %v before anything expired", got)
	}
	c.Advance(time.Minute)
	for _, want := range [][]string{{"9", "8", "7", "6"}, {"5", "4", "3", "2"}, {"1", "0"}, {}} {
		var got []string
		for _, item := range sweep(t, s, 4) {
			got = append(got, item.ID)
			if item.Space != "space" || item.Value != nil || item.Version != 1 {
				t.Errorf("swept %+v", item)
			}
			if wait := item.Expires.Sub(start); wait < 11*time.Second || wait > 20*time.Second {
				t.Errorf("%s expired after %v", item.ID, wait)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("swept %q, want %q", got, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if items, entries := countRaw(t, path, "items"), countRaw(t, path, "expiry"); items != 2 || entries != 1 {
		t.Errorf("the file has %d items and %d expiry entries, want 2 and 1", items, entries)
	}
}

func sweep(t *testing.T, s *bolt.Store, limit int) []state.Item {
	t.Helper()
	items, err := s.Sweep(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func TestSweepLeavesWhatWasWrittenAgain(t *testing.T) {
	c := newClock()
	s := openStore(t, newPath(t), bolt.Options{Now: c.Now})
	soon := c.Now().Add(time.Second)
	for _, id := range []string{"cleared", "moved", "same", "deleted", "expired"} {
		commit(t, s, state.Put(key(id), nil).Until(soon))
	}
	commit(t, s, state.Put(key("cleared"), nil), state.Put(key("moved"), nil).Until(soon.Add(time.Hour)),
		state.Put(key("same"), nil).Until(soon), state.Delete(key("deleted")))
	c.Advance(time.Minute)
	commit(t, s, state.Create(key("expired"), nil)) // over an item that was not swept yet
	var got []string
	for _, item := range sweep(t, s, 10) {
		got = append(got, item.ID)
	}
	if !slices.Equal(got, []string{"same"}) {
		t.Errorf("swept %q, want same", got)
	}
	items, err := s.Get(t.Context(), key("cleared"), key("moved"), key("expired"))
	if err != nil || len(items) != 3 {
		t.Errorf("left %d items, %v, want 3", len(items), err)
	}
}

func TestSweepIsBounded(t *testing.T) {
	c := newClock()
	s := openStore(t, newPath(t), bolt.Options{Now: c.Now})
	for n := 0; n < bolt.MaxSweep+1; {
		var ops []state.Op
		for ; len(ops) < state.MaxOps && n < bolt.MaxSweep+1; n++ {
			ops = append(ops, state.Put(key(fmt.Sprint(n)), nil).Until(c.Now()))
		}
		commit(t, s, ops...)
	}
	c.Advance(time.Minute)
	for _, want := range []int{bolt.MaxSweep, 1, 0} {
		if got := len(sweep(t, s, bolt.MaxSweep+10)); got != want {
			t.Errorf("swept %d items, want %d", got, want)
		}
	}
}

// TestSweepAtTheVerySecond: what readers do not see any more may go.
func TestSweepAtTheVerySecond(t *testing.T) {
	c := newClock()
	s := openStore(t, newPath(t), bolt.Options{Now: c.Now})
	end := c.Now().Truncate(time.Second).Add(time.Minute)
	commit(t, s, state.Put(key("a"), nil).Until(end))
	c.Advance(end.Sub(c.Now()) - 1)
	if got := sweep(t, s, 1); len(got) != 0 {
		t.Errorf("swept %v while readers see it", got)
	}
	c.Advance(1)
	if got := sweep(t, s, 1); len(got) != 1 {
		t.Error("not swept once readers do not see it")
	}
}

// endsSoon is a context that ends after it was asked a number of times.
type endsSoon struct {
	context.Context
	asked int
}

func (c *endsSoon) Err() error {
	if c.asked--; c.asked < 0 {
		return context.Canceled
	}
	return nil
}

// TestLongReadsEnd: a read that finds nothing to return still ends with its
// context.
func TestLongReadsEnd(t *testing.T) {
	c := newClock()
	s := openStore(t, newPath(t), bolt.Options{Now: c.Now})
	for from := 0; from < 1000; from += state.MaxOps {
		ops := puts(from, state.MaxOps)
		for i := range ops {
			ops[i] = ops[i].Until(c.Now())
		}
		commit(t, s, ops...)
	}
	c.Advance(time.Minute)
	ctx := func() context.Context { return &endsSoon{t.Context(), 2} }
	if items, err := s.Range(ctx(), "space", "", "", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Range returned %v, %v", items, err)
	}
	if err := s.Verify(ctx()); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify returned %v", err)
	}
}

func TestSweepRefuses(t *testing.T) {
	s := openStore(t, newPath(t), bolt.Options{})
	for _, limit := range []int{0, -1} {
		if _, err := s.Sweep(t.Context(), limit); !errors.Is(err, state.ErrInvalid) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sweep(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := s.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sweep(t.Context(), 1); !errors.Is(err, state.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := s.Verify(t.Context()); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Verify of a closed store: %v", err)
	}
}

// TestVerifyFindsDamage changes a good file in one way each, that bbolt itself
// does not notice.
func TestVerifyFindsDamage(t *testing.T) {
	path := newPath(t)
	fill(t, path, 4)
	s := openStore(t, path, bolt.Options{})
	commit(t, s, state.Add(key("counter"), 1))
	if err := errors.Join(s.Verify(t.Context()), s.Close()); err != nil {
		t.Fatalf("a good file: %v", err)
	}
	first := func(tx *bbolt.Tx, bucket string) (*bbolt.Bucket, []byte, []byte) {
		b := tx.Bucket([]byte(bucket))
		k, v := b.Cursor().First()
		return b, slices.Clone(k), slices.Clone(v)
	}
	for name, change := range map[string]func(*bbolt.Tx) error{
		"item without entry": func(tx *bbolt.Tx) error { b, k, _ := first(tx, "expiry"); return b.Delete(k) },
		"entry without item": func(tx *bbolt.Tx) error { b, k, _ := first(tx, "items"); return b.Delete(k) },
		"other second": func(tx *bbolt.Tx) error {
			b, k, v := first(tx, "items")
			v[16]++
			return b.Put(k, v)
		},
		"bad entry": func(tx *bbolt.Tx) error { b, _, _ := first(tx, "expiry"); return b.Put([]byte("x"), nil) },
		"bad key":   func(tx *bbolt.Tx) error { b, _, v := first(tx, "items"); return b.Put([]byte("x"), v) },
		"bad value": func(tx *bbolt.Tx) error { b, k, _ := first(tx, "items"); return b.Put(k, []byte("x")) },
		"bad counter": func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("items"))
			k, v := b.Cursor().Last()
			return b.Put(slices.Clone(k), append(slices.Clone(v), 'x'))
		},
	} {
		t.Run(name, func(t *testing.T) {
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			path := newPath(t)
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			edit(t, path, change)
			s := openStore(t, path, bolt.Options{})
			if err := s.Verify(t.Context()); !errors.Is(err, bolt.ErrCorrupt) {
				t.Errorf("Verify returned %v", err)
			}
			if name == "bad counter" {
				if err := s.Commit(t.Context(), state.Add(key("counter"), 1)); !errors.Is(err, bolt.ErrCorrupt) {
					t.Errorf("Add returned %v", err)
				}
			}
		})
	}
}
