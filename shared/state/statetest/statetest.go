// Package statetest is the contract of state.Store as tests. Every
// implementation runs it:
//
//	statetest.Run(t, statetest.Harness{Open: ..., Now: ..., Advance: ...})
//
// Nothing in it knows an implementation; what one cannot do is a field of its
// Harness, and the cases that need it are left out by that field alone.
package statetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"oipnode/shared/state"
)

// Harness is what the suite needs to know about an implementation.
type Harness struct {
	// Open returns an empty store and registers its clean-up with t.
	Open func(t *testing.T) state.Store
	// Reopen closes the store and opens the same data again, as after a restart.
	// Nil when the data does not outlive the store.
	Reopen func(t *testing.T, s state.Store) state.Store
	// Now is the clock that the store judges expiry by.
	Now func() time.Time
	// Advance moves that clock. Nil when time must really pass; the suite then
	// waits, and leaves out what only a still clock can show.
	Advance func(d time.Duration)
	// MinTTL is the shortest time to live that the store is precise about; 0
	// means one second, the contract's own precision.
	MinTTL time.Duration
}

// Run runs the whole suite, each case on a store of its own.
func Run(t *testing.T, h Harness) {
	if h.MinTTL == 0 {
		h.MinTTL = time.Second
	}
	groups := []struct {
		name  string
		cases []testCase
	}{
		{"Read", readCases},
		{"Write", writeCases},
		{"Counter", counterCases},
		{"Limit", limitCases},
		{"Range", rangeCases},
		{"Expiry", expiryCases},
		{"Concurrent", concurrentCases},
		{"Lifetime", lifetimeCases},
		{"Lease", leaseCases},
		{"Model", modelCases},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				if c.needs != nil && !c.needs(h) {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					c.run(&env{T: t, h: h, s: h.Open(t), ctx: t.Context()})
				})
			}
		})
	}
}

// testCase is one test of the contract.
type testCase struct {
	name string
	run  func(e *env)
	// needs says whether the implementation can run it; nil means that all can.
	needs func(Harness) bool
}

func stillClock(h Harness) bool { return h.Advance != nil }
func reopens(h Harness) bool    { return h.Reopen != nil }

// env is a test with its store, and says in one line what the cases say often.
type env struct {
	*testing.T
	h   Harness
	s   state.Store
	ctx context.Context
}

// key returns a key of the space that most cases use.
func key(id string) state.Key { return state.Key{Space: "space", ID: id} }

// commit does operations that must succeed.
func (e *env) commit(ops ...state.Op) {
	e.Helper()
	if err := e.s.Commit(e.ctx, ops...); err != nil {
		e.Fatalf("Commit: %v", err)
	}
}

// refuse does operations that must fail with that error.
func (e *env) refuse(want error, ops ...state.Op) {
	e.Helper()
	if err := e.s.Commit(e.ctx, ops...); !errors.Is(err, want) {
		e.Errorf("Commit returned %v, want %v", err, want)
	}
}

// get reads keys, which must succeed.
func (e *env) get(keys ...state.Key) []state.Item {
	e.Helper()
	items, err := e.s.Get(e.ctx, keys...)
	if err != nil {
		e.Fatalf("Get: %v", err)
	}
	return items
}

// want checks what a key holds.
func (e *env) want(k state.Key, value string, version uint64) {
	e.Helper()
	item, ok, err := state.GetOne(e.ctx, e.s, k)
	switch {
	case err != nil:
		e.Fatalf("Get %q: %v", k, err)
	case !ok:
		e.Errorf("%q is absent, want %q", k, value)
	case item.Key != k || string(item.Value) != value || item.Version != version:
		e.Errorf("%q holds %q at version %d (key %q), want %q at version %d",
			k, item.Value, item.Version, item.Key, value, version)
	}
}

// absent checks that readers do not see a key, in any way.
func (e *env) absent(k state.Key) {
	e.Helper()
	if items := e.get(k); len(items) != 0 {
		e.Errorf("Get sees %q = %q", k, items[0].Value)
	}
	for _, item := range e.page(k.Space, k.ID, k.ID+"\x00", 1) {
		e.Errorf("Range sees %q = %q", item.Key, item.Value)
	}
}

// page reads a range, which must succeed.
func (e *env) page(space, from, to string, limit int) []state.Item {
	e.Helper()
	items, err := e.s.Range(e.ctx, space, from, to, limit)
	if err != nil {
		e.Fatalf("Range %q [%q, %q): %v", space, from, to, err)
	}
	return items
}

// ids returns the IDs of items.
func ids(items []state.Item) []string {
	list := make([]string, 0, len(items))
	for _, item := range items {
		list = append(list, item.ID)
	}
	return list
}

// soon is a moment that the store's clock will reach; passed waits for it.
func (e *env) soon() time.Time { return e.h.Now().Add(e.h.MinTTL) }

// passed lets the store's clock reach a moment, rounded up to the second, or
// waits until it has passed.
func (e *env) passed(moment time.Time) {
	end := time.Unix(state.Seconds(moment), 0)
	if e.h.Advance != nil {
		e.h.Advance(end.Sub(e.h.Now()))
	}
	for e.h.Now().Before(end) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-e.ctx.Done():
			e.Fatal(e.ctx.Err())
		}
	}
}
