// Package gatewaysim is a simulated Arweave gateway: the GraphQL index and the
// data endpoints of one or more gateways over one chain in memory, with the
// habits and the faults that real gateways have (the project's notes on gateways
// list them; Options and Kind name them here).
//
// The tests of everything that reads Arweave run against it over real HTTP, and
// the local node serves its bundled sample chain with it.
//
// A Chain is the truth: items in blocks, a tip, late bundles, reorganisations.
//
//	chain := gatewaysim.NewChain(1_600_000)
//	err := chain.Add(1_599_990, gatewaysim.Item{ID: id, Tags: tags, Data: data})
//
// A Server shows that truth as one gateway would. Several may share a chain, each
// with traits (Options) and misbehaviour (Faults) of its own.
//
//	gw := gatewaysim.NewServer(chain, gatewaysim.Options{Faults: gatewaysim.Everything(7)})
//	err = gw.Start() // gw.URL() is its base; gw.Close() ends it
//
// Everything is decided by seeds: the same requests meet the same answers in
// every run.
package gatewaysim
