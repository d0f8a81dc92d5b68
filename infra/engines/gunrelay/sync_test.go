package gunrelay

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oipnode/shared/gun"
	"oipnode/shared/gun/guntest"
	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state/bolt"
)

// indexNode is an index node of a test, over the embedded stores.
type indexNode struct {
	*testing.T
	records *embedded.Store
	state   *bolt.Store
	options gun.Options
	// ahead is by how much the node's clock is: what was processed is looked at again.
	ahead time.Duration
}

func newNode(t *testing.T, peers ...string) *indexNode {
	t.Helper()
	n := &indexNode{T: t}
	now := func() time.Time { return time.Now().Add(n.ahead) }
	var err error
	if n.state, err = bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{Now: now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.state.Close() })
	if n.records, err = embedded.Open(t.Context(), filepath.Join(t.TempDir(), "records"), embedded.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.records.Close() })
	n.options = gun.Options{Records: n.records, State: n.state, Peers: peers, Types: []string{"post"}, Private: true, Now: now}
	return n
}

// sync does one cycle.
func (n *indexNode) sync() gun.Report {
	n.Helper()
	n.ahead += 2 * time.Hour
	s, err := gun.New(n.options)
	if err != nil {
		n.Fatal(err)
	}
	report, err := s.Run(n.Context())
	if err != nil || !report.Complete || report.Error != "" {
		n.Fatalf("%+v, %v", report, err)
	}
	return report
}

// compare compares the index with the model.
func (n *indexNode) compare(expected map[string]guntest.Expected) {
	n.Helper()
	for did, e := range expected {
		found, err := n.records.Get(n.Context(), []string{did}, false)
		if err != nil {
			n.Fatal(err)
		}
		if gone := e.Status == guntest.Absent || e.Status == guntest.Deleted; gone || len(found) == 0 {
			if gone != (len(found) == 0) {
				n.Errorf("%s should be %s, %d documents are there", did, e.Status, len(found))
			}
			continue
		}
		env, err := oip.ParseEnvelope(found[0].JSON)
		if err != nil {
			n.Fatal(err)
		}
		status := guntest.Status(env.SignatureStatus)
		if env.Encrypted {
			status = guntest.Encrypted
		}
		v, err := canon.Parse(found[0].JSON)
		if err != nil {
			n.Fatal(err)
		}
		data, _ := v.Get("data")
		if got := string(canon.Append(nil, data)); status != e.Status || got != e.Versions[0].Data {
			n.Errorf("%s is %s and holds %s, want %s and %s", did, status, got, e.Status, e.Versions[0].Data)
		}
	}
}

// TestSync: what publishers put into a real relay is in the index of a node that
// synchronizes from it: records of all kinds, an update, and a deletion. What the node
// itself deletes, its relay is told, and another node that reads there follows.
func TestSync(t *testing.T) {
	relay := Start(t)
	alice := oiptest.NewSigner("gun alice", 2048)
	put := func(puts []guntest.Put) {
		t.Helper()
		for _, p := range puts {
			if status, body := call(t, http.MethodPost, relay+"/put", p.Body()); status != http.StatusOK {
				t.Fatalf("%s: %d %s", p.Soul, status, body)
			}
		}
	}
	// The model is that of a peer that was never asked: it was given the same.
	model := guntest.NewPeer(guntest.Options{})
	var souls []string
	publish := func(r guntest.Record) {
		t.Helper()
		r.Signer, r.Type, r.NodeID = alice, "post", "node-a"
		put(r.Puts(guntest.DefaultRoot))
		souls = append(souls, model.Publish(r))
	}
	for i, r := range []guntest.Record{
		{}, {Unsigned: true}, {Flattened: true, ArraysAsText: true}, {Encrypted: guntest.PerUser}, {Forged: true}, {Ver: "0.7.2"}, {Bare: true},
	} {
		r.LocalID, r.Data = fmt.Sprint(i), fmt.Sprintf(`{"basic":{"name":"record %d","tagItems":["a",["b"]]}}`, i)
		publish(r)
	}
	node, policy := newNode(t, relay), guntest.Policy{Private: true}
	if report := node.sync(); report.Counts.Errors > 0 {
		t.Errorf("%+v", report)
	}
	node.compare(guntest.Expect(policy, model))

	publish(guntest.Record{LocalID: "0", Data: `{"basic":{"name":"changed"}}`, At: 1_800_000_000_000})
	model.Delete(guntest.DID(souls[1]), alice.Modulus)
	put(guntest.Deletion{DID: guntest.DID(souls[1]), By: alice.Modulus, At: 1_800_000_000_000}.Puts())
	node.sync()
	node.compare(guntest.Expect(policy, model))

	node.options.Relay = strings.Replace(strings.Replace(relay, "http:", "ws:", 1), "/gun-relay", "/gun", 1)
	did := guntest.DID(souls[2])
	if err := gun.Delete(context.Background(), node.state, node.records, gun.Deletion{DID: did, By: alice.Modulus}, time.Now()); err != nil {
		t.Fatal(err)
	}
	node.sync()
	model.Delete(did, alice.Modulus)
	other := newNode(t, relay)
	other.sync()
	for _, n := range []*indexNode{node, other} {
		n.compare(guntest.Expect(policy, model))
	}
}
