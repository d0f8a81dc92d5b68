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

// BenchmarkBulk writes documents through the store, BenchmarkRawBulk the same bytes by
// plain _bulk requests of 5 MiB over one connection: the price of what the store adds.
func BenchmarkBulk(b *testing.B) {
	docs := newPress().posts(benchDocs, 900)
	for b.Loop() {
		b.StopTimer()
		url, prefix := newPrefix(b)
		s := open(b, url, prefix)
		b.StartTimer()
		for part := range slices.Chunk(docs, 1000) {
			write(b, s, records.OK, puts(1, part...)...)
		}
	}
	b.ReportMetric(float64(benchDocs*b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkRawBulk(b *testing.B) {
	docs := newPress().posts(benchDocs, 900)
	for b.Loop() {
		b.StopTimer()
		url, prefix := newPrefix(b)
		open(b, url, prefix) // makes the index with the same mapping
		bodies := rawBulks(b, url, prefix, docs)
		b.StartTimer()
		for _, body := range bodies {
			post(b, url+"/"+prefix+"-w/_bulk?filter_path=errors", body)
		}
	}
	b.ReportMetric(float64(benchDocs*b.N)/b.Elapsed().Seconds(), "records/s")
}

// rawBulks are bulks of at most 5 MiB with the sources that the store itself writes.
func rawBulks(b *testing.B, url, prefix string, docs []*oip.Document) [][]byte {
	s := open(b, url, prefix+"-copy")
	write(b, s, records.OK, puts(1, docs...)...)
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

// BenchmarkPage asks for a plain page of 20 out of 10,000 documents through the store,
// and BenchmarkRawPage the engine for the same page over a connection that is kept.
func BenchmarkPage(b *testing.B) {
	url, prefix := newPrefix(b)
	s := open(b, url, prefix)
	for part := range slices.Chunk(newPress().posts(10000, 900), 1000) {
		write(b, s, records.OK, puts(1, part...)...)
	}
	query := records.Query{Where: records.Is(records.FieldAccess, "public"), Sort: []records.Sort{{Field: records.FieldHeight, Desc: true}}, Limit: 20}
	raw := []byte(`{"query":{"terms":{"f.access":["public"]}},"track_total_hits":true,"size":20,"_source":["k","d","e"],
		"sort":[{"f.height":{"order":"desc","mode":"max","missing":"_last"}},{"f.did":{"order":"asc","mode":"min","missing":"_last"}}]}`)
	for name, ask := range map[string]func(){
		"store": func() {
			if p, err := s.Search(b.Context(), query); err != nil || len(p.Hits) != 20 {
				b.Fatal(err)
			}
		},
		"raw": func() { post(b, url+"/"+prefix+"/_search", raw) },
	} {
		b.Run(name, func(b *testing.B) {
			for range 200 {
				ask()
			}
			var times []time.Duration
			for b.Loop() {
				begun := time.Now()
				ask()
				times = append(times, time.Since(begun))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(times[len(times)*99/100])/1e6, "p99-ms")
		})
	}
	benchClient.CloseIdleConnections()
}
