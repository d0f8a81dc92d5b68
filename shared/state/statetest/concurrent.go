package statetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"

	"oipnode/shared/state"
)

const workers = 8

// each runs fn in workers at once and waits for all; the first error fails the
// case.
func (e *env) each(fn func(worker int) error) {
	e.Helper()
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { errs[i] = fn(i) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		e.Fatal(err)
	}
}

var concurrentCases = []testCase{
	{name: "IncrementsAreExact", run: func(e *env) {
		const rounds = 25
		e.each(func(worker int) error {
			for range rounds {
				own := state.Add(key(fmt.Sprint("own", worker)), 2)
				if err := e.s.Commit(e.ctx, state.Add(key("shared"), 1), own); err != nil {
					return err
				}
			}
			return nil
		})
		e.want(key("shared"), fmt.Sprint(workers*rounds), workers*rounds)
		for i := range workers {
			e.want(key(fmt.Sprint("own", i)), fmt.Sprint(2*rounds), rounds)
		}
	}},

	{name: "OneCreateWins", run: func(e *env) {
		for round := range 10 {
			k := key(fmt.Sprint(round))
			won := make(chan int, workers)
			e.each(func(worker int) error {
				err := e.s.Commit(e.ctx, state.Create(k, []byte(fmt.Sprint(worker))), state.Add(key("wins"), 1))
				if err == nil {
					won <- worker
				}
				if errors.Is(err, state.ErrConflict) {
					return nil
				}
				return err
			})
			if len(won) != 1 {
				e.Fatalf("%d Creates of one key succeeded", len(won))
			}
			e.want(k, fmt.Sprint(<-won), 1)
			e.want(key("wins"), fmt.Sprint(round+1), uint64(round+1))
		}
	}},

	{name: "UpdatesLoseNothing", run: func(e *env) {
		const rounds = 10
		e.commit(state.Put(key("n"), []byte("0")))
		e.each(func(int) error {
			for done := 0; done < rounds; {
				item, _, err := state.GetOne(e.ctx, e.s, key("n"))
				if err != nil {
					return err
				}
				n, err := strconv.Atoi(string(item.Value))
				if err != nil {
					return err
				}
				err = e.s.Commit(e.ctx, state.Update(key("n"), strconv.AppendInt(nil, int64(n+1), 10), item.Version))
				if err == nil {
					done++
				} else if !errors.Is(err, state.ErrConflict) {
					return err
				}
			}
			return nil
		})
		e.want(key("n"), fmt.Sprint(workers*rounds), workers*rounds+1)
	}},

	{name: "ReadersSeeWholeCommits", run: func(e *env) {
		// Half of the workers move an amount between two counters, whose sum a Get
		// must always find to be zero.
		e.commit(state.Add(key("left"), 0), state.Add(key("right"), 0))
		e.each(func(worker int) error {
			for n := range 20 {
				if worker%2 == 0 {
					move := int64(worker*100 + n)
					if err := e.s.Commit(e.ctx, state.Add(key("left"), move), state.Add(key("right"), -move)); err != nil {
						return err
					}
					continue
				}
				if err := checkSum(e); err != nil {
					return err
				}
			}
			return nil
		})
	}},

	{name: "ConflictsDoNotSpread", run: func(e *env) {
		// Commits that fail run beside those that must succeed.
		e.commit(state.Put(key("taken"), nil))
		e.each(func(worker int) error {
			for n := range 10 {
				k := key(fmt.Sprint(worker, n))
				if worker%2 == 0 {
					if err := e.s.Commit(e.ctx, state.Create(k, nil)); err != nil {
						return err
					}
					continue
				}
				err := e.s.Commit(e.ctx, state.Put(k, nil), state.Create(key("taken"), nil))
				if !errors.Is(err, state.ErrConflict) {
					return fmt.Errorf("got %w, want ErrConflict", err)
				}
			}
			return nil
		})
		if got := len(e.page("space", "", "", 1000)); got != workers/2*10+1 {
			e.Errorf("%d items, want %d", got, workers/2*10+1)
		}
	}},
}

// checkSum reads two counters at once, whose sum must be zero.
func checkSum(e *env) error {
	items, err := e.s.Get(e.ctx, key("left"), key("right"))
	if err != nil {
		return err
	}
	sum := 0
	for _, item := range items {
		n, err := strconv.Atoi(string(item.Value))
		if err != nil {
			return err
		}
		sum += n
	}
	if sum != 0 {
		return fmt.Errorf("a reader saw half of a Commit: the sum is %d", sum)
	}
	return nil
}
