package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/memory"
	"oipnode/shared/records"
)

// gated is a store whose searches for certain pages wait until the gate opens.
type gated struct {
	records.Store
	limit   int
	arrived chan struct{}
	gate    chan struct{}

	mu      sync.Mutex
	now, at int // how many are inside, and were at most
}

func (g *gated) Search(ctx context.Context, q records.Query) (records.Page, error) {
	if q.Limit == g.limit {
		g.mu.Lock()
		g.now++
		g.at = max(g.at, g.now)
		g.mu.Unlock()
		g.arrived <- struct{}{}
		<-g.gate
		defer func() {
			g.mu.Lock()
			g.now--
			g.mu.Unlock()
		}()
	}
	return g.Store.Search(ctx, q)
}

// TestHeavyTakeTurns: of many heavy queries at once a few are answered at a time, and all
// in the end; meanwhile small ones are answered.
func TestHeavyTakeTurns(t *testing.T) {
	const many = 100
	g := &gated{limit: 500, arrived: make(chan struct{}, many), gate: make(chan struct{})}
	w := newWorld(t, func(o *Options) { g.Store, o.Records = o.Records, g })
	w.publish(post("one", 1001))
	turns := cap(newMakers().heavy)
	if turns >= many {
		t.Skipf("this machine takes %d at a time", turns)
	}
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			if res := w.call("/api/records", "limit", "500"); res.Code != http.StatusOK {
				t.Errorf("%d %s", res.Code, res.Body)
			}
		})
	}
	for range turns {
		<-g.arrived
	}
	w.expect(w.ok("", "/api/records", "limit", "20"), "searchResults", "1")
	close(g.gate)
	all.Wait()
	if g.at != turns {
		t.Errorf("%d at a time, want %d", g.at, turns)
	}
}

// TestTurn: who waits too long is told to come again, and who goes away leaves.
func TestTurn(t *testing.T) {
	turns := make(chan struct{}, 1)
	if err := turn(t.Context(), turns, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := turn(t.Context(), turns, time.Millisecond); !errors.Is(err, errs.Unavailable) || errs.RetryAfter(err) != retryAfter {
		t.Errorf("crowded: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := turn(gone, turns, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("gone: %v", err)
	}
	<-turns
	if err := turn(t.Context(), turns, time.Millisecond); err != nil {
		t.Errorf("free again: %v", err)
	}
}

// slowReader takes the header of an answer, and its body when the gate opens.
type slowReader struct {
	*httptest.ResponseRecorder
	arrived chan int
	gate    chan struct{}
}

func (s *slowReader) Write(p []byte) (int, error) {
	s.arrived <- s.Code
	<-s.gate
	return s.ResponseRecorder.Write(p)
}

// TestSlowReaders: answers that nobody takes are no more than a part of the memory limit
// together; beyond it large ones are refused, small ones not, and once they are taken all is
// well again.
func TestSlowReaders(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Memory = memory.New(memory.Options{Read: func() memory.Sample { return memory.Sample{At: noon, Limit: 8 * mib} }})
	})
	w.publish(post(strings.Repeat("x", 300_000), 1001))
	w.opt.MaxAnswer = 400_000
	w.handler = New(w.opt)
	arrived, gate := make(chan int, 100), make(chan struct{})
	var all sync.WaitGroup
	ask := func(query string) int {
		all.Go(func() {
			w.handler.ServeHTTP(&slowReader{httptest.NewRecorder(), arrived, gate}, httptest.NewRequest(http.MethodGet, "/api/records?"+query, nil))
		})
		return <-arrived
	}
	for range 3 { // 900 KB of 1 MiB
		if status := ask("limit=1"); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	if status := ask("limit=1"); status != http.StatusServiceUnavailable {
		t.Errorf("beyond the bound: %d", status)
	}
	res := w.call("/api/records", "limit", "1")
	if h := res.Header(); res.Code != http.StatusServiceUnavailable || h.Get("Retry-After") == "" || h.Get("ETag") != "" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", res.Code, h)
	}
	if status := ask("recordType=none"); status != http.StatusOK {
		t.Errorf("a small answer: %d", status)
	}
	close(gate)
	all.Wait()
	w.ok("", "/api/records", "limit", "1")
}

// TestSlowBodies: bodies that are not sent to their end are no more than a part of the
// memory limit together; small ones are not counted.
func TestSlowBodies(t *testing.T) {
	k := newTalk(t)
	k.opt.Memory = memory.New(memory.Options{Read: func() memory.Sample { return memory.Sample{At: noon, Limit: 8 * mib} }})
	k.handler = New(k.opt)
	ask := func(body io.Reader, size int64) response {
		r := httptest.NewRequest(http.MethodPost, "/api/voice/dialogues", body)
		r.ContentLength = size
		r.Header.Set(secretHeader, "a-secret-of-the-tests")
		return k.do(r)
	}
	const large = 300_000
	var all sync.WaitGroup
	var ends []*io.PipeWriter
	for range 3 { // 900 KB of 1 MiB
		reader, writer := io.Pipe()
		all.Go(func() {
			if res := ask(reader, large); res.Code != http.StatusCreated {
				t.Errorf("%d %s", res.Code, res.Body)
			}
		})
		if _, err := writer.Write([]byte("{")); err != nil { // it is read when this returns
			t.Fatal(err)
		}
		ends = append(ends, writer)
	}
	for _, size := range []int64{large, -1} { // of unknown length it may be the largest
		if res := ask(strings.NewReader("{}"), size); res.Code != http.StatusServiceUnavailable || res.Header().Get("Retry-After") == "" {
			t.Errorf("beyond the bound: %d %s", res.Code, res.Body)
		}
	}
	if res := ask(strings.NewReader("{}"), 2); res.Code != http.StatusCreated {
		t.Errorf("a small body: %d %s", res.Code, res.Body)
	}
	for _, writer := range ends {
		if _, err := writer.Write([]byte("}")); err != nil {
			t.Error(err)
		}
		_ = writer.Close()
	}
	all.Wait()
	// What a request held is free once its context has ended, which nobody waits for.
	for ask(strings.NewReader("{}"), large).Code != http.StatusCreated {
		time.Sleep(time.Millisecond)
	}
}
