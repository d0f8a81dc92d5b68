package indexer_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/infra/sample"
	"oipnode/shared/access"
	"oipnode/shared/api"
	"oipnode/shared/gateway"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/indexer"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
	"oipnode/shared/summary"
)

// parityWorlds is how many random chains are indexed by both sets of stores.
const parityWorlds = 50

// set is a pair of stores, and the pipeline and the API over them.
type set struct {
	name    string
	records records.Store
	state   state.Store
	run     func() error
	api     http.Handler
}

// embeddedSet opens the stores of a laptop.
func embeddedSet(t *testing.T, now func() time.Time) *set {
	t.Helper()
	dir := t.TempDir()
	st, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := embedded.Open(t.Context(), filepath.Join(dir, "records"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &set{name: "embedded", records: rec, state: st}
}

// TestParity indexes the same chains, as they grow, fork and show late data, into the
// embedded stores and into OpenSearch with DynamoDB. Every document, every item of the
// state and every answer of the API must be equal, after every cycle.
func TestParity(t *testing.T) {
	needEngines(t)
	worlds := parityWorlds
	if testing.Short() || indexer.Race {
		worlds = 5
	}
	for seed := range worlds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			const steps = 3
			w := indexer.NewWorld(t, uint64(1000+seed), steps, 30)
			sets := both(t, w.Now, fmt.Sprintf("parity-%d", seed), indexer.Start, w.Settings)
			for range steps {
				w.Step()
				compareCycle(t, sets)
				w.Advance(40 * time.Minute)
			}
			w.Advance(25 * time.Hour) // what has vanished goes
			compareCycle(t, sets)
		})
	}
}

// TestParitySample does the same with the sample chain that is bundled.
func TestParitySample(t *testing.T) {
	needEngines(t)
	chain, err := sample.Load()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := sample.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	sim := gatewaysim.NewServer(chain, gatewaysim.Options{IndexesBundles: true})
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	sets := both(t, clock, "parity-sample", sample.FirstHeight, func(rec records.Store, st state.Store) indexer.Options {
		g, err := gateway.Dial(sim.URL(), gateway.Options{Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		pool := gateway.NewPool([]*gateway.Gateway{g}, gateway.Options{Now: clock})
		t.Cleanup(pool.Close)
		return indexer.Options{Records: rec, State: st, Pool: pool, Now: clock, StartHeight: sample.FirstHeight,
			BootstrapCreators: []string{manifest.Bootstrap}, ColdRescan: time.Hour, Holder: "parity"}
	})
	t.Cleanup(func() { _ = sim.Close() })
	compareCycle(t, sets)
	chain.Step()
	now = now.Add(2 * time.Hour)
	compareCycle(t, sets)
	if n, err := sets[1].records.Count(t.Context(), nil, ""); err != nil || n.Total < 200 {
		t.Errorf("%d documents, %v", n.Total, err)
	}
}

// both opens the two sets, with a pipeline and an API over each.
func both(t *testing.T, now func() time.Time, name string, start int64, settings func(records.Store, state.Store) indexer.Options) []*set {
	t.Helper()
	sets := []*set{embeddedSet(t, now), engineSet(t, now, name)}
	for _, s := range sets {
		t.Cleanup(func() {
			for _, err := range []error{s.records.Close(), s.state.Close()} {
				if err != nil {
					t.Errorf("%s: %v", s.name, err)
				}
			}
		})
		ix := indexer.New(settings(s.records, s.state))
		refresh := summary.Refresher{Records: summary.Opened(s.records), State: s.state, Every: 2, Now: now}
		s.run = func() error {
			if _, err := ix.Run(context.Background()); err != nil {
				return err
			}
			_, _, err := refresh.Run(context.Background(), false)
			return err
		}
		auth, err := access.NewAuthenticator(access.Settings{Secret: []byte("a secret of the tests"), Now: now})
		if err != nil {
			t.Fatal(err)
		}
		s.api = api.New(api.Options{Records: s.records, State: s.state, Auth: auth, Version: "parity", StartHeight: start,
			RefreshCycles: 2, Now: now, Timeout: time.Minute})
	}
	return sets
}

// compareCycle runs one cycle on both sets and compares everything.
func compareCycle(t *testing.T, sets []*set) {
	t.Helper()
	var docs, items, answers [2]map[string]string
	for i, s := range sets {
		if err := s.run(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		docs[i], items[i] = documents(t, s), stateItems(t, s)
	}
	equal(t, "document", docs)
	equal(t, "state", items)
	for i, s := range sets {
		answers[i] = responses(t, s, docs[0])
	}
	equal(t, "answer", answers)
}

// equal reports what is in one and not in the other.
func equal(t *testing.T, what string, of [2]map[string]string) {
	t.Helper()
	if len(of[0]) == 0 {
		t.Fatalf("no %s to compare", what)
	}
	reported := 0
	for key, a := range of[0] {
		if b, ok := of[1][key]; !ok || a != b {
			if reported++; reported <= 3 {
				t.Errorf("%s %s (there: %v):\nembedded %.1500s\nengines  %.1500s", what, key, ok, a, b)
			}
		}
	}
	for key, b := range of[1] {
		if _, ok := of[0][key]; !ok {
			if reported++; reported <= 3 {
				t.Errorf("%s %s is in the engines only: %.500s", what, key, b)
			}
		}
	}
	if reported > 0 {
		t.Fatalf("%d of %d differ", reported, len(of[0]))
	}
}

// documents reads every document, paged by cursor in the order of DIDs.
func documents(t *testing.T, s *set) map[string]string {
	t.Helper()
	all := make(map[string]string)
	q := records.Query{Limit: 50}
	for {
		page, err := s.records.Search(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		for _, hit := range page.Hits {
			if _, twice := all[hit.DID]; twice {
				t.Fatalf("%s: %s twice", s.name, hit.DID)
			}
			all[hit.DID] = string(hit.Kind) + " " + string(hit.JSON)
		}
		if q.After = page.Next; page.Next == "" {
			if int64(len(all)) != page.Total {
				t.Fatalf("%s: %d documents, a total of %d", s.name, len(all), page.Total)
			}
			return all
		}
	}
}

// stateItems reads every item, with its version and expiry.
func stateItems(t *testing.T, s *set) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, space := range append(indexer.Spaces(), "summary", state.LeaseSpace) {
		err := state.Each(t.Context(), s.state, space, "", "", 100, func(item state.Item) error {
			value := string(item.Value)
			if space == "chain" { // gateways have an address of their own nowhere here, but a duration may differ
				value = withoutDuration(value)
			}
			all[space+"/"+item.ID] = fmt.Sprintf("%d %v %s", item.Version, item.Expires.UTC(), value)
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	return all
}

// withoutDuration cuts how long a cycle took, which a clock that stands still during
// waits alone does not make equal.
func withoutDuration(value string) string {
	before, after, ok := strings.Cut(value, `"duration":"`)
	if !ok {
		return value
	}
	_, rest, _ := strings.Cut(after, `"`)
	return before + rest
}

// paths are requests to every endpoint, in many forms.
var paths = []string{
	"/api/records", "/api/records?limit=1", "/api/records?limit=7&page=2", "/api/records?limit=1000",
	"/api/records?sortBy=inArweaveBlock:asc", "/api/records?sortBy=inArweaveBlock:desc&limit=5", "/api/records?sortBy=date:asc",
	"/api/records?sortBy=recordType:desc&limit=9", "/api/records?sortBy=indexedAt:desc", "/api/records?sortBy=nonsense",
	"/api/records?recordType=post", "/api/records?recordType=POST&limit=3", "/api/records?recordType=recipe&includeDeleteMessages=true",
	"/api/records?creatorHandle=bob", "/api/records?tags=a", "/api/records?tags=a,b&tagsMatchMode=AND", "/api/records?template=basic",
	"/api/records?inArweaveBlock=1010", "/api/records?inArweaveBlockMin=1005&inArweaveBlockMax=1030", "/api/records?limit=0", "/api/records?limit=x",
	"/api/records?search=record", "/api/records?search=value&limit=3", "/api/records?exactMatch=%7B%22data.basic.name%22%3A%22x%22%7D",
	"/api/records?includeSigs=false&includePubKeys=false", "/api/records?hideNullValues=true", "/api/records?summarizeTags=true",
	"/api/records?resolveDepth=1", "/api/records?did=did:arweave:nothing", "/api/records/recordTypes", "/api/templates",
	"/api/templates?limit=2&sortBy=inArweaveBlock:desc", "/api/templates?templateName=BAS", "/api/creators", "/api/creators?limit=1",
	"/api/organizations", "/api/health", "/api/health/keepdb", "/api/health/keepdb?rejectedLimit=1", "/api/nothing",
}

// responses asks the API everything, and for some documents by their DID.
func responses(t *testing.T, s *set, docs map[string]string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	ask := func(path string) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		w.Header().Del("X-Request-Id")
		body := w.Body.String()
		if strings.HasPrefix(path, "/api/health") {
			body = withoutDuration(engineName.ReplaceAllString(body, ""))
			w.Header().Del("Content-Length")
		}
		all[path] = fmt.Sprintf("%d %v %s", w.Code, w.Header(), body)
		if w.Code >= 500 {
			t.Errorf("%s: %s: %d %s", s.name, path, w.Code, body)
		}
		return body
	}
	for _, path := range paths {
		ask(path)
	}
	dids := slices.Sorted(maps.Keys(docs))
	for _, did := range dids[:min(len(dids), 8)] {
		ask("/api/records?did=" + did)
	}
	walk(ask)
	return all
}

// walk pages through all records by cursor.
func walk(ask func(path string) string) {
	path := "/api/records?limit=4&sortBy=inArweaveBlock:desc"
	for range 100 {
		_, after, ok := strings.Cut(ask(path), `"nextCursor":"`)
		if !ok {
			return
		}
		cursor, _, _ := strings.Cut(after, `"`)
		path = "/api/records?limit=4&sortBy=inArweaveBlock:desc&cursor=" + cursor
	}
}

// engineName makes the names of the engines, and so the lengths of answers, equal.
var engineName = regexp.MustCompile(`"engine":"[^"]*"`)
