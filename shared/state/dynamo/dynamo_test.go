package dynamo_test

import (
	"sync"
	"testing"
	"time"

	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
	"oipnode/shared/state/statetest"
)

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: tomorrow()} }

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
	client := newClient(t, nil)
	c := newClock()
	tables := map[state.Store]string{}
	open := func(t *testing.T, table string) state.Store {
		s := openStore(t, dynamo.Options{Client: client, Table: table, Now: c.Now})
		tables[s] = table
		return s
	}
	statetest.Run(t, statetest.Harness{
		Open: func(t *testing.T) state.Store { return open(t, newTable(t, client)) },
		Reopen: func(t *testing.T, s state.Store) state.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, tables[s])
		},
		Now:     c.Now,
		Advance: c.Advance,
	})
}
