package opensearch

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"oipnode/shared/records"
)

// TestPresumedNew: documents that are only put are written without being read before, as
// long as they are new; those that are there are found out, keep what a newer writer made
// of them, and are read first from then on. A move of the index changes nothing of that.
func TestPresumedNew(t *testing.T) {
	r := newRig(t)
	reads := 0
	r.misbehave(func(w http.ResponseWriter, q *http.Request, engine http.Handler) {
		if strings.HasSuffix(q.URL.Path, "/_mget") {
			r.mu.Lock()
			reads++
			r.mu.Unlock()
		}
		engine.ServeHTTP(w, q)
	})
	docs := articles(12)
	step := func(what string, fence uint64, from, to, wantReads int, want records.Status) {
		t.Helper()
		reads = 0
		var ops []records.Op
		for _, d := range docs[from:to] {
			ops = append(ops, records.Op{Put: d, Fence: fence})
		}
		for i, result := range r.write(ops...) {
			if result.Status != want {
				t.Errorf("%s: document %d: %+v", what, i, result)
			}
		}
		if reads != wantReads {
			t.Errorf("%s: %d reads, want %d", what, reads, wantReads)
		}
	}
	step("new ones", 5, 0, 4, 0, records.OK)
	step("older states of them", 4, 0, 4, 1, records.Conflict)
	step("newer states, which are read first", 6, 0, 4, 1, records.OK)
	step("new ones behind those", 6, 4, 8, 1, records.OK)
	step("more new ones", 6, 8, 9, 0, records.OK)
	if _, err := r.another().Reindex(context.Background(), func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	step("new ones behind a move that this store has not heard of", 6, 9, 12, 1, records.OK)
	if all := allDocuments(t, r.Store); len(all) != len(docs) {
		t.Errorf("%d documents, want %d", len(all), len(docs))
	}
}
