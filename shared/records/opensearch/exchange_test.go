package opensearch

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"oipnode/shared/records"
)

// TestAnswersAsTheyAre: the engine is not asked to compress its answers, and they come
// whole with and without their length told before.
func TestAnswersAsTheyAre(t *testing.T) {
	r := newRig(t)
	r.put(article("one"), article("two"))
	var mu sync.Mutex
	var asked []string
	for _, chunked := range []bool{false, true} {
		r.misbehave(func(w http.ResponseWriter, q *http.Request, engine http.Handler) {
			mu.Lock()
			asked = append(asked, q.Header.Get("Accept-Encoding"))
			mu.Unlock()
			if chunked {
				w = unsized{w}
			}
			engine.ServeHTTP(w, q)
		})
		page, err := r.Search(context.Background(), records.Query{Limit: 5})
		if err != nil || len(page.Hits) != 2 {
			t.Errorf("chunked %t: %d hits, %v", chunked, len(page.Hits), err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, encoding := range asked {
		if encoding != "" {
			t.Errorf("the engine is asked for %q", encoding)
		}
	}
	if len(asked) == 0 {
		t.Error("the engine was not asked")
	}
}

// unsized leaves the length of an answer out.
type unsized struct{ http.ResponseWriter }

func (u unsized) WriteHeader(status int) {
	u.Header().Del("Content-Length")
	u.ResponseWriter.WriteHeader(status)
}
