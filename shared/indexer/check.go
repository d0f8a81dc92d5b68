package indexer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// A check compares the whole index with the chain, in two passes over what no fork
// touches any more, below the hot window:
//
//  1. over the chain, ids only: each must be indexed and be found by a search, or have
//     an entry in the ledger;
//  2. over the index: each transaction is fetched, verified and expanded again, and must
//     give the document that is there.
//
// It works in slices, each of which goes on where the last one stopped, from a position
// in the state store. In memory are a page of ids and a group of transactions. Without
// Repair nothing but that position is written. With it, what was found is mended by the
// steps that a cycle would take; the finding is kept before, so that a kill in between
// loses no line of the report.

// Fault is what is wrong with a record.
type Fault string

// The faults.
const (
	// FaultMissing: the chain has it, neither the index nor the ledger does.
	FaultMissing Fault = "missing"
	// FaultUnsearchable: its document is there, and no search finds it.
	FaultUnsearchable Fault = "unsearchable"
	// FaultExtra: it is indexed, and every gateway answers that no block has it.
	FaultExtra Fault = "extra"
	// FaultDeleted: it is indexed although its creator, or its owner, had it deleted.
	FaultDeleted Fault = "deleted"
	// FaultMoved: it is indexed at another height than its block's.
	FaultMoved Fault = "moved"
	// FaultInvalid: it is indexed, and does not pass the door: structure, signature, key.
	FaultInvalid Fault = "invalid"
	// FaultChanged: it is indexed with another content than its transaction gives.
	FaultChanged Fault = "changed"
)

// Finding is one fault of one record.
type Finding struct {
	DID    string `json:"did"`
	Fault  Fault  `json:"fault"`
	Height int64  `json:"height,omitempty"`
	// Detail is one line about it, such as the reason of a rejection.
	Detail string `json:"detail,omitempty"`
}

// MaxFindings is how many findings a check keeps; the counts go on.
const MaxFindings = 200

// CheckRequest says what a check does.
type CheckRequest struct {
	// Repair mends what is found.
	Repair bool
	// Type makes it a remapping: all indexed records of this type are fetched, verified,
	// expanded and written again, whether they differ or not; nothing else is looked at.
	Type string
	// Fresh begins anew, also when an earlier check was not finished.
	Fresh bool
}

// Check is how far a check is, and what it has found.
type Check struct {
	Repair  bool      `json:"repair"`
	Type    string    `json:"type,omitempty"`
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
	// Pass is chain, index or done, and Done says that it is the last of them.
	Pass string `json:"pass"`
	Done bool   `json:"complete"`
	// To is the last block of the check, Next the first that the first pass has not read.
	To   int64 `json:"to"`
	Next int64 `json:"next"`
	// Listed are the transactions that the chain has shown, Compared the documents that
	// were compared, or for a remapping written again.
	Listed   int64 `json:"listed"`
	Compared int64 `json:"compared"`
	// Unread are documents that could not be compared, since no gateway gave the
	// transaction, or not all answered. Excluded are those that the configuration leaves
	// out now.
	Unread   int64 `json:"unread"`
	Excluded int64 `json:"excluded,omitempty"`
	// Faults counts what was found, Repaired what of it was mended.
	Faults   map[Fault]int64 `json:"faults"`
	Repaired int64           `json:"repaired"`
	// Findings are the first MaxFindings.
	Findings []Finding `json:"findings"`

	Cursor records.Cursor `json:"cursor,omitempty"`
}

// The passes.
const (
	passChain = "chain"
	passIndex = "index"
	passDone  = "done"
)

// Found is the number of all faults.
func (k Check) Found() (n int64) {
	for _, f := range k.Faults {
		n += f
	}
	return n
}

// checkTime bounds a call that has no deadline: a cycle must have its turn.
const checkTime = 15 * time.Minute

// Check does a slice of a check, as far as the time of ctx goes, and returns how far it
// is now; it is to be called until that is Done. What an earlier call has left is gone
// on with, if it was asked for the same. It returns ErrBusy while a cycle is running.
func (ix *Indexer) Check(ctx context.Context, q CheckRequest) (Check, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	k := checker{request: q}
	err := ix.operate(ctx, "check", func(ctx context.Context, c *cycle) error {
		k.cycle = c
		if err := k.load(ctx); err != nil {
			return err
		}
		return k.run(ctx)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err == nil && k.saved.Started.IsZero() {
		err = fmt.Errorf("check: no time to begin: %w", context.DeadlineExceeded)
	}
	k.saved.Cursor = ""
	return k.saved, err
}

// ReadCheck reads where the last check is, or for a type its last remapping; ok is false
// when there was none.
func ReadCheck(ctx context.Context, s state.Store, recordType string) (k Check, ok bool, err error) {
	item, ok, err := state.GetOne(ctx, s, checkKey(checkName(recordType)))
	if err != nil || !ok {
		return Check{}, false, err
	}
	_, err = decode(item, true, &k)
	k.Cursor = ""
	return k, err == nil, err
}

// checkName keeps checks and the remappings of each type apart.
func checkName(recordType string) string {
	if recordType == "" {
		return "all"
	}
	return "type-" + hashed(strings.ToLower(recordType))
}

// checker does a slice of a check.
type checker struct {
	*cycle
	request CheckRequest
	// now is what is being counted, saved what is in the state store.
	now, saved Check
}

// load reads what an earlier call has left, or begins.
func (k *checker) load(ctx context.Context) error {
	if _, err := k.loadJSON(ctx, checkKey(checkName(k.request.Type)), &k.now); err != nil {
		return err
	}
	if k.now.Started.IsZero() || k.now.Done || k.request.Fresh || k.now.Repair != k.request.Repair {
		k.now = Check{Repair: k.request.Repair, Type: k.request.Type, Started: k.opt.Now(), Pass: passChain, Next: k.opt.StartHeight}
		if k.request.Type != "" {
			k.now.Pass = passIndex
		}
	}
	if k.now.Faults == nil {
		k.now.Faults = make(map[Fault]int64)
	}
	if k.now.Findings == nil {
		k.now.Findings = []Finding{}
	}
	return nil
}

// run does the passes.
func (k *checker) run(ctx context.Context) error {
	if err := k.reopen(ctx); err != nil {
		return err
	}
	if err := k.connect(ctx); err != nil {
		return err
	}
	k.pipe = newPipeline(ctx, k.cycle)
	defer k.pipe.stop()
	if err := k.resumeHandles(ctx); err != nil { // what a kill left would look like faults
		return err
	}
	if k.now.To == 0 {
		k.now.To = min(k.height-k.opt.Confirmations-1, k.checkpoint.Height)
	}
	if k.now.Pass == passChain {
		if err := k.chain(ctx); err != nil {
			return err
		}
		k.now.Pass = passIndex
		if err := k.save(ctx); err != nil {
			return err
		}
	}
	if k.now.Pass == passIndex {
		if err := k.index(ctx); err != nil {
			return err
		}
		k.now.Pass, k.now.Done, k.now.Cursor = passDone, true, ""
	}
	return k.save(ctx)
}

// save makes the position and the report durable.
func (k *checker) save(ctx context.Context) error {
	k.now.Updated = k.opt.Now()
	op, err := k.putJSON(checkKey(checkName(k.request.Type)), k.now, anyVersion)
	if err != nil {
		return err
	}
	if err := k.commit(ctx, op); err != nil {
		return fmt.Errorf("save the check: %w", err)
	}
	k.saved = k.now.clone()
	k.progress()
	return nil
}

// clone is a copy that shares nothing that changes.
func (k Check) clone() Check {
	faults := make(map[Fault]int64, len(k.Faults))
	for f, n := range k.Faults {
		faults[f] = n
	}
	k.Faults, k.Findings = faults, slices.Clone(k.Findings)
	return k
}

// found notes faults and, for a repair, keeps them before anything is changed: what a
// kill makes it meet again, or not meet any more, is in the report once.
func (k *checker) found(ctx context.Context, list ...Finding) error {
	for _, f := range list {
		if slices.ContainsFunc(k.now.Findings, func(g Finding) bool { return g.DID == f.DID && g.Fault == f.Fault }) {
			continue
		}
		k.now.Faults[f.Fault]++
		if len(k.now.Findings) < MaxFindings {
			f.Detail = clipped(f.Detail)
			k.now.Findings = append(k.now.Findings, f)
			k.log.Warn("a check found a fault", "did", f.DID, "fault", string(f.Fault), "height", f.Height, "detail", f.Detail)
		}
	}
	if !k.request.Repair || len(list) == 0 {
		return nil
	}
	return k.save(ctx)
}

// id is the transaction of a document.
func (f Finding) id() string {
	id, _ := oip.TxID(f.DID)
	return id
}
