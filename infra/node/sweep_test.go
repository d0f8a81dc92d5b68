package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

// taker notes what it is told, and fails at the row of one id as often as a test says.
type taker struct {
	took  []string
	bad   string
	times int
}

var errTaker = errors.New("not now")

func (k *taker) Take(_ context.Context, keys []state.Key) (int, error) {
	for i, key := range keys {
		if key.ID == k.bad && k.times > 0 {
			k.times--
			return i, errTaker
		}
		k.took = append(k.took, key.ID)
	}
	return len(keys), nil
}

// sweeping opens a state file with n rows that have expired and one that has not.
func sweeping(t *testing.T, n int) (*bolt.Store, []string) {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var ids []string
	ops := []state.Op{state.Put(state.Key{Space: "rows", ID: "lives"}, nil).Until(time.Now().Add(1e6 * time.Hour))}
	for i := range n {
		ids = append(ids, fmt.Sprintf("%06d", i))
		ops = append(ops, state.Put(state.Key{Space: "rows", ID: ids[i]}, nil).Until(time.Unix(int64(1+i), 0)))
		if len(ops) == state.MaxOps || i == n-1 {
			if err := s.Commit(t.Context(), ops...); err != nil {
				t.Fatal(err)
			}
			ops = nil
		}
	}
	return s, ids
}

// TestSweep: all that expired is removed and told, in the order of the expiry, however
// much it is.
func TestSweep(t *testing.T) {
	store, ids := sweeping(t, bolt.MaxSweep+200)
	k := &taker{}
	s := sweeper{store: store, removals: k, log: slog.New(slog.DiscardHandler)}
	for range 2 {
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(k.took, ids) {
			t.Fatalf("told of %d rows", len(k.took))
		}
	}
	if left, err := store.Sweep(t.Context(), 10); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// TestSweepFails: what could not be done has a second chance, and no third one; the rows
// behind it are swept.
func TestSweepFails(t *testing.T) {
	for times, want := range map[int][]string{
		1: {"000000", "000001", "000002", "000003", "000004"},
		2: {"000000", "000001"},
	} {
		store, _ := sweeping(t, 5)
		k := &taker{bad: "000002", times: times}
		s := sweeper{store: store, removals: k, log: slog.New(slog.DiscardHandler)}
		if err := s.sweep(t.Context()); !errors.Is(err, errTaker) || len(s.left) != 3 {
			t.Errorf("%d: %v, %d rows are left", times, err, len(s.left))
		}
		if err := s.sweep(t.Context()); errors.Is(err, errTaker) != (times == 2) || len(s.left) != 0 {
			t.Errorf("%d, again: %v, %d rows are left", times, err, len(s.left))
		}
		if err := s.sweep(t.Context()); err != nil || !slices.Equal(k.took, want) {
			t.Errorf("%d, at last: %v, told of %q", times, err, k.took)
		}
	}
}

// sweepless is a store that cannot be swept.
type sweepless struct{ calls int }

func (s *sweepless) Sweep(context.Context, int) ([]state.Item, error) {
	s.calls++
	return nil, errTaker
}

// TestSweepLoop: the sweeper looks at once and every minute, whatever happens, says what
// failed, and ends with its context.
func TestSweepLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := &sweepless{}
		s := sweeper{store: store, removals: &taker{}, log: slog.New(slog.NewTextHandler(&log, nil))}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		s.run(ctx)
		if store.calls != 3 || strings.Count(log.String(), "not now") != 3 {
			t.Errorf("%d looks, log %s", store.calls, &log)
		}
	})
}
