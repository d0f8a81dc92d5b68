// Package opensearch is the record store of a node on AWS: an index of OpenSearch, or
// several versions of it behind aliases.
//
// # What is stored
//
// A document of the index has the DID as its id and holds data and envelope of the
// record as two strings, byte for byte as they were written: the engine never parses
// what strangers published. Beside them it holds the kind, the fence of the last
// writer, and what can be searched: the projection under "f" (records.Project) and the
// fields of the record's templates under "t" (typed.go). These two are in the index only,
// but for the references (records.FieldRef): the engine keeps no copy of them, since they
// follow from the record. All texts of the projection are plain terms, which the engine
// does not analyse. The mapping is explicit and never grows by itself.
//
// # Writing
//
// A Write reads the sequence numbers of its documents, decides, and sends bulks of at
// most Options.MaxBulk bytes in which each item carries the number that was read, so
// that an older state never replaces a newer one. The status of each item counts; an
// item that lost a race is read and decided again. A bulk that the engine refuses as a
// whole is halved until the guilty document is alone, which is then Poison.
//
// # Visibility
//
// Get sees a Write at once. Search and Count of this Store see it too: the first of
// them behind a Write refreshes the index. Stores in other processes see it after the
// index's own refresh, at most one second later.
//
// # Faults
//
// The client's own retries are off, since they sign an empty body. Each request has a
// time; what is overloaded (429, 503, a circuit breaker) or cut off is repeated above
// the client, with a fresh request and growing pauses, and ends as
// records.ErrUnavailable.
package opensearch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	opensearchgo "github.com/opensearch-project/opensearch-go/v2"
	"github.com/opensearch-project/opensearch-go/v2/signer"

	"oipnode/shared/records"
)

var (
	// ErrRefused means that the engine does not accept the credentials, or does not
	// permit the request.
	ErrRefused = errors.New("opensearch: the request was refused")
	// ErrEngine means that what answers at the endpoint is no OpenSearch of version 2
	// or later, or that its index is not one that this package made.
	ErrEngine = errors.New("opensearch: not a usable engine")
	// ErrAbsent means that there is no index yet.
	ErrAbsent = fmt.Errorf("%w: opensearch: there is no index yet; the first index cycle makes it", records.ErrUnavailable)
	// ErrCorrupt means that a stored document is not what this package wrote.
	ErrCorrupt = errors.New("opensearch: a stored document is damaged")
	// errClosed is what every call returns after Close.
	errClosed = fmt.Errorf("%w: opensearch: closed", records.ErrUnavailable)
)

// Options are the settings of a Store; zero values mean the defaults.
type Options struct {
	// Endpoints are the base URLs of the cluster, at least one.
	Endpoints []string
	// Transport carries the requests; nil means a transport of the Store's own.
	Transport http.RoundTripper
	// Signer signs the requests; nil sends them unsigned.
	Signer signer.Signer
	// Prefix begins the names of the indexes and is the alias that is read: lower-case
	// letters, digits, dashes and underscores, "oip" by default.
	Prefix string
	// Shards, 1 by default, and Replicas are those of an index when it is made.
	Shards, Replicas int
	// Existing leaves it to others to make the index: without one, Open ends with
	// ErrAbsent. It is for those who only read.
	Existing bool
	// MaxDocument is the largest document in bytes, by default 32 MiB, or as much as
	// MaxPage if the process has little memory; a larger one is Poison.
	MaxDocument int
	// MaxBulk is the largest bulk in bytes, 5 MiB by default; a single document may be
	// larger.
	MaxBulk int
	// MaxPage bounds the documents of one Search or Get in bytes; a larger answer is
	// refused with records.ErrInvalid. A single document of a Get may have MaxDocument.
	// It bounds what a Write reads at once, too. Reading a page takes up to five times as
	// much memory, and a few MiB; so the default is 64 MiB, or a thirteenth of the memory
	// limit of the process (GOMEMLIMIT), if that is less.
	MaxPage int
	// MaxFields bounds the fields of the mapping, 5,000 by default. A template whose
	// fields do not fit is indexed by its envelope only, and Health says so.
	MaxFields int
	// Timeout is the time of one request, 30 s by default.
	Timeout time.Duration
	// Attempts is how often a request is sent at most, 6 by default, with pauses from
	// 50 ms on, doubling up to 2 s.
	Attempts int
	// Log gets what is worth an operator's look; nil discards it.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	set := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	set(&o.Shards, 1)
	share := int(min(debug.SetMemoryLimit(-1)/13, 64<<20)) // a negative limit is not set, only read
	set(&o.MaxDocument, min(share, 32<<20))
	set(&o.MaxBulk, 5<<20)
	set(&o.MaxPage, share)
	set(&o.MaxFields, 5000)
	set(&o.Attempts, 6)
	if o.Prefix == "" {
		o.Prefix = "oip"
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Store implements records.Store. Make it with Open.
type Store struct {
	opt    Options
	client *opensearchgo.Client
	// own is the transport that Close has to close.
	own *http.Transport
	// version is the engine's, such as 2.19.6.
	version string
	typed   typed
	// rewrites is set while documents that are put were there already (presume).
	rewrites atomic.Bool
	// named is set once the index is known to have records.FieldDistinct.
	named atomic.Bool

	// written counts the Writes that changed something, refreshed how many of them a
	// refresh has made visible; see refresh.
	written   atomic.Uint64
	refreshMu sync.Mutex
	refreshed atomic.Uint64

	closed context.Context
	close  context.CancelFunc
	use    sync.RWMutex
}

var _ records.Store = (*Store)(nil)

var goodPrefix = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// Open finds the index of this prefix, or makes it. Its errors are ErrRefused,
// ErrEngine, ErrAbsent, records.ErrInvalid for a prefix that no index can have, and
// records.ErrUnavailable when nobody answers.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	if !goodPrefix.MatchString(o.Prefix) {
		return nil, fmt.Errorf("%w: opensearch: the prefix %q cannot begin an index's name", records.ErrInvalid, o.Prefix)
	}
	s := &Store{opt: o}
	if o.Transport == nil {
		s.own = Transport()
		o.Transport = s.own
	}
	if err := checkEndpoints(o.Endpoints); err != nil {
		return nil, err
	}
	var err error
	s.client, err = opensearchgo.NewClient(opensearchgo.Config{
		Addresses: o.Endpoints, Transport: transport{o.Transport}, Signer: o.Signer, DisableRetry: true,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEngine, err)
	}
	s.written.Store(1) // what the Store before this one wrote last may not be visible yet
	s.closed, s.close = context.WithCancel(context.Background())
	if err := s.prepare(ctx); err != nil {
		_ = s.Close() // there is nothing to lose yet
		return nil, fmt.Errorf("open the indexes %q: %w", o.Prefix, err)
	}
	s.written.Store(1) // what an earlier process wrote last
	return s, nil
}

// Transport is the transport of a Store that has none of its own. It asks for answers as
// they are: compressing a page takes the engine longer than finding it, and the network
// between the two is a near one.
func Transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	t.DisableCompression = true
	return t
}

// checkEndpoints refuses what the client would replace by an address from the
// environment, and what it would quote, with the password, in its error.
func checkEndpoints(endpoints []string) error {
	if len(endpoints) == 0 {
		return fmt.Errorf("%w: opensearch: Endpoints is empty; it holds the cluster's base URLs", records.ErrInvalid)
	}
	for i, e := range endpoints {
		u, err := url.Parse(e)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%w: opensearch: Endpoints[%d] is no URL of the form https://host[:port][/path]", records.ErrInvalid, i)
		}
	}
	return nil
}

// Close ends the calls under way and waits for them.
func (s *Store) Close() error {
	s.close()
	s.use.Lock()
	defer s.use.Unlock()
	if s.own != nil {
		s.own.CloseIdleConnections()
	}
	return nil
}

// enter begins a call: the context that it returns ends with the caller's and with the
// store. leave must be called when it returned no error.
func (s *Store) enter(ctx context.Context) (inner context.Context, leave func(), err error) {
	s.use.RLock()
	switch {
	case s.closed.Err() != nil:
		err = errClosed
	case ctx.Err() != nil:
		err = ctx.Err()
	}
	if err != nil {
		s.use.RUnlock()
		return nil, nil, err
	}
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.closed, cancel)
	return inner, func() {
		stop()
		cancel()
		s.use.RUnlock()
	}, nil
}

// Health implements records.Store.
func (s *Store) Health(ctx context.Context) (records.Health, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return records.Health{}, err
	}
	defer leave()
	if err := s.refresh(ctx); err != nil {
		return records.Health{}, err
	}
	var count struct{ Count int64 }
	if err := s.json(ctx, request{method: http.MethodGet, path: "/" + s.opt.Prefix + "/_count"}, &count); err != nil {
		return records.Health{}, err
	}
	var cluster struct {
		Status string `json:"status"`
	}
	h := records.Health{Engine: "OpenSearch " + s.version, Documents: count.Count}
	// A role that may not ask for the cluster's status still reads and writes.
	if err := s.json(ctx, request{method: http.MethodGet, path: "/_cluster/health/" + s.opt.Prefix, attempts: 1}, &cluster); err == nil {
		h.Detail = "status " + cluster.Status
	} else if !errors.Is(err, ErrRefused) {
		return records.Health{}, err
	}
	m, err := s.readMeta(ctx)
	if err != nil {
		return records.Health{}, err
	}
	if more := m.detail(); more != "" {
		if h.Detail != "" {
			h.Detail += "; "
		}
		h.Detail += more
	}
	return h, nil
}
