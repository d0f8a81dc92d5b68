package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"oipnode/shared/errs"
)

// Handler does a job. An error whose errs.Class is Permanent buries the job at once,
// with the error's public message as the reason; any other lets it be tried again,
// Options.MaxAttempts times in all. The context ends when the job must stop: with
// the caller's, with Options.Timeout, or because the job is somebody else's by now.
// A Handler that panics failed.
type Handler func(ctx context.Context, j Job) error

// Outcome is how the run of a job ended.
type Outcome string

// The outcomes, as they stand in a log line or in the name of a metric.
const (
	// Done: it succeeded. Whoever received it must acknowledge it.
	Done Outcome = "done"
	// Retried: it failed and will be delivered again.
	Retried Outcome = "retried"
	// Buried: it failed for good and is among the dead letters.
	Buried Outcome = "buried"
)

// Result is the end of one run.
type Result struct {
	Job     Job
	Outcome Outcome
	// Err is why it was not done.
	Err  error
	Took time.Duration
}

// Options are the settings of Batch and Work. The zero value is ready for use.
type Options struct {
	// Parallel is how many jobs run at once; 0 means 1.
	Parallel int
	// MaxAttempts is how often a job is tried before it is buried; 0 means 5. It must
	// be less than what the queue itself allows, which gives no reason.
	MaxAttempts int
	// Timeout is how long a job may run; 0 means as long as the context.
	Timeout time.Duration
	// Visibility is for how long a job is received. While it runs, the rest of its
	// visibility is renewed at each third of it. For Work, 0 means a minute. For
	// Batch, 0 means that the queue's own visibility is longer than the batch takes,
	// and that nothing is renewed.
	Visibility time.Duration
	// Reserve: a job is not begun when the context has less time left than this. It
	// is given back instead.
	Reserve time.Duration
	// Hold: while it says true, Work begins no job; those that run go on. Nil means never.
	Hold func() bool
	// Pause is how long a job rests after its given attempt failed; nil means half a
	// minute, doubled with each attempt, at most 15 minutes.
	Pause func(attempt int) time.Duration
	// Log hears of each job that was not done; nil means nobody.
	Log *slog.Logger
	// Report hears of each run; it must be safe for concurrent use. May be nil.
	Report func(Result)
}

func (o Options) complete() Options {
	if o.Parallel <= 0 {
		o.Parallel = 1
	}
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = 5
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	if o.Hold == nil {
		o.Hold = func() bool { return false }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func pause(attempt int) time.Duration {
	return min(30*time.Second<<min(max(attempt-1, 0), 10), 15*time.Minute)
}

// Batch runs jobs that somebody else received and will acknowledge, as Lambda does
// for the messages that it invokes a function with. It returns the IDs of those that
// must be delivered again, in their order; all others may be acknowledged, the
// buried ones too. It returns when all have ended.
func Batch(ctx context.Context, q Queue, batch []Job, h Handler, opts Options) (failed []string) {
	opts = opts.complete()
	outcomes := make([]Outcome, len(batch))
	slots := make(chan struct{}, opts.Parallel)
	var wg sync.WaitGroup
	for i, j := range batch {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			outcomes[i] = run(ctx, q, j, h, opts)
		})
	}
	wg.Wait()
	for i, o := range outcomes {
		if o == Retried {
			failed = append(failed, batch[i].ID)
		}
	}
	return failed
}

// run runs one job and settles what is to be settled but the acknowledgement.
func run(ctx context.Context, q Queue, j Job, h Handler, opts Options) Outcome {
	start := time.Now()
	err := errNotBegun
	if deadline, ok := ctx.Deadline(); ctx.Err() == nil && (!ok || time.Until(deadline) > opts.Reserve) {
		err = attempt(ctx, q, j, h, opts)
	}
	r := Result{Job: j, Outcome: Done, Err: err, Took: time.Since(start)}
	if err != nil {
		r.Outcome = settle(ctx, q, j, err, opts)
	}
	if opts.Report != nil {
		opts.Report(r)
	}
	return r.Outcome
}

// errNotBegun is the failure of a job for which no time was left.
var errNotBegun = errors.New("no time was left to begin it")

// attempt calls the handler while it keeps the job.
func attempt(ctx context.Context, q Queue, j Job, h Handler, opts Options) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var keeper sync.WaitGroup
	defer keeper.Wait()
	defer cancel(nil)
	if opts.Visibility > 0 {
		keeper.Go(func() { keep(ctx, cancel, q, j, opts) })
	}
	if opts.Timeout > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, opts.Timeout)
		defer end()
	}
	defer func() {
		if p := recover(); p != nil {
			opts.Log.ErrorContext(ctx, "a job panicked", "job", j.ID, "panic", p, "stack", string(debug.Stack()))
			err = errs.E(errs.Internal, "", fmt.Errorf("panic: %v", p))
		}
		if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrReceipt) {
			err = cause
		}
	}()
	return h(ctx, j)
}

// keep renews the visibility of a job until its context ends. When the job is lost,
// it ends the context.
func keep(ctx context.Context, lost context.CancelCauseFunc, q Queue, j Job, opts Options) {
	tick := time.NewTicker(opts.Visibility / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch err := q.Extend(ctx, j.Receipt, opts.Visibility); {
		case errors.Is(err, ErrReceipt):
			lost(err)
			return
		case err != nil && ctx.Err() == nil:
			opts.Log.WarnContext(ctx, "a running job could not be renewed", "job", j.ID, "error", err)
		}
	}
}

// settleTime is how long a failed job may take to be settled after the context's end.
const settleTime = 10 * time.Second

// settle says what becomes of a job that failed.
func settle(ctx context.Context, q Queue, j Job, cause error, opts Options) Outcome {
	over := ctx.Err() != nil || errors.Is(cause, errNotBegun)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	log := opts.Log.With("job", j.ID, "attempt", j.Attempt, "error", cause)
	permanent := errs.ClassOf(cause) == errs.Permanent
	var err error
	switch {
	case errors.Is(cause, ErrReceipt):
		log.WarnContext(ctx, "a job took longer than it was had, and is somebody else's")
		return Retried
	case permanent, j.Attempt >= opts.MaxAttempts && !over:
		if err = q.Bury(ctx, j, reason(j, cause)); err == nil {
			log.ErrorContext(ctx, "a job failed for good", "class", errs.ClassOf(cause).String())
			return Buried
		}
	case over: // it is not the job's fault
		err = q.Extend(ctx, j.Receipt, 0)
	default:
		log.WarnContext(ctx, "a job failed and will be tried again")
		err = q.Extend(ctx, j.Receipt, min(opts.Pause(j.Attempt), MaxVisibility))
	}
	if err != nil {
		// Its visibility passes by itself, and then it comes back.
		log.WarnContext(ctx, "a failed job could not be settled", "settling", err)
	}
	return Retried
}

// reason is what an operator reads: what the caller of an API would, since dead
// letters are kept for long and shown around.
func reason(j Job, cause error) string {
	return fmt.Sprintf("%s: %s (attempt %d)", errs.Code(cause), errs.Public(cause), j.Attempt)
}
