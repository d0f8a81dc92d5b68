// Package guntest is a GUN peer for tests: a real HTTP server over a graph in
// memory that speaks the interface of a relay (spec gun.md, section 1), with the
// habits that relays have (Options) and the ways in which they go wrong (Kind).
//
// Its other half is the publisher's side: records signed with real keys, encrypted
// ones, unsigned ones, foreign ones, their registrations and deletions.
//
//	peer := guntest.NewPeer(guntest.Options{Faults: guntest.Everything(7)})
//	err := peer.Start() // peer.URL() is its base; peer.Close() ends it
//	soul := peer.Publish(guntest.Record{Signer: alice, LocalID: "1", Type: "post", Data: `{"basic":{"name":"x"}}`, NodeID: "node-a"})
//
// What the index of a node must hold after it has read some peers, once their
// faults have ended (Calm), is the answer of Expect: a model that knows what was
// published, not how it is read.
//
// Everything is decided by seeds: the same requests meet the same answers in
// every run.
package guntest
