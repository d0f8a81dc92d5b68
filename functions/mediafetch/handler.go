package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"oipnode/shared/errs"
	"oipnode/shared/function"
	"oipnode/shared/jobs"
	"oipnode/shared/jobs/sqs"
	"oipnode/shared/library"
	"oipnode/shared/metrics"
)

const (
	// maxEvent is more than SQS hands over at once, in bytes.
	maxEvent = 7 << 20
	// reserve is how much time must be left to begin a job. A job that gets less is given
	// back, and has all of an invocation's time the next time.
	reserve = time.Minute
)

// fetcher is made once per process.
type fetcher struct {
	parts *function.Parts
	queue *sqs.Queue

	mu      sync.Mutex
	library *library.Library
}

func newHandler(p *function.Parts) (any, error) {
	queue, err := p.MediaQueue()
	if err != nil {
		return nil, err
	}
	return (&fetcher{parts: p, queue: queue}).handle, nil
}

// handle runs the jobs of an event and answers which of them must be delivered again.
// Each fetch ends in time before the function's deadline (library.Options.Reserve), and
// one that needs longer than a whole invocation fails with that as its reason.
func (f *fetcher) handle(ctx context.Context, event json.RawMessage) (events.SQSEventResponse, error) {
	var none events.SQSEventResponse
	batch, err := parse(event)
	if err != nil {
		f.parts.Log.ErrorContext(ctx, "malformed event", "error", err)
		return none, err
	}
	l, err := f.open(ctx)
	if err != nil {
		return none, function.Failed(ctx, f.parts.Log, "open the stores", err)
	}
	failed := jobs.Batch(ctx, f.queue, batch, l.Run, jobs.Options{
		MaxAttempts: library.MaxAttempts, Reserve: reserve, Log: f.parts.Log,
		Report: func(r jobs.Result) {
			f.parts.Log.InfoContext(ctx, "job", "job", r.Job.ID, "attempt", r.Job.Attempt, "outcome", r.Outcome, "duration", r.Took)
		},
	})
	if stats, err := f.queue.Stats(ctx); err != nil {
		f.parts.Log.WarnContext(ctx, "the depth of the queue", "error", err)
	} else {
		f.parts.Metrics.Set(metrics.QueueDepth, float64(stats.Waiting))
	}
	return sqs.Failures(failed), nil
}

func (f *fetcher) open(ctx context.Context) (*library.Library, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.library != nil {
		return f.library, nil
	}
	store, err := f.parts.State(ctx)
	if err != nil {
		return nil, err
	}
	f.library, err = f.parts.Library(store, nil)
	return f.library, err
}

// parse reads an event of SQS. A message that lacks what every message has is none.
func parse(event []byte) ([]jobs.Job, error) {
	var e events.SQSEvent
	switch {
	case len(event) > maxEvent:
		return nil, errs.E(errs.TooLarge, fmt.Sprintf("the event has %d bytes, at most %d are allowed", len(event), maxEvent), nil)
	case json.Unmarshal(event, &e) != nil || e.Records == nil:
		return nil, errs.E(errs.Invalid, "the event is not an object with the Records of a queue", nil)
	}
	for i, m := range e.Records {
		if m.MessageId == "" || m.ReceiptHandle == "" {
			return nil, errs.E(errs.Invalid, fmt.Sprintf("record %d of the event is no message of a queue", i), nil)
		}
	}
	return sqs.FromEvent(e), nil
}
