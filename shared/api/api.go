// Package api is the HTTP contract of the node as one http.Handler: records,
// templates, registrations and health (spec records-api). The same handler
// serves the local node and, through an adapter, the Lambda functions.
//
// A route is a row (server.rows): a method, a path, what serves it, and what the
// description of the API says of it (about.go). An endpoint reads its parameters by a table (params.go), makes one
// query that holds the access rule (package access) and the filters, and returns
// an answer that is complete before any of it is sent. Nothing that an endpoint
// counts, sorts or shows comes from a query without the rule.
//
// Errors are {"error","code"}: a sentence for the caller and a stable code, from
// the table of package errs. What really happened goes to the log only.
package api

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"oipnode/shared/access"
	"oipnode/shared/cache"
	"oipnode/shared/config"
	"oipnode/shared/epoch"
	"oipnode/shared/errs"
	"oipnode/shared/library"
	"oipnode/shared/memory"
	"oipnode/shared/metrics"
	"oipnode/shared/records"
	"oipnode/shared/relay"
	"oipnode/shared/state"
	"oipnode/shared/summary"
	"oipnode/shared/voice"
)

// Options are what the handler is made of. Records, State and Auth are needed;
// the others have defaults.
type Options struct {
	Records records.Store
	State   state.Store
	// Auth tells who sends a request.
	Auth *access.Authenticator
	// Voice keeps the dialogues; nil means that there are none.
	Voice *voice.Dialogues
	// Media is the library of media; nil means that there is none.
	Media *library.Library
	// GunSync is the sync with GUN peers; nil means that there is none.
	GunSync *GunSync
	// Relay passes calls through to the node's own GUN relay; nil means that there is
	// none, or that the operator does not want it.
	Relay *relay.Relay
	// Operations says who may clear caches and force cycles, besides the bearers of a
	// token with isAdmin; nobody by default.
	Operations config.Operations
	// Version is the node's version, for the health page.
	Version string
	// StartHeight is the first block that the node indexes.
	StartHeight int64
	// CycleInterval is the pause between two index cycles, by which the page of the
	// pipeline sees that none ends any more; 0 leaves that to whoever starts them.
	CycleInterval time.Duration
	// RefreshCycles is how many cycles lie between two refreshes of the shared
	// summary; 0 when there are none.
	RefreshCycles int
	// Console is the page at / and whatever it loads from below /console/. It
	// is asked with GET and HEAD only; nil means that there is no page.
	Console http.Handler
	// Origins are those whose pages may use the API in a browser; none means any.
	Origins []string
	// Timeout is the time for one answer, 25 s by default: below the 29 s after
	// which API Gateway gives up.
	Timeout time.Duration
	// MaxBody is the largest body of a request in bytes, 1 MiB by default.
	MaxBody int64
	// MaxAnswer is the largest list that is answered, in bytes, 5 MiB by default:
	// API Gateway refuses a body of more than 6 MB. A larger one is a 413.
	MaxAnswer int
	// CacheBytes bounds the answers that are kept, and CacheLife is how long; without
	// either none is.
	CacheBytes int64
	CacheLife  time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Metrics counts the requests; nil forgets them.
	Metrics metrics.Recorder
	// Memory watches over the process; nil means a monitor without thresholds.
	Memory *memory.Monitor
	// Prometheus is the page at /metrics, for those who may do operations: its counters
	// tell of records that the caller may not read. Nil means that there is none.
	Prometheus http.Handler
	// Log gets the access log and the causes of failures; nil discards them.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 25 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	if o.MaxAnswer == 0 {
		o.MaxAnswer = 5 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = metrics.Discard
	}
	if o.Memory == nil {
		o.Memory = memory.New(memory.Options{})
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// server is what the endpoints share.
type server struct {
	opt           Options
	organizations *access.Organizations
	progress      progress
	summaries     *summary.Reader // nil when there is no shared summary
	epoch         *epoch.Reader
	answers       *cache.Cache
	wholes        *cache.Cache
	packer        *packer      // nil compresses nothing
	kept          atomic.Int64 // the epoch of answers
	makers        makers
	unsent        *room // of the answers
	bodies        *room
	caches        []clearable
	told          functionsRead
}

// methods are the handlers of one path. HEAD is served by GET's, and OPTIONS by
// the path itself.
type methods map[string]http.Handler

// New makes the handler. It starts nothing and holds nothing open.
func New(o Options) http.Handler {
	o = o.withDefaults()
	s := &server{
		opt: o, organizations: access.NewOrganizations(o.Records, o.Now, o.Log), epoch: epoch.NewReader(o.State, o.Now),
		answers: cache.New(cache.Options{Bytes: o.CacheBytes, Life: o.CacheLife, Now: o.Now}), packer: newPacker(), makers: newMakers(),
		unsent: newRoom(o.Memory.State().Sample.Limit, int64(o.MaxAnswer)), bodies: newRoom(o.Memory.State().Sample.Limit, o.MaxBody),
		wholes: cache.New(cache.Options{Bytes: wholesBytes, Life: wholeLife, Now: o.Now}),
	}
	if o.RefreshCycles > 0 {
		s.summaries = summary.NewReader(summary.Refresher{
			Records: summary.Opened(o.Records), State: o.State, Every: o.RefreshCycles, Now: o.Now,
		}, o.Log)
	}
	s.caches = []clearable{processed{o.State}, answersCache{s}}
	if s.answers != nil {
		o.Memory.Register(answersCache{s})
	}
	mux := http.NewServeMux()
	paths := make(map[string]methods)
	for _, r := range s.rows() {
		if paths[r.path] == nil {
			paths[r.path] = make(methods)
		}
		paths[r.path][r.method] = r.handler
	}
	for path, m := range paths {
		mux.Handle(path, s.route(m))
	}
	if o.Console != nil {
		page := s.route(methods{http.MethodGet: o.Console})
		mux.Handle("/{$}", page)
		mux.Handle("/console/", page)
	}
	mux.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, errs.E(errs.NotFound, "there is nothing at this path", nil))
	}))
	return s.outer(mux)
}

// rows are all routes of the API. The console's page is none of them.
func (s *server) rows() []row {
	return slices.Concat(s.recordRows(), s.mediaRows(), s.voiceRows(), s.relayRows(), s.healthRows(), s.docRows())
}

// route serves the methods of one path.
func (s *server) route(m methods) http.Handler {
	allowed := []string{http.MethodOptions}
	for method := range m {
		allowed = append(allowed, method)
		if method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		h, ok := m[method]
		switch {
		case ok:
			h.ServeHTTP(w, r)
		case method == http.MethodOptions:
			preflight(w, allow)
		default:
			w.Header().Set("Allow", allow)
			s.fail(w, r, errs.E(errs.MethodNotAllowed, "this path allows "+allow, nil))
		}
	})
}

// Down is the handler of a node that cannot serve because of err: every path answers
// with it, as an endpoint would, and the log has its cause.
func Down(err error, m metrics.Recorder, log *slog.Logger) http.Handler {
	s := &server{opt: Options{Metrics: m, Log: log}.withDefaults()}
	return s.outer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			preflight(w, strings.Join([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, ", "))
			return
		}
		s.fail(w, r, err)
	}))
}
