package gun

import (
	"encoding/json"
	"testing"
	"time"

	"oipnode/shared/gun/guntest"
	"oipnode/shared/state"
)

// TestPassLongerThanIDsLive: where a pass takes longer than processed ids live, those that
// come first are due again before the last was looked at; each has its turn all the same.
func TestPassLongerThanIDsLive(t *testing.T) {
	const souls, each = 300, 60
	peer := startPeer(t, guntest.Options{})
	peer.Flood(guntest.Flood{Signer: signers[0], Type: "post", Count: souls, NodeID: "node-a", Unsigned: true})
	r := newRig(t, peer.Socket())
	r.opt.MaxRecords, r.opt.MaxAge = each, 10*time.Minute
	for cycle := 0; r.total() < souls; cycle++ {
		if cycle == 30 {
			t.Fatalf("%d of %d records after %d cycles of at most %d", r.total(), souls, cycle, each)
		}
		if report := r.run(); report.Counts.Errors > 0 || report.Counts.Discovered > each {
			t.Fatalf("%+v", report.Counts)
		}
		r.clock.Advance(4 * time.Minute)
	}
	// With time enough, the whole index is one slice again.
	r.opt.MaxRecords = 0
	for range 10 {
		r.clock.Advance(15 * time.Minute)
		if report := r.run(); !report.Complete {
			t.Errorf("%+v", report)
		}
	}
	kept, ok, err := state.GetOne(t.Context(), r.st, listKey(r.client().id, whatType("post")))
	var l listing
	if err != nil || !ok || json.Unmarshal(kept.Value, &l) != nil || l.Of > 1 || len(l.Parts) < 100 {
		t.Errorf("%v, %v: in %d slices, %d parts", ok, err, l.Of, len(l.Parts))
	}
}
