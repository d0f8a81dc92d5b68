package indexer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"oipnode/shared/epoch"
	"oipnode/shared/oip"
	"oipnode/shared/state"
)

// An operator's tasks that change what cycles change run as a cycle of their own: under
// the same lease, so that there is one writer, and with the same steps, so that a task
// can do nothing to the index that a cycle could not.

// operate does work as a cycle, with its own end well before that of ctx. It returns
// ErrBusy while a cycle is running, and errEnough when the time was over before work was.
func (ix *Indexer) operate(ctx context.Context, name string, work func(ctx context.Context, c *cycle) error) error {
	lease, err := state.Acquire(ctx, ix.opt.State, leaseName, ix.opt.Holder, ix.opt.LeaseTTL, ix.opt.Now)
	if errors.Is(err, state.ErrHeld) {
		return ErrBusy
	}
	if err != nil {
		return fmt.Errorf("take the lease: %w", err)
	}
	c, err := newCycle(ctx, ix, lease)
	if err == nil {
		c.phase = name
		brief, done := budget(ctx, margin)
		err = work(brief, c)
		if brief.Err() != nil && err != nil && !errors.Is(err, ErrLeaseLost) {
			err = errEnough
		}
		done()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin/2)
	defer cancel()
	var changed []state.Op
	if c.counts.Changed() {
		changed = append(changed, epoch.Op())
	}
	if e := lease.Release(last, changed...); e != nil && !errors.Is(e, state.ErrLost) {
		err = errors.Join(err, e)
	}
	return err
}

// Retried is what a Retry came to.
type Retried struct {
	// Due is how many entries were made due; the next cycle works them.
	Due int64 `json:"due"`
	// Again says that the time was over before all were looked at.
	Again bool `json:"again,omitempty"`
}

// Retry makes entries of the ledger due now: all that wait, or those of one reason. That
// is a state as the counters have it (waiting:data, partial, parked, rejected:<reason>),
// the part before or behind its colon, or "". A rejection is judged again only when it
// is asked for. What has its turn is not parked any more.
func (ix *Indexer) Retry(ctx context.Context, reason string) (r Retried, err error) {
	err = ix.operate(ctx, "retry", func(ctx context.Context, c *cycle) error {
		// Behind what is due already, so that each entry is met once.
		from := dueKey(c.opt.Now().Add(time.Second), "").ID
		spaces := []struct{ name, from string }{{spaceDue, from}}
		if reason != "" {
			spaces = append(spaces, struct{ name, from string }{spaceRejected, ""})
		}
		for _, s := range spaces {
			err := state.Each(ctx, c.opt.State, s.name, s.from, "", state.MaxGet, func(item state.Item) error {
				if err := c.enough(ctx); err != nil {
					return err
				}
				made, err := c.makeDue(ctx, string(item.Value), reason)
				if made {
					r.Due++
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		r.Again, err = true, nil
	}
	return r, err
}

// makeDue makes one entry due, if it is of a reason.
func (c *cycle) makeDue(ctx context.Context, id, reason string) (bool, error) {
	entries, err := c.entriesOf(ctx, []string{id})
	if err != nil {
		return false, err
	}
	e, now := entries[id], wholeSecond(c.opt.Now())
	if e == nil || !e.is(reason) || !e.Due.After(now) && e.State != EntryRejected {
		return false, nil
	}
	next := *e
	next.Due, next.Parked = now, false
	if e.State == EntryRejected {
		next = Entry{State: EntryWaiting, Height: e.Height, Since: e.Since, Due: now,
			Needs: []oip.Dependency{{Need: oip.NeedData, ID: id}}, Detail: clipped("to be judged again: " + string(e.Reason))}
	}
	return true, c.apply(ctx, []change{{id, e, &next}})
}

// is reports whether an entry is one of a reason.
func (e *Entry) is(reason string) bool {
	name := e.counter()
	switch before, behind, _ := strings.Cut(name, ":"); {
	case reason == "":
		return e.State != EntryRejected
	case reason == name, reason == before, behind != "" && reason == behind:
		return true
	}
	for _, n := range e.Needs { // a parked one has a counter of its own
		if reason == string(n.Need) || reason == string(e.State)+":"+string(n.Need) {
			return true
		}
	}
	return reason == string(e.State)
}

// ReadEntry reads what the ledger knows of a transaction; ok is false when it is simply
// indexed, or unknown.
func ReadEntry(ctx context.Context, s state.Store, id string) (e Entry, ok bool, err error) {
	item, ok, err := state.GetOne(ctx, s, txKey(id))
	if err != nil || !ok {
		return Entry{}, false, err
	}
	p, err := parseEntry(item)
	if err != nil {
		return Entry{}, false, err
	}
	return *p, true, nil
}
