package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"oipnode/shared/records"
)

// BenchmarkResolve answers pages of 20 out of 10,000 records with their references: each
// of the page names five others, each of those two, and each of those one. p50-ms is the
// median of one answer, p99-ms the slowest but one percent, KiB its size.
func BenchmarkResolve(b *testing.B) {
	store, handler := benchNode(b)
	// What is named must be there first: a transaction's DID is made of its content.
	var last []string
	for level, n := range []int{1000, 2000, 3000, 4000} {
		var dids []string
		for from := 0; from < n; from += 1000 {
			var ops []records.Op
			for i := from; i < from+1000; i++ {
				var to []any
				for j := range []int{0, 1, 2, 5}[level] {
					to = append(to, last[(i*7+j*131)%len(last)])
				}
				r := post(fmt.Sprint("record ", level, " ", i), startHeight+int64(i/10), fields{2: 1_700_000_000 + i, 6: to})
				r.recordType = []string{"maker", "equipment", "exercise", "workout"}[level]
				doc := r.document()
				dids = append(dids, doc.DID())
				ops = append(ops, records.Op{Put: doc, Fence: 1})
			}
			if _, err := store.Write(context.Background(), ops); err != nil {
				b.Fatal(err)
			}
		}
		last = dids
	}
	for name, query := range map[string]string{
		"depth=0": "", "depth=1": "&resolveDepth=1", "depth=3": "&resolveDepth=3", "names": "&resolveDepth=1&resolveNamesOnly=true", "names=3": "&resolveDepth=3&resolveNamesOnly=true",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var times durations
			var size, page int
			for b.Loop() {
				page++
				r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/api/records?recordType=workout&page=%d%s", 1+page%200, query), nil)
				rec := httptest.NewRecorder()
				start := time.Now()
				handler.ServeHTTP(rec, r)
				times = append(times, time.Since(start))
				if size = rec.Body.Len(); rec.Code != http.StatusOK {
					b.Fatal(rec.Body)
				}
			}
			times.report(b)
			b.ReportMetric(float64(size)/1024, "KiB")
		})
	}
}
