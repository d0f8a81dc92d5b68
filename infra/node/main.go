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
// With a sub-command it is an operator's tool: it asks the node that is running in the
// data folder, or works on the folder itself when none is.
//
// The files of this package: node.go wires the parts together, folder.go checks the
// data folder, network.go reaches the gateways, loop.go runs the index cycles,
// media.go fetches media and mends what is left of them, serve.go serves HTTP, debug.go what is for this machine only, console.go the page
// at /, and display.go, terminal.go, progress.go and tryout.go are what a person sees
// who started it. Of the tools, command.go has the sub-commands, reach.go finds who does
// the task, desk.go is where a running node takes them, operate.go and backup.go do them,
// and text.go writes answers for people.
package main

import (
	"os"
)

func main() { os.Exit(command(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
