package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/config"
	"oipnode/shared/epoch"
	"oipnode/shared/memory"
	"oipnode/shared/records"
	"oipnode/shared/state/bolt"
)

// keeping is a world whose answers are kept, with a clock that can be moved.
type keeping struct {
	*world
	gone atomic.Int64 // since noon
}

// searchCounter counts searches.
type searchCounter struct {
	records.Store
	n    atomic.Int64
	wait chan struct{} // when set, a search waits for it
}

func (c *searchCounter) Search(ctx context.Context, q records.Query) (records.Page, error) {
	c.n.Add(1)
	if c.wait != nil {
		<-c.wait
	}
	return c.Store.Search(ctx, q)
}

func newKeeping(t *testing.T, change ...func(*Options)) (*keeping, *searchCounter) {
	k, searches := &keeping{}, &searchCounter{}
	k.world = newWorld(t, append([]func(*Options){func(o *Options) {
		searches.Store, o.Records = o.Records, searches
		o.Now = func() time.Time { return noon.Add(time.Duration(k.gone.Load())) }
		o.CacheBytes, o.CacheLife, o.Memory = 1<<20, 5*time.Minute, memory.New(memory.Options{})
	}}, change...)...)
	k.settle()
	return k, searches
}

// kept is how many bytes are kept, as the monitor sees them.
func (k *keeping) kept() (bytes int64) {
	for _, c := range k.opt.Memory.Check(k.Context()).Caches {
		bytes += c.Bytes
	}
	return bytes
}

// settle lets the epoch be as old as answers must be that are kept.
func (k *keeping) settle() {
	k.Helper()
	k.call("/api/records") // the epoch is noticed
	k.gone.Add(int64(10 * time.Second))
}

// TestCached: an answer is made once for each who asks differently, until its life is
// over or the epoch another; forceRefresh makes it anew.
func TestCached(t *testing.T) {
	k, searches := newKeeping(t)
	k.publish(post("one", startHeight), restricted("two", "post", startHeight+5, fields{0: "private", 1: "owner"}))
	expect := func(what, tok string, wantSearch bool, want string, params ...string) {
		t.Helper()
		before := searches.n.Load()
		if got := names(t, k.ok(tok, "/api/records", params...)); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
		if searched := searches.n.Load() > before; searched != wantSearch {
			t.Errorf("%s: searched %v", what, searched)
		}
	}
	owner := token(t, "owner")
	expect("the first", "", true, "one")
	expect("the same", "", false, "one")
	expect("another query", "", true, "one", "limit", "5")
	expect("the owner", owner, true, "two one")
	expect("the owner again", owner, false, "two one")
	expect("another with the same key", token(t, "owner", jwt.MapClaims{"userId": "u2"}), true, "two one")
	expect("no token again", "", false, "one")
	k.publish(post("three", startHeight+1))
	expect("nobody has said so", "", false, "one")
	expect("forced", "", true, "three one", "forceRefresh", "true")
	k.gone.Add(int64(5 * time.Minute))
	expect("its life is over", "", true, "three one")
	expect("kept again", "", false, "three one")
	k.publish(post("four", startHeight+2))
	if err := k.opt.State.Commit(t.Context(), epoch.Op()); err != nil { // as a cycle does
		t.Fatal(err)
	}
	k.gone.Add(int64(time.Second))
	expect("a new epoch", "", true, "four three one")
	if bytes := k.kept(); bytes != 0 {
		t.Errorf("%d bytes of the old epoch are kept", bytes)
	}
	expect("it may not be whole", "", true, "four three one")
	k.settle()
	expect("settled", "", true, "four three one")
	expect("and kept", "", false, "four three one")
	if message := k.refused("forceRefresh", "/api/records", "forceRefresh", "yes"); !strings.Contains(message, "true or false") {
		t.Error(message)
	}
}

// TestDeletionIsSeenAtOnce: also by those whose answers are kept.
func TestDeletionIsSeenAtOnce(t *testing.T) {
	k, _ := newKeeping(t)
	wallet := published().signers[0]
	dids := k.publish(post("stays", startHeight), post("goes", startHeight))
	for range 2 {
		if got := names(t, k.ok("", "/api/records")); len(strings.Fields(got)) != 2 {
			t.Fatal(got)
		}
	}
	if res := k.delete(token(t, wallet.Modulus), naming(dids[1])); res.Code != http.StatusOK {
		t.Fatalf("%d %s", res.Code, res.Body)
	}
	if got := names(t, k.ok("", "/api/records")); got != "stays" {
		t.Errorf("behind the deletion: %q", got)
	}
}

// TestClearAnswers: the operation of the contract, and that of the memory page.
func TestClearAnswers(t *testing.T) {
	for _, path := range []string{"/api/records/clear-cache", "/api/health/memory/clear-cache"} {
		k, searches := newKeeping(t, func(o *Options) { o.Operations = config.OperationsOpen })
		k.call("/api/records")
		before := searches.n.Load()
		k.call("/api/records")
		res := k.do(httptest.NewRequest(http.MethodPost, path, nil))
		if res.Code != http.StatusOK || res.json["timestamp"] == nil || res.json["message"] == nil || searches.n.Load() != before {
			t.Fatalf("%s: %d %s", path, res.Code, res.Body)
		}
		if path == "/api/records/clear-cache" && res.json["status"] != "success" {
			t.Errorf("%s", res.Body)
		}
		if k.call("/api/records"); searches.n.Load() == before {
			t.Errorf("%s: the answer is still kept", path)
		}
		if v, err := epochOf(k); err != nil || v != 1 {
			t.Errorf("%s: epoch %d, %v", path, v, err)
		}
	}
}

func epochOf(k *keeping) (int64, error) {
	v, _, err := epoch.NewReader(k.opt.State, nil).Now(k.Context())
	return v, err
}

// TestOneAnswerForAll: identical requests that come at a time make one search.
func TestOneAnswerForAll(t *testing.T) {
	k, searches := newKeeping(t)
	k.publish(post("one", startHeight))
	before := searches.n.Load()
	synctest.Test(t, func(t *testing.T) {
		searches.wait = make(chan struct{})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if res := k.call("/api/records"); res.Code != http.StatusOK {
					t.Errorf("%d %s", res.Code, res.Body)
				}
			})
		}
		synctest.Wait() // one searches, and the others wait for it
		close(searches.wait)
		all.Wait()
	})
	if n := searches.n.Load() - before; n != 1 {
		t.Errorf("%d searches", n)
	}
}

// TestKeptInBounds: a cache that is filled beyond its bound stays within it, and the
// monitor can drop it.
func TestKeptInBounds(t *testing.T) {
	k, _ := newKeeping(t, func(o *Options) { o.CacheBytes = 64 << 10 })
	k.publish(post("one", startHeight))
	for i := range 200 {
		k.call("/api/records", "unknown", strings.Repeat("x", i))
	}
	state := k.opt.Memory.Check(t.Context())
	if len(state.Caches) != 1 || state.Caches[0].Bytes == 0 || state.Caches[0].Bytes > 64<<10 || len(state.Verdict.Alerts) > 0 {
		t.Errorf("%+v, %+v", state.Caches, state.Verdict)
	}
}

// TestETag: whoever has the answer is told so, and answers of a token are nobody else's.
func TestETag(t *testing.T) {
	for _, kept := range []int64{0, 1 << 20} {
		k, _ := newKeeping(t, func(o *Options) { o.CacheBytes = kept })
		k.publish(post("one", startHeight), restricted("two", "post", startHeight, fields{0: "private", 1: "owner"}))
		ask := func(tok, match string) response {
			r := httptest.NewRequest(http.MethodGet, "/api/records", nil)
			if tok != "" {
				r.Header.Set("Authorization", "Bearer "+tok)
			}
			r.Header.Set("If-None-Match", match)
			return k.do(r)
		}
		first, own := ask("", ""), ask(token(t, "owner"), "")
		tag := first.Header().Get("ETag")
		if len(tag) != tagBytes+2 || tag == own.Header().Get("ETag") || first.Header().Get("Cache-Control") != "no-cache" ||
			own.Header().Get("Cache-Control") != "private, no-cache" || own.Header().Get("Vary") != "Authorization, Accept-Encoding" {
			t.Fatalf("%v, %v", first.Header(), own.Header())
		}
		for match, want := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, strings.Trim(tag, `"`): 200} {
			if res := ask("", match); res.Code != want || want == 304 && res.Body.Len() != 0 {
				t.Errorf("If-None-Match %s: %d %s", match, res.Code, res.Body)
			}
		}
		if res := ask("", own.Header().Get("ETag")); res.Code != http.StatusOK {
			t.Errorf("the owner's tag for nobody: %d", res.Code)
		}
		k.publish(post("three", startHeight))
		k.gone.Add(int64(time.Hour))
		if res := ask("", tag); res.Code != http.StatusOK {
			t.Errorf("behind a change: %d", res.Code)
		}
	}
}

// TestEpochCannotBeRead: without the state store nothing can be said of what is kept, so
// that it is not used; an answer that needs no state is given all the same.
func TestEpochCannotBeRead(t *testing.T) {
	k, searches := newKeeping(t)
	k.call("/api/templates")
	away, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := away.Close(); err != nil {
		t.Fatal(err)
	}
	k.opt.State = away
	k.handler = New(k.opt)
	for range 2 {
		before := searches.n.Load()
		if res := k.call("/api/templates"); res.Code != http.StatusOK || searches.n.Load() == before {
			t.Errorf("%d %s", res.Code, res.Body)
		}
	}
}
