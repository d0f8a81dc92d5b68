package gun

import (
	"context"
	"testing"
	"time"

	"oipnode/shared/gun/guntest"
	"oipnode/shared/oip"
)

func TestCompare(t *testing.T) {
	type v struct {
		hash, source string
		ts           int64
		verified     bool
		key          string
		enc          int // 1 encrypted without meta, 2 with
	}
	env := func(v v) oip.Envelope {
		e := oip.Envelope{SignatureStatus: oip.TrustUnverified, Gun: &oip.GunOrigin{Hash: v.hash, Source: v.source, Timestamp: v.ts}, Encrypted: v.enc > 0}
		e.Creator.PublicKey = v.key
		if v.verified {
			e.SignatureStatus = oip.TrustVerified
		}
		if v.enc == 2 {
			e.Encryption = &oip.Encryption{Type: "per-user"}
		}
		return e
	}
	for name, c := range map[string]struct {
		old, now v
		want     verdict
	}{
		"the same":                         {v{hash: "1", source: "a"}, v{hash: "1", source: "b", ts: 9, verified: true}, same},
		"unverified after verified":        {v{hash: "1", source: "a", verified: true}, v{hash: "2", source: "a", ts: 9}, lesser},
		"unverified, source gone":          {v{hash: "1", source: "gone", verified: true}, v{hash: "2", source: "a", ts: 9}, lesser},
		"verified after unverified":        {v{hash: "1", source: "a", ts: 9}, v{hash: "2", source: "b", verified: true}, replace},
		"another key":                      {v{hash: "1", source: "a", verified: true, key: "k"}, v{hash: "2", source: "a", ts: 9, verified: true, key: "l"}, lesser},
		"changed at its source":            {v{hash: "1", source: "a", ts: 9}, v{hash: "2", source: "a", ts: 1}, replace},
		"verified, changed at its source":  {v{hash: "1", source: "a", verified: true}, v{hash: "2", source: "a", verified: true}, replace},
		"newer elsewhere":                  {v{hash: "1", source: "a", ts: 1}, v{hash: "2", source: "b", ts: 2}, replace},
		"as old elsewhere":                 {v{hash: "1", source: "a", ts: 2}, v{hash: "2", source: "b", ts: 2}, contested},
		"no time elsewhere":                {v{hash: "1", source: "a", ts: 2}, v{hash: "2", source: "b"}, contested},
		"its source is no longer asked":    {v{hash: "1", source: "gone", ts: 2}, v{hash: "2", source: "b"}, replace},
		"encrypted, and meta is missing":   {v{hash: "1", source: "a", enc: 2}, v{hash: "2", source: "a", enc: 1}, partial},
		"encrypted, and meta is there now": {v{hash: "1", source: "a", enc: 1}, v{hash: "2", source: "a", enc: 2}, replace},
	} {
		if got := compare(env(c.old), env(c.now), func(s string) bool { return s != "gone" }); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Two peers serve two versions of a record for ever. The index takes one and keeps it,
// until the peer that it came from has lost it.
func TestPeersThatDisagree(t *testing.T) {
	w := newWorld(t, 0, false)
	w.policy = guntest.Policy{}
	var peers []*guntest.Peer
	for range 2 {
		p := guntest.NewPeer(guntest.Options{LinkedIndex: true}) // without times
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close() }()
		peers = append(peers, p)
	}
	w.peers = peers
	rec, st := openStores(t, w.clock.Now)
	s := w.sync(rec, st, "x")
	record := guntest.Record{Signer: signers[0], LocalID: "x", Type: "post", NodeID: "node-a"}
	var did string
	for i, p := range peers {
		record.Data = []string{`{"a":"first"}`, `{"a":"second"}`}[i]
		did = guntest.DID(p.Publish(record))
	}
	held := func() string {
		found, err := rec.Get(context.Background(), []string{did}, false)
		if err != nil || len(found) == 0 {
			t.Fatalf("%d found, %v", len(found), err)
		}
		return string(found[0].JSON)
	}
	run := func() {
		w.clock.Advance(2 * time.Hour)
		if _, err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	run()
	first := held()
	for range 5 {
		run()
		if held() != first {
			t.Fatalf("the index goes to and fro:\n%s\n%s", first, held())
		}
	}
	env, err := oip.ParseEnvelope([]byte(first))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range peers {
		base, _ := BaseURL(p.Socket())
		if peerID(base) == env.Gun.Source {
			p.Withdraw(did[len("did:gun:"):])
		}
	}
	for range lostAfter + 2 {
		w.clock.Advance(24 * time.Hour)
		run()
	}
	if held() == first {
		t.Error("a peer that has lost a record still has the say")
	}
}
