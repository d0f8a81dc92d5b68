package gun

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/gun/guntest"
	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// world is some peers with random records, the settings of a node that synchronizes
// with them, and what happens over time; everything follows from the seed.
type world struct {
	t      testing.TB
	seed   uint64
	rng    *rand.Rand
	clock  *clock
	peers  []*guntest.Peer
	policy guntest.Policy
	souls  []published
	next   int
	// deleted are souls of which somebody has said so.
	deleted map[string]bool
}

// published is a record that may be changed later, and where it is.
type published struct {
	soul   string
	record guntest.Record
	peers  []*guntest.Peer
}

var worldTypes = []string{"post", "image", "recipe"}

var signers = []*oiptest.Signer{
	oiptest.NewSigner("gun a", 2048), oiptest.NewSigner("gun b", 2048), oiptest.NewSigner("gun c", 2048),
}

// newWorld starts peers without records.
func newWorld(t testing.TB, seed uint64, faults bool) *world {
	w := &world{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 3)), clock: newClock(), policy: guntest.Policy{Private: seed%3 != 0}, deleted: make(map[string]bool)}
	for i := range 1 + w.rng.IntN(3) {
		o := guntest.Options{Inline: w.chance(0.3), LinkedIndex: w.chance(0.3), Parsed: w.chance(0.5), Metadata: w.chance(0.5)}
		if faults {
			o.Faults = guntest.Everything(seed*10 + uint64(i))
			o.Faults.HugeEntries = 3000
		}
		p := guntest.NewPeer(o)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		w.peers = append(w.peers, p)
	}
	if w.chance(0.3) {
		w.policy.TrustedNodes = []string{"node-a", "node-b"}
	}
	if w.chance(0.3) {
		w.policy.Types = func(recordType string) bool { return recordType != "image" }
	}
	return w
}

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// options are the settings of a runner in this world.
func (w *world) options(rec records.Store, st state.Store, holder string) Options {
	o := Options{
		Records: rec, State: st, Types: worldTypes, Wanted: w.policy.Types, TrustedNodes: w.policy.TrustedNodes,
		Private: w.policy.Private, Holder: holder, Now: w.clock.Now, MaxAge: 10 * time.Minute,
		RequestTimeout: 250 * time.Millisecond, MaxIndexBytes: 1 << 20, MaxSoulBytes: 64 << 10,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	for _, p := range w.peers {
		o.Peers = append(o.Peers, p.Socket())
	}
	return o
}

func (w *world) sync(rec records.Store, st state.Store, holder string) *Sync {
	w.t.Helper()
	s, err := New(w.options(rec, st, holder))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// data is random data of a record.
func (w *world) data() string {
	w.next++
	lists := []string{`["a","b"]`, `[]`, `[[1,2],["x [not a list]"]]`, `"[\"text\",\"list\"]"`, `"[no list]"`}
	return fmt.Sprintf(`{"basic":{"name":"Record %d","tagItems":%s,"date":%d},"post":{"big":9007199254740993,"n":%d}}`,
		w.next, lists[w.rng.IntN(len(lists)-2)], 1700000000+w.next, w.rng.IntN(5))
}

// publish publishes a record at some of the peers.
func (w *world) publish() {
	r := guntest.Record{
		Signer: signers[w.rng.IntN(len(signers))], LocalID: fmt.Sprintf("local-%d", w.next), Type: worldTypes[w.rng.IntN(len(worldTypes))],
		Data: w.data(), NodeID: []string{"node-a", "node-b", "node-c"}[w.rng.IntN(3)],
		Flattened: w.chance(0.3), ArraysAsText: w.chance(0.3), Bare: w.chance(0.2), Unsigned: w.chance(0.15), Forged: w.chance(0.1),
	}
	switch w.rng.IntN(12) {
	case 0:
		r.Encrypted, r.Bare = guntest.PerUser, false
	case 1:
		r.Encrypted, r.Bare = guntest.ForOrganization, false
	case 2:
		r.Signer, r.PublicKey = nil, fmt.Sprintf("another kind of key %d", w.rng.IntN(3))
	case 3:
		r.Soul = guntest.Soul("somebody else", r.LocalID)
	case 4:
		r.Ver = "0.9.0"
	case 5:
		r.Data = `["no object"]`
	}
	if r.Encrypted != guntest.Plain {
		r.Unsigned, r.Forged = false, false
	}
	p := published{record: r}
	for _, peer := range w.peers {
		if len(p.peers) == 0 || w.chance(0.5) {
			p.peers = append(p.peers, peer)
			p.soul = peer.Publish(r)
		}
	}
	w.souls = append(w.souls, p)
}

// step lets something happen: new records, updates, deletions, records that vanish.
func (w *world) step(n int) {
	for range n {
		w.publish()
	}
	for range n / 4 {
		p := w.souls[w.rng.IntN(len(w.souls))]
		if !strings.HasPrefix(p.record.Data, "{") {
			continue
		}
		data := w.data()
		for _, peer := range p.peers {
			peer.Update(p.soul, data)
		}
	}
	for range n / 6 {
		p := w.souls[w.rng.IntN(len(w.souls))]
		if w.deleted[p.soul] {
			continue // what a stranger writes over the owner's deletion hides it
		}
		w.deleted[p.soul] = true
		by := "a stranger"
		if p.record.Signer != nil && w.chance(0.7) {
			by = p.record.Signer.Modulus
		}
		p.peers[w.rng.IntN(len(p.peers))].Delete(guntest.DID(p.soul), by)
	}
	if p := w.souls[w.rng.IntN(len(w.souls))]; w.chance(0.3) && len(p.peers) == 1 {
		p.peers[0].Withdraw(p.soul)
		w.souls = slices.DeleteFunc(w.souls, func(o published) bool { return o.soul == p.soul })
		if len(w.souls) == 0 {
			w.publish()
		}
	}
}

// settleDown ends the faults and lets enough cycles and time go by for every pause to
// end. Requests have more time now, so that a busy machine is no fault.
func (w *world) settleDown(rec records.Store, st state.Store, holder string) {
	w.t.Helper()
	for _, p := range w.peers {
		p.Calm()
	}
	o := w.options(rec, st, holder)
	o.RequestTimeout = 20 * time.Second
	s, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	for range 8 {
		w.clock.Advance(25 * time.Hour)
		for again := range 20 {
			report, err := s.Run(context.Background())
			if err == nil && report.Complete {
				break
			}
			if again == 19 {
				w.t.Fatalf("world %d: a cycle after the faults: %v, complete %v", w.seed, err, report.Complete)
			}
		}
	}
}

// compare holds the index against the model.
func (w *world) compare(rec records.Store, st state.Store) {
	w.t.Helper()
	expected := guntest.Expect(w.policy, w.peers...)
	counts := make(map[guntest.Status]int)
	for did, e := range expected {
		counts[e.Status]++
		found, err := rec.Get(context.Background(), []string{did}, false)
		if err != nil {
			w.t.Fatal(err)
		}
		soul := strings.TrimPrefix(did, "did:gun:")
		_, tomb, err := state.GetOne(context.Background(), st, tombKey(soul))
		if err != nil {
			w.t.Fatal(err)
		}
		if tomb != (e.Status == guntest.Deleted) && oip.ValidSoul(soul) {
			w.t.Errorf("world %d: %s is %s, tombstone %v", w.seed, did, e.Status, tomb)
		}
		if e.Status == guntest.Absent || e.Status == guntest.Deleted {
			if len(found) > 0 {
				w.t.Errorf("world %d: %s is indexed and should be %s: %s", w.seed, did, e.Status, e.Why)
			}
			continue
		}
		if len(found) == 0 {
			failures, err := Failures(context.Background(), st, "", 100)
			w.t.Errorf("world %d: %s is missing, it should be %s; failures %+v, %v", w.seed, did, e.Status, failures, err)
			continue
		}
		w.compareDocument(did, e, found[0].JSON)
	}
	page, err := rec.Search(context.Background(), records.Query{Limit: records.MaxLimit, EnvelopeOnly: true})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, hit := range page.Hits {
		if _, ok := expected[hit.DID]; !ok && slices.ContainsFunc(w.souls, func(p published) bool { return guntest.DID(p.soul) == hit.DID }) {
			w.t.Errorf("world %d: %s is indexed and nobody lists it", w.seed, hit.DID)
		}
	}
	if counts[guntest.Verified] == 0 && len(expected) > 20 {
		w.t.Errorf("world %d: nothing verified, the test shows nothing: %v", w.seed, counts)
	}
}

func (w *world) compareDocument(did string, e guntest.Expected, doc []byte) {
	env, err := oip.ParseEnvelope(doc)
	if err != nil {
		w.t.Fatal(err)
	}
	status := guntest.Status(env.SignatureStatus)
	if env.Encrypted {
		status = guntest.Encrypted
	}
	if status != e.Status || env.RecordType != e.Type || env.Creator.PublicKey != e.Owner || env.DID != did || env.DIDTx != did || env.Storage != "gun" {
		w.t.Errorf("world %d: %s is %s of type %s, want %s of type %s", w.seed, did, status, env.RecordType, e.Status, e.Type)
	}
	v, err := canon.Parse(doc)
	if err != nil {
		w.t.Fatal(err)
	}
	data, _ := v.Get("data")
	got := string(canon.Append(nil, data))
	if !slices.ContainsFunc(e.Versions, func(v guntest.Version) bool { return v.Data == got }) {
		w.t.Errorf("world %d: %s (%s) holds\n%s\nwant one of\n%v", w.seed, did, e.Status, got, e.Versions)
	}
}
