package dynamo_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

// TestExactUnderFaults: many writers of one counter, some of them on items that
// expire, behind a line that throttles, loses answers and loses requests. What
// each was told must be what the table holds.
func TestExactUnderFaults(t *testing.T) {
	p, s := newProxy(t, dynamo.Options{Attempt: 2 * time.Second})
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(7, 7))
	faults := []misbehaviour{
		{done: true, cut: true}, {cut: true}, code("ThrottlingException"), cancelled("None", "TransactionConflict"),
		{done: true, status: 500, body: "{}"}, code("InternalServerError"), {done: true, status: 200, body: "["},
	}
	p.set(func(int, string) *misbehaviour {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(3) > 0 {
			return nil
		}
		m := faults[rng.IntN(len(faults))]
		return &m
	})
	const workers, rounds = 6, 15
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range rounds {
				own := key(fmt.Sprint("own", w, "-", n))
				if err := s.Commit(t.Context(), state.Add(key("shared"), 1), state.Create(own, nil)); err != nil {
					t.Errorf("worker %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	p.set(nil)
	want(t, s, key("shared"), fmt.Sprint(workers*rounds), workers*rounds)
	if items, err := s.Range(t.Context(), "space", "own", "p", 1000); err != nil || len(items) != workers*rounds {
		t.Errorf("%d items, %v", len(items), err)
	}
}

// TestTwoProcesses: two stores on one table contend for a lease, and the one
// that lost it cannot write any more.
func TestTwoProcesses(t *testing.T) {
	c := newClock()
	table := newTable(t, newClient(t, nil))
	a := openStore(t, dynamo.Options{Client: newClient(t, nil), Table: table, Now: c.Now})
	b := openStore(t, dynamo.Options{Client: newClient(t, nil), Table: table, Now: c.Now})
	first, err := state.Acquire(t.Context(), a, "job", "a", time.Minute, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state.Acquire(t.Context(), b, "job", "b", time.Minute, c.Now); !errors.Is(err, state.ErrHeld) {
		t.Errorf("the second Acquire returned %v", err)
	}
	commit(t, a, first.Guard(), state.Put(key("work"), []byte("a")))
	c.Advance(2 * time.Minute)
	second, err := state.Acquire(t.Context(), b, "job", "b", time.Minute, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, b, second.Guard(), state.Put(key("work"), []byte("b")))
	if err := a.Commit(t.Context(), first.Guard(), state.Put(key("work"), []byte("a"))); !errors.Is(err, state.ErrConflict) {
		t.Errorf("a write under the lost lease returned %v", err)
	}
	if err := first.Renew(t.Context()); !errors.Is(err, state.ErrLost) {
		t.Errorf("Renew returned %v", err)
	}
	want(t, a, key("work"), "b", 2)
}
