package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/state/bolt"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

// run does one soak and returns the exit code.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	s, err := readSettings(args, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return exitUsage
	}
	r, err := soak(ctx, s, stderr)
	if err == nil {
		err = r.write(s.out)
	}
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return exitFailed
	}
	fmt.Fprintf(stderr, "\n%s\nThe results are in %s.\n", r.markdown(), s.out)
	if !r.Passed {
		return exitFailed
	}
	return 0
}

// soak starts everything, drives the node, and looks at what is left.
func soak(ctx context.Context, s settings, stderr io.Writer) (r *result, err error) {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	src, err := openSource()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, src.server.Close()) }()
	water, err := openPond(s.souls)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, water.server.Close()) }()
	p, err := startNode(ctx, s.binary, environment(s, src, water, dir))
	if err != nil {
		return nil, err
	}
	defer p.kill() // it has usually ended by then
	if err := src.indexed(ctx, p); err != nil {
		return nil, err
	}
	r = &result{Started: time.Now().UTC(), Minutes: s.length.Minutes(), WarmUp: s.warmUp().Seconds(), Machine: machine(), Load: map[string]counts{}}
	fmt.Fprintf(stderr, "soak: %v of load on %s: %d requests a second, %d dialogues\n", s.length, p.url, s.rate, s.dialogues)
	if r.Rest[0], err = atRest(ctx, p); err != nil {
		return nil, err
	}
	talk, err := drive(ctx, s, p, src, water, r, stderr)
	if err != nil {
		return nil, err
	}
	if r.Outcomes, err = judge(r.Samples, s.warmUp()); err != nil {
		return nil, err
	}
	if err := afterwards(ctx, s, p, src, talk, r); err != nil {
		return nil, err
	}
	err = p.stop()
	r.say("The node ends cleanly", err == nil, "%s", orElse(err, "exit code 0 after Ctrl-C"))
	count, complaints := p.complained()
	r.say("Its log has no warning and no error", count == 0, "%s", strings.Join(append([]string{fmt.Sprintf("%d lines", count)}, complaints[:min(count, 3, len(complaints))]...), "; "))
	inspect(ctx, filepath.Join(dir, "live", "state.db"), water, r)
	r.conclude()
	return r, nil
}

// environment is the node's, and all of it: nothing of this machine's settings counts.
func environment(s settings, src *source, water *pond, dir string) []string {
	return []string{
		"DATA_DIR=" + dir, "LISTEN=127.0.0.1:0", "LOG_FORMAT=json",
		"ARWEAVE_GATEWAYS=" + src.server.URL(), "BOOTSTRAP_CREATORS=" + src.bootstrap,
		"KEEP_DB_INTERVAL=1s", "KEEP_DB_DELAY=0", "DIALOGUE_TIMEOUT=" + s.timeout.String(),
		"GUN_EXTERNAL_PEERS=" + water.url(), "GUN_SYNC_INTERVAL=1000", "GUN_SYNC_PRIVATE_RECORDS=false",
		fmt.Sprintf("GUN_CACHE_MAX_AGE=%d", s.processed.Milliseconds()),
	}
}

// machine names what the numbers depend on.
func machine() string {
	return fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

// atRest takes a sample behind a full collection.
func atRest(ctx context.Context, p *process) (reading, error) { return take(ctx, p, "?gc=1") }

// drive puts the load on the node and takes samples of it meanwhile.
func drive(ctx context.Context, s settings, p *process, src *source, water *pond, r *result, stderr io.Writer) (*talker, error) {
	dids, err := someDIDs(ctx, p)
	if err != nil {
		return nil, err
	}
	ask, closeAsk := newClient()
	defer closeAsk()
	speak, closeSpeak := newClient()
	defer closeSpeak()
	answers := &latencies{}
	requests := requester{url: p.url, client: ask, dids: dids, answers: answers}
	talk := &talker{url: p.url, client: speak}
	loads := map[string]pace{
		"API requests": {every: time.Second / time.Duration(s.rate), workers: requestWorkers, do: requests.do},
		"Dialogues":    {every: s.length / time.Duration(s.dialogues), workers: dialogueWorkers, most: s.dialogues, do: talk.do},
		"Blocks":       {every: s.blocks, workers: 1, do: src.grow},
	}
	load, stop := context.WithTimeout(ctx, s.length)
	defer stop()
	water.opened.Store(true)
	defer water.opened.Store(false)
	g, watched := errgroup.WithContext(load)
	var mu sync.Mutex
	for name, work := range loads {
		g.Go(func() error {
			t := &tally{}
			work.run(watched, t)
			mu.Lock()
			defer mu.Unlock()
			r.Load[name] = t.counts()
			return nil
		})
	}
	g.Go(func() (err error) { r.Samples, err = watch(watched, p, s.interval, answers); return err })
	g.Go(func() error { tell(watched, s.length, stderr); return nil })
	if err := errors.Join(g.Wait(), ctx.Err()); err != nil {
		return nil, err
	}
	for _, name := range []string{"API requests", "Dialogues", "Blocks"} {
		r.sayLoad(name, r.Load[name])
	}
	all := answers.total()
	r.say("API answers", true, "half within %s ms, 99 of 100 within %s ms", short(milliseconds(all.quantile(0.5))), short(milliseconds(all.quantile(0.99))))
	// The connections are closed before the leftovers are looked at: they are the load's.
	return talk, nil
}

// tell says now and then how far the run is.
func tell(ctx context.Context, length time.Duration, stderr io.Writer) {
	for start := time.Now(); pause(ctx, length/10); {
		fmt.Fprintf(stderr, "soak: %v of %v\n", time.Since(start).Round(time.Second), length)
	}
}

// leftGoroutines is how many goroutines and files the node may have more than before the
// load: a cycle may be under way, and a connection that was just closed.
const leftGoroutines = 5

// afterwards looks for what the load left behind.
func afterwards(ctx context.Context, s settings, p *process, src *source, talk *talker, r *result) error {
	err := src.indexed(ctx, p)
	r.say("Every block is indexed", err == nil, "%s", orElse(err, fmt.Sprintf("the checkpoint is at the chain's end, %d", src.chain.Tip())))
	// The last dialogue ends that long behind its last event, which the load may have
	// sent at its end.
	if !pause(ctx, s.timeout+time.Second) {
		return ctx.Err()
	}
	client, done := newClient()
	talk.client = client
	left, err := talk.gone(ctx)
	done()
	if err != nil {
		return fmt.Errorf("look for abandoned dialogues: %w", err)
	}
	r.say("Abandoned dialogues are gone for every reader", left == 0, "%d of the last %d are left", left, len(talk.abandoned))
	err = until(ctx, "the node keeps more than it had before the load", 30*time.Second, func() (bool, error) {
		r.Rest[1], err = atRest(ctx, p)
		return r.Rest[1].Goroutines <= r.Rest[0].Goroutines+leftGoroutines && r.Rest[1].Files <= r.Rest[0].Files+leftGoroutines, err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.say("Goroutines and files are as before the load", err == nil, "%s", orElse(err,
		fmt.Sprintf("%d goroutines before and %d after, %d open files before and %d after", r.Rest[0].Goroutines, r.Rest[1].Goroutines, r.Rest[0].Files, r.Rest[1].Files)))
	return nil
}

// inspect opens the state file of the node that has ended: nothing may be left in it that
// expired so long ago that the node should have removed it. No reader sees such a row in
// the meantime.
func inspect(ctx context.Context, path string, water *pond, r *result) {
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		r.say("The state file is whole", false, "%v", err)
		return
	}
	if water != nil {
		water.saySync(ctx, store, r)
	}
	// The rows come in the order of their expiry.
	swept, err := store.Sweep(ctx, bolt.MaxSweep)
	overdue := 0
	for _, row := range swept {
		if time.Since(row.Expires) > 2*sweepInterval {
			overdue++
		}
	}
	r.say("No row that expired is left over in the state file", err == nil && overdue == 0, "%d rows expired more than %v ago, %s", overdue, 2*sweepInterval, orElse(err, "no error"))
	err = errors.Join(store.Verify(ctx), store.Close())
	r.say("The state file is whole", err == nil, "%s", orElse(err, "every row was read"))
}

// orElse is an error's text, or another one when there is none.
func orElse(err error, text string) string {
	if err != nil {
		return err.Error()
	}
	return text
}
