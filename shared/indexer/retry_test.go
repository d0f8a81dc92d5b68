package indexer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// TestRetry makes due what waits, and only what is asked for; the next cycle tries it.
func TestRetry(t *testing.T) {
	eachPair(t, func(t *testing.T, open func(w *world) (records.Store, state.Store)) {
		w, alice, basic := plainWorld(t, 1)
		stranger := w.newCreator()
		unknown := strings.Repeat("t", oip.IDLength)
		w.add(1003, stranger.Record("post", named(basic.ID, "of a stranger")), 0)
		w.add(1004, alice.Record("post", named(unknown, "without a template")), 0)
		w.add(1005, alice.Record("post", named(basic.ID, "partial"), oiptest.Object{Template: unknown, Values: map[int]any{0: "x"}}), 0)
		forged := alice.Record("post", named(basic.ID, "forged"))
		forged.Data = []byte(strings.Replace(string(forged.Data), "forged", "Forged", 1))
		w.add(1006, forged, 0)
		w.chain.SetTip(worldStart + 100)
		rec, st := open(w)
		ix := New(w.options(rec, st, "retry"))
		run(t, ix)
		for _, c := range []struct {
			reason string
			due    int64
		}{
			{"waiting:creator", 1}, {"waiting:creator", 0}, {"data", 0}, {"partial", 1}, {"", 1}, {"", 0}, {"nothing", 0}, {"bad_signature", 1}, {"rejected", 0},
		} {
			got, err := ix.Retry(t.Context(), c.reason)
			if err != nil || got.Again || got.Due != c.due {
				t.Errorf("%q: %+v, %v, want %d due", c.reason, got, err, c.due)
			}
		}
		before := ledger(t, st)
		if before["rejected:bad_signature"] != 0 || before["waiting:data"] != 1 {
			t.Errorf("the ledger: %v", before)
		}
		run(t, ix)
		if after := ledger(t, st); after["rejected:bad_signature"] != 1 || after["waiting:creator"] != 1 || after["waiting:template"] != 1 || after["partial"] != 1 {
			t.Errorf("the ledger behind the cycle: %v", after)
		}
		e, ok, err := ReadEntry(t.Context(), st, forged.ID)
		if err != nil || !ok || e.State != EntryRejected || e.Reason != oip.ReasonSignature || e.Height != 1006 {
			t.Errorf("the entry: %+v, %v, %v", e, ok, err)
		}
		if _, ok, err := ReadEntry(t.Context(), st, basic.ID); ok || err != nil {
			t.Errorf("an indexed one has an entry: %v, %v", ok, err)
		}
	})
}

func ledger(t *testing.T, st state.Store) map[string]int64 {
	t.Helper()
	h, err := ReadHealth(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	return h.Ledger
}

// TestRetryUnparks: what failed a dozen times has its turn when an operator says so, and
// is found by what it waits for.
func TestRetryUnparks(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	w.add(1003, w.newCreator().Record("post", named(basic.ID, "of a stranger")), 0)
	_ = alice
	w.chain.SetTip(worldStart + 100)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "retry"))
	for range parkAfter + 2 {
		run(t, ix)
		w.clock.Advance(25 * time.Hour)
	}
	w.clock.Advance(-25 * time.Hour)
	if l := ledger(t, st); l["parked"] != 1 {
		t.Fatalf("the ledger: %v", l)
	}
	got, err := ix.Retry(t.Context(), "creator")
	if l := ledger(t, st); err != nil || got.Due != 1 || l["parked"] != 0 || l["waiting:creator"] != 1 {
		t.Errorf("%+v, %v: %v", got, err, l)
	}
}

// TestRemap writes all records of a type again, with what is known now, and removes what
// the present rules refuse; other types are left alone.
func TestRemap(t *testing.T) {
	eachPair(t, func(t *testing.T, open func(w *world) (records.Store, state.Store)) {
		w, alice, basic := plainWorld(t, 1)
		var posts, notes []string
		for i := range int64(120) { // more than a page
			posts = append(posts, w.add(1003+i/4, alice.Record("Post", named(basic.ID, fmt.Sprint("post ", i))), 0).ID)
		}
		notes = append(notes, w.add(1050, alice.Record("note", named(basic.ID, "note")), 0).ID)
		w.chain.SetTip(worldStart + 200)
		rec, st := open(w)
		ix := New(w.options(rec, st, "remap"))
		w.settleDown(ix)
		before := indexed(t, rec, notes[0]).IndexedAt
		w.clock.Advance(time.Hour)
		now := oip.FormatTime(w.clock.Now())
		k := check(t, ix, CheckRequest{Type: "post"})
		if k.Compared != 120 || k.Found() != 0 || k.Unread != 0 || k.Repaired != 0 {
			t.Errorf("%+v", k)
		}
		for _, id := range posts {
			if env := indexed(t, rec, id); env == nil || env.IndexedAt < now {
				t.Fatalf("%s: %+v, not written again at %s", id, env, now)
			}
		}
		if after := indexed(t, rec, notes[0]).IndexedAt; after != before {
			t.Errorf("a note was written at %s", after)
		}
		w.compare(rec, st, "Remap")

		o := w.options(rec, st, "remap")
		o.Wanted, o.WantedVersion = func(recordType string) bool { return recordType != "Post" }, "without posts"
		k = check(t, New(o), CheckRequest{Type: "post"})
		if k.Faults[FaultInvalid] != 120 || len(k.Findings) != 120 || indexed(t, rec, posts[0]) != nil || indexed(t, rec, notes[0]) == nil {
			t.Errorf("%d refused, %d findings", k.Faults[FaultInvalid], len(k.Findings))
		}
		if l := ledger(t, st); l["rejected:type_excluded"] != 120 {
			t.Errorf("the ledger: %v", l)
		}
	})
}
