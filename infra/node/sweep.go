package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

// sweepInterval is the pause between two looks for expired rows. How long they stay
// makes no difference to anybody but the file's size.
const sweepInterval = time.Minute

// sweeper removes expired rows from the state file, which nothing else does. It has a
// loop of its own: index cycles may fail for days, and rows expire meanwhile.
type sweeper struct {
	store interface {
		Sweep(ctx context.Context, limit int) ([]state.Item, error)
	}
	// removals decides what follows from a removal (package expiry).
	removals interface {
		Take(ctx context.Context, keys []state.Key) (done int, err error)
	}
	log *slog.Logger

	// left are rows of which something could not be done, at most those of one sweep.
	// They get a second chance; what is left then goes by its own expiry, so that no row
	// can keep the sweeper from its work.
	left []state.Key
}

// run returns when ctx has ended.
func (s *sweeper) run(ctx context.Context) {
	for pause := time.Duration(0); wait(ctx, pause); pause = sweepInterval {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("remove expired rows", "error", err)
		}
	}
}

// sweep removes all that has expired by now.
func (s *sweeper) sweep(ctx context.Context) error {
	again := s.left
	s.left = nil
	if done, err := s.removals.Take(ctx, again); err != nil {
		return fmt.Errorf("%d rows for the last time: %w", len(again)-done, err)
	}
	for {
		items, err := s.store.Sweep(ctx, bolt.MaxSweep)
		if err != nil {
			return err
		}
		if done, err := s.removals.Take(ctx, keys(items)); err != nil {
			s.left = keys(items[done:])
			return err
		}
		if len(items) < bolt.MaxSweep {
			return nil
		}
	}
}

// keys are those of the items.
func keys(items []state.Item) []state.Key {
	list := make([]state.Key, len(items))
	for i, item := range items {
		list[i] = item.Key
	}
	return list
}
