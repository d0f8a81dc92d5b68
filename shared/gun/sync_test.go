package gun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"oipnode/shared/access"
	"oipnode/shared/gun/guntest"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// rig is a node with peers of a test's own making.
type rig struct {
	t     testing.TB
	clock *clock
	rec   records.Store
	st    state.Store
	opt   Options
}

func newRig(t testing.TB, peers ...string) *rig {
	r := &rig{t: t, clock: newClock()}
	r.rec, r.st = openStores(t, r.clock.Now)
	r.opt = Options{
		Records: r.rec, State: r.st, Peers: peers, Types: []string{"post"}, Private: true, Now: r.clock.Now, Holder: "rig",
		RequestTimeout: 20 * time.Second, CycleTime: 5 * time.Minute, MaxSoulBytes: 64 << 10, MaxIndexBytes: 64 << 20,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	return r
}

// run does a cycle.
func (r *rig) run() Report {
	r.t.Helper()
	s, err := New(r.opt)
	if err != nil {
		r.t.Fatal(err)
	}
	report, err := s.Run(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

func (r *rig) get(did string) (oip.Envelope, bool) {
	r.t.Helper()
	found, err := r.rec.Get(context.Background(), []string{did}, true)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(found) == 0 {
		return oip.Envelope{}, false
	}
	env, err := oip.ParseEnvelope(found[0].JSON)
	if err != nil {
		r.t.Fatal(err)
	}
	return env, true
}

func (r *rig) total() int64 {
	r.t.Helper()
	c, err := r.rec.Count(context.Background(), nil, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return c.Total
}

// client is that of the first peer.
func (r *rig) client() *peer {
	s, err := New(r.opt)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(s.peers[0].http.CloseIdleConnections)
	return s.peers[0]
}

// document is what becomes of a record that was accepted.
func document(t testing.TB, out oip.Outcome) oip.Document {
	t.Helper()
	accepted, ok := out.(oip.Accepted)
	if !ok {
		t.Fatalf("%#v", out)
	}
	doc, err := oip.Expand(accepted.Verified, oip.Setting{})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func startPeer(t testing.TB, o guntest.Options) *guntest.Peer {
	t.Helper()
	p := guntest.NewPeer(o)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// post is a record of a signer.
func post(signer *oiptest.Signer, id, data string) guntest.Record {
	return guntest.Record{Signer: signer, LocalID: id, Type: "post", Data: data, NodeID: "node-a"}
}

// A processed record is not fetched again until its time is over or the registry says
// that it is newer, and an idle cycle asks for nothing but the indexes.
func TestProcessedOnce(t *testing.T) {
	peer := startPeer(t, guntest.Options{})
	var souls []string
	for i := range 20 {
		souls = append(souls, peer.Publish(post(signers[0], fmt.Sprint(i), fmt.Sprintf(`{"n":%d}`, i))))
	}
	r := newRig(t, peer.Socket())
	first := r.run()
	if first.Counts.Discovered != 20 || first.Counts.Synced != 20 || first.Counts.Indexed != 20 || first.Counts.Errors != 0 || !first.Complete {
		t.Errorf("%+v", first.Counts)
	}
	before := peer.Requests().Get
	if idle := r.run(); idle.Counts.Discovered != 0 || !idle.Complete {
		t.Errorf("an idle cycle: %+v", idle.Counts)
	}
	if n := peer.Requests().Get - before; n != 1 {
		t.Errorf("an idle cycle makes %d requests, want 1 for the index", n)
	}
	peer.Update(souls[3], `{"n":"new"}`)
	if again := r.run(); again.Counts.Discovered != 1 || again.Counts.Indexed != 1 {
		t.Errorf("after an update: %+v", again.Counts)
	}
	r.clock.Advance(2 * time.Hour)
	if again := r.run(); again.Counts.Discovered != 20 || again.Counts.Synced != 20 || again.Counts.Indexed != 0 {
		t.Errorf("after the life of a processed id: %+v", again.Counts)
	}
	h, err := ReadHealth(context.Background(), r.st)
	if err != nil || h.Status.Processed != 20 || h.Status.Cycles != 4 || h.Running || h.NodeID == "" || h.Status.NextExpiry.Before(r.clock.Now()) ||
		h.Status.Discovered != 41 || h.Status.Synced != 41 || h.Status.SuccessRate() != 1 || !h.Healthy(r.clock.Now(), time.Minute) {
		t.Errorf("%+v, %v", h, err)
	}
}

// Clearing makes the next cycle look at everything, and takes as many pages as needed.
func TestClearProcessed(t *testing.T) {
	peer := startPeer(t, guntest.Options{})
	peer.Flood(guntest.Flood{Signer: signers[0], Type: "post", Count: 120, NodeID: "node-a", Unsigned: true})
	r := newRig(t, peer.Socket())
	r.run()
	if n, err := ClearProcessed(context.Background(), r.st); err != nil || n != 120 {
		t.Errorf("cleared %d, %v", n, err)
	}
	if n, err := ClearProcessed(context.Background(), r.st); err != nil || n != 0 {
		t.Errorf("cleared %d again, %v", n, err)
	}
	if again := r.run(); again.Counts.Discovered != 120 || again.Counts.Indexed != 0 {
		t.Errorf("after clearing: %+v", again.Counts)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := ClearProcessed(ctx, r.st); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Clearing while a cycle runs is not undone by what the cycle keeps at its end.
func TestClearWhileRunning(t *testing.T) {
	peer := startPeer(t, guntest.Options{})
	peer.Publish(post(signers[0], "a", `{"n":1}`))
	r := newRig(t, peer.Socket())
	r.run()
	r.clock.Advance(2 * time.Hour) // so that the cycle has something to do and to keep
	b := &blade{at: 3, pause: func() { _, _ = ClearProcessed(context.Background(), r.st) }}
	opt := r.opt
	opt.State = bladedState{r.st, b}
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := state.GetOne(context.Background(), r.st, listKey(peerID(s.peers[0].base), whatType("post"))); ok || err != nil {
		t.Errorf("the listing is there after it was cleared: %v", err)
	}
}

func TestFailuresAreKept(t *testing.T) {
	peer := startPeer(t, guntest.Options{})
	stolen := post(signers[0], "x", `{"n":1}`)
	stolen.Soul = guntest.Soul("somebody", "x")
	peer.Publish(stolen)
	peer.Register("node-a", guntest.Soul("nobody", "vanished"), "post", "nobody")
	r := newRig(t, peer.Socket())
	first := r.run()
	if c := first.Counts; c.Rejected != 1 || c.Errors != 1 || c.Reasons[Reason(oip.ReasonOwner)] != 1 || c.Reasons[ReasonAbsent] != 1 {
		t.Errorf("%+v", c)
	}
	list, err := Failures(context.Background(), r.st, "", 10)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if next, err := Failures(context.Background(), r.st, list[0].Cursor, 10); err != nil || len(next) != 1 || next[0] != list[1] {
		t.Errorf("the second page: %+v, %v", next, err)
	}
	if idle := r.run(); idle.Counts.Discovered != 0 {
		t.Errorf("tried before it is due: %+v", idle.Counts)
	}
	// The pauses grow: after twice the interval, what is absent was tried twice.
	tries := 0
	for range 10 {
		r.clock.Advance(r.opt.orInterval())
		tries += r.run().Counts.Reasons[ReasonAbsent]
	}
	if tries < 2 || tries > 4 {
		t.Errorf("tried %d times in ten intervals", tries)
	}
	// When nobody lists it any more, the failure ends by itself.
	r.opt.Peers = nil
	r.clock.Advance(30 * 24 * time.Hour)
	if list, err := Failures(context.Background(), r.st, "", 10); err != nil || len(list) != 0 {
		t.Errorf("after a month: %+v, %v", list, err)
	}
}

// orInterval is the interval that New presets.
func (o Options) orInterval() time.Duration { preset(&o.Interval, 30*time.Second); return o.Interval }

// TestHostilePeers puts a good peer beside many that are as bad as can be. The good
// one's record arrives, and the cycle ends within its time.
func TestHostilePeers(t *testing.T) {
	good := startPeer(t, guntest.Options{})
	did := guntest.DID(good.Publish(post(signers[0], "good", `{"n":1}`)))
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	endless := func(start, more string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, start)
			for i := 0; r.Context().Err() == nil; i++ {
				if _, err := io.WriteString(w, strings.ReplaceAll(more, "N", fmt.Sprintf("%012x", i))); err != nil {
					return
				}
			}
		}
	}
	peers := []string{good.Socket(), "http://127.0.0.1:1"}
	for _, h := range []http.HandlerFunc{
		hang, endless(`{"data":{`, `"N:x":{},`), endless(`{"data":{"`, "x"), endless(" ", " "), endless(`{"data":{"a":[`, "["),
		answer(200, "<html>"), answer(500, ""), answer(200, `{"success":true,"data":{"`+strings.Repeat("a", 1<<20)+`":1}}`),
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, good.URL()+r.URL.RequestURI(), http.StatusFound)
		},
	} {
		server := httptest.NewServer(h)
		defer server.Close()
		defer server.CloseClientConnections()
		peers = append(peers, server.URL)
	}
	r := newRig(t, peers...)
	// The silent one is given up after a time that is enough for the good one.
	r.opt.RequestTimeout, r.opt.CycleTime, r.opt.MaxIndexBytes, r.opt.PeersAtOnce = 1500*time.Millisecond, 20*time.Second, 1<<20, 4
	report := r.run()
	if _, ok := r.get(did); !ok || report.Counts.Indexed != 1 {
		t.Errorf("the good peer's record is missing: %+v", report.Counts)
	}
	if len(report.Peers) != len(peers) || report.Peers[0].Failure != "" || report.Counts.Errors == 0 {
		t.Errorf("%+v", report)
	}
	h, err := ReadHealth(context.Background(), r.st)
	if err != nil || strings.Contains(fmt.Sprint(h.Status.Last.Error), "127.0.0.1") {
		t.Errorf("%+v, %v", h, err)
	}
	if h.Healthy(r.clock.Now(), time.Minute) {
		t.Error("a node of which every peer but one fails is healthy")
	}
}

// A peer that fails is left alone for a while, and asked again. Each cycle has types of
// its own: a request that its cycle has cut off can reach the peer after that.
func TestPeerBackoff(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{} // by the cycle's letter
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(2 * time.Millisecond)
		soul := r.FormValue("soul")
		mu.Lock()
		defer mu.Unlock()
		if recordType := soul[strings.LastIndexByte(soul, ':')+1:]; len(recordType) == 2 {
			asked[recordType[:1]]++
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	r := newRig(t, server.URL)
	run := func(cycle string) (Report, int) {
		r.opt.Types = nil
		for n := range 8 {
			r.opt.Types = append(r.opt.Types, fmt.Sprint(cycle, n))
		}
		report := r.run()
		mu.Lock()
		defer mu.Unlock()
		return report, asked[cycle]
	}
	first, n := run("a")
	if n == 0 || n >= maxDown+listingsAtOnce || first.Peers[0].Waiting.IsZero() || first.Peers[0].Failure != ReasonUnavailable {
		t.Errorf("asked %d times: %+v", n, first.Peers[0])
	}
	second, n := run("b")
	if n != 0 {
		t.Error("a peer in back-off is asked")
	}
	// That nothing failed, because nobody was asked, is no success.
	h, err := ReadHealth(t.Context(), r.st)
	if err != nil || second.Peers[0].Waiting.IsZero() || !h.Status.LastSync.IsZero() || h.Healthy(r.clock.Now(), time.Minute) {
		t.Errorf("the only peer is in back-off: %+v, %v, healthy %t", h.Status, err, h.Healthy(r.clock.Now(), time.Minute))
	}
	r.clock.Advance(time.Hour)
	if _, n := run("c"); n == 0 {
		t.Error("a peer is never asked again")
	}
}

// A cycle whose number of records is used up ends, and the next ones go on until all
// is done; no type waits for ever.
func TestGoesOn(t *testing.T) {
	peer := startPeer(t, guntest.Options{})
	types := []string{"a", "b", "c"}
	for _, recordType := range types {
		peer.Flood(guntest.Flood{Signer: signers[0], Type: recordType, Count: 50, NodeID: "node-" + recordType, Unsigned: true})
	}
	r := newRig(t, peer.Socket())
	r.opt.Types, r.opt.MaxRecords = types, 20
	var cycles int
	for report := r.run(); !report.Complete; report = r.run() {
		if cycles++; cycles > 30 {
			t.Fatalf("not through after %d cycles: %d indexed", cycles, r.total())
		}
		if report.Counts.Discovered > 20 {
			t.Fatalf("%d records in a cycle", report.Counts.Discovered)
		}
	}
	if n := r.total(); n != 50 && n != 150 {
		t.Errorf("%d records indexed", n)
	}
	if cycles < 2 {
		t.Error("the bound had no effect")
	}
}

// Only what trusted nodes have registered is taken, also when the index has links and
// does not tell who has registered what.
func TestTrustedNodes(t *testing.T) {
	for _, linked := range []bool{false, true} {
		peer := startPeer(t, guntest.Options{LinkedIndex: linked})
		good := guntest.DID(peer.Publish(post(signers[0], "good", `{"n":1}`)))
		other := post(signers[0], "other", `{"n":2}`)
		other.NodeID = "node-b"
		bad := guntest.DID(peer.Publish(other))
		r := newRig(t, peer.Socket())
		for i := range 40 {
			r.opt.TrustedNodes = append(r.opt.TrustedNodes, fmt.Sprint("trusted-", i))
		}
		r.opt.TrustedNodes = append(r.opt.TrustedNodes, "node-a")
		for range 5 { // a few of the nodes are asked in each try
			r.run()
			r.clock.Advance(10 * time.Minute)
		}
		if _, ok := r.get(good); !ok {
			t.Errorf("linked %v: a trusted node's record is missing", linked)
		}
		if _, ok := r.get(bad); ok {
			t.Errorf("linked %v: another node's record is indexed", linked)
		}
	}
}

// Who may delete: the owner by the whole key, a trusted node, nobody else.
func TestDeleters(t *testing.T) {
	peer := startPeer(t, guntest.Options{})
	dids := make(map[string]string)
	deleters := map[string]string{"owner": signers[0].Modulus, "stranger": signers[1].Modulus, "nobody": "", "trusted": "node-t", "node": "node-x"}
	for by := range deleters {
		dids[by] = guntest.DID(peer.Publish(post(signers[0], by, `{"n":1}`)))
	}
	r := newRig(t, peer.Socket())
	r.opt.TrustedNodes = []string{"node-a", "node-t"}
	r.run()
	if r.total() != 5 {
		t.Fatalf("%d records", r.total())
	}
	for by, deleter := range deleters {
		peer.Delete(dids[by], deleter)
	}
	r.clock.Advance(deletionAbsence)
	report := r.run()
	for by, gone := range map[string]bool{"owner": true, "trusted": true, "stranger": false, "nobody": false, "node": false} {
		if _, ok := r.get(dids[by]); ok == gone {
			t.Errorf("deleted by %s: still there %v", by, ok)
		}
	}
	if report.Counts.Deleted != 2 || report.Counts.Reasons[ReasonDeleter] != 3 {
		t.Errorf("%+v", report.Counts)
	}
	// A later sighting brings nothing back, not even one by the owner, and a record that
	// was put into the index behind its deletion goes again.
	peer.Update(strings.TrimPrefix(dids["owner"], "did:gun:"), `{"n":"again"}`)
	r.clock.Advance(2 * time.Hour)
	r.run()
	if _, ok := r.get(dids["owner"]); ok {
		t.Error("a deleted record is back")
	}
}

// A key of the same prefix is not the owner's: the whole key counts where the record is
// known.
func TestDeleterIsTheWholeKey(t *testing.T) {
	c := &cycle{trusted: map[string]bool{"node": true}}
	soul := oip.SoulPrefix("key") + ":x"
	var env oip.Envelope
	env.Creator.PublicKey = "another key of the same hash"
	if c.mayDelete(soul, "key", env, true) || !c.mayDelete(soul, "key", oip.Envelope{}, false) || c.mayDelete(soul, "", env, false) || !c.mayDelete(soul, "node", env, true) {
		t.Error("who may delete is decided wrongly")
	}
}

// Encrypted records are their owner's alone.
func TestEncrypted(t *testing.T) {
	peer := startPeer(t, guntest.Options{})
	secret := post(signers[0], "secret", `{"basic":{"name":"secret"}}`)
	secret.Encrypted = guntest.PerUser
	did := guntest.DID(peer.Publish(secret))
	r := newRig(t, peer.Socket())
	r.opt.Private = false
	if report := r.run(); report.Counts.Skipped != 1 || r.total() != 0 {
		t.Errorf("private records are off: %+v", report.Counts)
	}
	r.opt.Private = true
	r.clock.Advance(2 * time.Hour)
	r.run()
	env, ok := r.get(did)
	if !ok || !env.Encrypted || env.Encryption == nil || env.Encryption.Type != "per-user" {
		t.Fatalf("%v %+v", ok, env)
	}
	for key, want := range map[string]int64{signers[0].Modulus: 1, signers[1].Modulus: 0, "": 0} {
		c, err := r.rec.Count(context.Background(), access.Rule(access.Viewer{Authenticated: key != "", PublicKey: key}), "")
		if err != nil || c.Total != want {
			t.Errorf("seen by %.8q: %d, %v", key, c.Total, err)
		}
	}
}

// TestOwnRecordsAreRegistered: records that the node's own relay holds and nobody has
// registered are indexed and registered, so that another node finds them there; those
// that somebody has registered are left to him.
func TestOwnRecordsAreRegistered(t *testing.T) {
	relay := startPeer(t, guntest.Options{})
	own := post(signers[0], "own", `{"n":1}`)
	own.NodeID = ""
	did := guntest.DID(relay.Publish(own))
	relay.Publish(post(signers[1], "foreign", `{"n":2}`))
	r := newRig(t)
	r.opt.Relay, r.opt.NodeID = relay.URL(), "node-own"
	// The publisher is known by his registration on the chain.
	reg := signers[0].Registration("alice", "")
	doc := signers[0].Document(reg, 1600000)
	if _, err := r.rec.Write(context.Background(), []records.Op{{Put: &doc}}); err != nil {
		t.Fatal(err)
	}
	report := r.run()
	env, ok := r.get(did)
	if !ok || report.Counts.Registered != 1 || env.Creator.CreatorHandle != "handle1" {
		t.Fatalf("%v, %+v %+v", ok, env.Creator, report.Counts)
	}
	soul := strings.TrimPrefix(did, "did:gun:")
	if node, ok := relay.Node(NodeSoul("oip:registry", "node-own", soul)); !ok || !strings.Contains(node, `"recordType":"post"`) || !strings.Contains(node, `"did":"`+did+`"`) {
		t.Errorf("registered as %s", node)
	}
	index, _ := relay.Node(IndexSoul("oip:registry", "post"))
	if !strings.Contains(index, soul) {
		t.Errorf("the index holds %s", index)
	}
	other := newRig(t, relay.Socket())
	other.run()
	if _, ok := other.get(did); !ok {
		t.Error("another node does not find it")
	}
	puts := relay.Requests().Put
	for range 4 {
		r.clock.Advance(2 * time.Hour)
		if again := r.run(); again.Counts.Registered != 0 {
			t.Errorf("registered again: %+v", again.Counts)
		}
	}
	if n := relay.Requests().Put; n != puts {
		t.Errorf("%d puts more", n-puts)
	}
}

// A relay that is down when a record is deleted hears of it when it is back.
func TestOutboxWaits(t *testing.T) {
	relay := startPeer(t, guntest.Options{Faults: guntest.NewFaults(1, guntest.Mix{guntest.ServerError: 1})})
	r := newRig(t)
	r.opt.Relay = relay.URL()
	did := "did:gun:" + oip.SoulPrefix(signers[0].Modulus) + ":x"
	for range 2 { // the second time changes nothing
		if err := Delete(context.Background(), r.st, r.rec, Deletion{DID: did, By: signers[0].Modulus}, r.clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if report := r.run(); report.Counts.Published != 0 || report.Counts.Errors == 0 {
		t.Errorf("%+v", report.Counts)
	}
	if h, err := ReadHealth(context.Background(), r.st); err != nil || !h.Outbox {
		t.Errorf("%+v, %v", h, err)
	}
	relay.Calm()
	r.clock.Advance(time.Hour)
	if report := r.run(); report.Counts.Published != 1 {
		t.Errorf("%+v", report.Counts)
	}
	if text, _ := relay.Node(guntest.DeletedSoul(did)); !strings.Contains(text, signers[0].Modulus) {
		t.Errorf("the relay holds %s", text)
	}
	if err := Delete(context.Background(), r.st, r.rec, Deletion{DID: "did:arweave:x"}, r.clock.Now()); !errors.Is(err, ErrNotGun) {
		t.Errorf("a deletion of a transaction: %v", err)
	}
}

// Records of all types that are known are found without a list of them.
func TestTypesAreDiscovered(t *testing.T) {
	peer := startPeer(t, guntest.Options{})
	odd := post(signers[0], "odd", `{"n":1}`)
	odd.Type = "somethingNew"
	oddDID := guntest.DID(peer.Publish(odd))
	known := guntest.DID(peer.Publish(post(signers[0], "known", `{"n":1}`)))
	r := newRig(t, peer.Socket())
	r.opt.Types = nil
	r.run()
	if _, ok := r.get(known); !ok {
		t.Error("a published type is not found")
	}
	if _, ok := r.get(oddDID); ok {
		t.Error("a type is found that nobody has named")
	}
	tpl := signers[0].Template("somethingNew", []byte(`{"a":"string","index_a":0}`))
	doc := signers[0].Document(tpl, 1600000)
	if _, err := r.rec.Write(context.Background(), []records.Op{{Put: &doc}}); err != nil {
		t.Fatal(err)
	}
	r.run()
	if _, ok := r.get(oddDID); !ok {
		t.Error("the type of a template in the index is not found")
	}
	r.opt.Wanted = func(recordType string) bool { return recordType != "post" }
	s, _ := New(r.opt)
	types, err := newCycle(s, nil).types(context.Background())
	if err != nil || len(types) < 10 || fmt.Sprint(types) == "" || strings.Contains(fmt.Sprint(types), "post") {
		t.Errorf("%v, %v", types, err)
	}
}

// TestThousandSoulsInLittleMemory synchronizes a thousand records of 16 KiB each.
func TestThousandSoulsInLittleMemory(t *testing.T) {
	souls := 1000
	if raceEnabled {
		souls = 100
	}
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	index := &strings.Builder{}
	index.WriteString(`{"success":true,"data":{`)
	prefix := oip.SoulPrefix("key")
	for i := range souls {
		if i > 0 {
			index.WriteByte(',')
		}
		fmt.Fprintf(index, `"%s:%d":{}`, prefix, i)
	}
	index.WriteString(`}}`)
	text := strings.Repeat("x", 16<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch soul := r.URL.Query().Get("soul"); {
		case soul == IndexSoul("oip:registry", "post"):
			_, _ = io.WriteString(w, index.String())
		case strings.HasPrefix(soul, prefix):
			_, _ = fmt.Fprintf(w, `{"data":{"data":{"soul":%q,"text":%q},"oip":{"ver":"0.8.0","recordType":"post","creator":{"publicKey":"key","didAddress":"did:arweave:x"}}}}`, soul, text)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	r := newRig(t, server.URL)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(100 * time.Millisecond):
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
	}()
	report := r.run()
	close(stop)
	most := <-peak
	if report.Counts.Indexed != souls || !report.Complete {
		t.Errorf("%+v", report.Counts)
	}
	if grown := int64(most) - int64(before.HeapAlloc); grown > 48<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	t.Logf("heap at most %d MiB over %d MiB", most>>20, before.HeapAlloc>>20)
}

// reads counts the calls that read the state.
type reads struct {
	state.Store
	n atomic.Int64
}

func (r *reads) Get(ctx context.Context, keys ...state.Key) ([]state.Item, error) {
	r.n.Add(1)
	return r.Store.Get(ctx, keys...)
}

func (r *reads) Range(ctx context.Context, space, from, to string, limit int) ([]state.Item, error) {
	r.n.Add(1)
	return r.Store.Range(ctx, space, from, to, limit)
}

// TestIdleCycleIsCheap: an index that has not changed costs no look-up of its souls,
// however many they are, and one that has changed costs those of a 256th.
func TestIdleCycleIsCheap(t *testing.T) {
	souls := 2200 // more than are kept in memory
	if raceEnabled {
		souls = 300
	}
	peer := startPeer(t, guntest.Options{})
	peer.Flood(guntest.Flood{Signer: signers[0], Type: "post", Count: souls, NodeID: "node-a", Unsigned: true})
	r := newRig(t, peer.Socket())
	r.opt.Types = []string{"post", "image", "recipe", "video"}
	if report := r.run(); report.Counts.Indexed != souls || !report.Complete {
		t.Fatalf("%+v", report.Counts)
	}
	counted := &reads{Store: r.st}
	r.opt.State = counted
	if report := r.run(); report.Counts.Discovered != 0 || !report.Complete {
		t.Errorf("%+v", report.Counts)
	}
	if n := counted.n.Load(); n > 10 {
		t.Errorf("an idle cycle reads the state %d times", n)
	}
	counted.n.Store(0)
	peer.Publish(post(signers[1], "new", `{"n":1}`))
	if report := r.run(); report.Counts.Discovered != 1 || report.Counts.Indexed != 1 {
		t.Errorf("%+v", report.Counts)
	}
	if n := counted.n.Load(); n > 20 {
		t.Errorf("a cycle with one new record reads the state %d times", n)
	}
}

// TestRelayOfOnePublisher: many records of one publisher at the node's own relay are
// settled together, and the publisher is remembered once for all of them.
func TestRelayOfOnePublisher(t *testing.T) {
	relay := startPeer(t, guntest.Options{})
	r := newRig(t)
	r.opt.Relay = relay.URL()
	for i := range 5 {
		relay.Publish(post(signers[0], fmt.Sprint(i), fmt.Sprintf(`{"n":%d}`, i)))
	}
	if report := r.run(); report.Counts.Indexed != 5 || report.Counts.Errors != 0 || report.Error != "" {
		t.Errorf("%+v", report)
	}
}
