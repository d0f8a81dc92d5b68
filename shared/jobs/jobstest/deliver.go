package jobstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oipnode/shared/jobs"
)

var deliverCases = []testCase{
	{"Once", testOnce, nil},
	{"Empty", testEmpty, nil},
	{"Batches", testBatches, nil},
	{"Again after the visibility", testVisibility, nil},
	{"Delay", testDelay, nil},
	{"Wait for a Send", testWaitSend, nil},
	{"Wait for a moment", testWaitDue, longWait},
	{"Cancelled", testCancelled, nil},
	{"Cancelled while waiting", testCancelledWaiting, longWait},
	{"Reopen", testReopen, reopens},
}

func testOnce(e *env) {
	before := time.Now()
	if e.h.Advance != nil {
		before = time.Time{} // the queue has a clock of its own
	}
	body := `{"text":"a Ω 𝄞 <&>\"' ` + "\t\r\n" + `"}`
	id := e.send(body)[0]
	e.stats(jobs.Stats{Waiting: 1})
	j := e.receive(long)
	if j.ID != id || string(j.Body) != body || j.Receipt == "" || j.Attempt != 1 || j.Sent.Before(before.Add(-time.Minute)) || j.Sent.IsZero() {
		e.Errorf("received %+v for %s %q", j, id, body)
	}
	e.none()
	e.stats(jobs.Stats{Running: 1})
	e.ack(j.Receipt)
	e.stats(jobs.Stats{})
	e.none()
}

func testEmpty(e *env) {
	e.none()
	e.stats(jobs.Stats{})
	e.ack()
}

// testBatches: each job comes, at most so many at a time.
func testBatches(e *env) {
	var bodies []string
	for i := range 25 {
		bodies = append(bodies, fmt.Sprintf("job %02d", i))
	}
	ids := e.send(bodies...)
	var got, gotIDs []string
	for _, j := range e.receiveAll(len(bodies), long) {
		got, gotIDs = append(got, string(j.Body)), append(gotIDs, j.ID)
		e.ack(j.Receipt)
	}
	slices.Sort(got)
	slices.Sort(ids)
	slices.Sort(gotIDs)
	if !slices.Equal(got, bodies) || !slices.Equal(gotIDs, ids) {
		e.Errorf("received %q, want %q", got, bodies)
	}
	e.none()
	e.send(bodies[:3]...)
	if batch, err := e.q.Receive(e.ctx, 2, 0, long); err != nil || len(batch) > 2 {
		e.Errorf("received %d jobs, %v, want at most 2", len(batch), err)
	}
}

// testVisibility: what is not ended comes back, as another attempt.
func testVisibility(e *env) {
	e.send("again")
	receipts := map[string]bool{}
	for attempt := 1; attempt <= min(3, e.h.MaxReceives); attempt++ {
		j := e.receive(time.Second)
		if string(j.Body) != "again" || j.Attempt != attempt || receipts[j.Receipt] {
			e.Errorf("attempt %d is %+v", attempt, j)
		}
		receipts[j.Receipt] = true
		if e.h.Advance != nil {
			e.none()
		}
		e.pass(1100 * time.Millisecond)
	}
}

func testDelay(e *env) {
	if _, err := e.q.Send(e.ctx, []byte("later"), 2*time.Second); err != nil {
		e.Fatal(err)
	}
	e.none()
	e.stats(jobs.Stats{Waiting: 1})
	e.pass(2100 * time.Millisecond)
	if j := e.receive(long); string(j.Body) != "later" {
		e.Errorf("received %q", j.Body)
	}
}

// testWaitSend: a Receive that waits gets what is sent meanwhile. Where its wait must
// be short, it is repeated.
func testWaitSend(e *env) {
	wait := time.Second
	if e.h.LongWait {
		wait = jobs.MaxWait
	}
	ctx, cancel := context.WithTimeout(e.ctx, patience)
	defer cancel()
	type answer struct {
		batch []jobs.Job
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		for len(a.batch) == 0 && a.err == nil {
			a.batch, a.err = e.q.Receive(ctx, 1, wait, long)
		}
		answers <- a
	}()
	time.Sleep(50 * time.Millisecond) // it may or may not wait by now; both must do
	e.send("sent")
	if a := <-answers; a.err != nil || len(a.batch) != 1 || string(a.batch[0].Body) != "sent" {
		e.Errorf("received %+v, %v", a.batch, a.err)
	}
}

// testWaitDue: a Receive that waits gets what becomes due by itself. The clock must
// run for it.
func testWaitDue(e *env) {
	if e.h.Advance != nil {
		return
	}
	if _, err := e.q.Send(e.ctx, []byte("later"), time.Second); err != nil {
		e.Fatal(err)
	}
	batch, err := e.q.Receive(e.ctx, 1, jobs.MaxWait, long)
	if err != nil || len(batch) != 1 || string(batch[0].Body) != "later" {
		e.Errorf("received %d jobs, %v", len(batch), err)
	}
}

func testCancelled(e *env) {
	e.send("stays")
	j := e.receive(long)
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	for method, call := range map[string]func() error{
		"Send":    func() error { _, err := e.q.Send(ctx, []byte("x"), 0); return err },
		"Receive": func() error { _, err := e.q.Receive(ctx, 1, time.Second, long); return err },
		"Extend":  func() error { return e.q.Extend(ctx, j.Receipt, 0) },
		"Ack":     func() error { return e.q.Ack(ctx, j.Receipt) },
		"Bury":    func() error { return e.q.Bury(ctx, j, "why") },
		"Stats":   func() error { _, err := e.q.Stats(ctx); return err },
	} {
		e.want(method, call(), context.Canceled)
	}
	e.stats(jobs.Stats{Running: 1})
}

func testCancelledWaiting(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	time.AfterFunc(20*time.Millisecond, cancel)
	if batch, err := e.q.Receive(ctx, 1, jobs.MaxWait, long); !errors.Is(err, context.Canceled) || batch != nil {
		e.Errorf("received %d jobs, %v, want %v", len(batch), err, context.Canceled)
	}
}

// testReopen: everything outlives the process: jobs, deliveries, attempts, receipts,
// dead letters.
func testReopen(e *env) {
	e.send("waits")
	if _, err := e.q.Send(e.ctx, []byte("delayed"), jobs.MaxDelay); err != nil {
		e.Fatal(err)
	}
	first := e.receive(long)
	e.send("bad")
	bad := e.receive(long)
	if err := e.q.Bury(e.ctx, bad, "it is bad"); err != nil {
		e.Fatal(err)
	}
	e.send("second")
	want := jobs.Stats{Waiting: 2, Running: 1, Dead: 1}
	e.stats(want)
	e.q = e.h.Reopen(e.T, e.q)
	e.stats(want)
	if list := e.dead(1); list[0].Reason != "it is bad" {
		e.Errorf("the dead letter is %+v", list[0])
	}
	if err := e.q.Extend(e.ctx, first.Receipt, 0); err != nil {
		e.Errorf("Extend after the restart: %v", err)
	}
	got := e.receiveAll(2, long)
	slices.SortFunc(got, func(a, b jobs.Job) int { return strings.Compare(string(a.Body), string(b.Body)) })
	if string(got[0].Body) != "second" || got[0].Attempt != 1 || string(got[1].Body) != "waits" || got[1].Attempt != 2 || got[1].ID != first.ID {
		e.Errorf("received %+v", got)
	}
	e.ack(got[0].Receipt, got[1].Receipt)
	e.stats(jobs.Stats{Waiting: 1, Dead: 1})
}
