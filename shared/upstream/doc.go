// Package upstream is what the simulated upstreams of the tests have in common
// (gatewaysim for Arweave's gateways, gun/guntest for GUN peers): a real HTTP
// server on a port of its own that can be cut off at any moment (Server), and
// misbehaviour on a seeded schedule (Schedule).
//
// Every decision of a Schedule is a hash of the seed, the kind of misbehaviour,
// what was requested, and how often that was requested before. So the same
// requests meet the same faults in every run, however they interleave, and a
// repeated request can fare better.
package upstream
