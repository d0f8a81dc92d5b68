package main

import (
	"fmt"

	"oipnode/shared/gun/guntest"
	"oipnode/shared/oip/oiptest"
)

// soulTypes are the record types that the GUN peer has, each with an index of its own.
var soulTypes = []string{"audio", "exercise", "image", "mealPlan", "nutritionalInfo", "playlist", "recipe", "text", "video", "workout"}

// indexedSouls is how many of the peer's records become documents.
const indexedSouls = 200

// openPeer starts a GUN peer with so many souls. Nearly all of their records are
// encrypted, and the node is told to leave such out: so every id is fetched, judged and
// kept as processed, and the record store stays as small as it is. They take no memory
// here.
func openPeer(souls int) (*guntest.Peer, error) {
	signer := oiptest.NewSigner("soak souls", 2048)
	peer := guntest.NewPeer(guntest.Options{Inline: true})
	for _, recordType := range soulTypes {
		peer.Flood(guntest.Flood{
			Signer: signer, Type: recordType, Count: max(souls/len(soulTypes), 1), NodeID: "soak-peer", Unsigned: true, Encrypted: guntest.PerUser,
		})
	}
	peer.Flood(guntest.Flood{Signer: signer, Type: "post", Count: indexedSouls, NodeID: "soak-peer"})
	if err := peer.Start(); err != nil {
		return nil, fmt.Errorf("serve the GUN peer: %w", err)
	}
	return peer, nil
}
