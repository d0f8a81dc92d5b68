package indexer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// owner is the key that the tests remove with; whose it is, is not this package's to know.
const owner = "an owner's public key"

// stored reads a document as the API finds it, nil if it is not there.
func stored(t testing.TB, rec records.Store, did string) *records.Stored {
	t.Helper()
	got, err := rec.Get(context.Background(), []string{did}, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 {
		return nil
	}
	return &got[0]
}

// remove removes a document that is there.
func remove(t *testing.T, w *world, rec records.Store, st state.Store, id string) {
	t.Helper()
	doc := stored(t, rec, oip.DID(id))
	if doc == nil {
		t.Fatalf("%s is not indexed", id)
	}
	if err := Remove(t.Context(), rec, st, *doc, owner, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if stored(t, rec, oip.DID(id)) != nil {
		t.Fatalf("%s is still there", id)
	}
	w.removed[oip.DID(id)] = true
}

// TestRemoved: what an owner had removed never comes back, by whichever path it is seen
// again, and costs no request once a cycle has settled it.
func TestRemoved(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	var ids []string
	for i, height := range []int64{worldStart + 3, worldStart + 30, w.chain.Tip() - 2} {
		ids = append(ids, w.add(height, alice.Record("post", named(basic.ID, fmt.Sprint(i))), 0).ID)
	}
	stays := w.add(worldStart+4, alice.Record("post", named(basic.ID, "stays")), 0).ID
	partial := w.add(worldStart+5, alice.Record("post", named(basic.ID, "partial"),
		oiptest.Object{Template: strings.Repeat("t", oip.IDLength), Values: map[int]any{0: "x"}}), 0).ID
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	if e := entryOf(t, st, partial); e == nil || e.State != EntryPartial {
		t.Fatalf("the partial record's entry: %+v", e)
	}
	for _, id := range append(ids, partial) {
		remove(t, w, rec, st, id)
	}
	if r := run(t, ix); r.Counts.Deleted != 4 || r.Counts.Indexed != 0 {
		t.Errorf("the next cycle: %+v", r.Counts)
	}
	for _, id := range append(ids, partial) {
		if e := entryOf(t, st, id); e == nil || e.State != EntryDeleted || e.Height == 0 || !e.Due.IsZero() {
			t.Errorf("entry of %s: %+v", id, e)
		}
	}
	if _, marked, err := state.GetOne(t.Context(), st, keyRemovals); marked || err != nil {
		t.Errorf("there is still something to settle: %v", err)
	}
	before := w.sims[0].Requests().Data
	if _, err := RequestRescan(t.Context(), st, worldStart, w.chain.Tip(), w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	w.settleDown(ix) // windows, the rescan, the warm and the cold pass, the ledger
	if after := w.sims[0].Requests().Data; after != before {
		t.Errorf("%d transactions were fetched again", after-before)
	}
	w.compare(rec, st, "Removed")
	if indexed(t, rec, stays) == nil {
		t.Error("another record is gone too")
	}
}

// TestRemovedUnsettled: the tombstone alone keeps a record away, before any cycle has
// settled the removal, and when the ledger was lost.
func TestRemovedUnsettled(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	tx := alice.Record("post", named(basic.ID, "removed"))
	id := w.add(w.chain.Tip()-2, tx, 0).ID
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	remove(t, w, rec, st, id)
	if err := st.Commit(t.Context(), state.Delete(keyRemovals), state.Delete(removalKey(id))); err != nil {
		t.Fatal(err)
	}
	if r := run(t, ix); r.Counts.Deleted != 1 || indexed(t, rec, id) != nil {
		t.Errorf("%+v, indexed %v", r.Counts, indexed(t, rec, id))
	}
	// A runner without its lease writes it once more and dies.
	doc := alice.Document(tx, w.chain.Tip()-2, alice.Verified(basic).Template())
	if _, err := rec.Write(t.Context(), []records.Op{{Put: &doc, Fence: 1}}); err != nil {
		t.Fatal(err)
	}
	run(t, ix)
	w.settleDown(ix)
	w.compare(rec, st, "RemovedUnsettled")
}

// TestRemovedAndMessage: a delete message for the same record that comes and vanishes
// again takes its own tombstone back, and not the owner's.
func TestRemovedAndMessage(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	id := w.add(worldStart+5, alice.Record("post", named(basic.ID, "removed")), 0).ID
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	remove(t, w, rec, st, id)
	w.add(w.chain.Tip()-1, alice.Delete(oip.DID(id)), 0)
	run(t, ix)
	if _, err := w.chain.Reorg(3, nil); err != nil {
		t.Fatal(err)
	}
	run(t, ix)
	w.clock.Advance(25 * time.Hour)
	if report := run(t, ix); report.Counts.Gone != 1 {
		t.Fatalf("the message did not vanish: %+v", report)
	}
	w.settleDown(ix)
	if indexed(t, rec, id) != nil {
		t.Error("the record is back")
	}
	w.compare(rec, st, "RemovedAndMessage")
}

// TestRemovedVanishes: a record that was removed while its block was gone stays away
// when it is mined again.
func TestRemovedVanishes(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	id := w.add(w.chain.Tip()-1, alice.Record("post", named(basic.ID, "removed")), 0).ID
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	if _, err := w.chain.Reorg(3, nil); err != nil {
		t.Fatal(err)
	}
	run(t, ix)
	if e := entryOf(t, st, id); e == nil || e.State != EntryPending {
		t.Fatalf("entry %+v", e)
	}
	remove(t, w, rec, st, id)
	if err := w.chain.Mine(id, w.chain.Tip()); err != nil {
		t.Fatal(err)
	}
	run(t, ix)
	w.clock.Advance(25 * time.Hour)
	w.settleDown(ix)
	w.compare(rec, st, "RemovedVanishes")
}

// TestRemovedTemplate: a deleted template is shown while a record uses it; when the last
// such record is removed, the next cycle hides it.
func TestRemovedTemplate(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	id := w.add(worldStart+5, alice.Record("post", named(basic.ID, "the last one")), 0).ID
	w.add(worldStart+6, alice.DeleteTemplate(oip.DID(basic.ID)), 0)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	if env := indexed(t, rec, basic.ID); env == nil || env.Hidden {
		t.Fatalf("the template in use: %+v", env)
	}
	remove(t, w, rec, st, id)
	run(t, ix)
	if env := indexed(t, rec, basic.ID); env == nil || !env.Hidden {
		t.Errorf("the template that nothing uses: %+v", env)
	}
	w.settleDown(ix)
	w.compare(rec, st, "RemovedTemplate")
}

// TestNotRemovable: what others need stays, and nothing is written for it.
func TestNotRemovable(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	registration := w.add(worldStart+3, alice.Registration("alice", "again"), 0)
	message := w.add(worldStart+4, alice.Delete(oip.DID(strings.Repeat("n", oip.IDLength))), 0)
	organization := w.add(worldStart+5, alice.Record(oip.TypeOrganization,
		oiptest.Object{Template: basic.ID, Values: map[int]any{0: "Acme"}}, oiptest.Object{Template: basic.ID, Values: map[int]any{0: "acme"}}), 0)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	b := &blade{at: math.MaxInt64}
	for _, id := range []string{basic.ID, registration.ID, message.ID} {
		doc := stored(t, rec, oip.DID(id))
		if doc == nil {
			t.Fatalf("%s is not indexed", id)
		}
		if err := Remove(t.Context(), bladedRecords{rec, b}, bladedState{st, b}, *doc, owner, w.clock.Now()); !errors.Is(err, ErrNotRemovable) {
			t.Errorf("a %s: %v", doc.Kind, err)
		}
	}
	other := *stored(t, rec, oip.DID(organization.ID))
	other.DID = "did:gun:abc"
	if err := Remove(t.Context(), bladedRecords{rec, b}, bladedState{st, b}, other, owner, w.clock.Now()); !errors.Is(err, ErrNotRemovable) {
		t.Errorf("a record that is not of the chain: %v", err)
	}
	if n := b.writes.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
	remove(t, w, rec, st, organization.ID)
	w.settleDown(ix)
	w.compare(rec, st, "NotRemovable")
}

// TestRemoveFaults: what a store did not do is an error, and another call does it. The
// fence of whoever wrote the document last does not matter.
func TestRemoveFaults(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	id := w.add(worldStart+5, alice.Record("post", named(basic.ID, "removed")), 0).ID
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	for range 3 {
		run(t, ix)
	}
	doc := stored(t, rec, oip.DID(id))
	for _, status := range []records.Status{records.Retry, records.Conflict} {
		err := Remove(t.Context(), answering{rec, status}, st, *doc, owner, w.clock.Now())
		if !errors.Is(err, records.ErrUnavailable) || stored(t, rec, doc.DID) == nil {
			t.Errorf("status %d: %v", status, err)
		}
	}
	failed := errors.New("the disk is full")
	if err := Remove(t.Context(), rec, failingCommit{st, failed}, *doc, owner, w.clock.Now()); !errors.Is(err, failed) || stored(t, rec, doc.DID) == nil {
		t.Errorf("a state store that fails: %v", err)
	}
	remove(t, w, rec, st, id)
	if err := Remove(t.Context(), rec, st, *doc, owner, w.clock.Now()); err != nil {
		t.Errorf("once more: %v", err)
	}
	w.settleDown(ix)
	w.compare(rec, st, "RemoveFaults")
}

// answering is a store whose writes do nothing and end with a status.
type answering struct {
	records.Store
	status records.Status
}

func (a answering) Write(_ context.Context, ops []records.Op) ([]records.Result, error) {
	results := make([]records.Result, len(ops))
	for i := range results {
		results[i].Status = a.status
	}
	return results, nil
}

type failingCommit struct {
	state.Store
	err error
}

func (s failingCommit) Commit(context.Context, ...state.Op) error { return s.err }

// TestRemoveKilled: owners remove random records while cycles run, and each removal is
// killed at one of its writes, before or after it. A removal whose tombstone is there
// comes true, another one never happened, and nothing lies in between.
func TestRemoveKilled(t *testing.T) {
	eachSeed(t, 8, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, 1, false)
		const steps = 6
		w.populate(w.chain.Tip(), steps, 40)
		rec, st, _ := w.open()
		begun, killed := 0, 0
		for i := range 3 * steps {
			if i%3 == 0 {
				w.step()
			}
			// In the middle of a cycle, which must not fail by it, and after one.
			b := &blade{at: 2 + w.rng.Int64N(25)}
			b.pause = func() { w.removeSome(rec, st, &begun, &killed) }
			if _, err := w.killer(rec, st, b, fmt.Sprint("runner ", i)).Run(t.Context()); err != nil {
				t.Errorf("cycle: %v", err)
			}
			w.removeSome(rec, st, &begun, &killed)
			w.clock.Advance(5 * time.Minute)
		}
		if begun < 5 || killed == 0 {
			t.Errorf("%d removals, %d of them killed: the test shows little", begun, killed)
		}
		w.settleDown(New(w.options(rec, st, "heir")))
		w.compare(rec, st, "RemoveKilled")
	})
}

// removeSome removes a record that is indexed, if there is one, and may be killed in it.
func (w *world) removeSome(rec records.Store, st state.Store, begun, killed *int) {
	w.t.Helper()
	page, err := rec.Search(context.Background(), records.Query{Limit: 100, EnvelopeOnly: true, Where: records.All{
		records.Is(records.FieldKind, string(oip.KindRecord), string(oip.KindOrganization)),
		records.Not{Cond: records.Is(records.FieldDeleteMessage, "true")}}})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(page.Hits) == 0 {
		return
	}
	*begun++
	doc := pick(w, page.Hits)
	b := &blade{at: 1 + w.rng.Int64N(4), after: w.chance(0.5)} // there are two writes
	err = Remove(context.Background(), bladedRecords{rec, b}, bladedState{st, b}, doc, owner, w.clock.Now())
	if err != nil && !errors.Is(err, errKilled) {
		w.t.Fatal(err)
	}
	env, errEnv := oip.ParseEnvelope(doc.JSON)
	address, _ := oip.TxID(env.Creator.DIDAddress)
	_, there, errState := state.GetOne(context.Background(), st, messageKey(tombKey(doc.DID, address, false), messageHere))
	if err := errors.Join(errEnv, errState); err != nil {
		w.t.Fatal(err)
	}
	w.removed[doc.DID] = w.removed[doc.DID] || there
	switch {
	case err != nil:
		*killed++
	case !there:
		w.t.Errorf("%s was removed without a tombstone", doc.DID)
	case stored(w.t, rec, doc.DID) != nil:
		w.t.Errorf("%s is there after its removal", doc.DID)
	}
}
