// Command oipnode is the local node: one process with embedded stores that keeps
// an index of OIP records up to date and serves it over HTTP.
//
//	make run                                 the sample chain that is bundled
//	make run GATEWAY=https://arweave.net     live gateways, in order of preference
//
// Settings are environment variables (package config). What the node keeps lies in
// DATA_DIR, in one folder for the sample and one for live gateways, so that both
// can be run in turn. A node owns its folder alone while it runs.
//
// The files of this package: node.go wires the parts together, folder.go checks the
// data folder, network.go reaches the gateways, loop.go runs the index cycles,
// media.go fetches media and mends what is left of them, serve.go serves HTTP, debug.go what is for this machine only, console.go the page
// at /, and display.go, terminal.go, progress.go and tryout.go are what a person sees
// who started it.
package main

import (
	"os"

	"oipnode/shared/start"
)

func main() { os.Exit(start.Run("node", run)) }
