package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/gun"
)

// New takes the URLs that an operator may configure for the relay, and tells nothing of
// one that it does not take.
func TestNew(t *testing.T) {
	for raw, want := range map[string]string{
		"ws://host/gun":               "http://host/gun-relay",
		"wss://host:8765/gun":         "https://host:8765/gun-relay",
		"https://host/a/gun-relay/":   "https://host/a/gun-relay",
		"http://user:secret@host/gun": "",
		"":                            "",
	} {
		r, err := New(Options{URL: raw})
		switch {
		case want == "" && (!errors.Is(err, gun.ErrURL) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%q: %v", raw, err)
		case want != "" && (err != nil || r.base != want):
			t.Errorf("%q: %v, want %q", raw, err, want)
		}
	}
}

// private are headers of a caller that are no business of the relay's.
var private = []string{"Authorization", "Bearer token", "Cookie", "session=1", "Proxy-Authorization", "Basic x",
	"X-Forwarded-For", "10.0.0.1", "Origin", "https://app.example", "X-Dialogue-Secret", "a secret", "Connection", "X-Hop", "X-Hop", "1", "Te", "trailers"}

// What reaches the relay is the soul, or the body, and nothing else of the request;
// what comes back is the status and the body, and nothing else of the answer.
func TestPassThrough(t *testing.T) {
	type seen struct {
		method, uri, host, body string
		header                  http.Header
		length                  int64
	}
	requests := make(chan seen, 1)
	n := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- seen{r.Method, r.RequestURI, r.Host, string(body), r.Header, r.ContentLength}
		for _, name := range []string{"Set-Cookie", "X-Powered-By", "Location", "Access-Control-Allow-Credentials", "Keep-Alive", "Cache-Control"} {
			w.Header().Set(name, "of the relay")
		}
		w.Header().Set("Content-Type", "application/json; charset=latin1")
		w.WriteHeader(cmp.Or(map[string]int{"absent": 404, "bad": 400}[r.URL.Query().Get("soul")], 200))
		_, _ = io.WriteString(w, `{"success":true}`)
	})
	check := func(r reply, status int) {
		t.Helper()
		if r.StatusCode != status || r.body != `{"success":true}` || r.err != nil {
			t.Errorf("status %d, body %q, %v, want %d", r.StatusCode, r.body, r.err, status)
		}
		var names []string
		for name := range r.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		if want := []string{"Cache-Control", "Content-Length", "Content-Type", "Date"}; !slices.Equal(names, want) ||
			r.Header.Get("Content-Type") != "application/json; charset=utf-8" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %q", r.Header)
		}
	}
	headers := func(got http.Header, want ...string) {
		t.Helper()
		for name := range got {
			if !slices.Contains(want, name) {
				t.Errorf("the relay sees %s: %q", name, got[name])
			}
		}
		if got.Get("User-Agent") != "oipnode/test" {
			t.Errorf("User-Agent %q", got.Get("User-Agent"))
		}
	}

	check(n.do(http.MethodGet, "/gun-relay/get?other=1&soul=", nil, private...), 200)
	<-requests
	check(n.do(http.MethodPost, "/gun-relay/put?soul=absent", strings.NewReader(`{"soul":"a"}`), append(private, "Content-Type", "text/html")...), 200)
	if got := <-requests; got.method != "POST" || got.uri != "/gun-relay/put" || got.body != `{"soul":"a"}` || got.length != 12 ||
		got.header.Get("Content-Type") != "application/json" {
		t.Errorf("put: %+v", got)
	} else {
		headers(got.header, "User-Agent", "Accept", "Content-Type", "Content-Length")
	}
	check(n.get("absent"), 404)
	<-requests
	check(n.get("bad"), 400)
	<-requests
	check(n.get("a%3Ab%26soul=c+%C3%BC%2F..%00"), 200)
	got := <-requests
	if got.method != "GET" || got.uri != "/gun-relay/get?soul=a%3Ab%26soul%3Dc+%C3%BC%2F..%00" || got.body != "" {
		t.Errorf("get: %+v", got)
	}
	headers(got.header, "User-Agent", "Accept")
	if r := n.do(http.MethodHead, "/gun-relay/get?soul=", nil); r.StatusCode != 200 || r.body != "" || r.ContentLength != 16 {
		t.Errorf("HEAD: %d, %q, length %d", r.StatusCode, r.body, r.ContentLength)
	}
	<-requests
}

// An answer flows: its beginning is there before its end is made.
func TestAnswerIsStreamed(t *testing.T) {
	first := strings.Repeat("a", 3*chunk)
	more := make(chan struct{})
	n := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, first)
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, "end")
	})
	resp, err := n.client.Get(n.url + "/gun-relay/get?soul=a")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	begin := make([]byte, len(first))
	if _, err := io.ReadFull(resp.Body, begin); err != nil || string(begin) != first {
		t.Fatalf("the beginning: %v", err)
	}
	close(more)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "end" {
		t.Errorf("the rest: %q, %v", rest, err)
	}
}

// So does a put: the relay reads its beginning before the caller has sent its end.
func TestPutIsStreamed(t *testing.T) {
	begun := make(chan string, 1)
	n := serve(t, func(w http.ResponseWriter, r *http.Request) {
		begin := make([]byte, 5)
		_, _ = io.ReadFull(r.Body, begin)
		begun <- string(begin)
		rest, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s%s %v %d", begin, rest, err, r.ContentLength)
	})
	body, caller := io.Pipe()
	go func() {
		_, _ = io.WriteString(caller, "begin")
		if <-begun != "begin" {
			t.Error("the relay read something else")
		}
		_, _ = io.WriteString(caller, "end")
		_ = caller.Close()
	}()
	if r := n.do(http.MethodPost, "/gun-relay/put", body); r.StatusCode != 200 || r.body != "beginend <nil> -1" {
		t.Errorf("status %d, %q", r.StatusCode, r.body)
	}
}

// What is in memory does not grow with the answer.
func TestMemory(t *testing.T) {
	const size = 60 << 20
	piece := make([]byte, 64<<10)
	n := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for range size / len(piece) {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resp, err := n.client.Get(n.url + "/gun-relay/get?soul=a")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 64<<10))
	runtime.ReadMemStats(&after)
	if err != nil || got != size {
		t.Fatalf("%d bytes, %v", got, err)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > size/4 {
		t.Errorf("%d bytes were allocated for an answer of %d", allocated, size)
	}
}

// A relay that does not answer as a relay does is an error of this node's form, without
// a word of the relay's own.
func TestFailures(t *testing.T) {
	answer := func(status int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			if status != http.StatusNoContent {
				_, _ = io.WriteString(w, `{"error":"secret of the relay"}`)
			}
		}
	}
	const kind, json = "Content-Type", "application/json"
	for name, c := range map[string]struct {
		relay http.HandlerFunc
		kind  *errs.Kind
		wait  time.Duration
	}{
		"500":            {answer(500, kind, json), errs.BadGateway, 0},
		"401":            {answer(401, kind, json), errs.BadGateway, 0},
		"204":            {answer(204), errs.BadGateway, 0},
		"206":            {answer(206, kind, json), errs.BadGateway, 0},
		"a redirect":     {answer(302, kind, json, "Location", "http://127.0.0.1:1/"), errs.BadGateway, 0},
		"a page":         {answer(200, kind, "text/html"), errs.BadGateway, 0},
		"an absent page": {answer(404, kind, "text/html; charset=utf-8"), errs.BadGateway, 0},
		"encoded":        {answer(200, kind, json, "Content-Encoding", "gzip"), errs.BadGateway, 0},
		"busy":           {answer(429, kind, json, "Retry-After", "7"), errs.Unavailable, 7 * time.Second},
		"busy for long":  {answer(503, kind, json, "Retry-After", "3600"), errs.Unavailable, maxPause},
		"busy, no word":  {answer(503, kind, json), errs.Unavailable, time.Second},
		"hangs up":       {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, errs.BadGateway, 0},
		"half of a little": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, "secret")
		}, errs.BadGateway, 0},
		"half, chunked": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "secret")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, errs.BadGateway, 0},
		"silent": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, errs.Timeout, 0},
		"silent in the middle": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "secret")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, errs.Timeout, 0},
		"announces too much": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1001") }, errs.TooLarge, 0},
		"sends too much":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat(" ", 20_000)) }, errs.TooLarge, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := serve(t, c.relay, shortIdle, func(o *Options) { o.MaxAnswer = 1000 })
			r := n.get("a")
			err := n.refused(r, c.kind, "secret", "127.0.0.1", "gzip")
			if got := errs.RetryAfter(err); got != c.wait {
				t.Errorf("Retry-After %v, want %v", got, c.wait)
			}
		})
	}
}

// A relay that cannot be reached.
func TestUnreachable(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	n := front(t, gone.URL)
	n.refused(n.get("a"), errs.BadGateway, "127.0.0.1", "refused")
	n.refused(n.do(http.MethodPost, "/gun-relay/put", strings.NewReader("{}")), errs.BadGateway, "127.0.0.1")
}

// A relay that always moves a little is given up all the same.
func TestTotalTime(t *testing.T) {
	n := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}, func(o *Options) { o.Timeout = 300 * time.Millisecond })
	n.refused(n.get("a"), errs.Timeout)
}

// An answer that fails after its first bytes were sent breaks the caller's connection
// off: with and without an announced length, for every reason.
func TestHalfAnswers(t *testing.T) {
	begin := strings.Repeat("a", 4*chunk)
	for name, relay := range map[string]http.HandlerFunc{
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, begin)
			panic(http.ErrAbortHandler)
		},
		"shorter than announced": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(begin)+1))
			_, _ = io.WriteString(w, begin)
		},
		"silent": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, begin)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := io.WriteString(w, begin); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := serve(t, relay, shortIdle, func(o *Options) { o.MaxAnswer = 1 << 20 })
			r := n.get("a")
			if r.StatusCode != http.StatusOK || !errors.Is(r.err, io.ErrUnexpectedEOF) {
				t.Errorf("status %d, %d bytes, %v, want a body that breaks off", r.StatusCode, len(r.body), r.err)
			}
			if len(r.body) > 1<<20 {
				t.Errorf("%d bytes came through", len(r.body))
			}
			if !strings.Contains(n.log.String(), "broken off") {
				t.Errorf("log %q", n.log)
			}
		})
	}
}

// A put that is too large is refused, and the relay never takes it for a whole one.
func TestPutTooLarge(t *testing.T) {
	ends := make(chan error, 1)
	n := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		ends <- err
	})
	body := struct{ io.Reader }{strings.NewReader(strings.Repeat("a", maxBody+1))} // chunked: nobody knows its length
	r := n.do(http.MethodPost, "/gun-relay/put", body)
	n.refused(r, errs.TooLarge)
	if !strings.Contains(r.body, fmt.Sprint(maxBody)) {
		t.Errorf("%q does not say what is allowed", r.body)
	}
	if err := <-ends; err == nil {
		t.Error("the relay got a body that ended well")
	}
}

// A caller that stops in the middle of its put is given up.
func TestPutStalls(t *testing.T) {
	ends := make(chan error, 1)
	n := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		ends <- err
	}, shortIdle)
	body, caller := io.Pipe()
	go func() { _, _ = io.WriteString(caller, "begin") }()
	defer func() { _ = caller.Close() }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+"/gun-relay/put", body)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := n.client.Do(req); err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("the put succeeded")
		}
	}
	if err := <-n.failed; !errors.Is(err, errs.Invalid) && !errors.Is(err, errs.Timeout) {
		t.Errorf("%v", err)
	}
	if err := <-ends; err == nil {
		t.Error("the relay got a body that ended well")
	}
}

// When the caller goes away, so does the request to the relay.
func TestCallerLeaves(t *testing.T) {
	came, left := make(chan struct{}), make(chan struct{})
	n := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(came)
		<-r.Context().Done()
		close(left)
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/gun-relay/get?soul=a", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-came
		cancel()
	}()
	if resp, err := n.client.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Error("there was an answer")
	}
	<-left
	if err := <-n.failed; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// More exchanges than are allowed are refused, and the place of one that ended is free.
func TestTooMany(t *testing.T) {
	came, goOn := make(chan struct{}), make(chan struct{})
	n := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("soul") == "slow" {
			came <- struct{}{}
			<-goOn
		}
		_, _ = io.WriteString(w, "{}")
	}, func(o *Options) { o.Exchanges = 2 })
	done := make(chan reply)
	for range 2 {
		go func() { done <- n.get("slow") }()
		<-came
	}
	if err := n.refused(n.get("a"), errs.Unavailable); errs.RetryAfter(err) <= 0 {
		t.Error("nobody says when to try again")
	}
	close(goOn)
	for range 2 {
		if r := <-done; r.StatusCode != http.StatusOK {
			t.Errorf("status %d", r.StatusCode)
		}
	}
	if r := n.get("a"); r.StatusCode != http.StatusOK {
		t.Errorf("after them: status %d", r.StatusCode)
	}
}
