// Command benchapi measures GET /api/records on many records, over both record stores,
// beside what the store's engine takes for the very same page:
//
//	make bench-api                        100,000 records; BENCH_RECORDS=10000 to try it
//
// The records are signed, verified and expanded as the pipeline does it, and written
// through the stores' own Write. The embedded store is kept, so that a second run begins
// at once; OpenSearch is filled when it does not hold them yet.
//
// Each query is asked of the real handler over HTTP on loopback. What the handler sends
// to its store meanwhile is overheard and then asked again without anything of ours
// around it: of OpenSearch the very requests over a bare connection, of the embedded
// store the very calls. Both take turns, so that the engine is as warm for the one as for
// the other: over one connection for the times, over several for the rate. The same
// queries follow with the cache of answers on. At the end 100,000 requests that are all
// different try to fill a cache beyond its bound, and a line is fitted through the heap
// behind collections (package trend).
//
// It writes benchapi.md, with all numbers and whether the aims were reached. The exit
// code is 0 when the heap was flat and every answer right, whatever the numbers; 1 when
// not; 2 for wrong arguments.
//
// The files: settings.go has the arguments, run.go the course, words.go and press.go the
// records, stores.go where they lie and what is overheard, serve.go the server, load.go
// the measuring, questions.go the queries, heap.go the heap, report.go what is written.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	os.Exit(code)
}
