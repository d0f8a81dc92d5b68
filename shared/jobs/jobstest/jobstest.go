// Package jobstest is the contract of jobs.Queue as tests. Every implementation runs
// it:
//
//	jobstest.Run(t, jobstest.Harness{Open: ..., MaxReceives: ...})
//
// Nothing in it knows an implementation; what one cannot do is a field of its
// Harness, and the cases that need it are left out by that field alone.
package jobstest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/jobs"
)

// Harness is what the suite needs to know about an implementation.
type Harness struct {
	// Open returns an empty queue and registers its clean-up with t. Without Advance the
	// cases run side by side, and so call it and the others.
	Open func(t *testing.T) jobs.Queue
	// Reopen closes the queue and opens the same one again, as after a restart. Nil
	// when the queue is not in this process.
	Reopen func(t *testing.T, q jobs.Queue) jobs.Queue
	// Dead returns the dead letters.
	Dead func(t *testing.T, q jobs.Queue) []Dead
	// Advance moves the queue's clock. Nil when time must really pass.
	Advance func(d time.Duration)
	// MaxReceives is how often the queue delivers a job before it gives it up.
	MaxReceives int
	// Strict says that the queue knows whether a receipt is still good. Otherwise an
	// old one may be taken without an effect.
	Strict bool
	// LongWait says that a Receive that was cancelled takes nothing with it, so that a
	// wait may be as long as the contract allows.
	LongWait bool
}

// Dead is a dead letter. Reason, Job and Attempt are "" and 0 for one that the queue
// made by itself, if it says none.
type Dead struct {
	Body, Reason, Job string
	Attempt           int
}

// Run runs the whole suite, each case on a queue of its own.
func Run(t *testing.T, h Harness) {
	groups := []struct {
		name  string
		cases []testCase
	}{
		{"Deliver", deliverCases},
		{"Receipt", receiptCases},
		{"Dead", deadCases},
		{"Limit", limitCases},
		{"Concurrent", concurrentCases},
		{"Work", workCases},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				if c.needs != nil && !c.needs(h) {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					if h.Advance == nil {
						t.Parallel() // most of them only let time pass
					}
					c.run(&env{T: t, h: h, q: h.Open(t), ctx: t.Context()})
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

func strict(h Harness) bool   { return h.Strict }
func reopens(h Harness) bool  { return h.Reopen != nil }
func longWait(h Harness) bool { return h.LongWait }

// env is a test with its queue, and says in one line what the cases say often.
type env struct {
	*testing.T
	h   Harness
	q   jobs.Queue
	ctx context.Context
}

// long is a visibility that no test outlives.
const long = 10 * time.Minute

// send sends jobs, which must succeed, and returns their IDs.
func (e *env) send(bodies ...string) []string {
	e.Helper()
	var ids []string
	for _, body := range bodies {
		id, err := e.q.Send(e.ctx, []byte(body), 0)
		if err != nil || id == "" || slices.Contains(ids, id) {
			e.Fatalf("Send %.40q returned %q, %v", body, id, err)
		}
		ids = append(ids, id)
	}
	return ids
}

// patience is how long a job that must come may take, in a queue far away.
const patience = 20 * time.Second

// receive receives one job, which must come.
func (e *env) receive(visibility time.Duration) jobs.Job {
	e.Helper()
	list := e.receiveAll(1, visibility)
	return list[0]
}

// receiveAll receives so many jobs, which must come, in as many calls as it takes.
func (e *env) receiveAll(n int, visibility time.Duration) []jobs.Job {
	e.Helper()
	var list []jobs.Job
	for end := time.Now().Add(patience); len(list) < n; {
		batch, err := e.q.Receive(e.ctx, min(n-len(list), jobs.MaxBatch), 0, visibility)
		if err != nil {
			e.Fatalf("Receive: %v", err)
		}
		list = append(list, batch...)
		if len(batch) == 0 && time.Now().After(end) {
			e.Fatalf("received %d jobs, want %d", len(list), n)
		}
		if len(batch) == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}
	return list
}

// none checks that there is nothing to receive.
func (e *env) none() {
	e.Helper()
	batch, err := e.q.Receive(e.ctx, jobs.MaxBatch, 0, time.Second)
	if err != nil || len(batch) != 0 {
		e.Errorf("received %d jobs, %v, want none", len(batch), err)
	}
}

// pass lets time pass for the queue.
func (e *env) pass(d time.Duration) {
	if e.h.Advance != nil {
		e.h.Advance(d)
		return
	}
	time.Sleep(d)
}

// ack ends a job, which must succeed.
func (e *env) ack(receipts ...string) {
	e.Helper()
	if err := e.q.Ack(e.ctx, receipts...); err != nil {
		e.Errorf("Ack: %v", err)
	}
}

// stats checks the numbers of the queue, which may be late where they are approximate.
func (e *env) stats(want jobs.Stats) {
	e.Helper()
	for end := time.Now().Add(patience); ; {
		got, err := e.q.Stats(e.ctx)
		if err != nil {
			e.Fatalf("Stats: %v", err)
		}
		if got == want {
			return
		}
		if e.h.Strict || time.Now().After(end) {
			e.Errorf("Stats are %+v, want %+v", got, want)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// dead waits for so many dead letters and returns them in the order of their bodies.
func (e *env) dead(n int) []Dead {
	e.Helper()
	for end := time.Now().Add(patience); ; {
		list := e.h.Dead(e.T, e.q)
		if len(list) == n {
			slices.SortFunc(list, func(a, b Dead) int { return strings.Compare(a.Body, b.Body) })
			return list
		}
		if len(list) > n || time.Now().After(end) {
			e.Fatalf("%d dead letters, want %d: %+v", len(list), n, list)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// want checks an error.
func (e *env) want(what string, err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s returned %v, want %v", what, err, want)
	}
}
