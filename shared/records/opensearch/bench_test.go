package opensearch_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/records/opensearch"
)

// benchDocs is how many documents of about 1.9 KB one operation of the benchmarks of
// writing stores.
const benchDocs = 5000

// BenchmarkBulk writes documents through the store, and beside it the same sources by
// plain _bulk requests of 5 MiB over one connection: the price of what the store adds.
// Both take turns, so that the engine is as warm for the one as for the other.
func BenchmarkBulk(b *testing.B) {
	docs := newPress().posts(benchDocs, 900)
	var store, raw time.Duration
	var size int64
	for b.Loop() {
		url, prefix := newPrefix(b)
		s := open(b, url, prefix)
		begun := time.Now()
		for part := range slices.Chunk(docs, 1000) {
			write(b, s, records.OK, puts(1, part...)...)
		}
		store += time.Since(begun)
		size = indexBytes(b, url, prefix)

		url, prefix = newPrefix(b)
		open(b, url, prefix) // makes the index with the same mapping
		bodies := rawBulks(b, url, prefix, docs)
		begun = time.Now()
		for _, body := range bodies {
			post(b, url+"/"+prefix+"-w/_bulk?filter_path=errors", body)
		}
		raw += time.Since(begun)
	}
	written := float64(benchDocs * b.N)
	b.ReportMetric(written/store.Seconds(), "records/s")
	b.ReportMetric(written/raw.Seconds(), "raw-records/s")
	b.ReportMetric(raw.Seconds()/store.Seconds(), "of-raw")
	b.ReportMetric(float64(size)/benchDocs, "index-bytes/record")
	benchClient.CloseIdleConnections()
}

// rawBulks are the bulks that the store itself sends, of at most 5 MiB each.
func rawBulks(b *testing.B, url, prefix string, docs []*oip.Document) [][]byte {
	tap := &tap{}
	s := open(b, url, prefix+"-copy", func(o *opensearch.Options) { o.Transport = tap })
	for part := range slices.Chunk(docs, 1000) {
		write(b, s, records.OK, puts(1, part...)...)
	}
	return tap.bulks
}

// tap keeps the bulks that pass.
type tap struct{ bulks [][]byte }

func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/_bulk") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		t.bulks = append(t.bulks, body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return benchClient.Transport.RoundTrip(r)
}

// indexBytes is the size of an index on disk when its segments are one. For half a minute
// the engine keeps whole sources beside those that the mapping names, for replicas that
// have to catch up; they are in it.
func indexBytes(b *testing.B, url, prefix string) int64 {
	post(b, url+"/"+prefix+"/_forcemerge?max_num_segments=1", nil)
	post(b, url+"/"+prefix+"/_flush?force=true", nil)
	post(b, url+"/"+prefix+"/_refresh", nil)
	res, err := benchClient.Get(url + "/" + prefix + "/_stats/store?filter_path=_all.primaries.store.size_in_bytes")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var stats struct {
		All struct {
			Primaries struct {
				Store struct {
					Bytes int64 `json:"size_in_bytes"`
				} `json:"store"`
			} `json:"primaries"`
		} `json:"_all"`
	}
	if err := json.NewDecoder(res.Body).Decode(&stats); err != nil {
		b.Fatal(err)
	}
	return stats.All.Primaries.Store.Bytes
}

var benchClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}

func post(b *testing.B, url string, body []byte) []byte {
	b.Helper()
	res, err := benchClient.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		b.Fatalf("%d %v: %.300s", res.StatusCode, err, text)
	}
	return text
}
