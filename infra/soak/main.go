// Command soak runs the local node under mixed load for minutes, measures what it takes
// from the machine, and says whether any of it grows:
//
//	make soak                     twenty minutes; SOAK_MINUTES=60 for an hour
//
// The node is the binary as it ships, on a data folder of its own, beside a gateway
// whose chain begins as the sample and grows, a GUN peer with very many souls, and a
// source of media. Against it run requests at a set rate, voice dialogues that are
// started and abandoned half-way, and fetches of files, parts of which are read again.
// Meanwhile the node's memory, file descriptors, Go heap, goroutines and answer times are
// noted, about once a second. At the end a line is fitted through each of them (package
// trend). The soak fails when one of them grows by more than noise; when a request or a
// fetch failed, or a block or a soul was left out; when an abandoned dialogue is still
// there for a reader, or an expired row, a job or half a file on the disk; when
// goroutines are left over; and when the node complains or does not end cleanly.
//
// It writes soak.json (the samples), soak.md (the numbers) and soak.svg (the plot).
// The exit code is 0 when all held, 1 when not, 2 for wrong arguments.
//
// The files: settings.go has the arguments, run.go the course, process.go the node,
// sample.go and latency.go the measuring, pace.go, requests.go, dialogues.go and
// fetches.go the load, chain.go, souls.go and shelf.go where the node reads from, and
// inspect.go, verdict.go and report.go what becomes of it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}
