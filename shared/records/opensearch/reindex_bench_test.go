package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// BenchmarkReindex copies an index of documents of about 1.9 KB, and then only compares
// the copy with it: what one call of a re-index that takes several does first.
func BenchmarkReindex(b *testing.B) {
	const n = 5000
	docs := make([]*oip.Document, n)
	for i := range docs {
		docs[i] = article(fmt.Sprint("document ", i), strings.Repeat("words of some length ", 43))
	}
	r := newRig(b, patient(1))
	for part := range slices.Chunk(docs, 1000) {
		r.put(part...)
	}
	var copying, comparing time.Duration
	for b.Loop() {
		r.misbehave(func(w http.ResponseWriter, q *http.Request, engine http.Handler) {
			if q.URL.Path == "/_aliases" { // all but the move
				refuse(w, http.StatusServiceUnavailable, "unavailable")
				return
			}
			engine.ServeHTTP(w, q)
		})
		begun := time.Now()
		if _, err := r.Reindex(context.Background(), always); !errors.Is(err, records.ErrUnavailable) {
			b.Fatal(err)
		}
		copying += time.Since(begun)
		r.misbehave(nil)
		begun = time.Now()
		if again, err := r.Reindex(context.Background(), always); err != nil || again.Copied != 0 || again.Documents != n {
			b.Fatalf("%+v, %v", again, err)
		}
		comparing += time.Since(begun)
	}
	b.ReportMetric(n*float64(b.N)/copying.Minutes(), "copied/min")
	b.ReportMetric(n*float64(b.N)/comparing.Minutes(), "compared/min")
}
