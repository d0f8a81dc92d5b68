package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"oipnode/shared/access"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state/bolt"
)

// BenchmarkPage answers pages over 10,000 records, through the whole handler.
// p50-ms is the median of one answer, p99-ms the slowest but one percent.
func BenchmarkPage(b *testing.B) {
	store, handler := benchNode(b)
	for from := 0; from < 10_000; from += 1000 {
		var ops []records.Op
		for i := from; i < from+1000; i++ {
			r := post(fmt.Sprint("record ", i), startHeight+int64(i/10), fields{2: 1_700_000_000 + i, 3: []string{fmt.Sprint("tag", i%50)}})
			ops = append(ops, records.Op{Put: r.document(), Fence: 1})
		}
		if _, err := store.Write(context.Background(), ops); err != nil {
			b.Fatal(err)
		}
	}
	user := token(b, "somebody")
	for name, c := range map[string]struct{ query, token string }{
		"plain":  {"", ""},
		"user":   {"", user},
		"bare":   {"hideDateReadable=true", ""},
		"tags":   {"tags=tag7,tag8&sortBy=date", ""},
		"byName": {"sortBy=name:asc&page=400", ""},
		"large":  {"limit=1000", ""},
	} {
		b.Run(name, func(b *testing.B) {
			var times durations
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "/api/records?"+c.query, nil)
				if c.token != "" {
					r.Header.Set("Authorization", "Bearer "+c.token)
				}
				rec := httptest.NewRecorder()
				start := time.Now()
				handler.ServeHTTP(rec, r)
				times = append(times, time.Since(start))
				if rec.Code != http.StatusOK {
					b.Fatal(rec.Body)
				}
			}
			times.report(b)
		})
	}
}

// benchNode is an empty store with the whole handler over it.
func benchNode(b *testing.B) (records.Store, http.Handler) {
	b.Helper()
	dir := b.TempDir()
	store, err := embedded.Open(context.Background(), dir, embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	kept, err := bolt.Open(dir+"/state.db", bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = kept.Close() })
	auth, err := access.NewAuthenticator(access.Settings{Secret: secret, Now: clock})
	if err != nil {
		b.Fatal(err)
	}
	return store, New(Options{Records: store, State: kept, Auth: auth, StartHeight: startHeight, Now: clock})
}

// durations are how long answers took.
type durations []time.Duration

func (d durations) report(b *testing.B) {
	slices.Sort(d)
	b.ReportMetric(float64(d[len(d)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(d[len(d)*99/100].Microseconds())/1000, "p99-ms")
}
