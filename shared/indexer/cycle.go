package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"oipnode/shared/gateway"
	"oipnode/shared/state"
	"oipnode/shared/trace"
)

// cycle is one run under one lease. Three goroutines work in it: the reader of
// pages and the two stages of its pipeline. Only the second stage (settle) changes
// handles, tombstones and the entries of what is under way; whatever else does so
// flushes the pipeline before.
//
// Invariant 5: every Commit carries the lease's guard, and every write of a
// document its fence, so what an older runner still sends fails or is refused
// once a newer one has written.
type cycle struct {
	*Indexer
	opt   *Options
	log   *slog.Logger
	lease *state.Lease
	dir   *directory
	pipe  *pipeline

	gw     *gateway.Gateway
	height int64 // the gateway's, at the start of the cycle

	// begun are the items of startKeys as they were when the cycle began. Only the
	// holder of the lease writes them, but for the wishes of operators (rescan) and
	// owners (removals), which can wait.
	begun             map[state.Key]state.Item
	checkpoint        Checkpoint
	checkpointVersion uint64
	times             times

	mu     sync.Mutex
	counts Counts

	phase    string
	taken    int  // transactions taken up in this cycle
	trusted  bool // the gateway has shown that it knows what is known
	complete bool // all phases were done
	// tried holds what was looked up in this cycle, so that it is asked for once
	// and not once per record; lookups makes those at the same time one.
	tried   *recent
	lookups singleflight.Group
}

// Checkpoint is how far the chain is settled. Invariant 2: Height moves only
// after everything up to it is durable, and never backwards.
type Checkpoint struct {
	Height int64     `json:"height"`
	At     time.Time `json:"at"`
	// Initial is set until the first time that the tip was reached.
	Initial bool `json:"initial,omitempty"`
}

// times are when the slower passes happened.
type times struct {
	Warm time.Time `json:"warm"`
	// ColdStart is when the cold pass under way began, ColdNext its next block.
	ColdStart time.Time `json:"coldStart"`
	ColdNext  int64     `json:"coldNext"`
}

// newCycle loads what the last one left. It never returns a nil cycle.
func newCycle(ctx context.Context, ix *Indexer, lease *state.Lease) (*cycle, error) {
	c := &cycle{Indexer: ix, opt: &ix.opt, log: ix.opt.Log, lease: lease, tried: newRecent(10000), phase: "begin"}
	c.dir = newDirectory(c)
	c.checkpoint = Checkpoint{Height: ix.opt.StartHeight - 1, Initial: true}
	items, err := ix.opt.State.Get(ctx, startKeys...)
	if err != nil {
		return c, err
	}
	c.begun = make(map[state.Key]state.Item, len(items))
	for _, item := range items {
		c.begun[item.Key] = item
	}
	if c.checkpointVersion, err = c.loadBegun(ctx, keyCheckpoint, &c.checkpoint); err != nil {
		return c, err
	}
	if _, err := c.loadBegun(ctx, keyTimes, &c.times); err != nil {
		return c, err
	}
	var remembered []gateway.Backoff
	if _, err := c.loadBegun(ctx, keyGateways, &remembered); err != nil {
		return c, err
	}
	ix.opt.Pool.Restore(remembered)
	return c, nil
}

// run does the phases of a cycle.
func (c *cycle) run(ctx context.Context) error {
	ctx, cancel := budget(ctx, margin)
	defer cancel()
	if err := c.reopen(ctx); err != nil {
		return err
	}
	err := c.connect(ctx)
	if ctx.Err() != nil {
		return nil // the time is over: a clean end
	}
	if err != nil {
		return err
	}
	c.pipe = newPipeline(ctx, c)
	defer c.pipe.stop()
	enough := false
	var failed error
	for _, phase := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"handles", c.resumeHandles},
		{"removals", c.removals},
		{"rejudge", c.rejudge},
		{"bootstrap", c.bootstrap},
		{"hot", c.hot},
		{"forward", c.forward},
		{"ledger", c.ledger},
		{"rescan", c.rescan},
		{"warm", c.warm},
		{"cold", c.cold},
	} {
		if enough && phase.name != "ledger" {
			continue
		}
		c.phase = phase.name
		c.progress()
		err := c.traced(ctx, phase.name, phase.run)
		switch {
		case err == nil:
		case ctx.Err() != nil && !errors.Is(err, ErrLeaseLost):
			return nil
		case errors.Is(err, errEnough):
			// What waits gets a share of its own, however long the history is.
			enough, c.taken = true, 0
		case c.pipe.failed() == nil && !errors.Is(err, ErrLeaseLost) && failed == nil:
			// One window that cannot be read must not hold up what waits.
			enough, c.taken, failed = true, 0, fmt.Errorf("%s: %w", phase.name, err)
		default:
			return fmt.Errorf("%s: %w", phase.name, err)
		}
	}
	c.complete = !enough
	return failed
}

// connect chooses the gateway of the cycle.
func (c *cycle) connect(ctx context.Context) error {
	gw, height, err := c.opt.Pool.Choose(ctx, c.checkpoint.Height, c.checkpoint.Initial)
	if err != nil {
		c.phase = "gateway"
		return fmt.Errorf("choose a gateway: %w", err)
	}
	c.gw, c.height = gw, height
	return nil
}

// reopen has a record store take writes that was left closed to them. Under the lease
// nobody works alone, so it was left by somebody who was killed.
func (c *cycle) reopen(ctx context.Context) error {
	store, ok := c.opt.Records.(reopener)
	if !ok {
		return nil
	}
	if err := store.Reopen(ctx); err != nil && ctx.Err() == nil {
		c.phase = "reopen"
		return fmt.Errorf("reopen: %w", err)
	}
	return nil
}

// traced runs a phase, as a step of the trace, until everything in it is durable.
func (c *cycle) traced(ctx context.Context, name string, run func(context.Context) error) error {
	ctx, span := trace.Start(ctx, name)
	defer span.Panicked()
	err := run(ctx)
	if e := c.pipe.flush(); e != nil {
		err = e
	}
	span.End(err)
	return err
}

// budget derives the context under which work is done: it ends reserve before the
// caller's deadline, or a quarter of the time before if that is less, so that there is
// time to save.
func budget(ctx context.Context, reserve time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-min(reserve, time.Until(deadline)/4)))
	}
	return context.WithCancel(ctx)
}

// enough reports errEnough when the cycle has used up its transactions, and
// renews the lease while it has not.
func (c *cycle) enough(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return errEnough
	}
	if c.taken >= c.opt.MaxTransactions {
		return errEnough
	}
	return c.renew(ctx)
}

// renew keeps the lease while work goes on; the reader and both stages call it.
func (c *cycle) renew(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.lease.RenewIfOlder(ctx, c.opt.LeaseTTL/3)
	if errors.Is(err, state.ErrLost) {
		return ErrLeaseLost
	}
	return err
}

// progress tells the caller where the cycle is.
func (c *cycle) progress() {
	c.mu.Lock()
	indexed := c.counts.Indexed
	c.mu.Unlock()
	c.opt.Progress(Progress{Phase: c.phase, Checkpoint: c.checkpoint.Height, Target: c.height, Indexed: indexed})
}

// advance moves the checkpoint to a height up to which everything is settled.
// The pipeline must have been flushed. Invariant 2.
func (c *cycle) advance(ctx context.Context, to int64) error {
	if to <= c.checkpoint.Height && (to < c.height || !c.checkpoint.Initial) {
		return nil
	}
	next := Checkpoint{Height: max(to, c.checkpoint.Height), At: c.opt.Now(), Initial: c.checkpoint.Initial && to < c.height}
	op, err := c.putJSON(keyCheckpoint, next, c.checkpointVersion)
	if err != nil {
		return err
	}
	if err := c.commit(ctx, op); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	c.checkpoint, c.checkpointVersion = next, c.checkpointVersion+1
	c.progress()
	return nil
}

// patience is the longest back-off of a gateway that a cycle sits out.
const patience = 20 * time.Second

// attempts is how often a call is repeated for a fault that passes.
const attempts = 4

// patiently repeats a call on a gateway that asks for a pause, while that is
// short, or that did not answer. Other failures would only come again.
func (c *cycle) patiently(ctx context.Context, call func() error) error {
	return c.repeat(ctx, passing, call)
}

// repeat repeats a call that fails in a way that passes.
func (c *cycle) repeat(ctx context.Context, passes func(error) bool, call func() error) error {
	for try := 1; ; try++ {
		err := call()
		var e *gateway.Error
		if err == nil || try == attempts || !errors.As(err, &e) || !passes(err) {
			return err
		}
		wait := time.Second << (try - 1)
		if e.RetryAfter > 0 {
			wait = e.RetryAfter
		}
		if wait > patience {
			return err
		}
		if err := c.opt.Sleep(ctx, wait); err != nil {
			return errEnough
		}
	}
}

// askAround asks any gateway something: the cycle's own patiently, another one once
// and not for long, since it is only there to help.
func (c *cycle) askAround(ctx context.Context, gw *gateway.Gateway, call func(context.Context) error) error {
	if gw == c.gw {
		return c.patiently(ctx, func() error { return call(ctx) })
	}
	brief, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	err := call(brief)
	if brief.Err() != nil && ctx.Err() == nil {
		c.tried.add(slowHelper + gw.URL()) // it does not help any more in this cycle
	}
	return err
}

// slowHelper marks a gateway that took too long.
const slowHelper = "slow "

// helperTime is how long another gateway than the cycle's own may take.
const helperTime = 10 * time.Second

// paused reports whether a gateway asks for a pause.
func paused(err error) bool {
	return errors.Is(err, gateway.ErrBackoff) || errors.Is(err, gateway.ErrRateLimited)
}

// passing reports whether a failure says something of the gateway's moment only.
func passing(err error) bool { return paused(err) || errors.Is(err, gateway.ErrUnavailable) }
