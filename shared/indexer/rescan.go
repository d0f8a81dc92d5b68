package indexer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"oipnode/shared/gateway"
	"oipnode/shared/state"
)

// Rescan is an operator's wish that a stretch of the chain is read again. The
// cycles work it off as far as their time goes, ids only, like the cold pass: what
// is neither indexed nor judged is fetched.
type Rescan struct {
	// From and To are the first and the last block.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Next is the first block that was not read yet.
	Next  int64     `json:"next"`
	Asked time.Time `json:"asked"`
}

// ErrRescan means that a stretch of blocks cannot be read again.
var ErrRescan = errors.New("indexer: rescan")

// MaxHeight is the highest block that a Rescan may name.
const MaxHeight = 1_000_000_000

// RequestRescan asks for the blocks from..to to be read again by the next cycles.
// A rescan that is still under way is united with it to one stretch without a gap,
// which begins where the two still have something to read. It returns what is now
// to be done, or ErrRescan for an impossible stretch.
func RequestRescan(ctx context.Context, s state.Store, from, to int64, now time.Time) (Rescan, error) {
	if from < 0 || to < from || to > MaxHeight {
		return Rescan{}, fmt.Errorf("%w: from %d to %d; allowed: 0 <= from <= to <= %d", ErrRescan, from, to, MaxHeight)
	}
	for {
		r := Rescan{From: from, To: to, Next: from, Asked: now}
		item, ok, err := state.GetOne(ctx, s, keyRescan)
		if err != nil {
			return Rescan{}, err
		}
		write := state.Create
		if ok {
			var before Rescan
			if err := json.Unmarshal(item.Value, &before); err != nil {
				return Rescan{}, fmt.Errorf("state %s: %w", keyRescan.ID, err)
			}
			r.From, r.To, r.Next = min(from, before.Next), max(to, before.To), min(from, before.Next)
			write = func(k state.Key, value []byte) state.Op { return state.Update(k, value, item.Version) }
		}
		value, err := json.Marshal(r)
		if err != nil {
			return Rescan{}, err
		}
		err = s.Commit(ctx, write(keyRescan, value))
		if !errors.Is(err, state.ErrConflict) { // else a cycle has just moved it
			return r, err
		}
	}
}

// rescan works off what an operator asked for. Blocks above the checkpoint are the
// forward windows' own. The wish may be widened at any time: how far a slice came is
// saved only over the wish that it was read for, else the cycle takes the new one.
func (c *cycle) rescan(ctx context.Context) error {
	if _, ok := c.begun[keyRescan]; !ok {
		return nil
	}
	size := int64(firstWindow)
	for {
		var r Rescan
		version, err := c.loadJSON(ctx, keyRescan, &r)
		if err != nil || version == 0 {
			return err
		}
		last := min(r.To, c.checkpoint.Height)
		from := max(r.Next, c.opt.StartHeight)
		if from > last {
			err := c.commit(ctx, state.DeleteIf(keyRescan, version))
			if errors.Is(err, state.ErrConflict) {
				continue
			}
			return err
		}
		if err := c.enough(ctx); err != nil {
			return err
		}
		found, err := c.walk(ctx, gateway.Scan{Min: from, Max: min(from+size-1, last), Tags: oipTags, IDsOnly: true},
			func(through int64) error {
				r.Next = through + 1
				op, err := c.putJSON(keyRescan, r, version)
				if err != nil {
					return err
				}
				version++
				return c.commit(ctx, op)
			})
		if err != nil && !errors.Is(err, state.ErrConflict) {
			return err
		}
		size = adapt(size, found)
	}
}

// aloneMargin is how long before the caller's deadline the time of Alone's work is over:
// what it does then, and the release of the lease, must be done before Lambda kills the
// process.
const aloneMargin = 45 * time.Second

// Alone runs work while no cycle does: under the lease of the cycles, which work has to
// renew by calling renew from time to time. It returns ErrBusy when a cycle is running,
// and ErrLeaseLost, through renew, when work took too long between two calls.
//
// The context of work ends well before the caller's. Work may go on for a while behind
// that, to leave everything in order.
func Alone(ctx context.Context, s state.Store, holder string, now func() time.Time, work func(ctx context.Context, renew func(context.Context) error) error) error {
	const ttl = 2 * time.Minute
	lease, err := state.Acquire(ctx, s, leaseName, holder, ttl, now)
	if errors.Is(err, state.ErrHeld) {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	brief, done := budget(ctx, aloneMargin)
	defer done()
	err = work(brief, func(ctx context.Context) error {
		err := lease.RenewIfOlder(ctx, ttl/4)
		if errors.Is(err, state.ErrLost) {
			return ErrLeaseLost
		}
		return err
	})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin/2)
	defer cancel()
	if e := lease.Release(last); e != nil && !errors.Is(e, state.ErrLost) {
		err = errors.Join(err, e)
	}
	return err
}
