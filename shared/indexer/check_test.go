package indexer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"oipnode/infra/engines"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// eachPair runs a test over both implementations of the stores.
func eachPair(t *testing.T, test func(t *testing.T, open func(w *world) (records.Store, state.Store))) {
	t.Run("embedded", func(t *testing.T) {
		test(t, func(w *world) (records.Store, state.Store) {
			rec, st, _ := w.open()
			return rec, st
		})
	})
	t.Run("engines", func(t *testing.T) {
		for _, e := range []engines.Engine{engines.OpenSearch, engines.DynamoDB, engines.SQS} {
			e.URL(t)
		}
		test(t, func(w *world) (records.Store, state.Store) {
			rec, st, _ := w.openRough()
			return rec, st
		})
	})
}

// check does a whole check, in as many calls as it takes.
func check(t testing.TB, ix *Indexer, q CheckRequest) Check {
	t.Helper()
	for range 50 {
		k, err := ix.Check(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		if k.Done {
			return k
		}
		q.Fresh = false
	}
	t.Fatal("the check does not end")
	return Check{}
}

// TestCheckOfTheTruth: random chains that were indexed well have no fault, whatever is
// in them: forks, deletions, late data, waiting and partial records.
func TestCheckOfTheTruth(t *testing.T) {
	eachPair(t, func(t *testing.T, open func(w *world) (records.Store, state.Store)) {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 500+seed, 2, false)
				const steps = 3
				w.populate(w.chain.Tip(), steps, 60)
				rec, st := open(w)
				ix := New(w.options(rec, st, "check"))
				for range steps {
					w.step()
					run(t, ix)
					w.clock.Advance(20 * time.Minute)
				}
				w.settleDown(ix)
				k := check(t, ix, CheckRequest{})
				if k.Found() != 0 || k.Listed < 20 || k.Compared < 20 {
					t.Errorf("%+v\n%s", k, w.replay("CheckOfTheTruth"))
				}
				w.compare(rec, st, "CheckOfTheTruth")
			})
		}
	})
}

// damaged is a world whose index has one fault of each kind.
type damaged struct {
	*world
	rec  records.Store
	st   state.Store
	ix   *Indexer
	want map[Fault]int64
}

// fence is that of the last writer, so that the next one may write over it.
func (w *world) fence(st state.Store) uint64 {
	w.t.Helper()
	lease, err := state.Acquire(context.Background(), st, leaseName, "vandal", time.Minute, w.clock.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := lease.Release(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	return lease.Fence()
}

func damage(t *testing.T, open func(w *world) (records.Store, state.Store)) *damaged {
	t.Helper()
	w, alice, basic := plainWorld(t, 1)
	post := func(height int64, name string) oip.Transaction {
		return w.add(height, alice.Record("post", named(basic.ID, name)), 0)
	}
	missing, changed, relabelled, moved, gone := post(1003, "missing"), post(1004, "changed"), post(1005, "relabelled"), post(1006, "moved"), post(1007, "deleted")
	w.add(1008, alice.Delete(oip.DID(gone.ID)), 0)
	whole := alice.Record("post", named(basic.ID, "forged"))
	forged := whole
	forged.Data = []byte(strings.Replace(string(whole.Data), "forged", "Forged", 1))
	w.add(1009, forged, 0)
	for i := range int64(30) {
		post(1010+i, fmt.Sprint("good ", i))
	}
	w.chain.SetTip(worldStart + 200)
	rec, st := open(w)
	d := &damaged{w, rec, st, New(w.options(rec, st, "check")), map[Fault]int64{
		FaultMissing: 1, FaultChanged: 2, FaultMoved: 1, FaultExtra: 1, FaultDeleted: 1, FaultInvalid: 1}}
	w.settleDown(d.ix)

	template := alice.Verified(basic).Template()
	other := alice.Verified(alice.Template("basic", []byte(`{"title":"string","index_title":0}`))).Template()
	env := indexed(t, rec, changed.ID)
	wrong, err := oip.Expand(alice.Verified(changed), oip.Setting{Creator: env.Creator, IndexedAt: w.clock.Now(),
		Templates: func(string) *oip.Template { return other }})
	if err != nil {
		t.Fatal(err)
	}
	creator, height := env.Creator, int64(1099)
	creator.CreatorHandle = "nobody7"
	never := alice.Document(alice.Record("post", named(basic.ID, "of no block")), 1050, template)
	back, bad := alice.Document(gone, 1007, template), alice.Document(whole, 1009, template)
	fence := w.fence(st)
	for i, op := range []records.Op{
		{Delete: oip.DID(missing.ID)}, {Put: &wrong}, {Patch: &oip.Patch{DID: oip.DID(relabelled.ID), Creator: &creator}},
		{Patch: &oip.Patch{DID: oip.DID(moved.ID), Height: &height}}, {Put: &never}, {Put: &back}, {Put: &bad},
	} {
		op.Fence = fence
		results, err := rec.Write(t.Context(), []records.Op{op})
		if err != nil || results[0].Status != records.OK {
			t.Fatalf("damage %d: %+v, %v", i, results, err)
		}
	}
	return d
}

// TestCheckFinds: each fault is found, and nothing is changed without a repair; with it
// the index is the truth again, and a further check finds nothing.
func TestCheckFinds(t *testing.T) {
	eachPair(t, func(t *testing.T, open func(w *world) (records.Store, state.Store)) {
		d := damage(t, open)
		before, err := d.rec.Search(t.Context(), records.Query{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		k := check(t, d.ix, CheckRequest{})
		if !maps.Equal(k.Faults, d.want) || len(k.Findings) != 7 || k.Repaired != 0 || k.Unread != 0 {
			t.Errorf("found %+v", k)
		}
		after, err := d.rec.Search(t.Context(), records.Query{Limit: 100})
		if err != nil || !reflect.DeepEqual(before.Hits, after.Hits) {
			t.Errorf("a check without repair has changed the index: %v", err)
		}
		if read, ok, err := ReadCheck(t.Context(), d.st, ""); err != nil || !ok || !read.Done || !maps.Equal(read.Faults, d.want) {
			t.Errorf("what is kept of it: %+v, %v, %v", read, ok, err)
		}
		k = check(t, d.ix, CheckRequest{Repair: true})
		if !maps.Equal(k.Faults, d.want) || k.Repaired != 7 {
			t.Errorf("repaired %+v", k)
		}
		if k = check(t, d.ix, CheckRequest{}); k.Found() != 0 {
			t.Errorf("after the repair: %+v", k)
		}
		d.compare(d.rec, d.st, "CheckFinds") // without a cycle, which would heal some of it too
	})
}

// TestCheckKilled kills a repair at each of its writes, before and behind it, and goes
// on: nothing is repaired twice or left out, and the report is the same.
func TestCheckKilled(t *testing.T) {
	embedded := func(w *world) (records.Store, state.Store) { rec, st, _ := w.open(); return rec, st }
	count := &blade{at: -1}
	d := damage(t, embedded)
	if _, err := d.killer(d.rec, d.st, count, "count").Check(t.Context(), CheckRequest{Repair: true}); err != nil {
		t.Fatal(err)
	}
	writes := count.writes.Load()
	if writes < 20 {
		t.Fatalf("only %d writes", writes)
	}
	for n := int64(1); n <= writes; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			d := damage(t, embedded)
			b := &blade{at: n, after: n%2 == 0}
			if _, err := d.killer(d.rec, d.st, b, "victim").Check(context.Background(), CheckRequest{Repair: true}); !errors.Is(err, errKilled) {
				t.Logf("the killed check ended with: %v", err)
			}
			d.clock.Advance(time.Hour)
			k := check(t, d.ix, CheckRequest{Repair: true})
			d.world.compare(d.rec, d.st, "CheckKilled")
			if n < writes-1 && !maps.Equal(k.Faults, d.want) { // behind that it was done
				t.Errorf("the report: %+v", k.Faults)
			}
			if k = check(t, d.ix, CheckRequest{Fresh: true}); k.Found() != 0 {
				t.Errorf("after the repair: %+v", k)
			}
		})
	}
}

// TestCheckInSlices: calls whose time ends in the middle, again and again, come to the
// same as one.
func TestCheckInSlices(t *testing.T) {
	eachPair(t, func(t *testing.T, open func(w *world) (records.Store, state.Store)) {
		d := damage(t, open)
		calls := 0
		var k Check
		for ; !k.Done && calls < 200; calls++ {
			ctx, cancel := context.WithCancel(t.Context())
			b := &blade{at: int64(3 + calls), pause: cancel} // its time is over at one of its first writes
			var err error
			k, err = d.killer(d.rec, d.st, b, "slice").Check(ctx, CheckRequest{Repair: true})
			cancel()
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			d.clock.Advance(10 * time.Minute)
		}
		if calls < 3 || !k.Done || !maps.Equal(k.Faults, d.want) {
			t.Errorf("%d calls: %+v", calls, k)
		}
		d.compare(d.rec, d.st, "CheckInSlices")
	})
}

// blind is a store whose searches do not find one document, until it is written again.
type blind struct {
	records.Store
	did string
}

func (s *blind) Search(ctx context.Context, q records.Query) (records.Page, error) {
	if s.did != "" {
		where := records.All{records.Not{Cond: records.Is(records.FieldDID, s.did)}}
		if q.Where != nil {
			where = append(where, q.Where)
		}
		q.Where = where
	}
	return s.Store.Search(ctx, q)
}

func (s *blind) Write(ctx context.Context, ops []records.Op) ([]records.Result, error) {
	for _, op := range ops {
		if op.Put != nil && op.Put.DID() == s.did {
			s.did = ""
		}
	}
	return s.Store.Write(ctx, ops)
}

// TestCheckSearches: a document that is there and that no search finds is a fault too.
func TestCheckSearches(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	lost := w.add(1003, alice.Record("post", named(basic.ID, "lost")), 0)
	w.chain.SetTip(worldStart + 100)
	rec, st, _ := w.open()
	s := &blind{Store: rec}
	ix := New(w.options(s, st, "check"))
	w.settleDown(ix)
	s.did = oip.DID(lost.ID)
	want := map[Fault]int64{FaultUnsearchable: 1}
	if k := check(t, ix, CheckRequest{}); !maps.Equal(k.Faults, want) || s.did == "" {
		t.Errorf("%+v", k)
	}
	if k := check(t, ix, CheckRequest{Repair: true}); !maps.Equal(k.Faults, want) || s.did != "" || k.Repaired != 1 {
		t.Errorf("%+v", k)
	}
}

// TestCheckNeedsAllGateways: what one gateway does not show is no fault while another
// one cannot be asked.
func TestCheckNeedsAllGateways(t *testing.T) {
	w, alice, basic := plainWorld(t, 2)
	for i := range int64(8) {
		w.add(1003+i, alice.Record("post", named(basic.ID, fmt.Sprint(i))), 0)
	}
	w.chain.SetTip(worldStart + 100)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "check"))
	w.settleDown(ix)
	never := alice.Document(alice.Record("post", named(basic.ID, "of no block")), 1050, alice.Verified(basic).Template())
	if _, err := rec.Write(t.Context(), []records.Op{{Put: &never, Fence: w.fence(st)}}); err != nil {
		t.Fatal(err)
	}
	if err := w.sims[1].Close(); err != nil {
		t.Fatal(err)
	}
	if k := check(t, ix, CheckRequest{Repair: true}); k.Found() != 0 || k.Unread != 1 {
		t.Errorf("%+v", k)
	}
	if indexed(t, rec, strings.TrimPrefix(never.DID(), "did:arweave:")) == nil {
		t.Error("it was removed")
	}
}

// TestCheckBesideCycle: there is one writer at a time.
func TestCheckBesideCycle(t *testing.T) {
	w := smallWorld(t, 3, 10)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "check"))
	w.settleDown(ix)
	lease, err := state.Acquire(t.Context(), st, leaseName, "another", time.Minute, w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ix.Check(t.Context(), CheckRequest{}); !errors.Is(err, ErrBusy) {
		t.Errorf("check: %v", err)
	}
	if _, err := ix.Retry(t.Context(), ""); !errors.Is(err, ErrBusy) {
		t.Errorf("retry: %v", err)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}
