// Package maintenance is an operator's tools, one task per call: the same code behind
// the Lambda function maintenance and the sub-commands of the local node.
//
// The tasks are
//
//	{"task":"cleanup"}                             drop caches, give memory back, forget processed GUN ids
//	{"task":"monitor","seconds":60}                the memory, again and again
//	{"task":"stats"}                               what there is, and how far the index is
//	{"task":"diagnose"}                            the memory in detail, and of all functions
//	{"task":"diagnose","mode":"snapshot"}          a heap profile, for go tool pprof
//	{"task":"diagnose","mode":"monitor","interval":10,"duration":120}  growth, and time to the limit
//	{"task":"delete","did":"did:arweave:…"}        remove a record from this node, for good
//	{"task":"rescan","from":1600000,"to":1600999}  have the next index cycles read blocks again
//	{"task":"remap","type":"post"}                 fetch, verify and expand all records of a type again
//	{"task":"retry","reason":"waiting:data"}       make entries of the ledger due now
//	{"task":"rejected"}                            list what was rejected; with "id" show one
//	{"task":"verify","repair":true}                compare the whole index with the chain, and mend it
//	{"task":"export","type":"post"}                the documents, page by page
//	{"task":"token","publicKey":"…"}               a token with the node's key, for trying things
//	{"task":"reindex"}                             build the index anew beside the one in use
//	{"task":"media-repair"}                        mend what kills and lost files left of the media
//
// An answer with "again" is to be asked for again: the call's time was over.
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
	"oipnode/shared/media"
	"oipnode/shared/memory"
	"oipnode/shared/records"
	"oipnode/shared/state"
	"oipnode/shared/summary"
)

// reindexer is a record store whose index can be built anew.
type reindexer interface {
	// Reindex calls between from time to time. When ctx ends before it is done, it says
	// Again, and has left everything in order.
	Reindex(ctx context.Context, between func(context.Context) error) (records.Reindexed, error)
}

// Library is the media, as far as they can be repaired.
type Library interface {
	Repair(ctx context.Context, grace time.Duration) (library.Repaired, error)
}

// Maintenance does tasks over these parts. A task needs some of them only (Needs); the
// others may be absent.
type Maintenance struct {
	Media         Library
	Records       records.Store
	State         state.Store
	RefreshCycles int
	// Indexer makes the pipeline, for what works like a cycle.
	Indexer func() (*indexer.Indexer, error)
	// Memory watches over this process.
	Memory *memory.Monitor
	// Files takes heap profiles; Where says where one is, for the operator.
	Files media.Store
	Where func(name string) string
	// Secret is the key of the tokens; none is an empty one.
	Secret func(ctx context.Context) ([]byte, error)
	// Holder names this process in the lease of the index cycles.
	Holder string
	Now    func() time.Time

	// Emit takes what a task tells while it runs: samples of the memory, how far a check
	// is, exported documents. An error of it ends the task. Without it such things are
	// in the answer, bounded, or left out.
	Emit func(any) error
	// Turn waits until no cycle of this process runs, and lets none begin before done is
	// called; nil where cycles are other processes'.
	Turn func(ctx context.Context) (done func(), err error)
	// Slice is how long a check may keep cycles out at a time. With it a check goes on
	// slice by slice to its end; without it one slice is one call.
	Slice time.Duration
}

// Needs is what a task needs to have open.
type Needs struct{ Records, State, Media, Files, Secret, Gateways bool }

// Needs says what the task of a request needs.
func (q Request) Needs() Needs {
	switch q.Task {
	case TaskMonitor:
		return Needs{}
	case TaskDiagnose:
		return Needs{State: q.Mode == "" || q.Mode == ModeQuick, Files: q.Mode == ModeSnapshot}
	case TaskCleanup, TaskRescan, TaskRejected:
		return Needs{State: true}
	case TaskRemap, TaskRetry, TaskVerify:
		return Needs{Records: true, State: true, Gateways: true}
	case TaskToken:
		return Needs{Secret: true}
	case TaskMediaRepair:
		return Needs{State: true, Media: true}
	case TaskExport:
		return Needs{Records: true}
	}
	return Needs{Records: true, State: true}
}

// Run does one task. Its errors are those of the stores, and of package errs.
func (m Maintenance) Run(ctx context.Context, q Request) (any, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	switch q.Task {
	case TaskCleanup:
		return m.cleanup(ctx)
	case TaskMonitor:
		return m.monitor(ctx, q)
	case TaskStats:
		return m.stats(ctx)
	case TaskDiagnose:
		return m.diagnose(ctx, q)
	case TaskDelete:
		return m.remove(ctx, q.DID)
	case TaskRescan:
		r, err := indexer.RequestRescan(ctx, m.State, *q.From, *q.To, m.Now().UTC())
		if err != nil {
			return nil, err
		}
		return Rescanned{r}, nil
	case TaskRemap, TaskVerify:
		return m.verify(ctx, q)
	case TaskRetry:
		return m.retry(ctx, q.Reason)
	case TaskRejected:
		return m.rejected(ctx, q)
	case TaskExport:
		return m.export(ctx, q)
	case TaskToken:
		return m.token(ctx, q)
	case TaskReindex:
		return m.reindex(ctx)
	}
	return m.repair(ctx, q)
}

// emit tells something while a task runs.
func (m Maintenance) emit(v any) error {
	if m.Emit == nil {
		return nil
	}
	return m.Emit(v)
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
	// Check is the last verification; absent before the first one.
	Check *indexer.Check `json:"check,omitempty"`
	// Summary is absent before the first one; UntilRefresh counts cycles.
	Summary      *summary.Summary `json:"summary"`
	UntilRefresh int64            `json:"cyclesUntilCacheRefresh"`
	// Memory is that of the process that answers.
	Memory *Reading `json:"memory,omitempty"`
}

// Rescanned is what the task rescan answers: the work that is now asked of the index
// cycles, united with what was asked before.
type Rescanned struct {
	Rescan indexer.Rescan `json:"rescan"`
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
	if check, ok, err := indexer.ReadCheck(ctx, m.State, ""); err != nil {
		return Stats{}, err
	} else if ok {
		s.Check = &check
	}
	if m.Memory != nil {
		r := m.reading(m.Memory.Check(ctx))
		s.Memory = &r
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
	return done, busy(err)
}

// busy words the one refusal that passes by itself.
func busy(err error) error {
	if errors.Is(err, indexer.ErrBusy) {
		return errs.E(errs.Conflict, "an index cycle is running; try again when it has ended", err)
	}
	return err
}

// turn keeps the cycles of this process out while work runs.
func (m Maintenance) turn(ctx context.Context, work func() error) error {
	if m.Turn == nil {
		return busy(work())
	}
	done, err := m.Turn(ctx)
	if err != nil {
		return fmt.Errorf("wait for the index cycle: %w", err)
	}
	defer done()
	return busy(work())
}
