package gatewaysim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"oipnode/shared/upstream"
)

// Options are the lasting traits of one gateway, as opposed to its Faults.
type Options struct {
	// Seed decides the order of rows inside a block, the wording of some errors,
	// and the kind of cursors: an even one gives keyset cursors, an odd one
	// offsets. Cursors carry it, and one of another seed is refused, so give
	// every gateway its own.
	Seed uint64
	// IndexesBundles makes data items of bundles known here, in GraphQL and as
	// data. Most public gateways have none.
	IndexesBundles bool
	// RowLimit, if positive, refuses a query that matches more rows than this.
	RowLimit int
	// ClampLies says hasNextPage:false whenever more than 100 rows were asked
	// for and 100 were delivered.
	ClampLies bool
	// FullPageNoNext says hasNextPage:false on a full page although rows follow.
	FullPageNoNext bool
	// LeakPending shows pending rows in height windows, last in ascending order,
	// and answers a pending row's cursor from the first row again.
	LeakPending bool
	// NoRaw answers 404 on /raw/{id}; only /{id} has the bytes.
	NoRaw bool
	// RedirectSandbox answers /{id} with 302 to the sandbox of the id: a
	// subdomain of the requested host (DialContext resolves it), or a folder of
	// it when the host is an IP address, which has no subdomains.
	RedirectSandbox bool
	// Faults are misbehaviour in excess of the above; nil is none.
	Faults *Faults
}

// Server is one simulated gateway, an http.Handler. Its methods are safe for
// concurrent use, Start and Close excepted.
type Server struct {
	chain   *Chain
	opts    Options
	mux     *http.ServeMux
	queries *lru.Cache[string, *document]
	lists   *lru.Cache[string, *rowList]

	info, graphql, data atomic.Int64
	readsMu             sync.Mutex
	reads               map[string]int64 // by id, ids of the chain only

	listening upstream.Server
}

// Cache sizes, in entries.
const (
	cachedQueries = 256
	cachedLists   = 16
)

// NewServer returns a gateway that serves the chain. It can be used as a handler
// at once; Start gives it a port of its own.
func NewServer(chain *Chain, opts Options) *Server {
	s := &Server{chain: chain, opts: opts, mux: http.NewServeMux(), reads: map[string]int64{}}
	// New fails for sizes below 1 only.
	s.queries, _ = lru.New[string, *document](cachedQueries)
	s.lists, _ = lru.New[string, *rowList](cachedLists)
	s.mux.HandleFunc("GET /info", s.serveInfo)
	s.mux.HandleFunc("POST /graphql", s.serveGraphQL)
	s.mux.HandleFunc("GET /raw/{id}", s.serveRaw)
	s.mux.HandleFunc("GET /{id}", s.serveID)
	s.mux.HandleFunc("GET /sandbox/{sandbox}/{id}", s.serveID)
	return s
}

// ServeHTTP answers one request. Like every handler that cuts connections, it
// may panic with http.ErrAbortHandler, which net/http's server takes care of.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.UserAgent() == "" {
		http.NotFound(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Start listens on a free port of 127.0.0.1 and serves until Close.
func (s *Server) Start() error {
	if err := s.listening.Start(s); err != nil {
		return fmt.Errorf("gatewaysim: %w", err)
	}
	return nil
}

// URL is the base URL of a started server, http://127.0.0.1:port.
func (s *Server) URL() string {
	if s.listening.Address() == "" {
		return ""
	}
	return "http://" + s.listening.Address()
}

// DialContext connects to this server whatever the address: the transport of a
// client that is to follow redirects to sandbox subdomains, or to know the
// gateway by any name.
func (s *Server) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	if s.listening.Address() == "" {
		return nil, errors.New("gatewaysim: not started")
	}
	var d net.Dialer
	return d.DialContext(ctx, network, s.listening.Address())
}

// Close cuts all connections and returns when nothing of the server runs any
// more. It is idempotent, and needless for a server that was not started.
func (s *Server) Close() error { return s.listening.Close() }

// Counts are numbers of requests by route.
type Counts struct{ Info, GraphQL, Data int64 }

// Total is the number of all requests.
func (c Counts) Total() int64 { return c.Info + c.GraphQL + c.Data }

// Requests tells how many requests reached each route, failed ones included and
// each hop of a redirect for itself. Those without a User-Agent do not count.
func (s *Server) Requests() Counts {
	return Counts{Info: s.info.Load(), GraphQL: s.graphql.Load(), Data: s.data.Load()}
}

// DataReads tells how many of the data requests were for this id; ids that were
// not in the chain when asked for are not remembered.
func (s *Server) DataReads(id string) int64 {
	s.readsMu.Lock()
	defer s.readsMu.Unlock()
	return s.reads[id]
}

func (s *Server) countRead(id string) {
	s.data.Add(1)
	if _, ok := s.chain.Get(id); !ok {
		return
	}
	s.readsMu.Lock()
	defer s.readsMu.Unlock()
	s.reads[id]++
}

// hostIsIP reports whether a Host header names an address instead of a name.
func hostIsIP(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return net.ParseIP(host) != nil
}
