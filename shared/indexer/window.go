package indexer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"oipnode/shared/gateway"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// oipTags is the filter under which OIP transactions are found (spec section 2).
var oipTags = []gateway.Filter{
	{Name: "Index-Method", Values: []string{"OIP"}},
	{Name: "Ver", Values: []string{"0.8.0"}},
}

// Bounds of the adaptive windows, in blocks, and how many transactions a window
// should hold: enough that requests are full, few enough that the checkpoint moves.
const (
	minWindow   = 16
	firstWindow = 1024
	maxWindow   = 65536
	wantWindow  = 2000
)

// errUntrusted is an empty answer of a gateway that does not even know what is
// known to exist; it is no proof of anything (gateways.md).
var errUntrusted = errors.New("the gateway knows none of the known transactions")

// walk reads a window and hands its transactions to the pipeline. settled, if
// not nil, is called when everything up to a height is durable.
func (c *cycle) walk(ctx context.Context, s gateway.Scan, settled func(through int64) error) (found int, err error) {
	w := window{c: c, scan: s, settled: settled, through: s.Min - 1}
	err = c.patiently(ctx, func() error {
		// A repeated window must not meet its own transactions half-way.
		if err := c.pipe.flush(); err != nil {
			return err
		}
		return c.gw.Walk(ctx, w.scan, func(nodes []gateway.Node, through int64) error { return w.page(ctx, nodes, through) })
	})
	if errors.Is(err, errEnough) && ctx.Err() == nil {
		if e := w.save(); e != nil {
			err = e
		}
	}
	if err != nil {
		return w.found, err
	}
	if w.found == 0 {
		if err := c.trust(ctx); err != nil {
			return 0, err
		}
	}
	w.through = s.Max
	return w.found, w.save()
}

// window is a window that is being read.
type window struct {
	c       *cycle
	scan    gateway.Scan
	settled func(through int64) error
	through int64 // everything up to here was submitted
	found   int
	unsaved int
}

// page takes up one page of the window, and saves from time to time, so that an
// interrupted long window goes on close to where it was.
func (w *window) page(ctx context.Context, nodes []gateway.Node, through int64) error {
	if err := w.c.enough(ctx); err != nil {
		return err
	}
	if err := w.c.triage(ctx, nodes); err != nil {
		return err
	}
	w.c.progress()
	w.found += len(nodes)
	w.unsaved += len(nodes)
	w.through = max(w.through, through)
	if w.unsaved < wantWindow || w.through < w.scan.Min {
		return nil
	}
	w.scan.Min = min(w.through+1, w.scan.Max)
	return w.save()
}

// save waits until everything submitted is durable and reports how far it goes.
func (w *window) save() error {
	w.unsaved = 0
	if err := w.c.pipe.flush(); err != nil {
		return err
	}
	if w.settled == nil {
		return nil
	}
	return w.settled(w.through)
}

// hotStart is the first block of the hot window.
func (c *cycle) hotStart() int64 {
	return max(c.height-c.opt.Confirmations, c.opt.StartHeight)
}

// hot reads the blocks that a fork could still change, in every cycle. When the
// checkpoint is close to the tip, this is also the forward window.
func (c *cycle) hot(ctx context.Context) error {
	from := c.hotStart()
	if from > c.height {
		return nil
	}
	var settled func(int64) error
	if c.checkpoint.Height+1 >= from {
		settled = func(through int64) error { return c.advance(ctx, through) }
	}
	c.pipe.beginWindow()
	if _, err := c.walk(ctx, gateway.Scan{Min: from, Max: c.height, Tags: oipTags}, settled); err != nil {
		return err
	}
	return c.findVanished(ctx, from, c.height)
}

// forward reads from the checkpoint to the hot window, in windows that adapt to
// how many transactions there are, and moves the checkpoint window by window.
// When it has reached the hot window, which was read before on the same gateway,
// the checkpoint moves to the tip.
func (c *cycle) forward(ctx context.Context) error {
	size := int64(firstWindow)
	last := c.hotStart() - 1
	if err := c.overlap(ctx, last); err != nil {
		return err
	}
	for c.checkpoint.Height < last {
		if err := c.enough(ctx); err != nil {
			return err
		}
		from := c.checkpoint.Height + 1
		to := min(from+size-1, last)
		found, err := c.walk(ctx, gateway.Scan{Min: from, Max: to, Tags: oipTags},
			func(through int64) error { return c.advance(ctx, through) })
		if err != nil {
			return err
		}
		size = adapt(size, found)
	}
	return c.advance(ctx, c.height)
}

// overlap reads the blocks just below the checkpoint again when the hot window no
// longer reaches them: they could still change when the last cycle saw them.
func (c *cycle) overlap(ctx context.Context, last int64) error {
	to := c.checkpoint.Height
	from := max(to-c.opt.Confirmations, c.opt.StartHeight)
	if to >= last || from > to {
		return nil
	}
	c.pipe.beginWindow()
	if _, err := c.walk(ctx, gateway.Scan{Min: from, Max: to, Tags: oipTags}, nil); err != nil {
		return err
	}
	return c.findVanished(ctx, from, to)
}

// adapt doubles a window that was sparse, and halves one that was crowded.
func adapt(size int64, found int) int64 {
	switch {
	case found < wantWindow/4:
		return min(size*2, maxWindow)
	case found > wantWindow*2:
		return max(size/2, minWindow)
	}
	return size
}

// warm reads an overlap below the hot window again, for data items that became
// visible late at the height of their bundle.
func (c *cycle) warm(ctx context.Context) error {
	now := c.opt.Now()
	if !c.times.Warm.IsZero() && now.Sub(c.times.Warm) < c.opt.WarmInterval {
		return nil
	}
	to := min(c.hotStart()-1, c.checkpoint.Height)
	from := max(to-c.opt.WarmBlocks+1, c.opt.StartHeight)
	if from <= to {
		if _, err := c.walk(ctx, gateway.Scan{Min: from, Max: to, Tags: oipTags}, nil); err != nil {
			return err
		}
	}
	c.times.Warm = now
	return c.saveTimes(ctx)
}

// cold continues the id-only pass over all history, so that one pass takes
// ColdRescan: each cycle reads as far as the time that has gone by asks for.
func (c *cycle) cold(ctx context.Context) error {
	if c.opt.ColdRescan <= 0 || c.checkpoint.Initial {
		return nil
	}
	now := c.opt.Now()
	first, last := c.opt.StartHeight, min(c.hotStart()-1, c.checkpoint.Height)
	if c.times.ColdStart.IsZero() {
		c.times.ColdStart, c.times.ColdNext = now, first
		return c.saveTimes(ctx)
	}
	share := min(float64(now.Sub(c.times.ColdStart))/float64(c.opt.ColdRescan), 1)
	target := first + int64(share*float64(last-first+1)) - 1
	size := int64(firstWindow)
	for c.times.ColdNext <= target {
		if err := c.enough(ctx); err != nil {
			return err
		}
		to := min(c.times.ColdNext+size-1, target)
		found, err := c.walk(ctx, gateway.Scan{Min: c.times.ColdNext, Max: to, Tags: oipTags, IDsOnly: true},
			func(through int64) error {
				c.times.ColdNext = max(c.times.ColdNext, through+1)
				return c.saveTimes(ctx)
			})
		if err != nil {
			return err
		}
		size = adapt(size, found)
	}
	if share < 1 {
		return nil
	}
	c.times.ColdStart, c.times.ColdNext = now, first
	return c.saveTimes(ctx)
}

func (c *cycle) saveTimes(ctx context.Context) error {
	op, err := c.putJSON(keyTimes, c.times, anyVersion)
	if err != nil {
		return err
	}
	return c.commit(ctx, op)
}

// probes is how many known transactions a gateway is asked for.
const probes = 5

// trust asks the gateway for transactions that are known to exist, once per
// cycle, before an empty window of its is believed.
func (c *cycle) trust(ctx context.Context) error {
	if c.trusted {
		return nil
	}
	ids, err := c.knownIDs(ctx)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return nil // nothing indexed yet: nothing to compare with
	}
	return c.patiently(ctx, func() error {
		known, err := c.gw.Knows(ctx, ids)
		if err != nil {
			return err
		}
		if len(known) == 0 {
			return fmt.Errorf("%s: %w", c.gw.URL(), errUntrusted)
		}
		c.trusted = true
		return nil
	})
}

// knownIDs are some indexed transactions that no fork can touch any more.
func (c *cycle) knownIDs(ctx context.Context) ([]string, error) {
	page, err := c.opt.Records.Search(ctx, records.Query{
		Where:        records.Between{Field: records.FieldHeight, Min: 1, Max: c.height - c.opt.Confirmations},
		Sort:         []records.Sort{{Field: records.FieldHeight, Desc: true}},
		Limit:        probes,
		EnvelopeOnly: true,
	})
	if err != nil {
		return nil, fmt.Errorf("find known transactions: %w", err)
	}
	var ids []string
	for _, hit := range page.Hits {
		if id, ok := oip.TxID(hit.DID); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// bootstrap fetches the configured registrations by id, which lie outside of
// every window: the creator of the first templates registered before them. One
// that cannot be had yet waits in the ledger like any other transaction.
func (c *cycle) bootstrap(ctx context.Context) error {
	var done []string
	if _, err := c.loadBegun(ctx, keyBootstrap, &done); err != nil {
		return err
	}
	if fmt.Sprint(done) == fmt.Sprint(c.opt.BootstrapCreators) {
		return nil
	}
	for ids := range chunks(c.opt.BootstrapCreators, gateway.MaxLookup) {
		nodes := make([]gateway.Node, 0, len(ids))
		for _, id := range ids {
			nodes = append(nodes, gateway.Node{ID: id, Size: -1})
		}
		if err := c.triage(ctx, nodes); err != nil {
			return err
		}
	}
	if err := c.pipe.flush(); err != nil {
		return err
	}
	op, err := c.putJSON(keyBootstrap, c.opt.BootstrapCreators, anyVersion)
	if err != nil {
		return err
	}
	return c.commit(ctx, op)
}

// rejudge makes every rejection due whose grounds have changed, since nobody may
// see it again for long: another rule, or a gateway that was not heard. It does
// nothing while rules and gateways are those of the last time. What was made due
// is no rejection any more, so it can be interrupted anywhere.
func (c *cycle) rejudge(ctx context.Context) error {
	grounds := []string{c.rules}
	for _, gw := range c.opt.Pool.All() {
		grounds = append(grounds, gw.URL())
	}
	var before []string
	if _, err := c.loadBegun(ctx, keyGrounds, &before); err != nil || slices.Equal(before, grounds) {
		return err
	}
	err := state.Each(ctx, c.opt.State, spaceRejected, "", "", state.MaxGet, func(item state.Item) error {
		id := string(item.Value)
		entries, err := c.entriesOf(ctx, []string{id})
		if err != nil {
			return err
		}
		e := entries[id]
		if e == nil || e.State != EntryRejected || c.keeps(e) {
			return nil
		}
		again := &Entry{State: EntryWaiting, Height: e.Height, Since: e.Since, Due: wholeSecond(c.opt.Now()),
			Needs: []oip.Dependency{{Need: oip.NeedData, ID: id}}, Detail: "to be judged again: " + string(e.Reason)}
		return c.apply(ctx, []change{{id, e, again}})
	})
	if err != nil {
		return err
	}
	op, err := c.putJSON(keyGrounds, grounds, anyVersion)
	if err != nil {
		return err
	}
	return c.commit(ctx, op)
}

// chunks cuts a slice into pieces of at most n.
func chunks[T any](s []T, n int) func(yield func([]T) bool) {
	return func(yield func([]T) bool) {
		for len(s) > 0 {
			k := min(n, len(s))
			if !yield(s[:k]) {
				return
			}
			s = s[k:]
		}
	}
}
