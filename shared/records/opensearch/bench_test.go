package opensearch_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
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
	for b.Loop() {
		url, prefix := newPrefix(b)
		s := open(b, url, prefix)
		begun := time.Now()
		for part := range slices.Chunk(docs, 1000) {
			write(b, s, records.OK, puts(1, part...)...)
		}
		store += time.Since(begun)

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
	benchClient.CloseIdleConnections()
}

// rawBulks are bulks of at most 5 MiB with the sources that the store itself writes.
func rawBulks(b *testing.B, url, prefix string, docs []*oip.Document) [][]byte {
	s := open(b, url, prefix+"-copy")
	for part := range slices.Chunk(docs, 1000) {
		write(b, s, records.OK, puts(1, part...)...)
	}
	var bodies [][]byte
	var body []byte
	for part := range slices.Chunk(docs, 500) {
		ids := make([]string, len(part))
		for i, d := range part {
			ids[i] = d.DID()
		}
		query, _ := json.Marshal(map[string][]string{"ids": ids})
		var got struct {
			Docs []struct {
				ID     string          `json:"_id"`
				Source json.RawMessage `json:"_source"`
			}
		}
		if err := json.Unmarshal(post(b, url+"/"+prefix+"-copy/_mget", query), &got); err != nil {
			b.Fatal(err)
		}
		for _, d := range got.Docs {
			line, _ := json.Marshal(map[string]map[string]string{"create": {"_id": d.ID}})
			if len(body)+len(d.Source) > 5<<20 {
				bodies, body = append(bodies, body), nil
			}
			body = append(append(append(append(body, line...), '\n'), d.Source...), '\n')
		}
	}
	return append(bodies, body)
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
