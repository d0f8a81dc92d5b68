package opensearch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/opensearch-project/opensearch-go/v2/signer/awsv2"

	"oipnode/infra/engines"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/records/opensearch"
)

// proxy stands in front of the engine; meet, if it is set and returns true, has
// answered the request itself.
type proxy struct {
	engine *httputil.ReverseProxy
	meet   atomic.Pointer[func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool]
}

func newProxy(t *testing.T) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(engines.OpenSearch.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	p := &proxy{engine: &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Host = u.Host
	}, ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }}}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return p, server.URL
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if meet := p.meet.Load(); meet != nil && (*meet)(w, r, p.engine) {
		return
	}
	p.engine.ServeHTTP(w, r)
}

func (p *proxy) on(meet func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool) {
	p.meet.Store(&meet)
}

// deaf takes an answer that goes nowhere.
type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header         { return d.header }
func (d *deaf) Write(p []byte) (int, error) { return len(p), nil }
func (d *deaf) WriteHeader(int)             {}

func refuse(w http.ResponseWriter, status int, kind string) bool {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":{"type":%q,"reason":"because"},"status":%d}`, kind, status)
	return true
}

// TestPassingFaults: each fault that passes is sat out, whatever call it meets, and
// every Write is done exactly once.
func TestPassingFaults(t *testing.T) {
	faults := map[string]func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool{
		"429": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			return refuse(w, 429, "es_rejected_execution_exception")
		},
		"503": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			return refuse(w, 503, "no_shard_available_action_exception")
		},
		"circuit breaker": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			return refuse(w, 429, "circuit_breaking_exception")
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway)
			return true
		},
		"cut before": func(http.ResponseWriter, *http.Request, http.Handler) bool { panic(http.ErrAbortHandler) },
		"cut after": func(_ http.ResponseWriter, r *http.Request, pass http.Handler) bool {
			pass.ServeHTTP(&deaf{http.Header{}}, r)
			panic(http.ErrAbortHandler)
		},
		"half an answer": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"took":`)
			panic(http.ErrAbortHandler)
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			engine, prefix := newPrefix(t)
			p, url := newProxy(t)
			s := open(t, url, prefix)
			docs := newPress().posts(8, 50)
			var n atomic.Int64
			p.on(func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool { // the first two requests of every three
				return n.Add(1)%3 != 0 && fault(w, r, pass)
			})
			for i, d := range docs {
				write(t, s, records.OK, records.Op{Put: d, Fence: uint64(i + 1)})
			}
			height := int64(7)
			write(t, s, records.OK, records.Op{Patch: &oip.Patch{DID: docs[0].DID(), Height: &height}, Fence: 9}, records.Op{Delete: docs[1].DID(), Fence: 9})
			if got := total(t, s, nil); got != 7 {
				t.Errorf("%d documents, want 7", got)
			}
			if c, err := s.Count(t.Context(), nil, records.FieldTag); err != nil || c.Total != 7 {
				t.Errorf("%+v, %v", c, err)
			}
			if got := total(t, open(t, engine, prefix), records.Between{Field: records.FieldHeight, Min: 7, Max: 7}); got != 1 {
				t.Errorf("%d patched documents", got)
			}
		})
	}
}

// TestAway: an engine that is gone is ErrUnavailable within the time that attempts
// take, for every call, and all is well when it is back.
func TestAway(t *testing.T) {
	_, prefix := newPrefix(t)
	p, url := newProxy(t)
	s := open(t, url, prefix, func(o *opensearch.Options) { o.Attempts = 2 })
	doc := newPress().posts(1, 50)[0]
	p.on(func(http.ResponseWriter, *http.Request, http.Handler) bool { panic(http.ErrAbortHandler) })
	for name, call := range map[string]func() error{
		"Write":  func() error { _, err := s.Write(t.Context(), puts(1, doc)); return err },
		"Get":    func() error { _, err := s.Get(t.Context(), []string{doc.DID()}, false); return err },
		"Search": func() error { _, err := s.Search(t.Context(), records.Query{}); return err },
		"Count":  func() error { _, err := s.Count(t.Context(), nil, ""); return err },
		"Health": func() error { _, err := s.Health(t.Context()); return err },
	} {
		if err := call(); !errors.Is(err, records.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.on(func(http.ResponseWriter, *http.Request, http.Handler) bool { return false })
	write(t, s, records.OK, puts(1, doc)...)
	if total(t, s, nil) != 1 {
		t.Error("not found when the engine was back")
	}
}

// TestSlow: a caller's deadline and a Close end a call that waits.
func TestSlow(t *testing.T) {
	_, prefix := newPrefix(t)
	p, url := newProxy(t)
	s := open(t, url, prefix)
	p.on(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		_, _ = io.Copy(io.Discard, r.Body) // so that the server sees the client go
		<-r.Context().Done()
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Search(ctx, records.Query{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := s.Get(context.Background(), []string{"did:arweave:x"}, false)
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, records.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}

// TestPoison: a document that the engine refuses, alone or by refusing the whole bulk,
// is Poison, and all others are stored.
func TestPoison(t *testing.T) {
	_, prefix := newPrefix(t)
	p, url := newProxy(t)
	s := open(t, url, prefix)
	docs := newPress().posts(40, 300)
	guilty := []byte(docs[17].DID())
	p.on(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if !strings.Contains(r.URL.Path, "_bulk") {
			return false
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return bytes.Contains(body, guilty) && refuse(w, 400, "illegal_argument_exception")
	})
	results, err := s.Write(t.Context(), puts(1, docs...))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		want := records.OK
		if i == 17 {
			want = records.Poison
		}
		if r.Status != want {
			t.Errorf("document %d: %+v", i, r)
		}
	}
	if results[17].Detail == "" || total(t, s, nil) != 39 {
		t.Errorf("%q, %d documents", results[17].Detail, total(t, s, nil))
	}
}

// TestBulkSize: no bulk is larger than allowed, but for a single large document.
func TestBulkSize(t *testing.T) {
	_, prefix := newPrefix(t)
	p, url := newProxy(t)
	s := open(t, url, prefix, func(o *opensearch.Options) { o.MaxBulk = 64 << 10 })
	var mu sync.Mutex
	var sizes []int64
	p.on(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if strings.Contains(r.URL.Path, "_bulk") {
			mu.Lock()
			sizes = append(sizes, r.ContentLength)
			mu.Unlock()
		}
		return false
	})
	p1 := newPress()
	large := p1.record(map[int]any{0: "large", 1: strings.Repeat("x", 200<<10)})
	write(t, s, records.OK, append(puts(1, p1.posts(60, 4000)...), records.Op{Put: large, Fence: 1})...)
	over := 0
	for _, n := range sizes {
		if n > 64<<10 {
			over++
		}
	}
	if over != 1 || len(sizes) < 4 {
		t.Errorf("bulks of %v bytes", sizes)
	}
}

// TestPatchLargeDocuments: documents that do not fit into one answer together are read
// in several.
func TestPatchLargeDocuments(t *testing.T) {
	url, prefix := newPrefix(t)
	s := open(t, url, prefix, func(o *opensearch.Options) { o.MaxPage, o.MaxDocument = 1<<20, 4<<20 })
	p := newPress()
	var patches []records.Op
	height := int64(7)
	for i := range 12 {
		doc := p.record(map[int]any{0: fmt.Sprint("large ", i), 1: strings.Repeat("x", 3<<20)})
		write(t, s, records.OK, records.Op{Put: doc, Fence: 1})
		patches = append(patches, records.Op{Patch: &oip.Patch{DID: doc.DID(), Height: &height}, Fence: 1})
	}
	var mu sync.Mutex
	reads, most := 0, 0
	p2, proxied := newProxy(t)
	p2.on(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case strings.HasSuffix(r.URL.Path, "/_mget"):
			reads++
			most = max(most, reads)
		case strings.HasSuffix(r.URL.Path, "/_bulk"):
			reads = 0
		}
		return false
	})
	small := open(t, proxied, prefix, func(o *opensearch.Options) { o.MaxPage, o.MaxDocument, o.MaxBulk = 1<<20, 4<<20, 1<<20 })
	write(t, small, records.OK, patches...)
	if n := total(t, s, records.Between{Field: records.FieldHeight, Min: 7, Max: 7}); n != 12 {
		t.Errorf("%d of 12 were patched", n)
	}
	// 100, 25 and 6 documents are too large, and then there is one at a time: what was
	// read is written before there is more of it than a page.
	if most > 4 {
		t.Errorf("%d requests of whole documents before anything was written", most)
	}
	// Who has less memory than the one that stored a document cannot patch it: that is
	// the end of this document, and not of the others.
	less := open(t, url, prefix, func(o *opensearch.Options) { o.MaxPage, o.MaxDocument = 64<<10, 64<<10 })
	giant, dwarf := p.record(map[int]any{0: "giant", 1: strings.Repeat("x", 6<<20)}), p.posts(1, 100)[0]
	write(t, open(t, url, prefix), records.OK, puts(1, dwarf)...)
	write(t, open(t, url, prefix), records.OK, puts(1, giant)...)
	results, err := less.Write(t.Context(), []records.Op{{Patch: &oip.Patch{DID: giant.DID(), Height: &height}, Fence: 1}, {Patch: &oip.Patch{DID: dwarf.DID(), Height: &height}, Fence: 1}})
	if err != nil || results[0].Status != records.Poison || results[0].Detail == "" || results[1].Status != records.OK {
		t.Errorf("%+v, %v", results, err)
	}
	if got, err := open(t, url, prefix, func(o *opensearch.Options) { o.MaxPage = 64 << 10 }).Get(t.Context(), []string{giant.DID()}, false); err != nil || len(got) != 1 {
		t.Errorf("a single document over the page: %d, %v", len(got), err)
	}
}

// TestOpenRefuses: what cannot be used is one clear error at once.
func TestOpenRefuses(t *testing.T) {
	answer := func(status int, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	for _, c := range []struct {
		name, url, prefix string
		want              error
	}{
		{"a bad prefix", answer(200, `{}`), "No Prefix", records.ErrInvalid},
		{"nobody there", "http://127.0.0.1:1", "", records.ErrUnavailable},
		{"something else", answer(200, `{"version":{"number":"7.10.2"}}`), "", opensearch.ErrEngine},
		{"no JSON", answer(200, `hello`), "", opensearch.ErrEngine},
		{"an old one", answer(200, `{"version":{"number":"1.3.0","distribution":"opensearch"}}`), "", opensearch.ErrEngine},
		{"no access", answer(403, `{"Message":"User is not authorized"}`), "", opensearch.ErrRefused},
		{"no credentials", answer(401, ``), "", opensearch.ErrRefused},
		{"not found", answer(404, ``), "", opensearch.ErrEngine},
	} {
		s, err := opensearch.Open(t.Context(), opensearch.Options{Endpoints: []string{c.url}, Prefix: c.prefix, Attempts: 1})
		if !errors.Is(err, c.want) || s != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// What the log needs: who may not do what. Of AWS's other messages some quote the
	// session token.
	const lacks = "User: arn:aws:sts::123456789012:assumed-role/keepdb is not authorized to perform: es:ESHttpGet with an explicit deny"
	for _, c := range []struct {
		status     int
		body       string
		says, hide string
	}{
		{403, `{"Message":"` + lacks + `"}`, lacks, ""},
		{403, `{"message":"` + lacks + strings.Repeat(" and more", 1000) + `"}`, "…", strings.Repeat(" and more", 100)},
		{403, `{"message":"The security token AQoDYXdzEJr included in the request is invalid."}`, "the role may not", "AQoDYXdzEJr"},
		{403, `{"Message":5}`, "the role may not", "5}"},
		{403, `<html>forbidden</html>`, "the role may not", "html"},
		{401, ``, "the role may not", "no reason given"},
		{403, `{"error":{"type":"security_exception","reason":"no permissions for [indices:admin/get]"}}`, "no permissions for [indices:admin/get]", ""},
	} {
		_, err := opensearch.Open(t.Context(), opensearch.Options{Endpoints: []string{answer(c.status, c.body)}, Attempts: 1})
		if text := fmt.Sprint(err); !errors.Is(err, opensearch.ErrRefused) || !strings.Contains(text, c.says) || c.hide != "" && strings.Contains(text, c.hide) {
			t.Errorf("%d %.80s: %v", c.status, c.body, err)
		}
	}
}

// TestExisting: who only reads makes no index, and finds the one that others have made.
func TestExisting(t *testing.T) {
	engine, prefix := newPrefix(t)
	existing := opensearch.Options{Endpoints: []string{engine}, Prefix: prefix, Existing: true}
	if _, err := opensearch.Open(t.Context(), existing); !errors.Is(err, opensearch.ErrAbsent) || !errors.Is(err, records.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	write(t, open(t, engine, prefix), records.OK, puts(1, newPress().posts(2, 10)...)...)
	if n := total(t, open(t, engine, prefix, func(o *opensearch.Options) { o.Existing = true }), nil); n != 2 {
		t.Errorf("%d documents", n)
	}
}

// TestForeignIndex: an index that somebody else made under the alias is not touched.
func TestForeignIndex(t *testing.T) {
	engine, prefix := newPrefix(t)
	var made struct{ Acknowledged bool }
	ask(t, http.MethodPut, engine+"/"+prefix+"-theirs", `{"aliases":{"`+prefix+`-w":{}}}`, &made)
	if _, err := opensearch.Open(t.Context(), opensearch.Options{Endpoints: []string{engine}, Prefix: prefix}); !errors.Is(err, opensearch.ErrEngine) {
		t.Errorf("%v", err)
	}
}

// TestSigned: each attempt is signed over its whole body, also those that are repeated.
func TestSigned(t *testing.T) {
	_, prefix := newPrefix(t)
	p, url := newProxy(t)
	sign, err := awsv2.NewSignerWithService(aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}, "es")
	if err != nil {
		t.Fatal(err)
	}
	var n, bodies atomic.Int64
	p.on(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=key/") || !signedOver(r, body) {
			t.Errorf("%s %s with %d bytes is not signed over its body: %v", r.Method, r.URL, len(body), r.Header)
		}
		if len(body) > 0 {
			bodies.Add(1)
		}
		return n.Add(1)%2 == 1 && refuse(w, 503, "busy")
	})
	s := open(t, url, prefix, func(o *opensearch.Options) { o.Signer = sign })
	write(t, s, records.OK, puts(1, newPress().posts(3, 100)...)...)
	if total(t, s, nil) != 3 || bodies.Load() < 6 {
		t.Errorf("%d documents, %d bodies", total(t, s, nil), bodies.Load())
	}
}

// signedOver recomputes the signature of a request for this body: any other body would
// give another one.
func signedOver(r *http.Request, body []byte) bool {
	fresh, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return false
	}
	sum := sha256.Sum256(body)
	return recompute(r, fresh, hex.EncodeToString(sum[:]))
}
