package gun

import (
	"context"
	"fmt"
	"testing"
	"time"

	"oipnode/shared/gun/guntest"
	"oipnode/shared/records"
)

// deleteAt lets the owner delete a record just before the n-th write of a cycle that
// indexes it, and kills the cycle at its kill-th write if that is not 0. It returns
// what is left, and whether the deletion happened.
func deleteAt(t *testing.T, n, kill int64) (r *rig, did string, peer *guntest.Peer, happened bool) {
	t.Helper()
	peer = startPeer(t, guntest.Options{})
	did = guntest.DID(peer.Publish(post(signers[0], "x", `{"n":1}`)))
	r = newRig(t, peer.Socket())
	opt := r.opt
	dies := &blade{at: kill, after: true}
	pauses := &blade{at: n, pause: func() {
		happened = true
		if err := Delete(context.Background(), r.st, r.rec, Deletion{DID: did, By: signers[0].Modulus}, r.clock.Now()); err != nil {
			t.Error(err)
		}
	}}
	opt.Records = bladedRecords{bladedRecords{r.rec, dies}, pauses}
	opt.State = bladedState{bladedState{r.st, dies}, pauses}
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(context.Background()); err != nil && kill == 0 {
		t.Fatal(err)
	}
	return r, did, peer, happened
}

// A record that is deleted at any moment of the cycle that indexes it is gone when the
// cycle has ended.
func TestDeletedWhileIndexed(t *testing.T) {
	for n := int64(1); ; n++ {
		r, did, _, happened := deleteAt(t, n, 0)
		if !happened {
			if n < 6 {
				t.Fatalf("the cycle has only %d writes", n-1)
			}
			return
		}
		if _, ok := r.get(did); ok {
			t.Errorf("deleted before write %d, and the record is there", n)
		}
	}
}

// The same when the cycle is killed at any write after that, and when the peer does not
// list the record any more, so that nothing but the batch that was kept leads to it.
func TestDeletedWhileIndexedAndKilled(t *testing.T) {
	for n := int64(2); n < 8; n++ {
		for kill := n; kill < 9; kill++ {
			t.Run(fmt.Sprint(n, "-", kill), func(t *testing.T) {
				t.Parallel()
				r, did, peer, happened := deleteAt(t, n, kill)
				if !happened {
					return
				}
				_ = peer.Close()
				r.clock.Advance(time.Hour)
				r.run()
				if _, ok := r.get(did); ok {
					t.Error("the record is there")
				}
			})
		}
	}
}

// A document that lies behind its tombstone, whatever brought it there, is removed when
// its soul is seen again.
func TestSeenAgainIsHealed(t *testing.T) {
	peer := startPeer(t, guntest.Options{})
	did := guntest.DID(peer.Publish(post(signers[0], "x", `{"n":1}`)))
	r := newRig(t, peer.Socket())
	r.run()
	found, err := r.rec.Get(context.Background(), []string{did}, false)
	if err != nil || len(found) != 1 {
		t.Fatalf("%d, %v", len(found), err)
	}
	if err := Delete(context.Background(), r.st, r.rec, Deletion{DID: did, By: signers[0].Modulus}, r.clock.Now()); err != nil {
		t.Fatal(err)
	}
	out, err := newRig(t, peer.Socket()).client().fetch(context.Background(), did[len("did:gun:"):])
	if err != nil {
		t.Fatal(err)
	}
	doc := document(t, out)
	if _, err := r.rec.Write(context.Background(), []records.Op{{Put: &doc, Fence: 1}}); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(2 * time.Hour)
	if report := r.run(); report.Counts.Deleted != 1 {
		t.Errorf("%+v", report.Counts)
	}
	if _, ok := r.get(did); ok {
		t.Error("the record is there")
	}
}
