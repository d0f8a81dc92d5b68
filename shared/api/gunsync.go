package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/gun"
)

// GunSync is the sync with GUN peers as the API shows it and starts it. It may run in
// another process.
type GunSync struct {
	// Settings are those that the sync runs with.
	Settings gun.Options
	// Force asks for a cycle now, or for one right after the cycle that is running. It
	// does not wait for it.
	Force func(ctx context.Context) error
}

// The statuses of the sync.
const (
	syncStarting  = "starting" // no cycle has ended yet
	syncHealthy   = "healthy"
	syncUnhealthy = "unhealthy"
)

// gunSyncAnswer is the sync's page (spec records-api section 5). It is for everybody, so
// it has numbers of peers and no names of them, reasons from a closed list and no words
// of others.
type gunSyncAnswer struct {
	Service string `json:"service"`
	Status  string `json:"status" enum:"starting,healthy,unhealthy"`
	// Running says that the sync is at work: a cycle is under way, or the last one is
	// less than four intervals old. Cycle is true for the former.
	Running       bool             `json:"running"`
	Cycle         bool             `json:"cycleRunning"`
	NodeID        string           `json:"nodeId"`
	Metrics       gunSyncMetrics   `json:"metrics"`
	Configuration gunSyncSettings  `json:"configuration"`
	Registry      gunSyncRegistry  `json:"registry"`
	LastCycle     *gunSyncCycle    `json:"lastCycle"`
	Reasons       map[string]int64 `json:"reasons"`
	Timestamp     time.Time        `json:"timestamp"`
}

type gunSyncMetrics struct {
	Discovered  int64      `json:"totalDiscovered"`
	Synced      int64      `json:"totalSynced"`
	Errors      int64      `json:"totalErrors"`
	SuccessRate string     `json:"successRate"`
	LastSync    *time.Time `json:"lastSyncTime"`
	// LastAgo and Average are whole milliseconds; LastAgo is null before the first sync.
	LastAgo *int64 `json:"lastSyncAgo"`
	Average int64  `json:"averageSyncTime"`
	Cycles  int64  `json:"syncCycles"`
}

// gunSyncSettings has times in milliseconds, as the variables have them.
type gunSyncSettings struct {
	Interval     int64 `json:"syncInterval"`
	CacheMaxAge  int64 `json:"cacheMaxAge"`
	Peers        int   `json:"peers"`
	Relay        bool  `json:"relay"`
	TrustedNodes int   `json:"trustedNodes"`
	Private      bool  `json:"privateRecords"`
}

type gunSyncRegistry struct {
	Root string `json:"root"`
	// Processed is how many processed ids there were when the registries were last read
	// through, NextExpiry when the first of them is looked at again.
	Processed  int64      `json:"processed"`
	NextExpiry *time.Time `json:"nextExpiry"`
	// Deletions says that some wait for the node's own relay to be told.
	Deletions bool `json:"deletionsWaiting"`
}

// gunSyncCycle is the last cycle.
type gunSyncCycle struct {
	Started    time.Time `json:"started"`
	Duration   int64     `json:"duration"` // milliseconds
	Complete   bool      `json:"complete"`
	Error      string    `json:"error,omitempty"`
	Discovered int       `json:"discovered"`
	Synced     int       `json:"synced"`
	Indexed    int       `json:"indexed"`
	Rejected   int       `json:"rejected"`
	Skipped    int       `json:"skipped"`
	Deleted    int       `json:"deleted"`
	Errors     int       `json:"errors"`
	// PeersFailing is how many peers gave an answer that was none, or none at all, or are
	// left alone for a while because of that.
	PeersFailing int `json:"peersFailing"`
}

// noSyncAnswer is the answer of a node that synchronizes with nobody.
type noSyncAnswer struct {
	Service string `json:"service"`
	Status  string `json:"status" enum:"unavailable"`
	errorBody
}

// noSync is the answer of a node that synchronizes with nobody.
func (s *server) noSync() (answer, error) {
	return reply(http.StatusServiceUnavailable, noSyncAnswer{"gun-sync", statusUnavailable, errorBody{Error: "the sync with GUN peers is turned off, or has no peer", Code: errs.Unavailable.Error()}})
}

// gunSync serves GET /api/health/gun-sync.
func (s *server) gunSync(ctx context.Context, _ *http.Request) (answer, error) {
	if s.opt.GunSync == nil {
		return s.noSync()
	}
	h, err := gun.ReadHealth(ctx, s.opt.State)
	if err != nil {
		return answer{}, errState(err)
	}
	return reply(http.StatusOK, s.gunSyncPage(h, s.opt.Now()))
}

func (s *server) gunSyncPage(h gun.Health, now time.Time) gunSyncAnswer {
	o := s.opt.GunSync.Settings
	last := h.Status.LastSync
	ended := h.Status.Last.Started.Add(h.Status.Last.Duration)
	a := gunSyncAnswer{
		Service: "gun-sync", Status: syncStarting, Cycle: h.Running, NodeID: h.NodeID, Timestamp: now.UTC(),
		Running: h.Running || h.Status.Cycles > 0 && now.Sub(ended) <= 4*o.Interval,
		Metrics: gunSyncMetrics{
			Discovered: h.Status.Discovered, Synced: h.Status.Synced, Errors: h.Status.Errors,
			SuccessRate: fmt.Sprintf("%.1f%%", 100*h.Status.SuccessRate()),
			LastSync:    utc(last), Average: h.Status.Average.Milliseconds(), Cycles: h.Status.Cycles,
		},
		Configuration: gunSyncSettings{
			Interval: o.Interval.Milliseconds(), CacheMaxAge: o.MaxAge.Milliseconds(),
			Peers: len(o.Peers), Relay: o.Relay != "", TrustedNodes: len(o.TrustedNodes), Private: o.Private,
		},
		Registry: gunSyncRegistry{Root: o.Root, Processed: h.Status.Processed, NextExpiry: utc(h.Status.NextExpiry), Deletions: h.Outbox},
		Reasons:  make(map[string]int64, len(h.Status.Reasons)),
	}
	for reason, n := range h.Status.Reasons {
		a.Reasons[string(reason)] = n
	}
	if !last.IsZero() {
		ago := max(now.Sub(last), 0).Milliseconds()
		a.Metrics.LastAgo = &ago
	}
	if h.Status.Cycles == 0 {
		return a
	}
	if a.Status = syncUnhealthy; h.Healthy(now, o.Interval) {
		a.Status = syncHealthy
	}
	r := h.Status.Last
	a.LastCycle = &gunSyncCycle{
		Started: r.Started.UTC(), Duration: r.Duration.Milliseconds(), Complete: r.Complete, Error: firstLine(r.Error),
		Discovered: r.Counts.Discovered, Synced: r.Counts.Synced, Indexed: r.Counts.Indexed, Rejected: r.Counts.Rejected,
		Skipped: r.Counts.Skipped, Deleted: r.Counts.Deleted, Errors: r.Counts.Errors,
	}
	for _, p := range r.Peers {
		if p.Failure != "" || p.Down(r.Started) {
			a.LastCycle.PeersFailing++
		}
	}
	return a
}

// forcedAnswer is the answer to a wish for a cycle.
type forcedAnswer struct {
	Message string `json:"message"`
	// Running says that a cycle was under way; the one that was wished for comes next.
	Running   bool      `json:"cycleRunning"`
	Timestamp time.Time `json:"timestamp"`
}

// gunSyncForce serves POST /api/health/gun-sync/force. A wish while a cycle runs is as
// good as any: that cycle may have passed what the caller wants to be seen.
func (s *server) gunSyncForce(ctx context.Context, _ *http.Request) (answer, error) {
	if s.opt.GunSync == nil {
		return s.noSync()
	}
	h, err := gun.ReadHealth(ctx, s.opt.State)
	if err != nil {
		return answer{}, errState(err)
	}
	if err := s.opt.GunSync.Force(ctx); err != nil {
		return answer{}, errs.E(errs.Unavailable, "the sync cannot be started at the moment, try again later", err).After(retryAfter)
	}
	a := forcedAnswer{"a sync cycle begins now", h.Running, s.opt.Now().UTC()}
	if h.Running {
		a.Message = "a sync cycle is running, and another one was asked for"
	}
	return reply(http.StatusAccepted, a)
}
