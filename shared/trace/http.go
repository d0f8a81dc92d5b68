package trace

import (
	"errors"
	"io"
	"net/http"
)

// HTTP makes each request that rt sends a span of the service name, from sending it
// until its answer was read or closed. nil stands for http.DefaultTransport.
//
// The span holds method, host and status: a path or a query may name what is private.
// The trace's own id is not sent along, since whom we ask need not know of it.
//
// It is for clients that ask a few times in an invocation. One request for each record
// would be a span for each record.
func HTTP(name string, rt http.RoundTripper) http.RoundTripper {
	if rt == nil {
		rt = http.DefaultTransport
	}
	return &transport{name, rt}
}

type transport struct {
	name string
	next http.RoundTripper
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	span := Current(req.Context()).start(Remote, t.name)
	if !span.Recording() {
		return t.next.RoundTrip(req)
	}
	call := Call{Method: req.Method, Host: req.URL.Host}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		span.Call(call)
		span.End(err)
		return resp, err
	}
	call.Status = resp.StatusCode
	span.Call(call)
	outcome := OutcomeOfStatus(resp.StatusCode)
	if resp.StatusCode == http.StatusSwitchingProtocols || resp.Body == http.NoBody {
		// The body of a switched protocol is a connection, which lives on by itself.
		span.recorder.End(outcome)
		return resp, nil
	}
	resp.Body = &body{resp.Body, span, outcome}
	return resp, nil
}

// CloseIdleConnections is what http.Client looks for.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// body ends the span of an answer when that has been read.
type body struct {
	io.ReadCloser
	span    Span
	outcome Outcome
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.span.recorder.End(b.outcome)
	default:
		b.span.End(err)
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.span.recorder.End(b.outcome)
	return err
}
