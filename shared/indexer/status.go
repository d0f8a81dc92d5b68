package indexer

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"oipnode/shared/epoch"
	"oipnode/shared/gateway"
	"oipnode/shared/metrics"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// Counts are what happened in a cycle.
type Counts struct {
	Indexed  int `json:"indexed"`
	Rejected int `json:"rejected"`
	Waiting  int `json:"waiting"`
	Deleted  int `json:"deleted"`
	Moved    int `json:"moved"`
	Vanished int `json:"vanished"`
	Gone     int `json:"gone"`
}

// Changed reports whether the cycle changed anything that answers show.
func (n Counts) Changed() bool {
	return n.Indexed+n.Deleted+n.Moved+n.Vanished+n.Gone > 0
}

// Report is what a cycle did; it is kept for the health page.
type Report struct {
	Started  time.Time `json:"started"`
	Duration string    `json:"duration"`
	Gateway  string    `json:"gateway,omitempty"`
	Height   int64     `json:"gatewayHeight,omitempty"`
	// Checkpoint is where the cycle has left it.
	Checkpoint int64  `json:"checkpoint"`
	Counts     Counts `json:"counts"`
	// Complete is false when the cycle stopped early, for its time or its number
	// of transactions; the next one goes on.
	Complete bool `json:"complete"`
	// Error is one line for the operator; empty when all went well.
	Error string `json:"error,omitempty"`
}

// Measure records what a cycle did, how long it took, and how it ended.
func (r Report) Measure(m metrics.Recorder, took time.Duration, err error) {
	m.Observe(metrics.CycleDuration, took)
	m.Add(metrics.RecordsIndexed, int64(r.Counts.Indexed))
	m.Add(metrics.RecordsRejected, int64(r.Counts.Rejected))
	m.Add(metrics.RecordsWaiting, int64(r.Counts.Waiting))
	m.Add(metrics.RecordsDeleted, int64(r.Counts.Deleted))
	if err != nil {
		m.Add(metrics.CycleErrors, 1)
	}
	if r.Height > 0 { // a gateway has told its height
		m.Set(metrics.LagBlocks, float64(max(r.Height-r.Checkpoint, 0)))
		m.Set(metrics.CheckpointHeight, float64(r.Checkpoint))
	}
}

// Status is the state of the pipeline across cycles.
type Status struct {
	Cycles int64  `json:"cycles"`
	Last   Report `json:"last"`
	// Changes counts the cycles that changed something.
	Changes int64 `json:"changes"`
	// LastGood is when a cycle last ended without an error.
	LastGood time.Time `json:"lastGood,omitzero"`
	// GatewayHeight is the last height that a gateway told.
	GatewayHeight int64 `json:"gatewayHeight"`
}

// count changes the cycle's counts; both stages and the reader do.
func (c *cycle) count(change func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.counts)
}

// report sums up the cycle.
func (c *cycle) report(start time.Time, err error) Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := Report{Started: start, Duration: c.opt.Now().Sub(start).Round(time.Millisecond).String(), Height: c.height, Checkpoint: c.checkpoint.Height, Counts: c.counts, Complete: c.complete}
	if c.gw != nil {
		r.Gateway = c.gw.URL()
	}
	if err != nil {
		r.Error = c.phase + ": " + reason(err)
		level := slog.LevelError
		if errors.Is(err, context.Canceled) {
			level = slog.LevelInfo // the process ends; the next one goes on
		}
		c.log.Log(context.Background(), level, "the cycle ended early", "phase", c.phase, "error", err)
	}
	return r
}

// reason is what of an error may be shown: the kind of fault, and nothing that a
// gateway or a store has written. The log has the rest.
func reason(err error) string {
	for _, known := range []error{ErrLeaseLost, errUntrusted, errBusyStore, gateway.ErrNoGateway, gateway.ErrGap,
		gateway.ErrHeight, gateway.ErrLoop, gateway.ErrRowLimit, gateway.ErrTooManyPages, gateway.ErrGraphQL, gateway.ErrUnhealthy,
		gateway.ErrProtocol, gateway.ErrRateLimited, gateway.ErrBackoff, gateway.ErrUnavailable, records.ErrUnavailable, state.ErrUnavailable,
		context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "an unexpected fault; the log tells which"
}

// status are the operations that keep the report, and the gateways' back-off for the
// next cycle.
func (c *cycle) status(ctx context.Context, r Report) ([]state.Op, error) {
	var s Status
	if _, err := c.loadBegun(ctx, keyStatus, &s); err != nil {
		return nil, err
	}
	s.Cycles++
	s.Last = r
	if r.Counts.Changed() {
		s.Changes++
	}
	if r.Error == "" {
		s.LastGood = c.opt.Now()
	}
	s.GatewayHeight = max(s.GatewayHeight, r.Height)
	status, err := c.putJSON(keyStatus, s, anyVersion)
	if err != nil {
		return nil, err
	}
	gateways, err := c.putJSON(keyGateways, c.opt.Pool.Snapshot(), anyVersion)
	if err != nil {
		return nil, err
	}
	ops := []state.Op{status, gateways}
	if r.Counts.Changed() {
		ops = append(ops, epoch.Op())
	}
	return ops, nil
}

// Health is what the pipeline's page shows, read from the state store alone, so
// that any process can serve it.
type Health struct {
	// Running is set while some process has the lease.
	Running    bool
	Checkpoint Checkpoint
	Status     Status
	// Ledger counts the entries by state: waiting:creator, waiting:template,
	// waiting:data, partial, pending, parked, deleted, rejected:<reason>.
	Ledger   map[string]int64
	Gateways []gateway.Backoff
	// Rescan is what an operator asked for and is not done yet; nil when there is
	// nothing.
	Rescan *Rescan
}

// ReadStatus reads how far the pipeline is, in one call of the store. Both are zero
// before the first cycle.
func ReadStatus(ctx context.Context, s state.Store) (checkpoint Checkpoint, status Status, err error) {
	items, err := s.Get(ctx, keyCheckpoint, keyStatus)
	if err != nil {
		return checkpoint, status, err
	}
	for _, item := range items {
		var into any = &checkpoint
		if item.Key == keyStatus {
			into = &status
		}
		if _, err := decode(item, true, into); err != nil {
			return checkpoint, status, err
		}
	}
	return checkpoint, status, nil
}

// ReadHealth reads the pipeline's health.
func ReadHealth(ctx context.Context, s state.Store) (Health, error) {
	h := Health{Ledger: make(map[string]int64)}
	into := map[state.Key]any{keyCheckpoint: &h.Checkpoint, keyStatus: &h.Status, keyGateways: &h.Gateways, keyRescan: &h.Rescan}
	lease := state.Key{Space: state.LeaseSpace, ID: leaseName}
	items, err := s.Get(ctx, append(slices.Collect(maps.Keys(into)), lease)...)
	if err != nil {
		return h, err
	}
	for _, item := range items {
		if item.Key == lease {
			h.Running = true
			continue
		}
		if _, err := decode(item, true, into[item.Key]); err != nil {
			return h, err
		}
	}
	err = state.Each(ctx, s, spaceCount, "", "", state.MaxGet, func(item state.Item) error {
		n, err := strconv.ParseInt(string(item.Value), 10, 64)
		if n != 0 {
			h.Ledger[item.ID] = n
		}
		return err
	})
	return h, err
}

// Rejection is a kept rejection, for lists.
type Rejection struct {
	ID     string     `json:"id"`
	Reason oip.Reason `json:"reason"`
	Detail string     `json:"detail"`
	Height int64      `json:"height"`
	Since  time.Time  `json:"since"`
}

// Rejections lists kept rejections by (reason, id), at most limit from after on
// (the last one's Cursor of an earlier page).
func Rejections(ctx context.Context, s state.Store, after string, limit int) ([]Rejection, error) {
	if after != "" {
		after += "\x00"
	}
	items, err := s.Range(ctx, spaceRejected, after, "", min(limit, state.MaxGet))
	if err != nil || len(items) == 0 {
		return nil, err
	}
	keys := make([]state.Key, 0, len(items))
	for _, item := range items {
		keys = append(keys, txKey(string(item.Value)))
	}
	entries, err := s.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	list := make([]Rejection, 0, len(entries))
	for _, item := range entries {
		e, err := parseEntry(item)
		if err != nil {
			return nil, err
		}
		if e.State == EntryRejected {
			list = append(list, Rejection{item.ID, e.Reason, e.Detail, e.Height, e.Since})
		}
	}
	return list, nil
}

// Cursor is the position of a rejection in the list.
func (r Rejection) Cursor() string { return rejectedKey(r.Reason, r.ID).ID }
