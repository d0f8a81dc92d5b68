package jobs

import (
	"cmp"
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

// The pauses after a queue could not be asked.
const (
	firstIdle = time.Second
	lastIdle  = 30 * time.Second
)

// holdPause is how often Options.Hold is asked again.
const holdPause = time.Second

// Work receives jobs and runs them until the context ends; then it lets the running
// ones end, whose context is over too, and returns nil. It returns ErrClosed when the
// queue was closed. Whatever else a queue answers is logged, and asked again later.
func Work(ctx context.Context, q Queue, h Handler, opts Options) error {
	opts = opts.complete()
	opts.Visibility = cmp.Or(opts.Visibility, time.Minute)
	if err := CheckReceive(1, 0, opts.Visibility); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for range opts.Parallel {
		g.Go(func() error { return work(ctx, q, h, opts) })
	}
	return g.Wait()
}

// work is one of the workers. Each receives a single job at a time, so that no job
// waits for a slow one while another worker is idle.
func work(ctx context.Context, q Queue, h Handler, opts Options) error {
	idle := firstIdle
	for ctx.Err() == nil {
		if opts.Hold() {
			rest(ctx, holdPause)
			continue
		}
		batch, err := q.Receive(ctx, 1, MaxWait, opts.Visibility)
		switch {
		case errors.Is(err, ErrClosed):
			return err
		case err != nil && ctx.Err() == nil:
			opts.Log.ErrorContext(ctx, "the queue could not be asked", "error", err, "pause", idle)
			rest(ctx, idle)
			idle = min(2*idle, lastIdle)
			continue
		}
		idle = firstIdle
		for _, j := range batch {
			if run(ctx, q, j, h, opts) == Done {
				acknowledge(ctx, q, j, opts)
			}
		}
	}
	return nil
}

// acknowledge ends a job that is done, also when the context is over meanwhile.
func acknowledge(ctx context.Context, q Queue, j Job, opts Options) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := q.Ack(ctx, j.Receipt); err != nil {
		opts.Log.WarnContext(ctx, "a job that is done could not be acknowledged, and will be done again", "job", j.ID, "error", err)
	}
}

func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
