package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"oipnode/shared/records"
	"oipnode/shared/state"
)

// counter counts the counts of a record store: one is made for each shared summary.
type counter struct {
	records.Store
	n   atomic.Int64
	err error
}

func (c *counter) Count(ctx context.Context, where records.Cond, by records.Field) (records.Counts, error) {
	if by == records.FieldRecordTypeExact { // a cycle counts, too
		c.n.Add(1)
	}
	if c.err != nil {
		return records.Counts{}, c.err
	}
	return c.Store.Count(ctx, where, by)
}

// TestForcedSummary: forceRefresh makes the shared summary anew, on the page that shows it
// and with any list, at most once a second whoever asks how often; and so does the first
// reader who finds its time over.
func TestForcedSummary(t *testing.T) {
	counts := &counter{}
	k, _ := newKeeping(t, func(o *Options) {
		counts.Store, o.Records = o.Records, counts
		o.RefreshCycles = 2
	})
	_, cycle := indexed(k.world)
	page := func(params ...string) string {
		t.Helper()
		p := k.ok("", "/api/health/keepdb", params...)
		return fmt.Sprint(at(p, "summary", "cycle"), " ", at(p, "summary", "records"), " left ", p["cyclesUntilCacheRefresh"])
	}
	expect := func(what, got, want string, made int64) {
		t.Helper()
		if n := counts.n.Swap(0); got != want || n != made {
			t.Errorf("%s: %q, %d made; want %q, %d", what, got, n, want, made)
		}
	}
	expect("the first reader", page(), "1 1 left 2", 1)
	expect("the second", page(), "1 1 left 2", 0)
	k.publish(post("another", startHeight))
	expect("nobody has asked", page(), "1 1 left 2", 0)
	k.gone.Add(int64(time.Second))
	expect("asked on the page", page("forceRefresh", "true"), "1 2 left 2", 1)
	k.publish(post("a third", startHeight))
	expect("asked again at once", page("forceRefresh", "true"), "1 2 left 2", 0)
	for _, path := range []string{"/api/records", "/api/creators", "/api/organizations", "/api/templates"} {
		k.gone.Add(int64(time.Second))
		k.ok("", path, "forceRefresh", "true")
		expect(path, page(), "1 3 left 2", 1)
	}
	for range 50 {
		k.ok("", "/api/records", "forceRefresh", "true")
	}
	expect("asked often", page(), "1 3 left 2", 0)
	cycle()
	expect("another cycle", page(), "1 3 left 1", 0)
	cycle()
	expect("its time is over", page(), "3 3 left 2", 1)
	k.refused("forceRefresh", "/api/health/keepdb", "forceRefresh", "yes")

	// A summary that cannot be made is missing on its own page, and nobody's list.
	counts.err = errors.New("secret of the engine")
	k.gone.Add(int64(time.Second))
	if res := k.call("/api/health/keepdb", "forceRefresh", "true"); res.Code != http.StatusInternalServerError {
		t.Errorf("%d %s", res.Code, res.Body)
	}
	k.ok("", "/api/records", "forceRefresh", "true")
	counts.n.Store(0)
	expect("what there was", page(), "3 3 left 2", 0)
}

// TestForcedWhileShort: a process that is short of memory makes no summary because
// somebody forces an answer.
func TestForcedWhileShort(t *testing.T) {
	counts := &counter{}
	short := newFixed(nil)
	w := newWorld(t, using(short), func(o *Options) {
		counts.Store, o.Records, o.RefreshCycles = o.Records, counts, 2
	})
	indexed(w)
	short.used = 500 * mib
	if short.Check(t.Context()); !w.opt.Memory.Shedding() {
		t.Fatal("the process is not short of memory")
	}
	w.ok("", "/api/records", "forceRefresh", "true")
	if n := counts.n.Load(); n != 0 {
		t.Errorf("%d were made", n)
	}
}

// TestForcedProgress: the progress that is remembered for a second is no part of an answer
// that was forced.
func TestForcedProgress(t *testing.T) {
	reads := &stateReads{}
	w := newWorld(t, func(o *Options) { reads.Store, o.State = o.State, reads })
	w.ok("", "/api/records")
	before := reads.n.Load()
	w.ok("", "/api/records")
	if n := reads.n.Load(); n != before {
		t.Errorf("%d reads for what is remembered", n-before)
	}
	w.ok("", "/api/records", "forceRefresh", "true")
	if n := reads.n.Load(); n == before {
		t.Error("a forced answer has the remembered progress")
	}
}

// stateReads counts the reads of a state store.
type stateReads struct {
	state.Store
	n atomic.Int64
}

func (s *stateReads) Get(ctx context.Context, keys ...state.Key) ([]state.Item, error) {
	s.n.Add(1)
	return s.Store.Get(ctx, keys...)
}

func (s *stateReads) Range(ctx context.Context, space, from, to string, limit int) ([]state.Item, error) {
	s.n.Add(1)
	return s.Store.Range(ctx, space, from, to, limit)
}
