package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"oipnode/shared/gun"
	"oipnode/shared/gun/guntest"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/state"
	"oipnode/shared/upstream"
)

// soulTypes are the record types that the GUN peer has, each with an index of its own.
var soulTypes = []string{"audio", "exercise", "image", "mealPlan", "nutritionalInfo", "playlist", "recipe", "text", "video", "workout"}

// indexedSouls is how many of the peer's records become documents.
const indexedSouls = 200

// pond is a GUN peer with very many souls. It has nothing until it is opened, and
// nothing when it is closed again, so that the node is at rest before and behind the
// load. In between one type after the other shows its souls, and hides them again while
// the next does: so the ids that are processed come and go, as they do in a node that has
// run for longer than they live.
type pond struct {
	peer   *guntest.Peer
	server upstream.Server
	opened atomic.Pointer[opening]
	// souls is how many there are.
	souls int
}

// opening is when the pond was opened, and in which time it comes to show everything.
type opening struct {
	at time.Time
	in time.Duration
}

// open lets the types show their souls, evenly spread over a time.
func (p *pond) open(in time.Duration) { p.opened.Store(&opening{time.Now(), in}) }

// close hides everything.
func (p *pond) close() { p.opened.Store(nil) }

// step is the time from one type to the next.
func (o *opening) step() time.Duration { return o.in / time.Duration(len(soulTypes)) }

// shortestStep is one in which a type's souls are surely read; in a shorter one no type
// hides them again.
const shortestStep = 20 * time.Second

// shows reports whether the n-th type shows its souls at a moment: for a step and a half.
func (o *opening) shows(n int, at time.Time) bool {
	since := at.Sub(o.at) - o.step()*time.Duration(n)
	return since >= 0 && (o.step() < shortestStep || since < o.step()*3/2)
}

// idLife is how long the node keeps a processed id: longer than it is shown, so that each
// is processed once.
func idLife(in time.Duration) time.Duration {
	if step := (&opening{in: in}).step(); step >= shortestStep {
		return 2 * step
	}
	return time.Hour
}

// openPond starts the peer. Nearly all of its records are encrypted, and the node is
// told to leave such out: so every id is fetched, judged and kept as processed, and the
// record store stays as small as it is. They take no memory here.
func openPond(souls int) (*pond, error) {
	signer := oiptest.NewSigner("soak souls", 2048)
	p := &pond{peer: guntest.NewPeer(guntest.Options{Inline: true}), souls: indexedSouls}
	for _, recordType := range soulTypes {
		f := guntest.Flood{Signer: signer, Type: recordType, Count: max(souls/len(soulTypes), 1), NodeID: "soak-peer", Unsigned: true, Encrypted: guntest.PerUser}
		p.peer.Flood(f)
		p.souls += f.Count
	}
	p.peer.Flood(guntest.Flood{Signer: signer, Type: "post", Count: indexedSouls, NodeID: "soak-peer"})
	if err := p.server.Start(p); err != nil {
		return nil, fmt.Errorf("serve the GUN peer: %w", err)
	}
	return p, nil
}

func (p *pond) url() string { return "http://" + p.server.Address() + "/gun-relay" }

func (p *pond) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := p.opened.Load()
	if o == nil {
		http.NotFound(w, r)
		return
	}
	soul := r.URL.Query().Get("soul")
	for n, recordType := range soulTypes {
		if soul == gun.IndexSoul(guntest.DefaultRoot, recordType) && !o.shows(n, time.Now()) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"success":true,"data":{}}`)
			return
		}
	}
	p.peer.ServeHTTP(w, r)
}

// saySync checks what the sync says of itself in the state store.
func (p *pond) saySync(ctx context.Context, store state.Store, r *result) {
	h, err := gun.ReadHealth(ctx, store)
	if err != nil {
		r.say("Every GUN soul was processed", false, "%v", err)
		return
	}
	s := h.Status
	processed := s.Synced + s.Reasons[gun.ReasonPrivate]
	r.Souls = processed
	r.say("Every GUN soul was processed", processed >= int64(p.souls), "%d ids were processed in %d cycles, of %d souls that the peer has", processed, s.Cycles, p.souls)
	// What was under way when the peer was closed is absent.
	failed := s.Errors - s.Reasons[gun.ReasonAbsent]
	r.say("No id failed", failed <= 0, "%d errors: %v", s.Errors, s.Reasons)
}
