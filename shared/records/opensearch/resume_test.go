package opensearch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// overdue is a context whose deadline comes when the test says so.
type overdue struct {
	context.Context
	over chan struct{}
}

func (o overdue) Done() <-chan struct{} { return o.over }

func (o overdue) Err() error {
	select {
	case <-o.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func always(context.Context) error { return nil }

// reindexFor runs a Reindex whose time is over at its nth call of between.
func reindexFor(t *testing.T, s *Store, n int) records.Reindexed {
	t.Helper()
	ctx := overdue{context.Background(), make(chan struct{})}
	calls := 0
	r, err := s.Reindex(ctx, func(inner context.Context) error {
		if calls++; calls == n {
			close(ctx.over)
			<-inner.Done()
		}
		return inner.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// articles are n documents, in the order of their DIDs.
func articles(n int) []*oip.Document {
	docs := make([]*oip.Document, n)
	for i := range docs {
		docs[i] = article(fmt.Sprint("document ", i))
	}
	slices.SortFunc(docs, func(a, b *oip.Document) int { return strings.Compare(a.DID(), b.DID()) })
	return docs
}

// TestReindexContinues has a Reindex come to its end in three calls, with every kind of
// write between them: to what was copied, to what was not, and what brings a document
// back to a version number that it had before. Nothing that was copied is copied again.
func TestReindexContinues(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.MaxBulk, o.Shards = 32<<10, shards })
			docs := articles(900)
			r.put(docs...)
			first := reindexFor(t, r.Store, 7) // three pages of places, and two of documents
			if first.Done || !first.Again || first.Copied < 300 || first.Copied > 400 {
				t.Fatalf("the first call ended as %+v", first)
			}
			height := int64(77)
			patch := func(d *oip.Document) records.Op {
				return records.Op{Patch: &oip.Patch{DID: d.DID(), Height: &height}, Fence: 2}
			}
			remove := func(d *oip.Document) records.Op { return records.Op{Delete: d.DID(), Fence: 2} }
			r.write(patch(docs[0]), remove(docs[1]), remove(docs[2]), patch(docs[898]), remove(docs[899]))
			r.put(docs[2]) // its _version is what it was
			fresh := article("written between the calls")
			r.put(fresh)

			second := reindexFor(t, r.another(), 7)
			if second.Done || !second.Again || second.Copied == 0 {
				t.Fatalf("the second call ended as %+v", second)
			}
			r.write(patch(docs[3]), remove(docs[4]))
			want := allDocuments(t, r.Store)
			third, err := r.another().Reindex(context.Background(), always)
			if err != nil || !third.Done || third.Again || third.Documents != int64(len(want)) {
				t.Fatalf("the third call ended as %+v, %v", third, err)
			}
			// 901 documents and three removals in the copy, and what changed in it once more.
			if all := first.Copied + second.Copied + third.Copied; all > 901+10 {
				t.Errorf("%d documents were copied in all: some again", all)
			}
			if got := allDocuments(t, r.another()); !maps.Equal(got, want) || len(got) != 898 || !strings.Contains(got[docs[3].DID()], `"inArweaveBlock":77`) {
				t.Errorf("%d documents behind the move, want the %d of before", len(got), len(want))
			}
			if results := r.write(records.Op{Put: docs[0], Fence: 1}); results[0].Status != records.Conflict {
				t.Errorf("an older writer got %+v: the fence was not copied", results[0])
			}
			r.put(docs[5]) // what was copied can be written
		})
	}
}

// TestReindexBegunOtherwise: a copy that was begun with other settings is not continued.
func TestReindexBegunOtherwise(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxBulk = 4 << 10 })
	r.put(articles(300)...)
	if first := reindexFor(t, r.Store, 6); !first.Again || first.Copied == 0 {
		t.Fatalf("%+v", first)
	}
	r.options.Shards = 2
	if done, err := r.another().Reindex(context.Background(), always); err != nil || done.Copied != 300 {
		t.Errorf("%+v, %v", done, err)
	}
	var settings map[string]struct{ Settings map[string]any }
	if err := r.json(context.Background(), request{method: http.MethodGet, path: "/" + r.writeAlias() + "/_settings?flat_settings=true"}, &settings); err != nil {
		t.Fatal(err)
	}
	for name, ix := range settings {
		if ix.Settings["index.number_of_shards"] != "2" {
			t.Errorf("%s has %v shards", name, ix.Settings["index.number_of_shards"])
		}
	}
}

// TestReindexUnheard: each request of a Reindex is done and its answer lost, once; also
// the move of the aliases, which cannot be done twice.
func TestReindexUnheard(t *testing.T) {
	r := newRig(t)
	r.put(articles(20)...)
	r.put(basicDocument())
	before, err := r.current(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if first := reindexFor(t, r.Store, 5); !first.Again { // so that there is something to be removed, too
		t.Fatalf("%+v", first)
	}
	r.Store.opt.Replicas = 1
	var mu sync.Mutex
	seen := make(map[string]int)
	r.misbehave(func(w http.ResponseWriter, q *http.Request, engine http.Handler) {
		mu.Lock()
		key := q.Method + " " + q.URL.Path
		seen[key]++
		first := seen[key]%2 == 1
		mu.Unlock()
		if first {
			engine.ServeHTTP(&deaf{http.Header{}}, q)
			panic(http.ErrAbortHandler)
		}
		engine.ServeHTTP(w, q)
	})
	done, err := r.Reindex(context.Background(), always)
	r.misbehave(nil)
	if err != nil || !done.Done || done.Documents != 21 {
		t.Errorf("%+v, %v", done, err)
	}
	if seen["POST /_aliases"] != 4 {
		t.Errorf("the aliases were changed %d times; the removal and the move, twice each, are 4", seen["POST /_aliases"])
	}
	if now, err := r.current(context.Background()); err != nil || now == before {
		t.Errorf("%s is still in use, %v", now, err)
	}
	r.put(article("behind it"))
	if got := allDocuments(t, r.another()); len(got) != 22 {
		t.Errorf("%d documents", len(got))
	}
}

// basicDocument is the template of the articles as a document.
func basicDocument() *oip.Document {
	d := signer0().Document(signer0().Template("basic", []byte(basicDefinition)), 7)
	return &d
}

// TestReopen: a Reindex whose lease is lost leaves its block behind, as a kill does. Who
// has the lease next lifts it. A block that is not there is not touched, and neither is
// the copy that a Reindex has left in order.
func TestReopen(t *testing.T) {
	r := newRig(t, patient(2), func(o *Options) { o.MaxBulk = 4 << 10 })
	r.put(articles(300)...)
	ctx := context.Background()
	copies := func() int {
		t.Helper()
		list, err := r.unfinished(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if first := reindexFor(t, r.Store, 6); !first.Again || copies() != 1 {
		t.Fatalf("%+v, %d copies", first, copies())
	}
	if err := r.another().Reopen(ctx); err != nil || copies() != 1 {
		t.Fatalf("%v, %d copies", err, copies())
	}
	lost := errors.New("the lease is lost")
	calls := 0
	_, err := r.Reindex(ctx, func(context.Context) error {
		if calls++; calls > 4 {
			return lost
		}
		return nil
	})
	if !errors.Is(err, lost) {
		t.Fatal(err)
	}
	doc := article("one")
	results, err := r.Write(ctx, []records.Op{{Put: doc, Fence: 1}})
	if err == nil && results[0].Status != records.Retry || err != nil && !errors.Is(err, records.ErrUnavailable) {
		t.Errorf("a write before the block is lifted: %+v, %v", results, err)
	}
	if err := r.another().Reopen(ctx); err != nil || copies() != 0 {
		t.Errorf("%v, %d copies", err, copies())
	}
	r.put(doc)
	if done, err := r.Reindex(ctx, always); err != nil || done.Copied != 301 {
		t.Errorf("%+v, %v", done, err)
	}
	// Nothing removes what is in use, although it was read as unfinished before the move.
	now, err := r.current(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.remove(ctx, now, r.indexName(mappingVersion, 1)); err == nil {
		t.Error("the index in use could be removed")
	}
	if got := allDocuments(t, r.another()); len(got) != 301 {
		t.Errorf("%d documents", len(got))
	}
}

// TestReindexFrozen freezes a Reindex just before it moves the aliases. Its lease runs
// out, another writer reopens the index and writes. When the frozen one wakes up, its
// copy lacks that write: it must not take the index's place.
func TestReindexFrozen(t *testing.T) {
	r := newRig(t)
	r.put(articles(20)...)
	arrived, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.misbehave(func(w http.ResponseWriter, q *http.Request, engine http.Handler) {
		if q.URL.Path == "/_aliases" {
			hold := false
			once.Do(func() { hold = true })
			if hold {
				close(arrived)
				<-release
			}
		}
		engine.ServeHTTP(w, q)
	})
	frozen, other := r.another(), r.another()
	ended := make(chan error, 1)
	go func() {
		_, err := frozen.Reindex(context.Background(), always)
		ended <- err
	}()
	<-arrived
	if err := other.Reopen(context.Background()); err != nil {
		t.Fatal(err)
	}
	late := article("written meanwhile")
	if results, err := other.Write(context.Background(), []records.Op{{Put: late, Fence: 2}}); err != nil || results[0].Status != records.OK {
		t.Fatal(results, err)
	}
	close(release)
	if err := <-ended; err == nil {
		t.Error("the frozen Reindex says that it is done")
	}
	if got := allDocuments(t, r.another()); len(got) != 21 || got[late.DID()] == "" {
		t.Errorf("%d documents, want 21 with the one that was written meanwhile", len(got))
	}
}
