// Package gateway reads Arweave through HTTP gateways: which transactions match
// a tag filter (GraphQL), their bytes, and the chain's height. It is the only
// part of the node that talks to a gateway, and it trusts none of them: every
// answer is bounded, checked for the ways in which real gateways go wrong
// (spec/gateways.md), and turned into one of a closed set of errors.
//
// A Gateway is one base URL. Walk goes through a window of heights, Lookup and
// Find ask for known ids or tags at any height, Data fetches the bytes, Height
// the tip. A Pool is an ordered list of them: Choose picks the one that serves a
// whole window (cursors never move from one gateway to another), Others says
// whom to ask when one has not, or wrongly, answered.
//
// What this package cannot know, it leaves to its caller: whether bytes are
// what their signature says, and whether an empty answer is the truth (a gateway
// without bundled data answers empty pages in good faith; Knows probes for it).
//
// Back-off is kept per gateway, with a longer memory than a process: see
// Pool.Snapshot. While a gateway is in back-off its methods return ErrBackoff
// without a request.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"oipnode/shared/oip"
)

// Limits of the protocol between this package and a gateway.
const (
	// PageSize is what every query asks for. More is clamped silently by some
	// gateways, so it is never more; MaxLookup follows from it.
	PageSize = 100
	// MaxLookup is the most ids one Lookup accepts.
	MaxLookup = PageSize
	// MaxFind is the most nodes one Find returns.
	MaxFind = 1000
	// maxHeight bounds every height that is sent or believed; at a block every
	// two minutes the chain needs 3,800 years to reach it.
	maxHeight = 1_000_000_000
)

// Node is a transaction as GraphQL shows it. Nothing of it is verified.
type Node struct {
	// ID has 43 characters of base64url.
	ID string
	// Tags are in the transaction's order. Strings that JSON can hold and UTF-8
	// cannot (lone surrogates) are kept as package canon keeps them.
	Tags []oip.Tag
	// HasTags is false when the tags are unknown: not asked for, not delivered,
	// or beyond 256 tags or 64 KiB. Tags is nil then.
	HasTags bool
	// Height is the block's height, 0 while the transaction is pending.
	Height int64
	// Size is the length of the data in bytes, -1 when unknown.
	Size int64
	// Owner is the address that signed the transaction, empty when unknown.
	Owner string
}

// Filter is a condition on a tag: it has the name and one of the values, both
// exactly. Several filters must all hold.
type Filter struct {
	Name   string
	Values []string
}

// Scan is a window of heights, Min and Max included, 0 <= Min <= Max < 1e9.
type Scan struct {
	Min, Max int64
	Tags     []Filter
	// IDsOnly leaves out everything but id and height.
	IDsOnly bool
}

// Options tune a Gateway and a Pool. The zero value of a field means its default.
type Options struct {
	// UserAgent is sent with every request; an empty one gets 404 from some
	// gateways. Default "oipnode/0.1".
	UserAgent string
	// MaxDataBytes bounds the data of one transaction. Default 10 MiB.
	MaxDataBytes int64
	// MaxPageBytes bounds the answer to one query. Default 16 MiB.
	MaxPageBytes int64
	// MaxPages bounds the requests of one Walk. Default 10,000: a million rows.
	MaxPages int
	// RequestTimeout bounds one request with its body. Default 30 s.
	RequestTimeout time.Duration
	// RetryPause is waited before a page that failed for a passing reason is
	// asked for again, and twice that the second time. Default 500 ms.
	RetryPause time.Duration
	// MaxRedirects bounds the redirects of one read. Default 3; negative: none.
	MaxRedirects int
	// MaxInFlight bounds the requests to one gateway at a time; further calls
	// wait. Default 16.
	MaxInFlight int
	// MaxBlockGapForFallback is how many blocks a gateway other than the first
	// may be ahead of the checkpoint to be chosen. Default 1000; negative: 0.
	MaxBlockGapForFallback int64
	// ForkDepth is how many blocks a height may go backwards. Default 18.
	ForkDepth int64
	// Now is the clock of back-off and height checks. Default time.Now.
	Now func() time.Time
	// Jitter returns a number in [0, 1) that spreads back-off. Default random.
	Jitter func() float64
	// DialContext opens connections. Default a net.Dialer with 10 s.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Failed is called for each request that failed, the caller's end of it not counted.
	// It may be called from several goroutines at once. Default: nothing happens.
	Failed func()
	// Logger gets what an operator should know. Default: nothing is logged.
	Logger *slog.Logger
}

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	setDefault(&o.UserAgent, "oipnode/0.1")
	setDefault(&o.MaxDataBytes, 10<<20)
	setDefault(&o.MaxPageBytes, 16<<20)
	setDefault(&o.MaxPages, 10_000)
	setDefault(&o.RequestTimeout, 30*time.Second)
	setDefault(&o.RetryPause, 500*time.Millisecond)
	setDefault(&o.MaxRedirects, 3)
	setDefault(&o.MaxInFlight, 16)
	setDefault(&o.MaxBlockGapForFallback, 1000)
	setDefault(&o.ForkDepth, 18)
	o.MaxBlockGapForFallback = max(o.MaxBlockGapForFallback, 0)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.DialContext == nil {
		o.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	if o.Failed == nil {
		o.Failed = func() {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// setDefault replaces a zero value.
func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Gateway is one gateway. It is safe for concurrent use. No goroutine of it
// outlives a call but those of idle connections, which Close ends.
type Gateway struct {
	base   *url.URL
	name   string
	opts   Options
	client *http.Client
	// slots holds one token for each request under way.
	slots  chan struct{}
	health health
	tip    tip
}

// Dial checks a base URL and returns a client for it; it sends nothing. The URL
// is http or https with a host, perhaps a port and a path prefix, and without
// credentials, query or fragment; anything else is ErrInvalid.
func Dial(base string, opts Options) (*Gateway, error) {
	u, err := parseBase(base)
	if err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	if opts.MaxDataBytes < 0 || opts.MaxPageBytes < 0 || opts.MaxPages < 0 || opts.RequestTimeout < 0 ||
		opts.RetryPause < 0 || opts.MaxInFlight < 0 || opts.ForkDepth < 0 {
		return nil, fmt.Errorf("%w: negative option", ErrInvalid)
	}
	g := &Gateway{
		base:  u,
		name:  strings.TrimSuffix(u.String(), "/"),
		opts:  opts,
		slots: make(chan struct{}, opts.MaxInFlight),
	}
	g.health = health{now: opts.Now, jitter: opts.Jitter}
	g.tip = tip{forkDepth: opts.ForkDepth}
	g.client = &http.Client{
		CheckRedirect: g.checkRedirect,
		Transport: &http.Transport{
			DialContext:         opts.DialContext,
			ForceAttemptHTTP2:   true,
			TLSHandshakeTimeout: 10 * time.Second,
			// The bytes must stay the signed ones: a transaction's
			// Content-Encoding tag comes back as a header.
			DisableCompression:     true,
			MaxIdleConns:           2 * opts.MaxInFlight,
			MaxIdleConnsPerHost:    opts.MaxInFlight,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
	return g, nil
}

// URL is the base URL, without a slash at the end. It names the gateway in
// errors, logs and snapshots.
func (g *Gateway) URL() string { return g.name }

// Close closes idle connections. Calls under way go on.
func (g *Gateway) Close() { g.client.CloseIdleConnections() }

// parseBase checks a base URL.
func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil {
		// The error of url.Parse repeats its input, which may hold a password.
		return nil, fmt.Errorf("%w: gateway URL does not parse", ErrInvalid)
	}
	var fault string
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("%w: gateway URL must not hold credentials", ErrInvalid)
	case u.Scheme != "http" && u.Scheme != "https":
		fault = "must begin with http:// or https://"
	case u.Hostname() == "":
		fault = "must have a host"
	case u.RawQuery != "" || u.ForceQuery:
		fault = "must not have a query"
	case u.Fragment != "" || strings.HasSuffix(base, "#"):
		fault = "must not have a fragment"
	case strings.Contains(u.Path, ".."):
		fault = "must not have .. in its path"
	}
	if port := u.Port(); fault == "" && port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			fault = "must have a port from 1 to 65535"
		}
	}
	if fault != "" {
		return nil, fmt.Errorf("%w: gateway URL %q %s", ErrInvalid, base, fault)
	}
	u.Host = strings.ToLower(u.Host)
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}
