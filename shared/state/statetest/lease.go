package statetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"oipnode/shared/state"
)

// longLease is a time to live that no test reaches unless it moves the clock.
const longLease = time.Hour

var leaseCases = []testCase{
	{name: "OneHolderAtATime", run: func(e *env) {
		a := e.acquire("job", "a", longLease)
		e.held("job", "b")
		b := e.acquire("other job", "b", longLease)
		if a.Fence() != 1 || b.Fence() != 1 {
			e.Errorf("first fences are %d and %d", a.Fence(), b.Fence())
		}
		e.commit(a.Guard(), b.Guard(), state.Put(key("work"), nil))
	}},

	{name: "ReleaseLetsOthersIn", run: func(e *env) {
		a := e.acquire("job", "a", longLease)
		for range 2 {
			if err := a.Release(e.ctx); err != nil {
				e.Errorf("Release: %v", err)
			}
		}
		if err := a.Renew(e.ctx); !errors.Is(err, state.ErrLost) {
			e.Errorf("Renew after Release returned %v", err)
		}
		b := e.acquire("job", "b", longLease)
		if b.Fence() <= a.Fence() {
			e.Errorf("fence %d after %d", b.Fence(), a.Fence())
		}
		e.lost(a)
		if err := a.Release(e.ctx); err != nil {
			e.Errorf("Release again: %v", err)
		}
		e.held("job", "c")
	}},

	{name: "ExpiryLetsOthersIn", run: func(e *env) {
		end := e.soon()
		a := e.acquire("job", "a", e.h.MinTTL)
		e.passed(end.Add(time.Second))
		b := e.acquire("job", "b", longLease)
		if b.Fence() <= a.Fence() {
			e.Errorf("fence %d after %d", b.Fence(), a.Fence())
		}
		e.lost(a)
		if err := a.Release(e.ctx); !errors.Is(err, state.ErrLost) {
			e.Errorf("Release of a lost lease returned %v", err)
		}
		// What the first holder does late leaves the second one's lease alone.
		e.held("job", "c")
		e.commit(b.Guard(), state.Put(key("work"), nil))
	}},

	{name: "LateButNobodyTookIt", run: func(e *env) {
		end := e.soon()
		a := e.acquire("job", "a", e.h.MinTTL)
		e.passed(end.Add(time.Second))
		e.commit(a.Guard(), state.Put(key("work"), nil))
		if err := a.Renew(e.ctx); err != nil {
			e.Errorf("Renew: %v", err)
		}
		if err := a.Release(e.ctx); err != nil {
			e.Errorf("Release: %v", err)
		}
	}},

	{name: "RenewGivesTheFullTime", needs: stillClock, run: func(e *env) {
		ttl := 10 * e.h.MinTTL
		a := e.acquire("job", "a", ttl)
		for range 3 {
			e.h.Advance(ttl - time.Second)
			e.held("job", "b")
			if err := a.Renew(e.ctx); err != nil {
				e.Fatalf("Renew: %v", err)
			}
		}
		e.h.Advance(ttl - time.Second)
		e.held("job", "b")
		e.h.Advance(2 * time.Second)
		e.acquire("job", "b", ttl)
		e.lost(a)
	}},

	{name: "RenewIfOlder", needs: stillClock, run: func(e *env) {
		ttl := 10 * e.h.MinTTL
		a := e.acquire("job", "a", ttl)
		end := func() time.Time { return e.get(state.Key{Space: state.LeaseSpace, ID: "job"})[0].Expires }
		first := end()
		e.h.Advance(ttl/2 - 1)
		if err := a.RenewIfOlder(e.ctx, ttl/2); err != nil || !end().Equal(first) {
			e.Errorf("renewed early: %v, %v", end(), err)
		}
		e.h.Advance(1)
		if err := a.RenewIfOlder(e.ctx, ttl/2); err != nil || !end().Equal(first.Add(ttl/2)) {
			e.Errorf("not renewed: %v, %v", end(), err)
		}
		e.h.Advance(ttl/2 - 1)
		if err := a.RenewIfOlder(e.ctx, ttl/2); err != nil || !end().Equal(first.Add(ttl/2)) {
			e.Errorf("the renewal did not count: %v, %v", end(), err)
		}
	}},

	{name: "SameHolderAgain", run: func(e *env) {
		// As after a crash: the name is the same, the lease has not run out.
		a := e.acquire("job", "a", longLease)
		again := e.acquire("job", "a", longLease)
		if again.Fence() <= a.Fence() {
			e.Errorf("fence %d after %d", again.Fence(), a.Fence())
		}
		e.lost(a)
		e.commit(again.Guard(), state.Put(key("work"), nil))
		e.held("job", "b")
	}},

	{name: "FenceNeverGoesBack", run: func(e *env) {
		var fences []uint64
		for i := range 6 {
			l := e.acquire("job", fmt.Sprint("holder", i%2), longLease)
			fences = append(fences, l.Fence())
			if err := l.Release(e.ctx); err != nil {
				e.Fatalf("Release: %v", err)
			}
			if i == 2 && e.h.Reopen != nil {
				e.s = e.h.Reopen(e.T, e.s)
			}
		}
		if !slices.IsSorted(fences) || len(slices.Compact(slices.Clone(fences))) != len(fences) {
			e.Errorf("fences are %d", fences)
		}
	}},

	{name: "GuardStopsALateWriter", run: func(e *env) {
		a := e.acquire("job", "a", longLease)
		e.commit(a.Guard(), state.Put(key("checkpoint"), []byte("a1")))
		if err := a.Release(e.ctx); err != nil {
			e.Fatalf("Release: %v", err)
		}
		b := e.acquire("job", "b", longLease)
		e.commit(b.Guard(), state.Put(key("checkpoint"), []byte("b1")))
		e.refuse(state.ErrConflict, a.Guard(), state.Put(key("checkpoint"), []byte("a2")))
		e.want(key("checkpoint"), "b1", 2)
	}},

	{name: "BadArguments", run: func(e *env) {
		for _, c := range []struct {
			name, holder string
			ttl          time.Duration
		}{{"", "a", longLease}, {"job", "", longLease}, {"job", "a", 0}, {"job", "a", time.Second - 1}, {"\xff", "a", longLease}} {
			if _, err := state.Acquire(e.ctx, e.s, c.name, c.holder, c.ttl, e.h.Now); !errors.Is(err, state.ErrInvalid) {
				e.Errorf("Acquire(%q, %q, %v) returned %v", c.name, c.holder, c.ttl, err)
			}
		}
	}},

	{name: "EndedContext", run: func(e *env) {
		a := e.acquire("job", "a", longLease)
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		_, acquireErr := state.Acquire(ctx, e.s, "job", "b", longLease, e.h.Now)
		for _, err := range []error{acquireErr, a.Renew(ctx), a.Release(ctx)} {
			if !errors.Is(err, context.Canceled) {
				e.Errorf("got %v, want context.Canceled", err)
			}
		}
		if err := a.Release(e.ctx); err != nil {
			e.Errorf("Release after a failed one: %v", err)
		}
	}},

	{name: "Race", run: func(e *env) {
		// Everybody wants the lease; who has it works with the guard. No two share
		// a fence, and no work was done but by the newest holder of its time.
		const rounds = 5
		var mu sync.Mutex
		var fences []uint64
		e.each(func(worker int) error {
			holder := fmt.Sprint("worker", worker)
			for done := 0; done < rounds; {
				l, err := state.Acquire(e.ctx, e.s, "job", holder, longLease, e.h.Now)
				if errors.Is(err, state.ErrHeld) {
					continue
				}
				if err != nil {
					return err
				}
				mu.Lock()
				fences = append(fences, l.Fence())
				mu.Unlock()
				if err := e.s.Commit(e.ctx, l.Guard(), state.Add(key("work"), 1)); err != nil {
					return err
				}
				if err := l.Release(e.ctx); err != nil {
					return err
				}
				done++
			}
			return nil
		})
		slices.Sort(fences)
		for i, fence := range fences {
			if fence != uint64(i+1) {
				e.Fatalf("fences are %d", fences)
			}
		}
		e.want(key("work"), fmt.Sprint(workers*rounds), workers*rounds)
	}},
}

// acquire takes a lease, which must succeed.
func (e *env) acquire(name, holder string, ttl time.Duration) *state.Lease {
	e.Helper()
	l, err := state.Acquire(e.ctx, e.s, name, holder, ttl, e.h.Now)
	if err != nil {
		e.Fatalf("Acquire %q for %q: %v", name, holder, err)
	}
	return l
}

// held checks that a lease cannot be had.
func (e *env) held(name, holder string) {
	e.Helper()
	if l, err := state.Acquire(e.ctx, e.s, name, holder, longLease, e.h.Now); !errors.Is(err, state.ErrHeld) {
		e.Errorf("Acquire %q for %q returned %v, %v, want ErrHeld", name, holder, l, err)
	}
}

// lost checks that a lease is of no use any more.
func (e *env) lost(l *state.Lease) {
	e.Helper()
	e.refuse(state.ErrConflict, l.Guard(), state.Put(key("late"), nil))
	e.absent(key("late"))
	if err := l.Renew(e.ctx); !errors.Is(err, state.ErrLost) {
		e.Errorf("Renew returned %v, want ErrLost", err)
	}
}
