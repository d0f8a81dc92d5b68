package guntest_test

import (
	"testing"

	"oipnode/shared/gun/guntest"
)

// Every reason for each status, as one peer's records.
func TestExpect(t *testing.T) {
	p := guntest.NewPeer(guntest.Options{})
	change := func(localID string, f func(*guntest.Record)) string {
		r := post(localID, `{"b":[1],"a":"x"}`)
		f(&r)
		return guntest.DID(p.Publish(r))
	}
	private := func(r *guntest.Record) { r.Encrypted = guntest.PerUser }
	deleted := change("deleted", func(*guntest.Record) {})
	kept := change("kept", func(*guntest.Record) {})
	p.Delete(deleted, alice.Modulus)
	p.Delete(kept, guntest.Thief().Modulus)
	type want struct{ status, data, why string }
	const data = `{"b":[1],"a":"x"}`
	wants := map[string]want{
		deleted: {"deleted", "", ""},
		kept:    {"verified", data, ""},
		change("arrays", func(r *guntest.Record) { r.ArraysAsText = true }):             {"verified", data, ""},
		change("flat", func(r *guntest.Record) { r.Flattened, r.Bare = true, true }):    {"verified", data, ""},
		change("unsigned", func(r *guntest.Record) { r.Unsigned = true }):               {"unverified", data, ""},
		change("forged", func(r *guntest.Record) { r.Forged = true }):                   {"unverified", data, ""},
		change("xpub", func(r *guntest.Record) { r.Signer, r.PublicKey = nil, "xpub" }): {"unverified", data, ""},
		change("secret", private):                                                              {"encrypted", "sealed", ""},
		change("image", func(r *guntest.Record) { r.Type = "image" }):                          {"absent", "", "record type not wanted"},
		change("untyped", func(r *guntest.Record) { r.Type = "" }):                             {"absent", "", "no record type"},
		change("foreign", func(r *guntest.Record) { r.Soul = guntest.Soul(bob.Modulus, "1") }): {"absent", "", "soul of somebody else"},
		change("old", func(r *guntest.Record) { r.Ver = "0.7.2" }):                             {"absent", "", "version of the protocol"},
		change("newer", func(r *guntest.Record) { r.Ver = "0.8.1" }):                           {"verified", data, ""},
		change("list", func(r *guntest.Record) { r.Data = `[{}]` }):                            {"absent", "", "data are no object"},
		change("stranger", func(r *guntest.Record) { r.NodeID = "node-z" }):                    {"absent", "", "registered by a node that is not trusted"},
	}
	unlisted := change("unlisted", func(r *guntest.Record) { r.NodeID = "" })
	policy := guntest.Policy{TrustedNodes: []string{"node-a"}, Private: true, Types: func(s string) bool { return s != "image" }}
	got := guntest.Expect(policy, p)
	if len(got) != len(wants) {
		t.Errorf("%d records, want %d", len(got), len(wants))
	}
	if _, ok := got[unlisted]; ok {
		t.Error("a record that no registry lists is expected")
	}
	for did, w := range wants {
		e := got[did]
		if string(e.Status) != w.status || e.Why != w.why || (len(e.Versions) > 0) != (w.data != "") {
			t.Errorf("%s: %+v, want %+v", did, e, w)
			continue
		}
		if w.data == data && e.Versions[0].Data != data {
			t.Errorf("%s: data %s", did, e.Versions[0].Data)
		}
	}
	policy = guntest.Policy{Honours: func(d guntest.Deletion) bool { return d.By == guntest.Thief().Modulus }}
	got = guntest.Expect(policy, p)
	if got[deleted].Status != guntest.Verified || got[kept].Status != guntest.Deleted {
		t.Errorf("by another rule: %v and %v", got[deleted].Status, got[kept].Status)
	}
	if e := got[guntest.DID(guntest.Soul(alice.Modulus, "secret"))]; e.Status != guntest.Absent || e.Why != "encrypted" {
		t.Errorf("not wanted: %+v", e)
	}
}

// Peers that differ about a record: the verified version counts, of equals any.
func TestExpectOfPeers(t *testing.T) {
	one, two, three := guntest.NewPeer(guntest.Options{}), guntest.NewPeer(guntest.Options{}), guntest.NewPeer(guntest.Options{})
	old := post("1", `{"v":1}`)
	changed := old
	changed.Data, changed.At = `{"v":2}`, 1_800_000_000_000
	lie := old
	lie.Data, lie.Forged = `{"v":3}`, true
	did := guntest.DID(two.Publish(changed))
	one.Publish(old)
	three.Publish(lie)
	e := guntest.Expect(guntest.Policy{}, three, two, one)[did]
	if e.Status != guntest.Verified || len(e.Versions) != 2 || e.Versions[0].Data != `{"v":1}` || e.Versions[1].Data != `{"v":2}` {
		t.Errorf("%+v", e)
	}
	if e := guntest.Expect(guntest.Policy{}, three)[did]; e.Status != guntest.Unverified || e.Versions[0].Data != `{"v":3}` {
		t.Errorf("of the liar alone: %+v", e)
	}
	if e := guntest.Expect(guntest.Policy{}, one, one)[did]; len(e.Versions) != 1 {
		t.Errorf("the same twice: %+v", e)
	}
	three.Delete(did, alice.Modulus)
	if e := guntest.Expect(guntest.Policy{}, one, two, three)[did]; e.Status != guntest.Deleted || e.Versions != nil {
		t.Errorf("deleted at one: %+v", e)
	}
}
