package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Every status that is not 200, for data and for queries.
func TestStatus(t *testing.T) {
	for _, tc := range []struct {
		status      int
		data, query error
	}{
		{202, ErrPending, ErrUnhealthy},
		{204, ErrProtocol, ErrProtocol},
		{206, ErrProtocol, ErrProtocol},
		{300, ErrRedirect, ErrRedirect},
		{304, ErrRedirect, ErrRedirect},
		{401, ErrBlocked, ErrUnhealthy},
		{402, ErrRateLimited, ErrRateLimited},
		{403, ErrBlocked, ErrUnhealthy},
		{404, ErrNotFound, ErrUnhealthy},
		{408, ErrUnavailable, ErrUnavailable},
		{410, ErrNotFound, ErrUnhealthy},
		{418, ErrProtocol, ErrProtocol},
		{429, ErrRateLimited, ErrRateLimited},
		{451, ErrBlocked, ErrUnhealthy},
		{500, ErrUnavailable, ErrUnavailable},
		{502, ErrUnavailable, ErrUnavailable},
		{503, ErrUnavailable, ErrUnavailable},
		{504, ErrUnavailable, ErrUnavailable},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ int) {
			status(tc.status, "", "Retry-After", "5")(w, r)
		})
		_, err := dial(t, s).Data(context.Background(), id(1), -1)
		var e *Error
		if !errors.Is(err, tc.data) || !errors.As(err, &e) || e.Status != tc.status || e.RetryAfter != 5*time.Second || e.Gateway != s.URL || e.Op != "data" {
			t.Errorf("data with status %d: %v, want %v", tc.status, err, tc.data)
		}
		_, err = dial(t, s).ask(context.Background(), query{})
		if !errors.Is(err, tc.query) || !errors.As(err, &e) || e.Op != "query" {
			t.Errorf("query with status %d: %v, want %v", tc.status, err, tc.query)
		}
	}
}

// GraphQL servers say with any status what is wrong with a query.
func TestStatusWithGraphQLErrors(t *testing.T) {
	limit, other := `{"errors":[{"message":"TOO_MANY_ROWS"}]}`, `{"errors":[{"message":"boom"}]}`
	for _, tc := range []struct {
		status int
		body   string
		want   error
	}{
		{400, limit, ErrRowLimit},
		{500, limit, ErrRowLimit},
		{400, other, ErrGraphQL},
		{422, other, ErrGraphQL},
		{500, other, ErrUnavailable},
		{400, `{}`, ErrProtocol},
		{400, `<html>`, ErrProtocol},
		{429, other, ErrRateLimited},
	} {
		s := script(t, status(tc.status, tc.body))
		if _, err := dial(t, s).ask(context.Background(), query{}); !errors.Is(err, tc.want) {
			t.Errorf("%d %s: %v, want %v", tc.status, tc.body, err, tc.want)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := script(t, ok(`{"height":5}`), ok(pageJSON(false)), status(200, "x"))
	g := dial(t, s, func(o *Options) { o.UserAgent = "test/1" })
	ctx := context.Background()
	if _, err := g.Height(ctx); err != nil {
		t.Error(err)
	}
	if _, err := g.ask(ctx, query{}); err != nil {
		t.Error(err)
	}
	if _, err := g.Data(ctx, id(1), 1); err != nil {
		t.Error(err)
	}
	for i, r := range s.requests() {
		if r.header.Get("User-Agent") != "test/1" || r.header.Get("Accept-Encoding") != "identity" || r.header.Values("Idempotency-Key") != nil {
			t.Errorf("request %d: %v", i, r.header)
		}
	}
	if post := s.requests()[1]; post.method != "POST" || post.path != "/graphql" || post.header.Get("Content-Type") != "application/json" {
		t.Errorf("query: %+v", post)
	}
}

func TestPathPrefix(t *testing.T) {
	s := script(t, ok(`{"height":5}`), ok(pageJSON(false)), status(404, ""), status(200, "x"))
	g, err := Dial(s.URL+"/ar/io/", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	ctx := context.Background()
	_, err1 := g.Height(ctx)
	_, err2 := g.ask(ctx, query{})
	_, err3 := g.Data(ctx, id(1), 1)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"/ar/io/info", "/ar/io/graphql", "/ar/io/raw/" + id(1), "/ar/io/" + id(1)} {
		if got := s.requests()[i].path; got != want {
			t.Errorf("request %d: %s, want %s", i, got, want)
		}
	}
}

func TestOwnTimeout(t *testing.T) {
	for name, start := range map[string]bool{"before the header": false, "within the body": true} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ int) {
			if start {
				w.Header().Set("Content-Length", "10")
				w.WriteHeader(200)
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
		})
		g := dial(t, s, func(o *Options) { o.RequestTimeout = 30 * time.Millisecond })
		_, err := g.Data(context.Background(), id(1), 10)
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want ErrUnavailable and not the caller's deadline", name, err)
		}
	}
}

func TestCancel(t *testing.T) {
	reached := make(chan struct{}, 10)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request, _ string, _ int) {
		reached <- struct{}{}
		<-r.Context().Done()
	})
	g := dial(t, s, func(o *Options) { o.MaxInFlight = 1 })
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error, 2)
	for range 2 { // one is sent, the other waits for its slot
		go func() {
			_, err := g.Data(ctx, id(1), 10)
			errs <- err
		}()
	}
	<-reached
	cancel()
	for range 2 {
		if err := <-errs; !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%v, want context.Canceled", err)
		}
	}
	if _, err := g.Height(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
	if g.health.failed[classData].Count != 0 {
		t.Error("a cancelled call counts as a failure")
	}
}

func TestUnreachable(t *testing.T) {
	s := script(t)
	g := dial(t, s)
	s.Close()
	for range failuresBeforePause {
		if _, err := g.Height(context.Background()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
	}
	if _, err := g.Height(context.Background()); !errors.Is(err, ErrBackoff) {
		t.Errorf("%v, want ErrBackoff", err)
	}
}

func TestBackoffSendsNothing(t *testing.T) {
	c := newClock()
	s := script(t, status(429, "", "Retry-After", "60"), ok(`{"height":5}`))
	g := dial(t, s, withClock(c))
	ctx := context.Background()
	if _, err := g.Data(ctx, id(1), 5); !errors.Is(err, ErrRateLimited) {
		t.Fatal(err)
	}
	_, err1 := g.Data(ctx, id(1), 5)
	_, err2 := g.Height(ctx)
	_, err3 := g.Lookup(ctx, []string{id(1)})
	_, err4 := g.Find(ctx, []Filter{{"A", []string{"b"}}}, 1)
	err5 := g.Walk(ctx, Scan{Max: 5}, func([]Node, int64) error { return nil })
	for i, err := range []error{err1, err2, err3, err4, err5} {
		var e *Error
		if !errors.Is(err, ErrBackoff) || !errors.As(err, &e) || e.RetryAfter != time.Minute {
			t.Errorf("call %d: %v, want ErrBackoff for a minute", i+1, err)
		}
	}
	c.advance(time.Minute)
	if h, err := g.Height(ctx); h != 5 || err != nil {
		t.Errorf("after the back-off: %d, %v", h, err)
	}
}

func TestInFlightIsBounded(t *testing.T) {
	const most = 3
	var now, peak atomic.Int64
	gate, arrived := make(chan struct{}), make(chan struct{}, 4*most)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) {
		n := now.Add(1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		arrived <- struct{}{} // counted: whoever sees them all arrived may let one go
		<-gate
		now.Add(-1)
		_, _ = w.Write([]byte("x"))
	})
	g := dial(t, s, func(o *Options) { o.MaxInFlight = most })
	var wg sync.WaitGroup
	for i := range 4 * most {
		wg.Go(func() {
			if _, err := g.Data(context.Background(), id(i), 1); err != nil {
				t.Error(err)
			}
		})
	}
	for range most {
		<-arrived
	}
	for range 4 * most {
		gate <- struct{}{}
	}
	wg.Wait()
	if peak.Load() != most {
		t.Errorf("%d requests at a time, want %d", peak.Load(), most)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	var opened atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, n int) {
		if n%2 == 0 {
			w.WriteHeader(404)
		}
		_, _ = w.Write([]byte("x"))
	})
	dialer := &net.Dialer{}
	g := dial(t, s, func(o *Options) {
		o.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			opened.Add(1)
			return dialer.DialContext(ctx, network, address)
		}
	})
	for range 20 {
		if _, err := g.Data(context.Background(), id(1), 1); err != nil {
			t.Fatal(err)
		}
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections for sequential requests", opened.Load())
	}
}

func TestSameSite(t *testing.T) {
	for _, tc := range []struct {
		base, from, to string
		want           bool
	}{
		{"https://arweave.net", "https://arweave.net/a", "https://arweave.net/b", true},
		{"https://arweave.net", "https://arweave.net/a", "https://x.arweave.net/a", true},
		{"https://arweave.net", "https://arweave.net/a", "https://X.ARWEAVE.net:443/a", true},
		{"https://arweave.net", "https://x.arweave.net/a", "https://y.arweave.net/a", true},
		{"https://arweave.net", "https://arweave.net/a", "https://evilarweave.net/a", false},
		{"https://arweave.net", "https://arweave.net/a", "https://arweave.net.evil.org/a", false},
		{"https://arweave.net", "https://arweave.net/a", "http://arweave.net/a", false},
		{"https://arweave.net", "https://arweave.net/a", "https://arweave.net:8443/a", false},
		{"https://arweave.net", "https://arweave.net/a", "https://u@arweave.net/a", false},
		{"https://arweave.net", "https://arweave.net/a", "ftp://arweave.net/a", false},
		{"http://arweave.net", "http://arweave.net/a", "https://arweave.net/a", true},
		{"http://arweave.net:1984", "http://arweave.net:1984/a", "http://x.arweave.net:1984/a", true},
		{"http://arweave.net:1984", "http://arweave.net:1984/a", "http://arweave.net/a", false},
		{"http://arweave.net:1984", "http://arweave.net:1984/a", "https://arweave.net:1984/a", true},
		{"http://arweave.net:1984", "http://arweave.net:1984/a", "https://arweave.net:1985/a", false},
		{"http://127.0.0.1", "http://127.0.0.1/a", "http://x.127.0.0.1/a", false},
		{"http://127.0.0.1", "http://127.0.0.1/a", "http://169.254.169.254/a", false},
	} {
		u := func(s string) *url.URL {
			u, err := url.Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		if got := sameSite(u(tc.base), u(tc.from), u(tc.to)); got != tc.want {
			t.Errorf("%s: %s -> %s: %t", tc.base, tc.from, tc.to, got)
		}
	}
}

// sandboxed starts a server that is reached as any host under localhost.
func sandboxed(t *testing.T, h http.HandlerFunc) *Gateway {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	g, err := Dial("http://gw.test:"+port, Options{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func TestRedirects(t *testing.T) {
	const fine = "fine"
	for name, tc := range map[string]struct {
		status int
		target string // %s is the port
		want   error
	}{
		"301 sandbox":   {301, "http://abc.gw.test:%s/end", nil},
		"302 sandbox":   {302, "http://abc.gw.test:%s/end", nil},
		"307 same host": {307, "/end", nil},
		"308 same host": {308, "http://gw.test:%s/end", nil},
		"303":           {303, "/end", ErrRedirect},
		"no location":   {302, "", ErrRedirect},
		"other host":    {302, "http://other.test:%s/end", ErrRedirect},
		"other port":    {302, "http://gw.test/end", ErrRedirect},
		"other scheme":  {302, "file:///etc/passwd", ErrRedirect},
		"credentials":   {302, "http://u:p@gw.test:%s/end", ErrRedirect},
		"three":         {302, "/3", nil},
		"four":          {302, "/4", ErrRedirect},
		"for ever":      {302, "/raw/" + id(1), ErrRedirect},
		"out at last":   {302, "/out", ErrRedirect},
	} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int64
			g := sandboxed(t, func(w http.ResponseWriter, r *http.Request) {
				seen.Add(1)
				_, port, _ := net.SplitHostPort(r.Host)
				next := map[string]string{"/4": "/3", "/3": "/2", "/2": "/end", "/out": "http://other.test:" + port + "/end"}[r.URL.Path]
				switch {
				case r.URL.Path == "/end":
					_, _ = w.Write([]byte(fine))
				case next != "":
					w.Header().Set("Location", next)
					w.WriteHeader(302)
				default:
					if tc.target != "" {
						w.Header().Set("Location", strings.ReplaceAll(tc.target, "%s", port))
					}
					w.WriteHeader(tc.status)
				}
			})
			data, err := g.Data(context.Background(), id(1), -1)
			if !errors.Is(err, tc.want) || (err == nil) != (string(data) == fine) {
				t.Errorf("%q, %v, want %v", data, err, tc.want)
			}
			if seen.Load() > 4 {
				t.Errorf("%d requests", seen.Load())
			}
		})
	}
}

func TestNoRedirects(t *testing.T) {
	s := script(t, status(302, "", "Location", "/elsewhere"))
	g := dial(t, s, func(o *Options) { o.MaxRedirects = -1 })
	if _, err := g.Data(context.Background(), id(1), 5); !errors.Is(err, ErrRedirect) {
		t.Errorf("%v, want ErrRedirect", err)
	}
}

func TestQueriesAreNotRedirected(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		s := script(t, status(code, "", "Location", "/elsewhere"))
		if _, err := dial(t, s).ask(context.Background(), query{}); !errors.Is(err, ErrRedirect) {
			t.Errorf("%d: %v, want ErrRedirect", code, err)
		}
	}
}

func TestErrorsDoNotRepeatBodies(t *testing.T) {
	s := script(t, status(500, strings.Repeat("secret ", 10_000)))
	_, err := dial(t, s).Data(context.Background(), id(1), 5)
	if err == nil || len(err.Error()) > 300+len(s.URL) {
		t.Errorf("%d characters", len(fmt.Sprint(err)))
	}
}
