package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

const (
	killRounds  = 6
	killWorkers = 4
)

// commitUntilKilled commits from several goroutines and writes a line for each
// Commit that returned. One Commit writes the same ID in two spaces, counts it,
// and moves the expiry of a third item, which is swept now and then.
func commitUntilKilled(path string, out io.Writer) error {
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(context.Background())
	for worker := range killWorkers {
		g.Go(func() error {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), worker, n)
				short := state.Key{Space: "short", ID: fmt.Sprint(worker, n%20)}
				err := s.Commit(ctx, state.Create(state.Key{Space: "left", ID: id}, []byte(id)),
					state.Create(state.Key{Space: "right", ID: id}, []byte(id)),
					state.Add(state.Key{Space: "count", ID: "all"}, 1),
					state.Put(short, nil).Until(time.Now().Add(time.Duration(n%3)*time.Second)))
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintln(out, id); err != nil {
					return err
				}
				if n%7 == 0 {
					if _, err := s.Sweep(ctx, 5); err != nil {
						return err
					}
				}
			}
		})
	}
	return errors.Join(g.Wait(), s.Close())
}

// TestKill proves with a process that is killed at any moment: what Commit
// acknowledged is there, and no Commit is there by half.
func TestKill(t *testing.T) {
	path := newPath(t)
	rng := rand.New(rand.NewPCG(1, 2))
	var acked []string
	for range killRounds {
		c := startChild(t, "commit", path)
		for until := len(acked) + 1 + rng.IntN(200); c.out.Scan(); {
			acked = append(acked, c.out.Text())
			if len(acked) == until {
				c.kill(t)
			}
		}
		c.wait(t)
		checkAfterKill(t, path, acked)
	}
	checkPages(t, path)
}

func checkAfterKill(t *testing.T, path string, acked []string) {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	left, right := allIDs(t, s, "left"), allIDs(t, s, "right")
	if !slices.Equal(left, right) {
		t.Errorf("half a Commit: %d items left, %d right", len(left), len(right))
	}
	if n, err := state.Counter(t.Context(), s, state.Key{Space: "count", ID: "all"}); n != int64(len(left)) || err != nil {
		t.Errorf("counted %d, %v, want %d", n, err, len(left))
	}
	for _, id := range acked {
		if _, found := slices.BinarySearch(left, id); !found {
			t.Errorf("%q was acknowledged and is lost", id)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func allIDs(t *testing.T, s state.Store, space string) []string {
	t.Helper()
	var ids []string
	err := state.Each(t.Context(), s, space, "", "", 100, func(item state.Item) error {
		ids = append(ids, item.ID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// checkPages lets bbolt check its own structure.
func checkPages(t *testing.T, path string) {
	t.Helper()
	edit(t, path, func(tx *bbolt.Tx) error {
		var errs []error
		for err := range tx.Check() {
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}
