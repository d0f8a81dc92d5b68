package indexer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"oipnode/shared/gateway"
	"oipnode/shared/oip"
	"oipnode/shared/state"
)

// EntryState says what the ledger knows of an id.
type EntryState string

// The states of an Entry.
const (
	// EntryWaiting: not indexed; tried again when it is due or its dependency lands.
	EntryWaiting EntryState = "waiting"
	// EntryPartial: indexed with some templates missing; completed like EntryWaiting.
	EntryPartial EntryState = "partial"
	// EntryPending: indexed, but its block vanished; checked until it is mined
	// again or has been gone for GoneAfter.
	EntryPending EntryState = "pending"
	// EntryRejected: judged; not fetched again until its bytes could differ
	// (another gateway) or the rules change.
	EntryRejected EntryState = "rejected"
	// EntryDeleted: its creator deleted it, or its owner had it removed from this node;
	// the tombstone outlives the document.
	EntryDeleted EntryState = "deleted"
)

// Entry is the kept outcome of an id that is not simply indexed.
//
// Invariant 1: every id discovered at or below the checkpoint is in the record
// store, or has an Entry (or, until the next cycle, the mark of a removal). An Entry
// is written before the checkpoint moves over its id, and removed only after its
// document is durable.
type Entry struct {
	State EntryState `json:"state"`
	// Needs are the dependencies that wake a waiting or partial entry, at most maxNeeds.
	Needs []oip.Dependency `json:"needs,omitempty"`
	// Height is where the transaction was last seen.
	Height int64 `json:"height,omitempty"`
	// Attempts counts the tries so far; pauses grow with it.
	Attempts int `json:"attempts,omitempty"`
	// Due is when the next try happens; zero for entries that are never tried.
	Due time.Time `json:"due,omitzero"`
	// Parked entries failed often and are tried once a week.
	Parked bool `json:"parked,omitempty"`
	// Since is when the entry came into its state.
	Since time.Time `json:"since"`
	// Reason and Detail tell why; Gateways are those whose bytes were judged,
	// and Rules the version of the rules that judged.
	Reason   oip.Reason `json:"reason,omitempty"`
	Detail   string     `json:"detail,omitempty"`
	Gateways []string   `json:"gateways,omitempty"`
	Rules    string     `json:"rules,omitempty"`
	// Asked are the gateways that there were; until Recheck, those of them that
	// did not answer are not asked again.
	Asked   []string  `json:"asked,omitempty"`
	Recheck time.Time `json:"recheck,omitzero"`

	version uint64 // of the stored item; 0 for a new entry
}

// maxGatewayName bounds how an entry names a gateway, in bytes: it may name sixty-four,
// and must fit into one item of the state store.
const maxGatewayName = 512

// gatewayName is how an entry names a gateway: by its URL, which is shortened if it is
// a very long one.
func gatewayName(gw *gateway.Gateway) string {
	url := gw.URL()
	if len(url) <= maxGatewayName {
		return url
	}
	return strings.ToValidUTF8(url[:maxGatewayName-60], "") + "…" + hashed(url)
}

// maxDetail is how much of a reason's detail, or of an engine's words, an entry keeps, in
// bytes.
const maxDetail = 500

// clipped shortens a detail to that.
func clipped(detail string) string {
	return strings.ToValidUTF8(detail[:min(len(detail), maxDetail)], "")
}

// maxNeeds bounds the dependencies that one entry registers. A record that
// waits for more is looked at again when one of these lands.
const maxNeeds = 8

// counter names the counter that the entry is counted under.
func (e *Entry) counter() string {
	switch {
	case e.State == EntryRejected:
		return "rejected:" + string(e.Reason)
	case e.Parked:
		return "parked"
	case e.State == EntryWaiting && len(e.Needs) > 0:
		return "waiting:" + string(e.Needs[0].Need)
	}
	return string(e.State)
}

// change is the replacement of an id's entry; a nil side means no entry.
type change struct {
	id       string
	old, new *Entry
}

// ops are the operations that carry a change out: the entry itself, guarded by
// its version so that counters stay exact, and the lists that point to it.
func (c change) ops() ([]state.Op, error) {
	var ops []state.Op
	lists := make(map[state.Key]bool) // true: put, false: delete
	if c.old != nil {
		for _, k := range c.old.lists(c.id) {
			lists[k] = false
		}
	}
	if c.new != nil {
		for _, k := range c.new.lists(c.id) {
			lists[k] = true
		}
	}
	switch {
	case c.new == nil && c.old == nil:
		return nil, nil
	case c.new == nil:
		ops = append(ops, state.DeleteIf(txKey(c.id), c.old.version))
	default:
		value, err := encode(c.new)
		if err != nil {
			return nil, fmt.Errorf("encode entry: %w", err)
		}
		if c.old == nil {
			ops = append(ops, state.Create(txKey(c.id), value))
		} else {
			ops = append(ops, state.Update(txKey(c.id), value, c.old.version))
		}
	}
	for k, put := range lists {
		if put {
			ops = append(ops, state.Put(k, []byte(c.id)))
		} else {
			ops = append(ops, state.Delete(k))
		}
	}
	return ops, nil
}

// lists are the index items that point to the entry.
func (e *Entry) lists(id string) []state.Key {
	var keys []state.Key
	if !e.Due.IsZero() {
		keys = append(keys, dueKey(e.Due, id))
	}
	for _, n := range e.Needs {
		keys = append(keys, needKey(n, id))
	}
	if e.State == EntryRejected {
		keys = append(keys, rejectedKey(e.Reason, id))
	}
	return keys
}

// counts are the counters that the change moves.
func (c change) counts(add map[string]int64) {
	if c.old != nil {
		add[c.old.counter()]--
	}
	if c.new != nil {
		add[c.new.counter()]++
	}
}

// parseEntry reads an entry out of its item.
func parseEntry(item state.Item) (*Entry, error) {
	e := &Entry{}
	if err := json.Unmarshal(item.Value, e); err != nil {
		return nil, fmt.Errorf("ledger entry %s: %w", item.ID, err)
	}
	e.version = item.Version
	return e, nil
}

// Pauses of the ledger: the first retry after minutes, since hammering a missing
// id can put it into a gateway's negative cache for days; then twice as long each
// time; parked after parkAfter tries and tried weekly, never dropped (gateways.md).
const (
	firstPause = time.Minute
	maxPause   = 24 * time.Hour
	parkPause  = 7 * 24 * time.Hour
	parkAfter  = 12
)

// retryAfter sets the next try of a waiting entry.
func (e *Entry) retryAfter(now time.Time) {
	e.Attempts++
	if e.Attempts >= parkAfter {
		e.Parked = true
		e.Due = wholeSecond(now.Add(parkPause))
		return
	}
	e.Due = wholeSecond(now.Add(min(firstPause<<(e.Attempts-1), maxPause)))
}

// wholeSecond cuts a time to the precision of the list of due entries.
func wholeSecond(t time.Time) time.Time { return t.Truncate(time.Second) }

// waiting makes the next entry of an id that has to wait, keeping what the
// earlier one knows.
func waiting(old *Entry, now time.Time, height int64, st EntryState, detail string, needs ...oip.Dependency) *Entry {
	e := &Entry{State: st, Height: height, Since: now, Detail: clipped(detail)}
	if old != nil && (old.State == EntryWaiting || old.State == EntryPartial) {
		e.Attempts, e.Since = old.Attempts, old.Since
	}
	slices.SortFunc(needs, func(a, b oip.Dependency) int {
		return cmp.Or(strings.Compare(string(a.Need), string(b.Need)), strings.Compare(a.ID, b.ID))
	})
	e.Needs = slices.Compact(needs)
	if len(e.Needs) > maxNeeds {
		e.Needs = e.Needs[:maxNeeds]
	}
	e.retryAfter(now)
	return e
}
