package opensearch

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"oipnode/infra/engines"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
)

// rig is a store in front of the real engine, with a proxy between them that a test can
// make misbehave.
type rig struct {
	*Store
	t       testing.TB
	url     string // the proxy's
	options Options
	mu      sync.Mutex
	between func(w http.ResponseWriter, q *http.Request, engine http.Handler)
}

// newRig opens a store under a prefix of its own; change may replace any option.
func newRig(t testing.TB, change ...func(*Options)) *rig {
	t.Helper()
	target, err := url.Parse(engines.OpenSearch.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t}
	network := &http.Transport{MaxIdleConnsPerHost: 16}
	proxy := &httputil.ReverseProxy{Transport: network,
		Rewrite:      func(p *httputil.ProxyRequest) { p.SetURL(target) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		between := r.between
		r.mu.Unlock()
		if between == nil {
			proxy.ServeHTTP(w, q)
			return
		}
		between(w, q, proxy)
	}))
	r.url = server.URL
	r.options = Options{Endpoints: []string{server.URL}, Prefix: "rig-" + strings.ToLower(rand.Text()[:12])}
	for _, c := range change {
		c(&r.options)
	}
	t.Cleanup(func() {
		r.misbehave(nil)
		s := &Store{opt: r.Store.opt, client: r.Store.client, closed: context.Background()}
		if err := s.json(context.Background(), request{method: http.MethodDelete, path: "/" + s.opt.Prefix + "-v*"}, nil); err != nil {
			t.Errorf("remove the indexes: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		server.Close()
		network.CloseIdleConnections()
	})
	r.Store = r.another()
	return r
}

// another opens another store of the same index, as another process would.
func (r *rig) another() *Store {
	r.t.Helper()
	s, err := Open(context.Background(), r.options)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			r.t.Errorf("Close: %v", err)
		}
	})
	return s
}

// misbehave puts something between the store and the engine; nil takes it away.
func (r *rig) misbehave(between func(w http.ResponseWriter, q *http.Request, engine http.Handler)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.between = between
}

// isBulk reports whether a request is a bulk.
func isBulk(q *http.Request) bool { return strings.HasSuffix(q.URL.Path, "/_bulk") }

// refuse answers like the engine.
func refuse(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"root_cause":[{"type":%q,"reason":"so"}],"type":%q,"reason":"so"},"status":%d}`, kind, kind, status)
}

// write carries out operations that must not fail as a whole.
func (r *rig) write(ops ...records.Op) []records.Result {
	r.t.Helper()
	results, err := r.Write(context.Background(), ops)
	if err != nil {
		r.t.Fatalf("Write: %v", err)
	}
	return results
}

// put writes documents, each of which must be OK.
func (r *rig) put(docs ...*oip.Document) {
	r.t.Helper()
	var ops []records.Op
	for _, d := range docs {
		ops = append(ops, records.Op{Put: d, Fence: 1})
	}
	for i, result := range r.write(ops...) {
		if result.Status != records.OK {
			r.t.Fatalf("put %s: %+v", docs[i].DID(), result)
		}
	}
}

// allDocuments returns all documents of the index, JSON by DID, as searches find them.
func allDocuments(t testing.TB, s *Store) map[string]string {
	t.Helper()
	all := make(map[string]string)
	q := records.Query{Limit: 500}
	for {
		p, err := s.Search(context.Background(), q)
		if err != nil {
			t.Fatalf("Search: %v", err)
		}
		for _, h := range p.Hits {
			all[h.DID] = string(h.JSON)
		}
		if q.After = p.Next; q.After == "" {
			return all
		}
	}
}

const basicDefinition = `{"name":"string","index_name":0,"description":"string","index_description":1,"date":"long","index_date":2,
	"tagItems":"repeated string","index_tagItems":3}`

var (
	signer0       = sync.OnceValue(func() *oiptest.Signer { return oiptest.NewSigner("opensearch", 2048) })
	basicTemplate = sync.OnceValue(func() *oip.Template { return template("basic", basicDefinition) })
)

// template is a template that the signer publishes.
func template(name, definition string) *oip.Template {
	return signer0().Verified(signer0().Template(name, []byte(definition))).Template()
}

// article is a record of the basic template.
func article(name string, more ...any) *oip.Document {
	values := map[int]any{0: name}
	for i, v := range more {
		values[i+1] = v
	}
	d := signer0().Document(signer0().Record("post", oiptest.Object{Template: basicTemplate().ID, Values: values}), 7, basicTemplate())
	return &d
}
