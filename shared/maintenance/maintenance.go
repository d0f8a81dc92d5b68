// Package maintenance is an operator's tools, one task per call: the same code behind
// the Lambda function maintenance and, later, the sub-commands of the local node.
//
// The tasks are
//
//	{"task":"stats"}                             what there is, and how far the index is
//	{"task":"rescan","from":1600000,"to":1600999}  have the next index cycles read blocks again
//	{"task":"reindex"}                           build the index anew beside the one in use;
//	                                             to be repeated while the answer says "again"
//	{"task":"media-repair"}                      mend what kills and lost files left of the media
package maintenance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/gateway"
	"oipnode/shared/indexer"
	"oipnode/shared/library"
	"oipnode/shared/records"
	"oipnode/shared/state"
	"oipnode/shared/summary"
)

// The tasks.
const (
	TaskStats       = "stats"
	TaskRescan      = "rescan"
	TaskReindex     = "reindex"
	TaskMediaRepair = "media-repair"
)

// maxGrace is the longest grace of a media repair, in minutes: a month.
const maxGrace = 30 * 24 * 60

// reindexer is a record store whose index can be built anew.
type reindexer interface {
	// Reindex calls between from time to time. When ctx ends before it is done, it says
	// Again, and has left everything in order.
	Reindex(ctx context.Context, between func(context.Context) error) (records.Reindexed, error)
}

// Request is one task with what it needs.
type Request struct {
	Task string `json:"task"`
	// From and To are the first and the last block of a rescan.
	From *int64 `json:"from,omitempty"`
	To   *int64 `json:"to,omitempty"`
	// GraceMinutes is how old a file without a manifest must be before a media repair
	// removes it; a day without it. 0 disturbs fetches that are under way, which are then
	// tried again.
	GraceMinutes *int64 `json:"graceMinutes,omitempty"`
}

// Check returns errs.Invalid, with the field and what is allowed, for a request that
// no task takes.
func (q Request) Check() error {
	if q.GraceMinutes != nil && (q.Task != TaskMediaRepair || *q.GraceMinutes < 0 || *q.GraceMinutes > maxGrace) {
		return errs.E(errs.Invalid, fmt.Sprintf("graceMinutes belongs to the task media-repair and is 0 to %d", maxGrace), nil)
	}
	switch q.Task {
	case TaskStats, TaskReindex, TaskMediaRepair:
		if q.From != nil || q.To != nil {
			return errs.E(errs.Invalid, "from and to belong to the task rescan only", nil)
		}
	case TaskRescan:
		if q.From == nil || q.To == nil || *q.From < 0 || *q.To < *q.From || *q.To > indexer.MaxHeight {
			return errs.E(errs.Invalid, fmt.Sprintf("rescan needs from and to, blocks with 0 <= from <= to <= %d", indexer.MaxHeight), nil)
		}
	default:
		return errs.E(errs.Invalid, fmt.Sprintf("task is %q; allowed: %s, %s, %s, %s", clip(q.Task), TaskStats, TaskRescan, TaskReindex, TaskMediaRepair), nil)
	}
	return nil
}

// clip shortens what a message repeats.
func clip(s string) string {
	const most = 40
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

// Library is the media, as far as they can be repaired.
type Library interface {
	Repair(ctx context.Context, grace time.Duration) (library.Repaired, error)
}

// Maintenance does tasks over these stores. Records is not needed for a media repair,
// and Media for nothing else; nil means that the node has none.
type Maintenance struct {
	Media         Library
	Records       records.Store
	State         state.Store
	RefreshCycles int
	// Holder names this process in the lease of the index cycles.
	Holder string
	Now    func() time.Time
}

// Stats is what the task stats answers. It is for the operator: Documents counts all,
// whoever may read them.
type Stats struct {
	Records    records.Health     `json:"records"`
	Checkpoint indexer.Checkpoint `json:"checkpoint"`
	Pipeline   indexer.Status     `json:"pipeline"`
	LagBlocks  int64              `json:"lagBlocks"`
	// Ledger counts what waits, is rejected or deleted, by state.
	Ledger   map[string]int64  `json:"ledger"`
	Gateways []gateway.Backoff `json:"gateways"`
	Rescan   *indexer.Rescan   `json:"rescan"`
	// Summary is absent before the first one; UntilRefresh counts cycles.
	Summary      *summary.Summary `json:"summary"`
	UntilRefresh int64            `json:"cyclesUntilCacheRefresh"`
}

// Rescanned is what the task rescan answers: the work that is now asked of the index
// cycles, united with what was asked before.
type Rescanned struct {
	Rescan indexer.Rescan `json:"rescan"`
}

// Run does one task; the request has been checked. Its errors are those of the stores,
// and errs.Invalid.
func (m Maintenance) Run(ctx context.Context, q Request) (any, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	switch q.Task {
	case TaskStats:
		return m.stats(ctx)
	case TaskReindex:
		return m.reindex(ctx)
	case TaskMediaRepair:
		return m.repair(ctx, q)
	}
	r, err := indexer.RequestRescan(ctx, m.State, *q.From, *q.To, m.Now().UTC())
	if err != nil {
		return nil, err
	}
	return Rescanned{r}, nil
}

// stats reads both stores, and fails only when the state cannot be read: an operator
// wants to see the rest when the engine is away.
func (m Maintenance) stats(ctx context.Context) (Stats, error) {
	h, err := indexer.ReadHealth(ctx, m.State)
	if err != nil {
		return Stats{}, err
	}
	sum, exists, err := summary.Read(ctx, m.State)
	if err != nil {
		return Stats{}, err
	}
	s := Stats{
		Checkpoint: h.Checkpoint, Pipeline: h.Status, Ledger: h.Ledger, Gateways: h.Gateways, Rescan: h.Rescan,
		LagBlocks:    max(h.Status.GatewayHeight-h.Checkpoint.Height, 0),
		UntilRefresh: summary.Left(sum, exists, h.Status.Cycles, m.RefreshCycles),
	}
	if exists {
		s.Summary = &sum
	}
	s.Records, err = m.Records.Health(ctx)
	if errors.Is(err, records.ErrUnavailable) {
		s.Records.Detail, err = "cannot be reached", nil
	}
	return s, err
}

// repair mends the media as far as the context's time goes; the next one goes on.
func (m Maintenance) repair(ctx context.Context, q Request) (library.Repaired, error) {
	if m.Media == nil {
		return library.Repaired{}, errs.E(errs.Invalid, "this node has no media", nil)
	}
	grace := library.Grace
	if q.GraceMinutes != nil {
		grace = time.Duration(*q.GraceMinutes) * time.Minute
	}
	return m.Media.Repair(ctx, grace)
}

// reindex builds the index anew, while no cycle writes, as far as the time goes.
func (m Maintenance) reindex(ctx context.Context) (records.Reindexed, error) {
	store, ok := m.Records.(reindexer)
	if !ok {
		return records.Reindexed{}, errs.E(errs.Invalid, "the index of this node is rebuilt by itself", nil)
	}
	var done records.Reindexed
	err := indexer.Alone(ctx, m.State, m.Holder, m.Now, func(ctx context.Context, renew func(context.Context) error) (err error) {
		done, err = store.Reindex(ctx, renew)
		return err
	})
	if errors.Is(err, indexer.ErrBusy) {
		return done, errs.E(errs.Conflict, "an index cycle is running; try again when it has ended", err)
	}
	return done, err
}
