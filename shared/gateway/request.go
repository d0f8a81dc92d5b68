package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// request is one exchange with the gateway.
type request struct {
	class class
	op    string
	// build makes the request; its context has the deadline.
	build func(ctx context.Context) (*http.Request, error)
	// read consumes the body of a 200. What it returns becomes the call's error.
	read func(resp *http.Response) error
}

// do sends a request: it waits for a slot, keeps back-off and deadline, maps the
// status, and remembers how it went. Errors are *Error, but for a context's.
func (g *Gateway) do(ctx context.Context, r request) error {
	if err := g.admit(ctx, r); err != nil {
		return err
	}
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return g.fail(r.op, ctx.Err())
	}
	// A back-off may have begun while the call waited for its slot.
	if err := g.admit(ctx, r); err != nil {
		return err
	}
	err := g.exchange(ctx, r)
	if err != nil && ctx.Err() == nil {
		g.opts.Failed()
	}
	g.health.note(r.class, err)
	return err
}

// admit says whether a request may be sent now.
func (g *Gateway) admit(ctx context.Context, r request) error {
	if err := ctx.Err(); err != nil {
		return g.fail(r.op, err)
	}
	if wait := g.health.wait(r.class); wait > 0 {
		return &Error{Gateway: g.name, Op: r.op, RetryAfter: wait, Err: ErrBackoff}
	}
	return nil
}

// exchange sends one request and reads its answer under one deadline.
func (g *Gateway) exchange(ctx context.Context, r request) error {
	rctx, cancel := context.WithTimeout(ctx, g.opts.RequestTimeout)
	defer cancel()
	req, err := r.build(rctx)
	if err != nil {
		return g.fail(r.op, fmt.Errorf("%w: %w", ErrInvalid, err))
	}
	req.Header.Set("User-Agent", g.opts.UserAgent)
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := g.client.Do(req)
	if err == nil {
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode == http.StatusOK {
			err = r.read(resp)
		} else {
			err = g.statusError(r, resp)
		}
	}
	if err == nil {
		return nil
	}
	return g.explain(ctx, rctx, r, err)
}

// explain gives an error of an exchange its place in the closed set.
func (g *Gateway) explain(ctx, rctx context.Context, r request, err error) error {
	var known *Error
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // its text would repeat the URL
	}
	switch {
	case ctx.Err() != nil:
		return g.fail(r.op, ctx.Err())
	case errors.As(err, &known):
		return known
	case errors.Is(err, ErrRedirect):
		return g.fail(r.op, err)
	case rctx.Err() != nil:
		// Our own deadline: not the caller's, so it must not look like it.
		return &Error{Gateway: g.name, Op: r.op, Err: ErrUnavailable,
			Detail: fmt.Sprintf("no answer within %s", g.opts.RequestTimeout)}
	}
	return g.fail(r.op, fmt.Errorf("%w: %w", ErrUnavailable, err))
}

// fail wraps an error with the gateway and what was asked of it.
func (g *Gateway) fail(op string, err error) *Error {
	return &Error{Gateway: g.name, Op: op, Err: err}
}

// statusError maps every status but 200.
func (g *Gateway) statusError(r request, resp *http.Response) *Error {
	e := g.fail(r.op, ErrProtocol)
	e.Status = resp.StatusCode
	e.RetryAfter = retryAfter(resp.Header, g.opts.Now())
	// What is read here also makes the connection usable again, if it is all.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 8<<10))
	e.Detail = excerpt(body)
	switch code := resp.StatusCode; {
	case code == http.StatusAccepted:
		e.Err = ErrPending
	case code >= 300 && code < 400:
		e.Err = ErrRedirect
	case code == http.StatusNotFound, code == http.StatusGone:
		e.Err = ErrNotFound
	case code == http.StatusUnavailableForLegalReasons, code == http.StatusUnauthorized, code == http.StatusForbidden:
		e.Err = ErrBlocked
	case code == http.StatusTooManyRequests, code == http.StatusPaymentRequired:
		e.Err = ErrRateLimited
	case code == http.StatusRequestTimeout, code >= 500:
		e.Err = ErrUnavailable
	}
	if r.class == classQuery {
		g.queryStatus(e, body)
	}
	return e
}

// queryStatus corrects a status for queries: GraphQL servers also say with 4xx
// and 5xx what a query's errors are.
func (g *Gateway) queryStatus(e *Error, body []byte) {
	fault := graphQLFault(body)
	switch {
	case errors.Is(fault, ErrRowLimit):
		e.Err = fault
	case e.Status < 500 && errors.Is(e.Err, ErrProtocol) && fault != nil:
		e.Err = fault
	case errors.Is(e.Err, ErrNotFound), errors.Is(e.Err, ErrBlocked), errors.Is(e.Err, ErrPending):
		// There is no GraphQL, or no /info, here at all.
		e.Err = ErrUnhealthy
	}
}

// checkRedirect lets a read go on to the same host or a subdomain of it (the
// sandbox of a transaction), with the same port, or from http up to https.
func (g *Gateway) checkRedirect(req *http.Request, via []*http.Request) error {
	from := via[len(via)-1]
	if len(via) > g.opts.MaxRedirects {
		return fmt.Errorf("%w: more than %d", ErrRedirect, max(g.opts.MaxRedirects, 0))
	}
	if via[0].Method != http.MethodGet {
		return fmt.Errorf("%w: a query was redirected", ErrRedirect)
	}
	switch req.Response.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return fmt.Errorf("%w: status %d", ErrRedirect, req.Response.StatusCode)
	}
	if !sameSite(g.base, from.URL, req.URL) {
		return fmt.Errorf("%w: to %s://%s", ErrRedirect, req.URL.Scheme, excerpt([]byte(req.URL.Host)))
	}
	return nil
}

// sameSite reports whether a redirect stays with the gateway at base.
func sameSite(base, from, to *url.URL) bool {
	if to.User != nil {
		return false
	}
	home, host := strings.ToLower(base.Hostname()), strings.ToLower(to.Hostname())
	if host != home && (net.ParseIP(home) != nil || !strings.HasSuffix(host, "."+home)) {
		return false
	}
	switch {
	case to.Scheme == from.Scheme:
		return port(to) == port(from)
	case from.Scheme == "http" && to.Scheme == "https":
		return port(to) == "443" || port(to) == port(from)
	}
	return false
}

// port is the port a URL leads to.
func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// readBounded reads a body of at most limit bytes; over says that there is more.
// It grows with what arrives, never by what somebody claims.
func readBounded(body io.Reader, limit int64) (data []byte, over bool, err error) {
	data = make([]byte, 0, min(limit+1, 16<<10))
	for {
		if int64(len(data)) > limit {
			return data, true, nil
		}
		if len(data) == cap(data) {
			data = append(make([]byte, 0, min(2*int64(cap(data)), limit+1)), data...)
		}
		n, err := body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case errors.Is(err, io.EOF):
			return data, int64(len(data)) > limit, nil
		case err != nil:
			return data, false, err
		}
	}
}
