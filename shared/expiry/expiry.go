// Package expiry decides what it means that rows of the state store have expired and
// were removed: what is counted and logged, and what has to go with them.
//
// An expired row is invisible to every reader from its very second on, so removing it is
// only housekeeping. Two do that, and tell this package afterwards: in the local node a
// sweeper (infra/node), on AWS the time to live of the table, whose removals arrive by
// the table's stream (functions/expiry). What a row was is known by its key alone: one
// row of the table kinds for each kind of row that expires.
//
// Nothing here is needed for what anybody sees. If it is never told of a removal, what
// would have gone with the row goes at its own expiry.
package expiry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"oipnode/shared/metrics"
	"oipnode/shared/state"
	"oipnode/shared/voice"
)

// Options are what Removals works with. Voice is needed, the others have defaults.
type Options struct {
	Voice *voice.Dialogues
	// Metrics counts the rows by kind; nil forgets them.
	Metrics metrics.Recorder
	// Log gets one line for each call that had something to count; nil discards it.
	Log *slog.Logger
}

// Removals takes in which rows were removed. It is safe for concurrent use, and holds
// nothing between two calls.
type Removals struct {
	opt Options
}

// New makes a Removals.
func New(o Options) (*Removals, error) {
	if o.Voice == nil {
		return nil, errors.New("expiry: no dialogues")
	}
	if o.Metrics == nil {
		o.Metrics = metrics.Discard
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Removals{o}, nil
}

// Count is how many rows of one kind were removed.
type Count struct {
	Kind string
	Rows int
}

// Take counts rows that had expired and were removed, and does what follows from that.
// It returns how many of the keys, from the first on, it is done with, and an error when
// that is not all of them: then the keys behind have to be handed over again, which may
// happen any number of times, also in another process. Each row is counted once, when it
// is done with.
func (r *Removals) Take(ctx context.Context, keys []state.Key) (done int, err error) {
	swept, err := r.opt.Voice.Swept(ctx, keys)
	done = len(keys)
	if err != nil {
		var left *voice.PurgeError
		if !errors.As(err, &left) {
			return 0, fmt.Errorf("expired rows: %w", err)
		}
		done = slices.IndexFunc(keys, func(k state.Key) bool { return slices.Contains(left.Dialogues, k) })
		err = fmt.Errorf("expired rows: %w", err)
	}
	r.count(ctx, keys[:done], swept.Purged)
	return done, err
}

// count records what was removed. The log names kinds and numbers and no keys, which can
// tell of what its owner keeps private.
func (r *Removals) count(ctx context.Context, keys []state.Key, purged int) {
	counts := Counts(keys)
	for i, c := range counts {
		r.opt.Metrics.Add(kinds[i].counter, int64(c.Rows))
	}
	var attributes []any
	for _, c := range counts {
		if c.Rows > 0 {
			attributes = append(attributes, slog.Int(c.Kind, c.Rows))
		}
	}
	if purged > 0 {
		attributes = append(attributes, slog.Int("eventsOfDialogues", purged))
	}
	if len(attributes) > 0 {
		r.opt.Log.InfoContext(ctx, "expired rows were removed", attributes...)
	}
}

// Counts says how many of the keys are of each kind, in the order of the table, the
// kinds without any included.
func Counts(keys []state.Key) []Count {
	counts := make([]Count, len(kinds))
	for i, kind := range kinds {
		counts[i].Kind = kind.name
	}
	for _, k := range keys {
		counts[slices.IndexFunc(kinds, func(kind kind) bool { return kind.has(k) })].Rows++
	}
	return counts
}
