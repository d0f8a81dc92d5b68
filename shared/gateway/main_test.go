package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seen is a request as a server got it.
type seen struct {
	method, path, query string
	header              http.Header
}

// server is a gateway whose answers the test decides, one request after another
// or by a function of the request.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	seen []seen
}

// serve starts a server with a handler that gets the GraphQL query, if any, and
// the number of the request from 0.
func serve(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, query string, n int)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Query string `json:"query"`
		}
		if r.Method == http.MethodPost {
			raw, _ := io.ReadAll(r.Body)
			if err := json.Unmarshal(raw, &body); err != nil {
				t.Errorf("request body %q: %v", raw, err)
			}
		}
		s.mu.Lock()
		n := len(s.seen)
		s.seen = append(s.seen, seen{r.Method, r.URL.Path, body.Query, r.Header.Clone()})
		s.mu.Unlock()
		answer(w, r, body.Query, n)
	}))
	t.Cleanup(s.Close)
	return s
}

// script starts a server that gives each answer once, in order; one request more
// fails the test.
func script(t *testing.T, answers ...http.HandlerFunc) *server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request, _ string, n int) {
		if n >= len(answers) {
			t.Errorf("request %d (%s %s) was not expected", n+1, r.Method, r.URL.Path)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		answers[n](w, r)
	})
}

// requests returns what was asked so far.
func (s *server) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.seen...)
}

// status answers with a status, header fields as name, value pairs, and a body.
func status(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// ok answers 200 with JSON.
func ok(body string) http.HandlerFunc { return status(200, body, "Content-Type", "application/json") }

// id makes a transaction id; larger numbers sort later.
func id(n int) string { return fmt.Sprintf("%043d", n) }

// line is one edge of a page: the JSON of its node, with a cursor of its own.
type line struct{ cursor, node string }

// mined is a row at a height, with a tag that has its id as value.
func mined(n int, height int64) line {
	return line{fmt.Sprintf("c%d", n), fmt.Sprintf(`{"id":%q,"owner":{"address":%q},"tags":[{"name":"T","value":%q}],"block":{"height":%d},"data":{"size":"7"}}`,
		id(n), id(7), id(n), height)}
}

// pending is a row without a block.
func pending(n int) line {
	return line{fmt.Sprintf("c%d", n), fmt.Sprintf(`{"id":%q,"tags":[],"block":null}`, id(n))}
}

// block is count rows at one height, numbered from first.
func block(first, count int, height int64) []line {
	lines := make([]line, count)
	for i := range lines {
		lines[i] = mined(first+i, height)
	}
	return lines
}

// rising is count rows, each a height above the one before.
func rising(first, count int, height int64) []line {
	lines := make([]line, count)
	for i := range lines {
		lines[i] = mined(first+i, height+int64(i))
	}
	return lines
}

// pageJSON is an answer with these rows.
func pageJSON(more bool, lines ...line) string {
	edges := make([]string, len(lines))
	for i, l := range lines {
		edges[i] = fmt.Sprintf(`{"cursor":%q,"node":%s}`, l.cursor, l.node)
	}
	return fmt.Sprintf(`{"data":{"transactions":{"pageInfo":{"hasNextPage":%t},"edges":[%s]}}}`, more, strings.Join(edges, ","))
}

// clock is a clock that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// dial connects to a server without pauses that a test would wait for.
func dial(t *testing.T, s *server, change ...func(*Options)) *Gateway {
	t.Helper()
	opts := Options{RetryPause: time.Millisecond, Jitter: func() float64 { return 1 }}
	for _, f := range change {
		f(&opts)
	}
	g, err := Dial(s.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// withClock makes the gateway's clock the test's.
func withClock(c *clock) func(*Options) { return func(o *Options) { o.Now = c.Now } }
