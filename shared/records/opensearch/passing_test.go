package opensearch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// patient is for tests in which the engine fails for good.
func patient(attempts int) func(*Options) {
	return func(o *Options) { o.Attempts = attempts }
}

// TestPassingFaults has each request fail in one way before it succeeds; no call may
// notice, and nothing may be written twice or lost.
func TestPassingFaults(t *testing.T) {
	faults := map[string]func(w http.ResponseWriter, q *http.Request, engine http.Handler){
		"429": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			refuse(w, 429, "rejected_execution_exception")
		},
		"503": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(503) },
		"circuit breaker": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			refuse(w, 429, "circuit_breaking_exception")
		},
		"blocked": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { refuse(w, 403, blocked) },
		"cut":     func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) },
		"done and cut": func(_ http.ResponseWriter, q *http.Request, engine http.Handler) {
			engine.ServeHTTP(&deaf{http.Header{}}, q)
			panic(http.ErrAbortHandler)
		},
		"half": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"items":[{"create":{"sta`)
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			old := article("old")
			r.put(old)
			seen := make(map[string]bool)
			r.misbehave(func(w http.ResponseWriter, q *http.Request, engine http.Handler) {
				r.mu.Lock()
				first := !seen[q.URL.Path]
				seen[q.URL.Path] = true
				r.mu.Unlock()
				if first {
					fault(w, q, engine)
					return
				}
				engine.ServeHTTP(w, q)
			})
			height := int64(99)
			fresh := article("fresh")
			results := r.write(records.Op{Put: fresh, Fence: 2}, records.Op{Patch: &oip.Patch{DID: old.DID(), Height: &height}, Fence: 2})
			for i, result := range results {
				if result.Status != records.OK {
					t.Errorf("operation %d: %+v", i, result)
				}
			}
			if got := allDocuments(t, r.Store); len(got) != 2 || !strings.Contains(got[old.DID()], `"inArweaveBlock":99`) || got[fresh.DID()] != string(fresh.JSON()) {
				t.Errorf("the index holds %v", got)
			}
			if c, err := r.Count(context.Background(), nil, records.FieldName); err != nil || c.Total != 2 || len(c.Buckets) != 2 {
				t.Errorf("Count = %+v, %v", c, err)
			}
		})
	}
}

// deaf takes an answer that goes nowhere.
type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header         { return d.header }
func (d *deaf) Write(p []byte) (int, error) { return len(p), nil }
func (d *deaf) WriteHeader(int)             {}

// TestDown has the engine away: every call ends as ErrUnavailable after its attempts,
// and works when the engine is back.
func TestDown(t *testing.T) {
	r := newRig(t, patient(3))
	doc := article("one")
	var requests atomic.Int64
	r.misbehave(func(http.ResponseWriter, *http.Request, http.Handler) {
		requests.Add(1)
		panic(http.ErrAbortHandler)
	})
	ctx := context.Background()
	calls := map[string]func() error{
		"Write":  func() error { _, err := r.Write(ctx, []records.Op{{Put: doc, Fence: 1}}); return err },
		"Get":    func() error { _, err := r.Get(ctx, []string{doc.DID()}, false); return err },
		"Search": func() error { _, err := r.Search(ctx, records.Query{Limit: 1}); return err },
		"Count":  func() error { _, err := r.Count(ctx, nil, records.FieldTag); return err },
		"Health": func() error { _, err := r.Health(ctx); return err },
		"Open":   func() error { _, err := Open(ctx, r.options); return err },
	}
	for name, call := range calls {
		requests.Store(0)
		if err := call(); !errors.Is(err, records.ErrUnavailable) {
			t.Errorf("%s = %v, want ErrUnavailable", name, err)
		}
		// A connection that the server closes is the client's own reason to send again;
		// that must not happen beneath the attempts.
		if n := requests.Load(); n != 3 {
			t.Errorf("%s sent %d requests, want 3", name, n)
		}
	}
	r.misbehave(nil)
	r.put(doc)
	for name, call := range calls {
		if name == "Open" {
			continue // it would have to be closed
		}
		if err := call(); err != nil {
			t.Errorf("%s after the engine is back = %v", name, err)
		}
	}
}

// TestSlow bounds a request by Options.Timeout, and a call by its context.
func TestSlow(t *testing.T) {
	r := newRig(t, patient(2))
	defer func(d time.Duration) { r.opt.Timeout = d }(r.opt.Timeout)
	r.opt.Timeout = 200 * time.Millisecond // not for the engine, which makes an index before and removes it behind
	release := make(chan struct{})
	r.misbehave(func(_ http.ResponseWriter, q *http.Request, _ http.Handler) {
		select {
		case <-release:
		case <-q.Context().Done():
		}
		panic(http.ErrAbortHandler)
	})
	defer close(release)
	if _, err := r.Search(context.Background(), records.Query{Limit: 1}); !errors.Is(err, records.ErrUnavailable) {
		t.Errorf("a slow engine = %v, want ErrUnavailable", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Search(ctx, records.Query{Limit: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call whose time is up = %v, want its context's error", err)
	}
}

// TestRetryAfter waits as long as the engine asks for, and no longer than a bound.
func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{"2": 2 * time.Second, "0": 0, "-1": 0, "x": 0, "86400": 24 * time.Hour} {
		f := readFailure(429, http.Header{"Retry-After": {header}}, nil)
		if f.after != want || !errors.Is(f, records.ErrUnavailable) {
			t.Errorf("Retry-After %q = %+v", header, f)
		}
	}
	for n := 1; n <= 60; n++ {
		if p := pause(n, 24*time.Hour); p != maxAfter {
			t.Errorf("pause %d = %v, want %v", n, p, maxAfter)
		}
		if p := pause(n, 0); p <= 0 || p > 2*time.Second {
			t.Errorf("pause %d = %v", n, p)
		}
	}
}

// TestLargeAnswers has the engine answer more than was asked for: it is not read.
func TestLargeAnswers(t *testing.T) {
	r := newRig(t, patient(1), func(o *Options) { o.MaxPage, o.MaxDocument = 1<<20, 1<<20 })
	var sent atomic.Int64
	r.misbehave(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		sent.Store(0)
		for chunk := make([]byte, 1<<20); sent.Load() < 256<<20; sent.Add(1 << 20) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	for name, call := range map[string]func() error{
		"Health": func() error { _, err := r.Health(context.Background()); return err },
		"Count":  func() error { _, err := r.Count(context.Background(), nil, records.FieldTag); return err },
	} {
		if err := call(); !errors.Is(err, errAnswerTooLarge) {
			t.Errorf("%s = %v, want errAnswerTooLarge", name, err)
		}
		if n := sent.Load(); n > 4*smallAnswer {
			t.Errorf("%s took %d MiB of an answer", name, n>>20)
		}
	}
	// A page is bounded by its configuration, far below that.
	for name, call := range map[string]func() error{
		"Search": func() error {
			_, err := r.Search(context.Background(), records.Query{Limit: records.MaxLimit})
			return err
		},
		"Get": func() error {
			_, err := r.Get(context.Background(), []string{"did:arweave:a", "did:arweave:b"}, false)
			return err
		},
	} {
		r.written.Store(0) // nothing to be refreshed
		if err := call(); !errors.Is(err, records.ErrInvalid) || !strings.Contains(err.Error(), "ask for fewer") {
			t.Errorf("%s = %v, want ErrInvalid", name, err)
		}
		if n := sent.Load(); n > 3*int64(wire(1<<20)) { // what lies in the buffers of the network is not read
			t.Errorf("%s took %d MiB of an answer", name, n>>20)
		}
	}
}

// TestPageBound refuses a page of more bytes than are configured.
func TestPageBound(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxPage = 64 << 10 })
	var dids []string
	for i := range 10 {
		doc := article(fmt.Sprint(i), strings.Repeat("lorem ipsum ", 1000))
		r.put(doc)
		dids = append(dids, doc.DID())
	}
	ctx := context.Background()
	if _, err := r.Get(ctx, dids, false); !errors.Is(err, records.ErrInvalid) {
		t.Errorf("Get = %v, want ErrInvalid", err)
	}
	if _, err := r.Search(ctx, records.Query{Limit: 10}); !errors.Is(err, records.ErrInvalid) {
		t.Errorf("Search = %v, want ErrInvalid", err)
	}
	if p, err := r.Search(ctx, records.Query{Limit: 10, EnvelopeOnly: true}); err != nil || len(p.Hits) != 10 {
		t.Errorf("envelopes alone: %d, %v", len(p.Hits), err)
	}
}

// TestRefusedWhole has the engine refuse whole bulks that hold one document: the
// others are stored, that one is Poison.
func TestRefusedWhole(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			r := newRig(t)
			var ops []records.Op
			for i := range 20 {
				name := fmt.Sprint("good", i)
				if i == 13 {
					name = "guilty"
				}
				ops = append(ops, records.Op{Put: article(name), Fence: 1})
			}
			r.misbehave(func(w http.ResponseWriter, q *http.Request, engine http.Handler) {
				text, _ := io.ReadAll(q.Body)
				if isBulk(q) && strings.Contains(string(text), "guilty") {
					refuse(w, status, "parse_exception")
					return
				}
				q.Body = io.NopCloser(strings.NewReader(string(text)))
				engine.ServeHTTP(w, q)
			})
			for i, result := range r.write(ops...) {
				want := records.OK
				if i == 13 {
					want = records.Poison
				}
				if result.Status != want {
					t.Errorf("operation %d: %+v, want %d", i, result, want)
				}
			}
			if got := allDocuments(t, r.Store); len(got) != 19 {
				t.Errorf("%d documents, want 19", len(got))
			}
		})
	}
}

// TestNotTheDocumentsFault has bulks fail for reasons that no document can help: they
// are errors, never Poison.
func TestNotTheDocumentsFault(t *testing.T) {
	r := newRig(t, patient(2))
	item := func(status int, kind string) string {
		return fmt.Sprintf(`{"items":[{"create":{"status":%d,"error":{"type":%q,"reason":"no permissions for [x]"}}}]}`, status, kind)
	}
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"the role may not":      {403, `{"error":{"type":"security_exception","reason":"x"}}`, ErrRefused},
		"no credentials":        {401, ``, ErrRefused},
		"the path is not there": {404, ``, nil},
		"an item is forbidden":  {200, item(403, "security_exception"), ErrRefused},
		"no items":              {200, `{"items":[]}`, ErrEngine},
		"not JSON":              {200, `<html>`, ErrEngine},
	} {
		r.misbehave(func(w http.ResponseWriter, q *http.Request, engine http.Handler) {
			if !isBulk(q) {
				engine.ServeHTTP(w, q)
				return
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		results, err := r.Write(context.Background(), []records.Op{{Put: article("one"), Fence: 1}})
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v; want an error, %v", name, results, err, c.want)
		}
	}
	r.misbehave(func(w http.ResponseWriter, q *http.Request, engine http.Handler) {
		if isBulk(q) {
			_, _ = io.WriteString(w, item(429, "rejected_execution_exception"))
			return
		}
		engine.ServeHTTP(w, q)
	})
	if results := r.write(records.Op{Put: article("one"), Fence: 1}); results[0].Status != records.Retry {
		t.Errorf("an item that the engine has no room for: %+v, want Retry", results[0])
	}
}

// TestRefreshDuringBulk has a reader refresh the index while a bulk is on its way: what
// the Write brings must be visible when it has returned all the same.
func TestRefreshDuringBulk(t *testing.T) {
	r := newRig(t)
	never := request{method: http.MethodPut, path: "/" + r.indexName(mappingVersion, 1) + "/_settings", body: []byte(`{"index.refresh_interval":"-1"}`)}
	if err := r.json(context.Background(), never, nil); err != nil {
		t.Fatal(err)
	}
	arrived, release := make(chan struct{}), make(chan struct{})
	r.misbehave(func(w http.ResponseWriter, q *http.Request, engine http.Handler) {
		if isBulk(q) {
			close(arrived)
			<-release
		}
		engine.ServeHTTP(w, q)
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.put(article("one"))
	}()
	<-arrived
	before := allDocuments(t, r.Store)
	close(release)
	<-done
	if after := allDocuments(t, r.Store); len(before) != 0 || len(after) != 1 {
		t.Errorf("%d documents during the bulk and %d behind it, want 0 and 1", len(before), len(after))
	}
}
