package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"oipnode/shared/indexer"
	"oipnode/shared/openapi"
	"oipnode/shared/state"
	"oipnode/shared/summary"
)

// healthTimeout bounds how long a store may take to show that it is there.
const healthTimeout = 5 * time.Second

// Health pages are for everybody, so they hold no number of documents: it would
// tell how many there are that the caller may not read.

// checked is how one of the stores answered.
type checked struct {
	Status string `json:"status" enum:"OK,unavailable"`
	Engine string `json:"engine,omitempty"`
}

// level is how the memory is. It is a type of its own, because generators of clients make
// one name of OK and ok, and cannot have both in one list.
type level struct {
	Status string `json:"status" enum:"ok,warning,critical"`
}

const (
	statusOK          = "OK"
	statusUnavailable = "unavailable"
)

// healthAnswer is the page of load balancers and of people in a hurry.
type healthAnswer struct {
	Status  string `json:"status" enum:"OK,unavailable"`
	Error   string `json:"error,omitempty"`
	Code    string `json:"code,omitempty"`
	Version string `json:"version"`
	// Timestamp is the node's clock.
	Timestamp time.Time `json:"timestamp"`
	Store     checked   `json:"store"`
	State     checked   `json:"state"`
	// Memory is how near the process was to its limit when it was last looked at: ok,
	// warning or critical. It is told and makes no 503, since being asked less is not
	// what would help; /api/health/memory says more.
	Memory level `json:"memory"`
	// Index is absent while the state cannot be read.
	Index *lagInfo `json:"index,omitempty"`
}

// lagInfo is how far the index is behind the gateway, in blocks.
type lagInfo struct {
	Checkpoint    int64  `json:"checkpoint"`
	GatewayHeight int64  `json:"gatewayHeight"`
	LagBlocks     int64  `json:"lagBlocks"`
	Progress      string `json:"indexingProgress"`
}

func (s *server) lag(h indexer.Health) lagInfo {
	return lagInfo{
		Checkpoint:    h.Checkpoint.Height,
		GatewayHeight: h.Status.GatewayHeight,
		LagBlocks:     max(h.Status.GatewayHeight-max(h.Checkpoint.Height, s.opt.StartHeight-1), 0),
		Progress:      percentText(s.opt.StartHeight, h.Checkpoint.Height, h.Status.GatewayHeight),
	}
}

// health serves GET /api/health: 200 when both stores answer, else 503.
func (s *server) health(ctx context.Context, _ *http.Request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	a := healthAnswer{Status: statusOK, Version: s.opt.Version, Timestamp: s.opt.Now().UTC(),
		Store: checked{Status: statusOK}, State: checked{Status: statusOK},
		Memory: level{Status: s.opt.Memory.State().Verdict.Status().String()}}
	var down []string
	store, err := s.opt.Records.Health(ctx)
	if err != nil {
		s.opt.Log.ErrorContext(ctx, "health", "store", "records", "error", err)
		a.Store.Status = statusUnavailable
		down = append(down, "the record store")
	}
	a.Store.Engine = store.Engine
	pipeline, err := indexer.ReadHealth(ctx, s.opt.State)
	if err != nil {
		s.opt.Log.ErrorContext(ctx, "health", "store", "state", "error", err)
		a.State.Status = statusUnavailable
		down = append(down, "the state store")
	} else {
		lag := s.lag(pipeline)
		a.Index = &lag
	}
	if len(down) == 0 {
		return reply(http.StatusOK, a)
	}
	a.Status, a.Code = statusUnavailable, "unavailable"
	a.Error = strings.Join(down, " and ") + " cannot be reached"
	return reply(http.StatusServiceUnavailable, a)
}

// keepdbRequest is what GET /api/health/keepdb asks for.
type keepdbRequest struct {
	limit int
	after string
	force bool
}

func (q *keepdbRequest) params() []param {
	return []param{
		{"rejectedLimit", count(&q.limit, 20, 1, state.MaxGet, ""), "how many rejected transactions to list"},
		{"rejectedAfter", rejectedKind(&q.after), "the rejectedNext of an earlier answer: goes on with the list"},
		{"forceRefresh", truth(&q.force), "whether the shared summary is made anew, at most once a second"},
	}
}

// rejectedKind takes a position in the list of rejections, reason/id.
func rejectedKind(dst *string) kind {
	schema := func() openapi.Schema {
		s := openapi.Matching(`^[^/]+/[\s\S]+$`)
		s.MaxLength = state.MaxKey - 1
		return s
	}
	return kind{allowed: "the rejectedNext of an earlier answer", schema: schema, set: func(s string) (any, bool) {
		reason, id, ok := strings.Cut(s, "/")
		*dst = s
		return s, ok && reason != "" && id != "" && len(s) < state.MaxKey
	}}
}

// keepdbAnswer is the pipeline's page.
type keepdbAnswer struct {
	Service string `json:"service"`
	// Status is starting before the first cycle has ended, failing when the last
	// one ended with an error or none has ended for long (overdue), and OK otherwise.
	Status string `json:"status" enum:"starting,OK,failing"`
	lagInfo
	CheckpointAt *time.Time `json:"checkpointAt"`
	Cycles       int64      `json:"cycles"`
	// CyclesUntilRefresh is null where there is no shared summary to refresh, and
	// Summary before there is one.
	CyclesUntilRefresh *int64           `json:"cyclesUntilCacheRefresh"`
	Summary            *summary.Summary `json:"summary"`
	// Rescan is what an operator asked for and is not done yet.
	Rescan    *indexer.Rescan `json:"rescan"`
	LastCycle *indexer.Report `json:"lastCycle"`
	LastGood  *time.Time      `json:"lastGoodCycle"`
	// Ledger counts what is waiting, parked, deleted or rejected, by reason.
	Ledger   map[string]int64    `json:"ledger"`
	Rejected []indexer.Rejection `json:"rejected"`
	// RejectedNext is the rejectedAfter of the next part of the list, or null.
	RejectedNext *string `json:"rejectedNext"`
	// BackoffUntil is when the first gateway may be asked again, if all of them
	// are in back-off; null otherwise.
	BackoffUntil *time.Time       `json:"backoffUntil"`
	Gateways     []gatewayBackoff `json:"gateways"`
}

// gatewayBackoff is a gateway and until when it is left alone, null for one that
// is not in back-off.
type gatewayBackoff struct {
	Gateway string     `json:"gateway"`
	Until   *time.Time `json:"backoffUntil"`
}

// keepdb serves GET /api/health/keepdb.
func (s *server) keepdb(ctx context.Context, r *http.Request) (answer, error) {
	var q keepdbRequest
	if _, err := parse(r.URL.RawQuery, q.params()); err != nil {
		return answer{}, err
	}
	h, err := indexer.ReadHealth(ctx, s.opt.State)
	if err != nil {
		return answer{}, errState(err)
	}
	rejected, err := indexer.Rejections(ctx, s.opt.State, q.after, q.limit)
	if err != nil {
		return answer{}, errState(err)
	}
	a := keepdbAnswer{Service: "keepdb", Status: "starting", lagInfo: s.lag(h), CheckpointAt: utc(h.Checkpoint.At),
		Cycles: h.Status.Cycles, LastGood: utc(h.Status.LastGood), Ledger: h.Ledger, Rescan: h.Rescan, Rejected: []indexer.Rejection{}}
	if h.Status.Cycles > 0 {
		last := h.Status.Last
		if a.Status = statusOK; last.Error != "" || s.overdue(h) {
			a.Status, last.Error = "failing", firstLine(last.Error)
		}
		a.LastCycle = &last
	}
	if s.summaries != nil {
		if q.force {
			if err := s.summaries.Refresh(ctx); err != nil {
				return answer{}, err
			}
		}
		sum, exists, err := s.summaries.Read(ctx, h.Status.Cycles)
		if err != nil {
			return answer{}, errState(err)
		}
		left := summary.Left(sum, exists, h.Status.Cycles, s.opt.RefreshCycles)
		if a.CyclesUntilRefresh = &left; exists {
			a.Summary = &sum
		}
	}
	for _, e := range rejected {
		e.Detail = firstLine(e.Detail)
		a.Rejected = append(a.Rejected, e)
	}
	if len(rejected) == q.limit {
		next := rejected[len(rejected)-1].Cursor()
		a.RejectedNext = &next
	}
	a.Gateways, a.BackoffUntil = s.backoffs(h)
	return reply(http.StatusOK, a)
}

// cycleGrace is how much later than its time a cycle may end before that is a fault.
const cycleGrace = 5 * time.Minute

// overdue reports whether cycles have ceased: none runs, and three could have ended since
// the last. A cycle that cannot write its status, as on a full disk, leaves no other
// trace there.
func (s *server) overdue(h indexer.Health) bool {
	if s.opt.CycleInterval <= 0 || h.Running {
		return false
	}
	took, _ := time.ParseDuration(h.Status.Last.Duration) // a report wrote it
	return s.opt.Now().Sub(h.Status.Last.Started.Add(took)) > 3*s.opt.CycleInterval+cycleGrace
}

// backoffs lists the gateways, and when the first may be asked if none may now.
func (s *server) backoffs(h indexer.Health) (list []gatewayBackoff, all *time.Time) {
	list = []gatewayBackoff{}
	now := s.opt.Now()
	var waits []time.Time
	for _, g := range h.Gateways {
		b := gatewayBackoff{Gateway: g.Gateway}
		if until := g.Until(); until.After(now) {
			b.Until = utc(until)
			waits = append(waits, until)
		}
		list = append(list, b)
	}
	if len(waits) > 0 && len(waits) == len(list) {
		all = utc(slices.MinFunc(waits, time.Time.Compare))
	}
	return list, all
}

// utc is a time in UTC, or nil for the zero time.
func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// maxLine is the most characters of an operator's line that a page shows.
const maxLine = 200

// firstLine cleans a text that may quote what a gateway or a stranger sent: its
// first line, without control characters, at most maxLine characters of it.
func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return clip(strings.TrimSpace(s), maxLine)
}
