package trace_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"oipnode/shared/trace"
)

// upstream is a server that answers with the status that the path names, and client
// one whose requests are spans.
func upstream(t *testing.T) (*httptest.Server, *http.Client) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if strings.Contains(strings.ToLower(name), "trace") {
				t.Errorf("the server is told of the trace: %s", name)
			}
		}
		switch what := r.URL.Path[1:]; what {
		case "cut":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		case "hang":
			<-r.Context().Done()
		case "switch":
			w.Header().Set("Upgrade", "test")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
		default:
			status, err := strconv.Atoi(what)
			if err != nil {
				t.Errorf("path %q", r.URL.Path)
			}
			w.WriteHeader(status)
			if status != http.StatusNoContent {
				_, _ = io.WriteString(w, "an answer")
			}
		}
	}))
	client := &http.Client{Transport: trace.HTTP("gateway", http.DefaultTransport.(*http.Transport).Clone())}
	t.Cleanup(func() {
		client.CloseIdleConnections() // goleak sees whether that comes through
		server.Close()
	})
	return server, client
}

// get sends one request below a fresh Recorder.
func get(ctx context.Context, t *testing.T, client *http.Client, url string) (*kept, *http.Response, error) {
	t.Helper()
	root := newKept()
	req, err := http.NewRequestWithContext(trace.Into(ctx, root), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	return root, resp, err
}

func TestHTTP(t *testing.T) {
	server, client := upstream(t)
	host := strings.TrimPrefix(server.URL, "http://")
	for path, want := range map[string]struct {
		status  int
		outcome trace.Outcome
	}{
		"/200?token=hunter2": {200, trace.Outcome{}},
		"/204":               {204, trace.Outcome{}},
		"/404":               {404, trace.Outcome{Code: "refused", Blame: trace.Caller}},
		"/429":               {429, trace.Outcome{Code: "too_many_requests", Blame: trace.Throttled}},
		"/503":               {503, trace.Outcome{Code: "unavailable", Blame: trace.Fault}},
	} {
		root, resp, err := get(t.Context(), t, client, server.URL+path)
		if err != nil {
			t.Fatal(err)
		}
		span := root.only(t)
		if want.status != 204 && len(span.ends) != 0 {
			t.Errorf("%s: the span has ended before the answer was read", path)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || want.status != 204 && string(text) != "an answer" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
		if o := span.outcome(t); o != want.outcome {
			t.Errorf("%s: outcome %+v, want %+v", path, o, want.outcome)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if span.name != "gateway" || span.service != trace.Remote || span.call != (trace.Call{Method: "GET", Host: host, Status: want.status}) {
			t.Errorf("%s: %+v", path, span)
		}
		if strings.Contains(fmt.Sprint(span.call, span.notes), "hunter2") {
			t.Errorf("%s: the query is in the span", path)
		}
	}
}

// Whoever closes an answer without reading it has ended the span, too.
func TestHTTPClosed(t *testing.T) {
	server, client := upstream(t)
	root, resp, err := get(t.Context(), t, client, server.URL+"/200")
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if o := root.only(t).outcome(t); o != (trace.Outcome{}) {
		t.Errorf("outcome %+v", o)
	}
}

func TestHTTPFails(t *testing.T) {
	server, client := upstream(t)
	t.Run("cut off", func(t *testing.T) {
		root, resp, err := get(t.Context(), t, client, server.URL+"/cut")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Fatal("half an answer was read without an error")
		}
		if o := root.only(t).outcome(t); o.Blame != trace.Fault {
			t.Errorf("outcome %+v", o)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		root, resp, err := get(ctx, t, client, server.URL+"/hang")
		if err == nil {
			_ = resp.Body.Close()
			t.Fatal("no error")
		}
		if o := root.only(t).outcome(t); o != (trace.Outcome{Code: "cancelled", Blame: trace.Caller}) {
			t.Errorf("outcome %+v", o)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		free := l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		root, resp, err := get(t.Context(), t, client, "http://"+free+"/secret")
		if err == nil {
			_ = resp.Body.Close()
			t.Fatal("no error")
		}
		span := root.only(t)
		if o := span.outcome(t); o != (trace.Outcome{Code: "unavailable", Blame: trace.Fault}) || span.call.Host != free || span.call.Status != 0 {
			t.Errorf("outcome %+v, call %+v", o, span.call)
		}
	})
}

// The body of a switched protocol is a connection that can be written to.
func TestHTTPSwitches(t *testing.T) {
	server, client := upstream(t)
	root := newKept()
	req, err := http.NewRequestWithContext(trace.Into(t.Context(), root), http.MethodGet, server.URL+"/switch", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "test")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, ok := resp.Body.(io.ReadWriteCloser); !ok || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("status %d, the body is %T", resp.StatusCode, resp.Body)
	}
	if o := root.only(t).outcome(t); o != (trace.Outcome{}) {
		t.Errorf("outcome %+v", o)
	}
}

func TestHTTPConcurrently(t *testing.T) {
	server, client := upstream(t)
	root := newKept()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			req, err := http.NewRequestWithContext(trace.Into(t.Context(), root), http.MethodGet, server.URL+"/"+strconv.Itoa(200+i%2), nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		})
	}
	all.Wait()
	if len(root.names()) != 20 {
		t.Errorf("%d spans, want 20", len(root.names()))
	}
	for _, span := range root.children {
		if span.call.Status/100 != 2 {
			t.Errorf("%+v", span.call)
		}
	}
}
