package gun

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"oipnode/shared/epoch"
	"oipnode/shared/metrics"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// Counts are what one cycle did, over all peers.
type Counts struct {
	// Discovered are souls that were taken up: not processed before, or due again.
	Discovered int `json:"discovered"`
	// Synced are those of them that are now in the index as they should be; Indexed
	// are those that were written for that.
	Synced  int `json:"synced"`
	Indexed int `json:"indexed"`
	// Skipped are left out by the configuration or by a deletion.
	Skipped int `json:"skipped"`
	// Rejected did not pass the door. It is the publisher's fault, and no error.
	Rejected int `json:"rejected"`
	// Deleted are documents that were removed.
	Deleted int `json:"deleted"`
	// Registered and Published are records and deletions that the relay was told.
	Registered int `json:"registered"`
	Published  int `json:"published"`
	// Errors are what failed and is tried again: souls, indexes, peers.
	Errors int `json:"errors"`
	// Reasons counts rejections, errors and skips by their reason, from a closed list.
	Reasons map[Reason]int `json:"reasons,omitempty"`
}

// add adds what a peer's part of the cycle did.
func (c *Counts) add(d Counts) {
	c.Discovered += d.Discovered
	c.Synced += d.Synced
	c.Indexed += d.Indexed
	c.Skipped += d.Skipped
	c.Rejected += d.Rejected
	c.Deleted += d.Deleted
	c.Registered += d.Registered
	c.Published += d.Published
	c.Errors += d.Errors
	for reason, n := range d.Reasons {
		c.because(reason, n)
	}
}

func (c *Counts) because(reason Reason, n int) {
	if c.Reasons == nil {
		c.Reasons = make(map[Reason]int)
	}
	c.Reasons[reason] += n
}

// Reason says why a soul, an index or a peer ended as it did. The list is closed: the
// reasons of package oip for rejections, and these.
type Reason string

// The reasons besides oip.Reasons.
const (
	ReasonAbsent      Reason = "absent"           // 404: not there, or the peer was slow
	ReasonPartial     Reason = "partial"          // a needed key or a linked node is missing
	ReasonUnavailable Reason = "unavailable"      // no answer, or a status that says so
	ReasonAnswer      Reason = "bad_answer"       // not what a peer answers
	ReasonRedirect    Reason = "redirect"         // to another place, refused
	ReasonTooMuch     Reason = "answer_too_long"  // over a bound of the configuration
	ReasonUntrusted   Reason = "untrusted_node"   // not registered by a trusted node
	ReasonPrivate     Reason = "private"          // encrypted, and those are not taken
	ReasonDeleted     Reason = "deleted"          // there is a tombstone
	ReasonDeleter     Reason = "not_the_deleters" // neither the owner nor a trusted node deleted it
	ReasonVersion     Reason = "lesser_version"   // a better version is indexed
	ReasonStore       Reason = "store"            // a store of ours did not do it
)

// Reasons lists all reasons there are, in the order in which pages show them.
func Reasons() []Reason {
	all := []Reason{ReasonAbsent, ReasonPartial, ReasonUnavailable, ReasonAnswer, ReasonRedirect, ReasonTooMuch,
		ReasonUntrusted, ReasonPrivate, ReasonDeleted, ReasonDeleter, ReasonVersion, ReasonStore}
	for _, r := range oip.Reasons() {
		all = append(all, Reason(r))
	}
	return all
}

// PeerReport is how a cycle fared with one peer.
type PeerReport struct {
	// Peer is the peer's base URL, which an operator's page may show and a stranger's
	// may not.
	Peer string `json:"peer"`
	// Counts are those of this peer alone.
	Counts Counts `json:"counts"`
	// Complete is false when the peer's time or number of records was used up.
	Complete bool `json:"complete"`
	// Waiting is until when the peer is left alone, because it failed.
	Waiting time.Time `json:"waiting,omitzero"`
	// Failure is the reason of the last request that failed; empty when none did.
	Failure Reason `json:"failure,omitempty"`
}

// Report is what one cycle did.
type Report struct {
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration"` // nanoseconds
	Counts   Counts        `json:"counts"`
	Peers    []PeerReport  `json:"peers,omitempty"`
	// Complete is false when the cycle stopped early; the next one goes on.
	Complete bool `json:"complete"`
	// Error is one line for the operator, empty when all went well. It holds nothing
	// that a peer or a store has written.
	Error string `json:"error,omitempty"`
}

// Measure records what a cycle did, how long it took, and how it ended: a cycle that
// could not take its lease, or not keep its status, has no error in its report.
func (r Report) Measure(m metrics.Recorder, took time.Duration, err error) {
	m.Observe(metrics.GunCycleDuration, took)
	m.Add(metrics.GunRecordsIndexed, int64(r.Counts.Indexed))
	m.Add(metrics.GunRecordsRejected, int64(r.Counts.Rejected))
	m.Add(metrics.GunRecordsDeleted, int64(r.Counts.Deleted))
	m.Add(metrics.GunErrors, int64(r.Counts.Errors))
	if err != nil {
		m.Add(metrics.GunErrors, 1)
	}
}

// Status is the sync across cycles.
type Status struct {
	Cycles int64 `json:"cycles"`
	// The totals are over all cycles; Reasons too.
	Discovered int64            `json:"discovered"`
	Synced     int64            `json:"synced"`
	Errors     int64            `json:"errors"`
	Reasons    map[Reason]int64 `json:"reasons,omitempty"`
	// LastSync is when a cycle last ended without an error of its own, and not every
	// peer was down: one that could ask none of them has synchronized nothing.
	LastSync time.Time `json:"lastSync,omitzero"`
	// Average is the mean duration of a cycle, 0.7 of what it was and 0.3 of the last.
	Average time.Duration `json:"average"`
	// Processed is how many processed ids the indexes of the peers had when they were
	// last read through, and NextExpiry when the first of them ends.
	Processed  int64     `json:"processed"`
	NextExpiry time.Time `json:"nextExpiry,omitzero"`
	Last       Report    `json:"last"`
}

// Health is what the page of the sync shows, read from the state store alone, so that
// any process can serve it.
type Health struct {
	// Running is set while some process has the lease.
	Running bool
	// NodeID is the id that the node gave itself; empty before the first cycle.
	NodeID string
	Status Status
	// Outbox is whether deletions wait for the node's own relay.
	Outbox bool
}

// SuccessRate is the share of what was taken up over all cycles and did not fail, from
// 0 to 1. Rejections are no failures of this node.
func (s Status) SuccessRate() float64 { return rate(s.Synced, s.Errors) }

func rate(synced, errors int64) float64 {
	if synced+errors == 0 {
		return 1
	}
	return float64(synced) / float64(synced+errors)
}

// Healthy is the rule of spec gun section 4: a success rate above 90 %, fewer than ten
// errors, and a sync within the last four intervals. The first two are of the last
// cycle: a sum over all cycles would keep a node unhealthy for ever, or hide that it
// fails now.
func (h Health) Healthy(now time.Time, interval time.Duration) bool {
	last := h.Status.Last
	return last.Error == "" && rate(int64(last.Counts.Synced), int64(last.Counts.Errors)) > 0.9 && last.Counts.Errors < 10 &&
		now.Sub(h.Status.LastSync) <= 4*interval
}

// ReadHealth reads the sync's health, in two calls of the store.
func ReadHealth(ctx context.Context, s state.Store) (Health, error) {
	var h Health
	items, err := s.Get(ctx, keyStatus, keyNode, state.Key{Space: state.LeaseSpace, ID: leaseName})
	if err != nil {
		return h, err
	}
	for _, item := range items {
		switch item.Key {
		case keyStatus:
			if err := decode(item, &h.Status); err != nil {
				return h, err
			}
		case keyNode:
			h.NodeID = string(item.Value)
		default:
			h.Running = true
		}
	}
	waiting, err := s.Range(ctx, spaceOut, "", "", 1)
	h.Outbox = len(waiting) > 0
	return h, err
}

// report sums up the cycle.
func (c *cycle) report(start time.Time, err error) Report {
	r := Report{Started: start, Duration: c.opt.Now().Sub(start), Complete: err == nil}
	r.Counts.add(c.common)
	for _, run := range c.runs {
		r.Counts.add(run.counts)
		r.Complete = r.Complete && run.complete
		r.Peers = append(r.Peers, PeerReport{Peer: run.peer.base, Counts: run.counts, Complete: run.complete,
			Waiting: run.memory.Until, Failure: run.failure})
	}
	if err != nil {
		r.Error = c.phase + ": " + fault(err)
		level := slog.LevelError
		if errors.Is(err, context.Canceled) {
			level = slog.LevelInfo // the process ends; every step can be done again
		}
		c.log.Log(context.Background(), level, "the sync cycle ended early", "phase", c.phase, "error", err)
	}
	return r
}

// Down reports whether a cycle that began then could do nothing with the peer, because
// it failed or is still left alone. A peer of which nothing was due is not down.
func (p PeerReport) Down(began time.Time) bool { return p.Waiting.After(began) }

// reached reports whether any peer was there; with none to ask there is nothing amiss.
func (r Report) reached() bool {
	return len(r.Peers) == 0 || slices.ContainsFunc(r.Peers, func(p PeerReport) bool { return !p.Down(r.Started) })
}

// fault is what of an error may be shown: its kind, and nothing that a store wrote.
func fault(err error) string {
	for _, known := range []error{ErrLeaseLost, errStore, records.ErrUnavailable, state.ErrUnavailable,
		context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "an unexpected fault; the log tells which"
}

// status are the operations that keep the report.
func (c *cycle) status(ctx context.Context, r Report) ([]state.Op, error) {
	var s Status
	item, ok, err := state.GetOne(ctx, c.opt.State, keyStatus)
	if err != nil {
		return nil, err
	}
	if ok {
		if err := decode(item, &s); err != nil {
			return nil, err
		}
	}
	s.Cycles++
	s.Discovered += int64(r.Counts.Discovered)
	s.Synced += int64(r.Counts.Synced)
	s.Errors += int64(r.Counts.Errors)
	reasons := make(map[Reason]int64, len(s.Reasons))
	maps.Copy(reasons, s.Reasons)
	for reason, n := range r.Counts.Reasons {
		reasons[reason] += int64(n)
	}
	known := Reasons()
	maps.DeleteFunc(reasons, func(reason Reason, _ int64) bool { return !slices.Contains(known, reason) })
	s.Reasons = reasons
	if s.Average == 0 {
		s.Average = r.Duration
	}
	s.Average = (7*s.Average + 3*r.Duration) / 10
	if r.Error == "" && r.reached() {
		s.LastSync = c.opt.Now()
	}
	s.Processed, s.NextExpiry = c.processed, c.nextExpiry
	s.Last = r
	op, err := putJSON(keyStatus, s)
	ops := []state.Op{op}
	if r.Counts.Indexed+r.Counts.Deleted > 0 {
		ops = append(ops, epoch.Op())
	}
	return ops, err
}
