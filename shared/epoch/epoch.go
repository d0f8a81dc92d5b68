// Package epoch tells the processes of a node when answers that they keep have become
// old: one counter in the state store, which whoever changes what answers show adds to. A
// cycle adds to it in the Commit that ends it, so that an idle one costs nothing.
package epoch

import (
	"context"
	"sync"
	"time"

	"oipnode/shared/state"
)

const (
	// readPause is the least time between two reads of the counter: as long as a change
	// may stay unnoticed by another process.
	readPause = time.Second
	// settling is how long after a change that was noticed nothing should be kept: what
	// another process has written is visible to searches a second later at most
	// (OpenSearch's refresh), and the change is noticed at any moment within that.
	settling = 2 * time.Second
)

var key = state.Key{Space: "cache", ID: "epoch"}

// Op is the operation that says that answers have changed.
func Op() state.Op { return state.Add(key, 1) }

// Reader knows the epoch. Make it with NewReader; it is safe for concurrent use.
type Reader struct {
	store state.Store
	now   func() time.Time

	mu      sync.Mutex
	known   bool
	value   int64
	read    time.Time // when the counter was read last
	changed time.Time // when it was noticed that it is another
}

// NewReader makes a Reader; a nil clock means time.Now.
func NewReader(s state.Store, now func() time.Time) *Reader {
	if now == nil {
		now = time.Now
	}
	return &Reader{store: s, now: now}
}

// Now is the epoch, at most a second old. settled is false while an answer that is made
// now may not show yet what the epoch stands for, and should not be kept.
func (r *Reader) Now(ctx context.Context) (value int64, settled bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if gone := now.Sub(r.read); !r.known || gone < 0 || gone >= readPause {
		value, err := state.Counter(ctx, r.store, key)
		if err != nil {
			return 0, false, err
		}
		if value != r.value || !r.known {
			r.changed = now
		}
		r.known, r.value, r.read = true, value, now
	}
	gone := now.Sub(r.changed)
	return r.value, gone < 0 || gone >= settling, nil
}

// Bump begins a new epoch, which this process knows of at once.
func (r *Reader) Bump(ctx context.Context) error {
	err := r.store.Commit(ctx, Op())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = false
	return err
}
