package indexer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"oipnode/shared/records"
	"oipnode/shared/state"
)

// errKilled is what a killed process would never see: every call after the kill.
var errKilled = errors.New("killed")

// blade kills a runner at its n-th write to either store, before or after that
// write took effect, by failing everything from then on. What the stores hold is
// then what a process killed there leaves behind. pause, if set, is called
// instead of killing: the runner freezes in the middle and then goes on.
type blade struct {
	at     int64
	after  bool
	pause  func()
	writes atomic.Int64
	dead   atomic.Bool
}

// write runs one write of the runner.
func (b *blade) write(do func() error) error {
	if b.dead.Load() {
		return errKilled
	}
	if b.writes.Add(1) != b.at {
		return do()
	}
	if b.pause != nil {
		b.pause()
		return do()
	}
	b.dead.Store(true)
	if b.after {
		_ = do() // took effect, but nobody hears of it
	}
	return errKilled
}

type bladedRecords struct {
	records.Store
	*blade
}

func (s bladedRecords) Write(ctx context.Context, ops []records.Op) (results []records.Result, err error) {
	err = s.write(func() (err error) { results, err = s.Store.Write(ctx, ops); return err })
	return results, err
}

type bladedState struct {
	state.Store
	*blade
}

func (s bladedState) Commit(ctx context.Context, ops ...state.Op) error {
	return s.write(func() error { return s.Store.Commit(ctx, ops...) })
}

// killer is a runner that dies at its n-th write.
func (w *world) killer(rec records.Store, st state.Store, b *blade, holder string) *Indexer {
	return New(w.options(bladedRecords{rec, b}, bladedState{st, b}, holder))
}

// smallWorld is a whole history that is there from the beginning.
func smallWorld(t testing.TB, seed uint64, size int) *world {
	w := newWorld(t, seed, 1, false)
	w.populate(w.chain.Tip(), 1, size)
	w.chain.Step()
	return w
}

// TestKillEverywhere kills the first cycle at each of its writes, before and
// after the write, in the same world; another runner must end with the truth.
func TestKillEverywhere(t *testing.T) {
	count := &blade{at: -1}
	{
		w := smallWorld(t, 7, 12)
		rec, st, _ := w.open()
		if _, err := w.killer(rec, st, count, "count").Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	writes := count.writes.Load()
	if writes < 20 {
		t.Fatalf("the cycle has only %d writes: nothing to kill in between", writes)
	}
	for n := int64(1); n <= writes; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := smallWorld(t, 7, 12)
			rec, st, _ := w.open()
			b := &blade{at: n, after: n%2 == 0}
			if _, err := w.killer(rec, st, b, "victim").Run(context.Background()); !errors.Is(err, errKilled) {
				t.Logf("the killed cycle ended with: %v", err)
			}
			w.clock.Advance(time.Hour)
			w.settleDown(New(w.options(rec, st, "heir")))
			w.compare(rec, st, "KillEverywhere")
		})
	}
}

// TestKillAgainAndAgain kills cycle after cycle at random writes, while the chain
// goes on, before one is left alone.
func TestKillAgainAndAgain(t *testing.T) {
	eachSeed(t, 8, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, 1, false)
		const steps = 6
		w.populate(w.chain.Tip(), steps, 40)
		rec, st, _ := w.open()
		for i := range 3 * steps {
			if i%3 == 0 {
				w.step()
			}
			b := &blade{at: 1 + w.rng.Int64N(25), after: w.chance(0.5)}
			_, err := w.killer(rec, st, b, fmt.Sprint("victim ", i)).Run(context.Background())
			if err != nil && !errors.Is(err, errKilled) {
				t.Logf("cycle: %v", err)
			}
			w.clock.Advance(5 * time.Minute) // longer than the lease
		}
		w.settleDown(New(w.options(rec, st, "heir")))
		w.compare(rec, st, "KillAgainAndAgain")
	})
}

// TestTwoRunners freezes a runner at a random write until its lease has expired
// and another has done a whole cycle, and then lets it go on: what it still
// writes must not undo anything.
func TestTwoRunners(t *testing.T) {
	eachSeed(t, 8, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, 1, false)
		const steps = 5
		w.populate(w.chain.Tip(), steps, 40)
		rec, st, _ := w.open()
		second := New(w.options(rec, st, "second"))
		for range 2 * steps {
			w.step()
			b := &blade{at: 2 + w.rng.Int64N(25)}
			b.pause = func() {
				w.clock.Advance(5 * time.Minute)
				if w.chance(0.5) {
					w.step()
				}
				if _, err := second.Run(context.Background()); err != nil {
					t.Logf("second runner: %v", err)
				}
			}
			_, err := w.killer(rec, st, b, "first").Run(context.Background())
			if err != nil && !errors.Is(err, ErrLeaseLost) {
				t.Logf("first runner: %v", err)
			}
			w.clock.Advance(10 * time.Minute)
		}
		w.settleDown(second)
		w.compare(rec, st, "TwoRunners")
	})
}

// TestBusy shows that a second runner leaves quietly while the first is at work.
func TestBusy(t *testing.T) {
	w := smallWorld(t, 3, 5)
	rec, st, _ := w.open()
	second := New(w.options(rec, st, "second"))
	var got error
	b := &blade{at: 3, pause: func() { _, got = second.Run(context.Background()) }}
	if _, err := w.killer(rec, st, b, "first").Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(got, ErrBusy) {
		t.Fatalf("the second runner ended with %v, want ErrBusy", got)
	}
	w.settleDown(second)
	w.compare(rec, st, "Busy")
}
