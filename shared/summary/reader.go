package summary

import (
	"context"
	"log/slog"
	"time"
)

// forcePause lies between two refreshes that callers of one process ask for. Anybody
// may ask, and each costs the engine a count over all public records.
const forcePause = time.Second

// Reader reads the summary for the callers of one process. A summary whose time is
// over is refreshed by the first of them; the others are shown the old one meanwhile.
// It is safe for concurrent use.
type Reader struct {
	refresher Refresher
	log       *slog.Logger
	// turn is held by whoever refreshes, and guards last.
	turn chan struct{}
	last time.Time // when the last refresh began
}

// NewReader makes a Reader; a nil log discards.
func NewReader(r Refresher, log *slog.Logger) *Reader {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Reader{refresher: r, log: log, turn: make(chan struct{}, 1)}
}

// Read returns the summary as it is after so many index cycles, and whether there is one.
// A refresh that fails is logged, and what there was before is shown.
func (r *Reader) Read(ctx context.Context, cycles int64) (sum Summary, exists bool, err error) {
	kept, _, err := read(ctx, r.refresher.State)
	if err != nil {
		return Summary{}, false, err
	}
	if !due(kept, cycles, r.refresher.Every) {
		return kept.Summary, kept.exists(), nil
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	default: // somebody else is at it
		return kept.Summary, kept.exists(), nil
	}
	sum, made, err := r.refresher.Run(ctx, false)
	if err != nil {
		r.log.WarnContext(ctx, "refresh the shared summary", "error", err)
		return kept.Summary, kept.exists(), nil
	}
	if made {
		r.last = sum.At
	}
	return sum, !sum.At.IsZero(), nil
}

// Refresh makes the summary anew for who asks for it, unless that was tried within the
// last second. Who asks while it is being made waits for it and shares it.
func (r *Reader) Refresh(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
		return r.anew(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Renew is Refresh for who does not need the summary: nobody waits for it who finds that
// it is being made.
func (r *Reader) Renew(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
		return r.anew(ctx)
	default:
		return nil
	}
}

// anew is for whoever has the turn.
func (r *Reader) anew(ctx context.Context) error {
	now := r.refresher.Now()
	if age := now.Sub(r.last); !r.last.IsZero() && age >= 0 && age < forcePause {
		return nil
	}
	r.last = now
	_, _, err := r.refresher.Run(ctx, true)
	return err
}
