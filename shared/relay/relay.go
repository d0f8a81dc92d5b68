// Package relay passes two calls of the API through to the node's own GUN relay
// (spec gun section 1), so that apps reach it by the node's address:
//
//	GET  /gun-relay/get?soul=…   ->  GET  <base>/get?soul=…
//	POST /gun-relay/put          ->  POST <base>/put
//
// Nothing else of the relay can be reached, and nothing of the caller reaches it but
// the soul or the body: no header, cookie, token or address. Of its answer only the
// status and the body come back, as JSON, whatever the relay calls it: this node's
// pages have the same origin, and what lies in GUN is written by strangers.
//
// Both bodies are streams. What is in memory of one exchange is one buffer, whatever
// its size; sizes, times, silences and the number of exchanges are bounded by Options.
// An answer that breaks off or is too large breaks the caller's connection off, so that
// half of it is never taken for the whole.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"oipnode/shared/gun"
)

// MaxSoul is the longest soul in bytes that is asked for. The longest one of the
// protocol is that of a registry entry: a node's id of 1 KiB and a record's soul.
const MaxSoul = 2 << 10

// Options are what a Relay works with; only URL is needed.
type Options struct {
	// URL is where the relay is: ws, wss, http or https, as gun.BaseURL reads it.
	URL string
	// MaxAnswer is the largest answer in bytes, 64 MiB by default. Behind API Gateway
	// the adapter's bound is smaller and comes first.
	MaxAnswer int64
	// Timeout bounds an exchange as a whole, 25 s by default: below the 29 s after
	// which API Gateway gives up.
	Timeout time.Duration
	// Idle is the longest silence of either side, 10 s by default. A relay says that
	// it has no data after about 3 s.
	Idle time.Duration
	// Exchanges is how many may be under way, 32 by default; more are refused.
	Exchanges int
	// UserAgent is how the node names itself to the relay.
	UserAgent string
	// Log gets the causes of answers that were broken off; nil discards them.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxAnswer == 0 {
		o.MaxAnswer = 64 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = 25 * time.Second
	}
	if o.Idle == 0 {
		o.Idle = 10 * time.Second
	}
	if o.Exchanges == 0 {
		o.Exchanges = 32
	}
	if o.UserAgent == "" {
		o.UserAgent = "oipnode"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Relay passes calls through to one relay. It is safe for concurrent use.
type Relay struct {
	opt       Options
	base      string
	client    *http.Client
	transport *http.Transport
	// slots has one element for each exchange under way.
	slots chan struct{}
}

// New makes a Relay. It sends nothing. The error is gun.ErrURL.
func New(o Options) (*Relay, error) {
	o = o.withDefaults()
	base, err := gun.BaseURL(o.URL)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		// No proxy: the relay is the node's own.
		DialContext:         (&net.Dialer{Timeout: o.Idle}).DialContext,
		TLSHandshakeTimeout: o.Idle,
		MaxConnsPerHost:     o.Exchanges,
		MaxIdleConnsPerHost: o.Exchanges,
		// Relays run on Node.js, which closes idle connections after 5 s. A put that
		// meets such a moment could not be repeated.
		IdleConnTimeout:        4 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// The bytes pass through as they are, and a bound on them is one on what they
		// unpack to.
		DisableCompression: true,
	}
	return &Relay{opt: o, base: base, transport: t, slots: make(chan struct{}, o.Exchanges), client: &http.Client{
		Transport: t,
		// An address of the relay's own choice is none that the operator named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close closes the connections that are not in use.
func (r *Relay) Close() { r.transport.CloseIdleConnections() }

// Get asks for a soul, which must not be empty. An error means that nothing was sent
// yet; it is one of package errs.
func (r *Relay) Get(w http.ResponseWriter, in *http.Request, soul string) error {
	return r.pass(w, in, func(ctx context.Context, _ *watch) (*http.Request, *upload, error) {
		out, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+"/get?soul="+url.QueryEscape(soul), nil)
		return out, nil, err
	})
}

// Put hands the body of a request over. The body is bounded by whoever calls; when that
// bound is http.MaxBytesReader's, too much is errs.TooLarge.
func (r *Relay) Put(w http.ResponseWriter, in *http.Request) error {
	return r.pass(w, in, func(ctx context.Context, alive *watch) (*http.Request, *upload, error) {
		up := &upload{from: in.Body, alive: alive, rc: http.NewResponseController(w), idle: r.opt.Idle}
		out, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+"/put", up)
		if err != nil {
			return nil, nil, err
		}
		out.ContentLength = in.ContentLength
		out.Header.Set("Content-Type", "application/json")
		return out, up, nil
	})
}

// pass does one exchange with the request that build makes.
func (r *Relay) pass(w http.ResponseWriter, in *http.Request, build func(context.Context, *watch) (*http.Request, *upload, error)) error {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default:
		return errBusy()
	}
	ctx, cancel := context.WithTimeoutCause(in.Context(), r.opt.Timeout, errTime)
	defer cancel()
	ctx, alive := newWatch(ctx, r.opt.Idle)
	defer alive.stop()
	out, up, err := build(ctx, alive)
	if err != nil {
		return fmt.Errorf("relay: make the request: %w", err)
	}
	out.Header.Set("User-Agent", r.opt.UserAgent)
	out.Header.Set("Accept", "application/json")
	if up != nil {
		// The transport may read on for a moment after it has answered; a handler's
		// body must not be read once it has returned.
		defer func() { _ = up.Close() }()
	}
	resp, err := r.client.Do(out)
	if err != nil {
		return explain(ctx, up, err)
	}
	defer func() { _ = resp.Body.Close() }()
	alive.touch()
	if err := check(resp, r.opt.MaxAnswer); err != nil {
		// A relay may answer in the middle of a put that will never be whole.
		if why := up.failure(); why != nil {
			return unreadable(why)
		}
		return err
	}
	return r.copy(ctx, w, in, resp, alive)
}

// chunk is how much of an answer is in memory, in bytes. An answer that is no longer is
// complete before its first byte is sent.
const chunk = 32 << 10

// copy sends the relay's answer on. Its errors come before the first byte; after it,
// a failure breaks the connection off.
func (r *Relay) copy(ctx context.Context, w http.ResponseWriter, in *http.Request, resp *http.Response, alive *watch) error {
	body := &answer{from: resp.Body, left: r.opt.MaxAnswer, alive: alive}
	buffer := make([]byte, chunk)
	n, err := io.ReadFull(body, buffer)
	whole := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && body.ended
	if err != nil && !whole {
		return explain(ctx, nil, err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	switch {
	case whole:
		h.Set("Content-Length", fmt.Sprint(n))
	case resp.ContentLength >= 0:
		h.Set("Content-Length", fmt.Sprint(resp.ContentLength))
	}
	rc := http.NewResponseController(w)
	// A writer without a connection below it has no deadline and nothing to flush.
	_ = rc.SetWriteDeadline(time.Now().Add(r.opt.Idle))
	w.WriteHeader(resp.StatusCode)
	if in.Method == http.MethodHead {
		return nil
	}
	for {
		if _, err := w.Write(buffer[:n]); err != nil {
			return nil // the caller is gone or too slow, or the adapter's bound is reached
		}
		if whole {
			return nil
		}
		_ = rc.Flush()
		_ = rc.SetWriteDeadline(time.Now().Add(r.opt.Idle))
		alive.touch()
		n, err = body.Read(buffer)
		if err == nil {
			continue
		}
		if whole = errors.Is(err, io.EOF); !whole {
			if in.Context().Err() == nil {
				r.opt.Log.WarnContext(ctx, "an answer of the GUN relay was broken off", "bytes", r.opt.MaxAnswer-body.left, "error", explain(ctx, nil, err))
			}
			panic(http.ErrAbortHandler)
		}
	}
}
