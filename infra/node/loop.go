package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"oipnode/shared/gateway"
	"oipnode/shared/indexer"
)

const (
	// cycleTimeout bounds one cycle, as the Lambda function's limit does: it stops
	// by itself shortly before, and the next one goes on.
	cycleTimeout = 15 * time.Minute
	// catchUpPause is the longest pause behind a cycle that stopped before it was
	// through: there is more to do than one cycle takes.
	catchUpPause = time.Second
	// reminder is how often a failure that lasts is logged again.
	reminder = time.Hour
)

// cycler is the indexer, one cycle at a time.
type cycler interface {
	Run(ctx context.Context) (indexer.Report, error)
}

// loop runs index cycles one after the other until its context ends.
type loop struct {
	index cycler
	// delay is the wait before the first cycle, interval the pause after a cycle
	// that was complete or failed.
	delay, interval time.Duration
	// ended is called after every cycle that ended without an error.
	ended func(ctx context.Context, r indexer.Report)
	log   *slog.Logger

	// failure is what the last cycle failed of, and said when that was logged.
	failure string
	said    time.Time
}

// run returns when ctx has ended; a cycle under way is finished early for that,
// with everything durable.
func (l *loop) run(ctx context.Context) {
	pause := l.delay
	for wait(ctx, pause) {
		report, err := l.cycle(ctx)
		if ctx.Err() != nil {
			return
		}
		l.tell(err)
		pause = l.interval
		if err != nil {
			continue
		}
		l.ended(ctx, report)
		if !report.Complete && report.Counts != (indexer.Counts{}) {
			pause = min(pause, catchUpPause)
		}
	}
}

// wait pauses; it reports false when ctx ended.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// panicError is a cycle's panic: the node goes on, for the cycle's work is
// repeatable and its API still answers from what is there.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

// cycle runs one cycle within its time.
func (l *loop) cycle(ctx context.Context) (r indexer.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, cycleTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return l.index.Run(ctx)
}

// tell logs a failure when it begins, changes, has lasted for long, or is over; not
// with every cycle.
func (l *loop) tell(err error) {
	before := l.failure
	l.failure = failureOf(err)
	switch {
	case l.failure != "" && (l.failure != before || time.Since(l.said) >= reminder):
		l.said = time.Now()
		l.log.Error("the index cycle failed; it is tried again after KEEP_DB_INTERVAL", "error", err, "interval", l.interval)
	case l.failure != "":
		l.log.Debug("the index cycle failed again", "error", err)
	case before != "":
		l.log.Info("the index cycle works again")
	}
}

// failureOf names a failure so that two of the same kind are equal: that no gateway
// can be had is one state, whatever the gateways say at the moment, and a panic is
// known by its value.
func failureOf(err error) string {
	var panicked *panicError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, gateway.ErrNoGateway):
		return gateway.ErrNoGateway.Error()
	case errors.As(err, &panicked):
		return fmt.Sprint("panic ", panicked.value)
	}
	return err.Error()
}
