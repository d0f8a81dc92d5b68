package jobstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/jobs"
)

var workCases = []testCase{
	{"Every outcome", testOutcomes, nil},
	{"Batch", testBatch, nil},
}

// handle does what a body says.
func handle(_ context.Context, j jobs.Job) error {
	switch kind, _, _ := strings.Cut(string(j.Body), " "); {
	case kind == "good", kind == "second" && j.Attempt > 1:
		return nil
	case kind == "invalid":
		return errs.E(errs.Invalid, "the field x is missing", errors.New("the secret cause"))
	case kind == "panics":
		panic("at the disco")
	default:
		return errors.New("the secret cause")
	}
}

// buried are the dead letters that handle makes of jobs that were tried up to twice.
var buried = []Dead{
	{Body: "bad", Reason: "internal: internal error (attempt 2)", Attempt: 2},
	{Body: "invalid", Reason: "invalid: the field x is missing (attempt 1)", Attempt: 1},
	{Body: "panics", Reason: "internal: internal error (attempt 2)", Attempt: 2},
}

// testOutcomes lets workers do jobs of all kinds.
func testOutcomes(e *env) {
	ids := e.send("good 1", "good 2", "second", "bad", "invalid", "panics")
	ctx, cancel := context.WithTimeout(e.ctx, patience)
	defer cancel()
	var mu sync.Mutex
	ended := map[string][]jobs.Outcome{}
	left := len(ids)
	err := jobs.Work(ctx, e.q, handle, jobs.Options{
		Parallel: 3, MaxAttempts: 2, Visibility: time.Minute,
		Pause: func(int) time.Duration { return 0 },
		Report: func(r jobs.Result) {
			mu.Lock()
			defer mu.Unlock()
			ended[string(r.Job.Body)] = append(ended[string(r.Job.Body)], r.Outcome)
			if r.Outcome != jobs.Retried {
				left--
			}
			if left == 0 {
				cancel() // what is done is acknowledged all the same
			}
		},
	})
	if err != nil {
		e.Fatal(err)
	}
	want := map[string][]jobs.Outcome{
		"good 1": {jobs.Done}, "good 2": {jobs.Done}, "second": {jobs.Retried, jobs.Done}, "invalid": {jobs.Buried},
		"bad": {jobs.Retried, jobs.Buried}, "panics": {jobs.Retried, jobs.Buried},
	}
	if fmt.Sprint(ended) != fmt.Sprint(want) {
		e.Errorf("the outcomes are %v, want %v", ended, want)
	}
	for i, d := range e.dead(len(buried)) {
		if d.Job = ""; d != buried[i] {
			e.Errorf("the dead letter is %+v, want %+v", d, buried[i])
		}
	}
	e.stats(jobs.Stats{Dead: int64(len(buried))})
}

// testBatch plays the part of Lambda: it receives, lets Batch run, and acknowledges
// what did not fail.
func testBatch(e *env) {
	e.send("good", "second", "bad", "invalid", "panics")
	for _, want := range [][]string{{"bad", "panics", "second"}, nil} {
		batch := e.receiveAll(max(len(want)*5/3, 3), long)
		failed := jobs.Batch(e.ctx, e.q, batch, handle, jobs.Options{
			Parallel: 2, MaxAttempts: 2, Pause: func(int) time.Duration { return 0 },
		})
		var bodies []string
		for _, j := range batch {
			if slices.Contains(failed, j.ID) {
				bodies = append(bodies, string(j.Body))
			} else {
				e.ack(j.Receipt) // the buried ones too
			}
		}
		if slices.Sort(bodies); !slices.Equal(bodies, want) {
			e.Errorf("failed: %q, want %q", bodies, want)
		}
	}
	e.none()
	for i, d := range e.dead(len(buried)) {
		if d.Body != buried[i].Body || d.Reason != buried[i].Reason {
			e.Errorf("the dead letter is %+v, want %+v", d, buried[i])
		}
	}
	e.stats(jobs.Stats{Dead: int64(len(buried))})
}
