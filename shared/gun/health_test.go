package gun

import (
	"testing"
	"time"

	"oipnode/shared/gun/guntest"
)

// A peer that has nothing is asked ever more rarely. A cycle in which none of its indexes
// is due asks nobody, and is a good one.
func TestQuietPeerIsHealthy(t *testing.T) {
	peer := startPeer(t, guntest.Options{})
	r := newRig(t, peer.Socket())
	r.opt.Types = []string{"a"}
	idle := 0
	for range 40 {
		before := peer.Requests().Get
		r.clock.Advance(time.Minute / 2)
		r.run()
		if peer.Requests().Get == before {
			idle++
		}
		h, err := ReadHealth(t.Context(), r.st)
		if err != nil || !h.Status.LastSync.Equal(r.clock.Now()) || !h.Healthy(r.clock.Now(), time.Minute/2) {
			t.Fatalf("%+v, %v", h.Status, err)
		}
	}
	if idle == 0 {
		t.Error("every cycle asked the peer; the test shows nothing")
	}
}
