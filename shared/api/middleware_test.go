package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"oipnode/shared/records"
)

var paths = []string{"/api/records", "/api/records/recordTypes", "/api/templates", "/api/creators", "/api/organizations", "/api/health", "/api/health/keepdb"}

func TestMethods(t *testing.T) {
	w := newWorld(t)
	for _, path := range paths {
		get := w.do(httptest.NewRequest(http.MethodGet, path, nil))
		head := w.do(httptest.NewRequest(http.MethodHead, path, nil))
		if head.Code != get.Code || head.Body.Len() != 0 || head.Header().Get("Content-Length") != fmt.Sprint(get.Body.Len()) {
			t.Errorf("HEAD %s: %d, %d bytes, Content-Length %s", path, head.Code, head.Body.Len(), head.Header().Get("Content-Length"))
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodTrace, "BREW"} {
			res := w.do(httptest.NewRequest(method, path, strings.NewReader("{}")))
			if res.Code != http.StatusMethodNotAllowed || res.Header().Get("Allow") != "GET, HEAD, OPTIONS" || res.json["code"] != "method_not_allowed" {
				t.Errorf("%s %s: %d %v %s", method, path, res.Code, res.Header(), res.Body)
			}
		}
		r := httptest.NewRequest(http.MethodOptions, path, nil)
		r.Header.Set("Origin", "https://app.example")
		r.Header.Set("Access-Control-Request-Method", "GET")
		res := w.do(r)
		h := res.Header()
		if res.Code != http.StatusNoContent || res.Body.Len() != 0 || h.Get("Access-Control-Allow-Origin") != "*" ||
			h.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type, If-None-Match, If-Range, Last-Event-ID, Range, X-Dialogue-Secret" || h.Get("Access-Control-Allow-Methods") != "GET, HEAD, OPTIONS" {
			t.Errorf("OPTIONS %s: %d %v", path, res.Code, h)
		}
	}
	for _, path := range []string{"/", "/api", "/api/", "/api/records/", "/api/Records", "/api/records/x", "/api/health/none", "/console/", "/console/x", "/%00", "/favicon.ico"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions, http.MethodHead} {
			if res := w.do(httptest.NewRequest(method, path, nil)); res.Code != http.StatusNotFound || method == http.MethodGet && res.json["code"] != "not_found" {
				t.Errorf("%s %s: %d %s", method, path, res.Code, res.Body)
			}
		}
	}
}

// TestHeaders: every answer has them, whatever its status.
func TestHeaders(t *testing.T) {
	w := newWorld(t)
	for path, status := range map[string]int{"/api/records": 200, "/api/records?limit=0": 400, "/nothing": 404} {
		keeping := "no-store"
		if status == http.StatusOK {
			keeping = "no-cache" // with an ETag; see TestETag
		}
		h := w.do(httptest.NewRequest(http.MethodGet, path, nil))
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "*", "Cache-Control": keeping,
			"Content-Type": "application/json; charset=utf-8"} {
			if got := h.Header().Get(name); got != want || h.Code != status {
				t.Errorf("%s: %d, %s: %q, want %q", path, h.Code, name, got, want)
			}
		}
	}
}

// TestOrigins: a browser lets pages of the origins that are named have the answers, also
// those that are errors, and no others; caches keep them apart.
func TestOrigins(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Origins = []string{"https://app.example", "http://localhost:8080"} })
	for origin, allowed := range map[string]string{"https://app.example": "https://app.example", "http://localhost:8080": "http://localhost:8080",
		"https://app.example.org": "", "http://app.example": "", "null": "", "*": "", "": ""} {
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			for path, vary := range map[string]string{"/api/records": "Origin, Authorization, Accept-Encoding", "/api/records?limit=0": "Origin, Accept-Encoding", "/nothing": "Origin, Accept-Encoding"} {
				r := httptest.NewRequest(method, path, nil)
				if origin != "" {
					r.Header.Set("Origin", origin)
				}
				if h := w.do(r).Header(); h.Get("Access-Control-Allow-Origin") != allowed || method == http.MethodGet && h.Get("Vary") != vary ||
					!strings.HasPrefix(h.Get("Vary"), "Origin") {
					t.Errorf("%s %s from %q: %v", method, path, origin, h)
				}
			}
		}
	}
}

func TestRequestIDs(t *testing.T) {
	w := newWorld(t)
	seen := make(map[string]bool)
	for sent, taken := range map[string]bool{"": false, "abc-123_X.y:z": true, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false,
		"with space": false, "line\nbreak": false, "é": false, `"`: false} {
		r := httptest.NewRequest(http.MethodGet, "/api/health", nil)
		r.Header.Set("X-Request-Id", sent)
		got := w.do(r).Header().Get("X-Request-Id")
		if (got == sent) != taken || !saneID(got) || seen[got] {
			t.Errorf("%q answered with %q", sent, got)
		}
		seen[got] = true
	}
}

// TestAccessLog: one line for each request, without its query and its token.
func TestAccessLog(t *testing.T) {
	w := newWorld(t)
	secretToken := token(t, "key")
	res := w.as(secretToken, "/api/records", "creatorHandle", "private-question", "limit", "0")
	lines := w.log.lines(t, "request")
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	line := lines[0]
	if line["method"] != "GET" || line["path"] != "/api/records" || line["status"] != 400.0 || line["bytes"] != float64(res.Body.Len()) ||
		line["request"] != res.Header().Get("X-Request-Id") || line["duration"] == nil {
		t.Errorf("line %v", line)
	}
	if text := w.log.text.String(); strings.Contains(text, "private-question") || strings.Contains(text, secretToken) {
		t.Errorf("the log tells too much: %s", text)
	}
	w.do(httptest.NewRequest(http.MethodGet, "/"+strings.Repeat("x", 5000), nil))
	if line := w.log.lines(t, "request")[1]; len(line["path"].(string)) > maxLoggedPath+10 {
		t.Errorf("path of %d bytes", len(line["path"].(string)))
	}
}

// panicking is a store that panics.
type panicking struct {
	records.Store
	value any
}

func (p *panicking) Search(context.Context, records.Query) (records.Page, error) { panic(p.value) }

func TestPanics(t *testing.T) {
	p := &panicking{value: "index out of secrets"}
	w := newWorld(t, func(o *Options) {
		p.Store = o.Records
		o.Records = p
	})
	res := w.call("/api/records")
	if res.Code != http.StatusInternalServerError || res.json["code"] != "internal" || strings.Contains(res.Body.String(), "secrets") {
		t.Errorf("%d %s", res.Code, res.Body)
	}
	lines := w.log.lines(t, "panic")
	if len(lines) != 1 || lines[0]["value"] != "index out of secrets" || !strings.Contains(lines[0]["stack"].(string), "middleware_test.go") ||
		lines[0]["request"] != res.Header().Get("X-Request-Id") {
		t.Errorf("log %v", lines)
	}
	if line := w.log.lines(t, "request")[0]; line["status"] != 500.0 {
		t.Errorf("access log %v", line)
	}
	p.value = http.ErrAbortHandler
	if got := panicOf(func() { w.call("/api/records") }); got != any(http.ErrAbortHandler) {
		t.Errorf("ErrAbortHandler became %v", got)
	}
}

// panicOf returns what f panics with.
func panicOf(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// TestPanicAfterTheStart: a response that has begun is broken off.
func TestPanicAfterTheStart(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half of")
		panic("the page")
	})
	w := newWorld(t, func(o *Options) { o.Console = page })
	server := httptest.NewServer(w.handler)
	defer server.Close()
	res, err := server.Client().Get(server.URL + "/")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	if err == nil {
		t.Error("half a page was taken for a whole one")
	}
	if line := w.log.lines(t, "request")[0]; line["bytes"] != 7.0 {
		t.Errorf("access log %v", line)
	}
}

func TestConsole(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page "+r.URL.Path) })
	w := newWorld(t, func(o *Options) { o.Console = page })
	for path, want := range map[string]string{"/": "page /", "/console/app.css": "page /console/app.css"} {
		if res := w.do(httptest.NewRequest(http.MethodGet, path, nil)); res.Body.String() != want {
			t.Errorf("%s: %d %s", path, res.Code, res.Body)
		}
		if res := w.do(httptest.NewRequest(http.MethodPost, path, nil)); res.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, res.Code)
		}
	}
	if res := w.do(httptest.NewRequest(http.MethodGet, "/other", nil)); res.Code != http.StatusNotFound {
		t.Errorf("/other: %d", res.Code)
	}
}

// TestStoreErrors: what the store says becomes a status, and never a text.
func TestStoreErrors(t *testing.T) {
	broken := &failing{}
	w := newWorld(t, func(o *Options) {
		broken.Store = o.Records
		o.Records = broken
	})
	for _, c := range []struct {
		err        error
		status     int
		code       string
		retryAfter string
	}{
		{fmt.Errorf("%w: host 10.0.0.7 secret", records.ErrUnavailable), 503, "unavailable", "5"},
		{errors.New("disk secret"), 500, "internal", ""},
		{context.DeadlineExceeded, 504, "timeout", ""},
	} {
		broken.err = c.err
		for _, path := range []string{"/api/records", "/api/records/recordTypes", "/api/templates", "/api/templates?templateName=x", "/api/records?template=x",
			"/api/creators", "/api/organizations"} {
			for _, who := range []string{"", token(t, "key")} {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Header.Set("Authorization", "Bearer "+who)
				res := w.do(r)
				if res.Code != c.status || res.json["code"] != c.code || res.Header().Get("Retry-After") != c.retryAfter || strings.Contains(res.Body.String(), "secret") {
					t.Errorf("%s, %v: %d %v %s", path, c.err, res.Code, res.Header(), res.Body)
				}
			}
		}
	}
	if logged := w.log.lines(t, "request failed"); len(logged) == 0 || !strings.Contains(logged[0]["error"].(string), "10.0.0.7") {
		t.Errorf("the cause is not in the log: %v", logged)
	}
}

// waiting is a store that waits for the end of the context.
type waiting struct{ records.Store }

func (s *waiting) Search(ctx context.Context, _ records.Query) (records.Page, error) {
	<-ctx.Done()
	return records.Page{}, ctx.Err()
}

// TestTimes: an answer that takes too long is a 504, and a caller that goes away
// ends the work; only the first is a line in the error log.
func TestTimes(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Records = &waiting{o.Records}
		o.Timeout = time.Millisecond
	})
	if res := w.call("/api/records"); res.Code != http.StatusGatewayTimeout || res.json["code"] != "timeout" {
		t.Errorf("%d %s", res.Code, res.Body)
	}
	w.opt.Timeout = time.Hour
	w.handler = New(w.opt)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w.do(httptest.NewRequest(http.MethodGet, "/api/records", nil).WithContext(ctx))
	lines := w.log.lines(t, "request failed")
	if len(lines) != 2 || lines[0]["level"] != "ERROR" || lines[1]["level"] != "DEBUG" {
		t.Errorf("log %v", lines)
	}
}

// TestBodies: a body over the bound cannot be read, by any handler.
func TestBodies(t *testing.T) {
	var got error
	reader := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, got = io.ReadAll(r.Body) })
	w := newWorld(t, func(o *Options) {
		o.Console = reader
		o.MaxBody = 10
	})
	w.do(httptest.NewRequest(http.MethodGet, "/", strings.NewReader(strings.Repeat("x", 10))))
	if got != nil {
		t.Errorf("at the bound: %v", got)
	}
	w.do(httptest.NewRequest(http.MethodGet, "/", strings.NewReader(strings.Repeat("x", 11))))
	var tooLarge *http.MaxBytesError
	if !errors.As(got, &tooLarge) {
		t.Errorf("over the bound: %v", got)
	}
	bare := &http.Request{Method: http.MethodGet, URL: httptest.NewRequest(http.MethodGet, "/api/health", nil).URL, Header: http.Header{}}
	if res := w.do(bare); res.Code != http.StatusOK {
		t.Errorf("a request without a body: %d", res.Code)
	}
}
