package bolt_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
	"oipnode/shared/state/statetest"
)

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2024, 5, 17, 12, 0, 0, 250e6, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestStore(t *testing.T) {
	c := newClock()
	paths := map[state.Store]string{}
	open := func(t *testing.T, path string) state.Store {
		s := openStore(t, path, bolt.Options{Now: c.Now})
		paths[s] = path
		t.Cleanup(func() {
			if err := s.Verify(context.Background()); err != nil && !errors.Is(err, state.ErrClosed) {
				t.Error(err)
			}
		})
		return s
	}
	statetest.Run(t, statetest.Harness{
		Open: func(t *testing.T) state.Store { return open(t, newPath(t)) },
		Reopen: func(t *testing.T, s state.Store) state.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, paths[s])
		},
		Now:     c.Now,
		Advance: c.Advance,
	})
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "state.db") }

// openStore opens a store that the test's end closes.
func openStore(t testing.TB, path string, opts bolt.Options) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
