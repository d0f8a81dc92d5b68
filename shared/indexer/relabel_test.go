package indexer

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// TestRelabelLeavesGunRecordsAlone: a GUN record may name any creator, and another
// writer, with fences of his own, looks after it.
func TestRelabelLeavesGunRecordsAlone(t *testing.T) {
	w := smallWorld(t, 4, 20)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "relabel"))
	run(t, ix)
	creator := w.creators[0]
	soul := oip.SoulPrefix("key") + ":x"
	envelope, err := json.Marshal(map[string]any{"ver": "0.8.0", "recordType": "post",
		"creator": map[string]string{"publicKey": "key", "didAddress": oip.DID(creator.Address)}})
	if err != nil {
		t.Fatal(err)
	}
	out := oip.VerifyGun(oip.GunRecord{Soul: soul, Node: []byte(`{"data":{"a":1},"oip":` + string(envelope) + `}`)})
	doc, err := oip.Expand(out.(oip.Accepted).Verified, oip.Setting{IndexedAt: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rec.Write(context.Background(), []records.Op{{Put: &doc, Fence: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := st.Commit(context.Background(), state.Put(relabelKey(creator.Address), nil)); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Hour)
	run(t, ix)
	if _, ok, err := state.GetOne(context.Background(), st, relabelKey(creator.Address)); ok || err != nil {
		t.Fatalf("the mark is still there: %v", err)
	}
	found, err := rec.Get(context.Background(), []string{doc.DID()}, false)
	if err != nil || len(found) != 1 || string(found[0].JSON) != string(doc.JSON()) {
		t.Errorf("%v, %v", found, err)
	}
}
