// Package indexer is the pipeline: one Run is one keepDB cycle, which finds OIP
// transactions at the gateways and brings the record store to what the chain
// says. The flow of one record is
//
//	discover (a page of a window) -> fetch -> oip.Verify -> oip.Expand -> write -> checkpoint
//
// and its invariants, tested by killing the pipeline between any two writes, are
//
//  1. every id discovered at or below the checkpoint is indexed, or rejected with
//     a kept reason, or in the retry ledger (Entry);
//  2. the checkpoint moves only after everything up to it is durable, every
//     item's own status checked (checkpoint);
//  3. running any step twice changes nothing;
//  4. nothing is stored that did not pass oip.Verify (records.Op takes only an
//     oip.Document, which only oip can make);
//  5. two writers at once, after an expired lease, cannot undo each other: every
//     write carries the lease's fence (cycle);
//  6. a delete wins over its target whatever arrives first (landing);
//  7. a caller never sees what the access rule hides (package access, in queries);
//  8. memory is bounded by configuration, never by input (Options).
//
// Nothing depends on the order in which transactions are found. Within a group
// they are settled by (height, id), templates and registrations first, which
// saves work; what still lacks something waits in the ledger and is woken when
// that lands.
package indexer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"oipnode/shared/gateway"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// Options configure an Indexer; New fills in defaults for zero values.
type Options struct {
	Records records.Store
	State   state.Store
	Pool    *gateway.Pool

	// StartHeight is the first block of interest.
	StartHeight int64
	// Confirmations is the fork depth: so many blocks below the tip are read
	// again in every cycle (the hot window). Default 18.
	Confirmations int64
	// WarmBlocks below the hot window are read again every WarmInterval, for data
	// that becomes visible late. Defaults 720 and one hour.
	WarmBlocks   int64
	WarmInterval time.Duration
	// ColdRescan is how long one id-only pass over all history takes; 0 is off.
	ColdRescan time.Duration
	// BootstrapCreators are registrations that are fetched by id (spec section 2).
	BootstrapCreators []string
	// MaxRecordBytes is the largest transaction that is fetched. Default 10 MiB.
	MaxRecordBytes int64
	// MaxTransactions ends a cycle cleanly after so many. Default 20,000.
	MaxTransactions int
	// Wanted tells whether records of a type are indexed; nil wants all.
	// WantedVersion names the setting, so that a change of it is noticed.
	Wanted        func(recordType string) bool
	WantedVersion string

	// Holder names this process in the lease.
	Holder string
	// LeaseTTL is how long a lease lasts without renewal. Default 2 minutes.
	LeaseTTL time.Duration
	// Fetchers is how many transactions are fetched at once. Default 16.
	Fetchers int
	// Verifiers is how many signatures are verified at once. Default one per core.
	Verifiers int
	// GroupSize and GroupBytes bound the transactions that are under way together.
	// Defaults 500 and 8 MiB; two groups are in memory at a time.
	GroupSize  int
	GroupBytes int64
	// GoneAfter is how long a vanished transaction is kept. Default 24 hours.
	GoneAfter time.Duration

	Log *slog.Logger
	Now func() time.Time
	// Sleep waits, for back-offs that are short enough to sit out; tests replace it.
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress is called after each step of a cycle, from one goroutine at a time.
	Progress func(Progress)
}

// Progress is where a running cycle is.
type Progress struct {
	Phase      string
	Checkpoint int64
	Target     int64 // the gateway's height
	Indexed    int   // transactions written in this cycle
}

// Indexer runs cycles. It holds no state of its own between them: a cycle may
// run in another process each time.
type Indexer struct {
	opt   Options
	rules string
}

// New returns an Indexer.
func New(opt Options) *Indexer {
	opt.Confirmations = or(opt.Confirmations, 18)
	opt.WarmBlocks = or(opt.WarmBlocks, 720)
	opt.WarmInterval = or(opt.WarmInterval, time.Hour)
	opt.MaxRecordBytes = or(opt.MaxRecordBytes, 10<<20)
	opt.MaxTransactions = or(opt.MaxTransactions, 20000)
	opt.LeaseTTL = or(opt.LeaseTTL, 2*time.Minute)
	opt.Fetchers = or(opt.Fetchers, 16)
	opt.Verifiers = or(opt.Verifiers, runtime.GOMAXPROCS(0))
	opt.GroupSize = or(opt.GroupSize, 500)
	opt.GroupBytes = or(opt.GroupBytes, 8<<20)
	opt.GoneAfter = or(opt.GoneAfter, 24*time.Hour)
	opt.Holder = or(opt.Holder, "oipnode")
	if opt.Wanted == nil {
		opt.Wanted = func(string) bool { return true }
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Sleep == nil {
		opt.Sleep = sleep
	}
	if opt.Progress == nil {
		opt.Progress = func(Progress) {}
	}
	return &Indexer{
		opt:   opt,
		rules: fmt.Sprintf("%d/%d/%s", oip.RulesVersion, opt.MaxRecordBytes, hashed(opt.WantedVersion)),
	}
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// sleep waits for d or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// reopener is a record store that can be left closed to writes, by work that runs alone
// (Alone) and is killed.
type reopener interface {
	// Reopen opens it again; the caller has the lease, so nobody works alone.
	Reopen(ctx context.Context) error
}

// ErrBusy is returned by Run when another runner holds the lease; it is no fault.
var ErrBusy = errors.New("indexer: another cycle is running")

// ErrLeaseLost is returned by Run when another runner took over in the middle.
// Nothing is undone by that: what was written stands, the rest is theirs.
var ErrLeaseLost = errors.New("indexer: the lease was lost")

// errEnough ends a cycle cleanly: its time or its number of transactions is used up.
var errEnough = errors.New("indexer: enough for this cycle")

// margin is how long before its context's deadline a cycle stops by itself.
const margin = 10 * time.Second

// Run does one cycle: take the lease; on one gateway read the hot window, the
// windows from the checkpoint on, the warm overlap when it is due and a slice of
// the cold pass; then the due entries of the ledger; the checkpoint is saved as
// windows are done. It stops cleanly before the context's deadline or after
// MaxTransactions, and the next Run goes on from there.
//
// The returned Report is also kept for the health page. An error means that the
// cycle ended early; everything done until then is durable and consistent.
func (ix *Indexer) Run(ctx context.Context) (Report, error) {
	start := ix.opt.Now()
	lease, err := state.Acquire(ctx, ix.opt.State, leaseName, ix.opt.Holder, ix.opt.LeaseTTL, ix.opt.Now)
	if errors.Is(err, state.ErrHeld) {
		return Report{}, ErrBusy
	}
	if err != nil {
		return Report{}, fmt.Errorf("take the lease: %w", err)
	}
	c, err := newCycle(ctx, ix, lease)
	if err == nil {
		err = c.run(ctx)
	}
	report := c.report(start, err)
	// What follows must happen although the cycle's time may be over.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin/2)
	defer cancel()
	var status []state.Op
	if !errors.Is(err, ErrLeaseLost) {
		var e error
		status, e = c.status(last, report)
		err = errors.Join(err, e)
	}
	if e := lease.Release(last, status...); e != nil && !errors.Is(e, state.ErrLost) {
		err = errors.Join(err, fmt.Errorf("save the status and release the lease: %w", e))
	}
	return report, err
}

// loadBegun is loadJSON of one of startKeys as it was when the cycle began, without
// another call, unless even that could not be read.
func (c *cycle) loadBegun(ctx context.Context, k state.Key, v any) (version uint64, err error) {
	if c.begun == nil {
		return c.loadJSON(ctx, k, v)
	}
	item, ok := c.begun[k]
	return decode(item, ok, v)
}

// loadJSON reads a JSON value of the state store; absent leaves v as it is.
func (c *cycle) loadJSON(ctx context.Context, k state.Key, v any) (version uint64, err error) {
	item, ok, err := state.GetOne(ctx, c.opt.State, k)
	if err != nil {
		return 0, err
	}
	return decode(item, ok, v)
}

func decode(item state.Item, ok bool, v any) (version uint64, err error) {
	if !ok {
		return 0, nil
	}
	if err := json.Unmarshal(item.Value, v); err != nil {
		return 0, fmt.Errorf("state %s/%s: %w", item.Space, item.ID, err)
	}
	return item.Version, nil
}

// commit does the operations under the lease: it fails with ErrLeaseLost as soon
// as another runner has taken over.
func (c *cycle) commit(ctx context.Context, ops ...state.Op) error {
	if len(ops) == 0 {
		return nil
	}
	err := c.opt.State.Commit(ctx, append(ops, c.lease.Guard())...)
	if errors.Is(err, state.ErrConflict) && c.lostLease(ctx) {
		return ErrLeaseLost
	}
	return err
}

// lostLease reports whether somebody else has acquired the lease.
func (c *cycle) lostLease(ctx context.Context) bool {
	return errors.Is(c.opt.State.Commit(ctx, c.lease.Guard()), state.ErrConflict)
}
