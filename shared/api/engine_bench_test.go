package api

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/infra/engines"
	"oipnode/shared/access"
	"oipnode/shared/records"
	"oipnode/shared/records/opensearch"
	"oipnode/shared/state/bolt"
)

// overheard keeps the last search that went to the engine, so that it can be asked again
// without anything of ours around it.
type overheard struct {
	next http.RoundTripper
	url  string
	body []byte
}

func (o *overheard) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/_search") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		o.url, o.body = r.URL.String(), body
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return o.next.RoundTrip(r)
}

// BenchmarkEnginePage answers plain pages of 20 out of 10,000 records in OpenSearch,
// through the whole handler, and beside each the very _search that the handler sent, over
// a connection that is kept. Both take turns, so that the engine is as warm for the one as
// for the other.
func BenchmarkEnginePage(b *testing.B) {
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	defer transport.CloseIdleConnections()
	heard := &overheard{next: transport}
	store, err := opensearch.Open(b.Context(), opensearch.Options{
		Endpoints: []string{engines.OpenSearch.URL(b)}, Prefix: "page-" + strings.ToLower(rand.Text()[:12]), Transport: heard,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	kept, err := bolt.Open(b.TempDir()+"/state.db", bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer kept.Close()
	for from := 0; from < 10_000; from += 1000 {
		var ops []records.Op
		for i := from; i < from+1000; i++ {
			r := post(fmt.Sprint("record ", i), startHeight+int64(i/10), fields{1: strings.Repeat("words ", 150), 2: 1_700_000_000 + i})
			ops = append(ops, records.Op{Put: r.document(), Fence: 1})
		}
		if _, err := store.Write(b.Context(), ops); err != nil {
			b.Fatal(err)
		}
	}
	auth, err := access.NewAuthenticator(access.Settings{Now: clock})
	if err != nil {
		b.Fatal(err)
	}
	handler := New(Options{Records: store, State: kept, Auth: auth, StartHeight: startHeight, Now: clock})
	client := &http.Client{Transport: transport}
	page := func() {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/api/records", nil))
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Body)
		}
	}
	raw := func() {
		res, err := client.Post(heard.url, "application/json", bytes.NewReader(heard.body))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
			b.Fatal(res.Status, err)
		}
	}
	for range 300 {
		page()
		raw()
	}
	var pages, raws []time.Duration
	for b.Loop() {
		begun := time.Now()
		page()
		between := time.Now()
		raw()
		pages, raws = append(pages, between.Sub(begun)), append(raws, time.Since(between))
	}
	slices.Sort(pages)
	slices.Sort(raws)
	milliseconds := func(d []time.Duration, percent int) float64 { return float64(d[len(d)*percent/100]) / 1e6 }
	b.ReportMetric(milliseconds(pages, 50), "p50-ms")
	b.ReportMetric(milliseconds(pages, 99), "p99-ms")
	b.ReportMetric(milliseconds(raws, 50), "raw-p50-ms")
	b.ReportMetric(milliseconds(raws, 99), "raw-p99-ms")
}
