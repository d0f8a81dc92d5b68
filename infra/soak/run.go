package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
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
	var r *result
	if s.again {
		r, err = judgeAgain(s.out)
	} else {
		r, err = soak(ctx, s, stderr)
	}
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

// judgeAgain reads the results of an earlier run and judges its samples by today's rules.
func judgeAgain(dir string) (*result, error) {
	text, err := os.ReadFile(filepath.Join(dir, "soak.json"))
	if err != nil {
		return nil, err
	}
	r := &result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("soak.json: %w", err)
	}
	length := warmUp(time.Duration(r.Minutes * float64(time.Minute)))
	r.WarmUp = length.Seconds()
	if r.Outcomes, err = judge(r.Samples, length); err != nil {
		return nil, err
	}
	r.conclude()
	return r, nil
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
	media, err := openShelf(s.largest)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, media.server.Close()) }()
	secret := rand.Text() + rand.Text()
	env := environment(s, dir, map[string]string{
		"ARWEAVE_GATEWAYS": src.server.URL(), "BOOTSTRAP_CREATORS": src.bootstrap, "GUN_EXTERNAL_PEERS": water.url(),
		"MEDIA_PORTS": media.port(), "JWT_SECRET": secret,
	})
	p, err := startNode(ctx, s.binary, env)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "live")
	p.stores = []string{"state.db", "jobs.db", "records"}
	for i, name := range p.stores {
		p.stores[i] = filepath.Join(data, name)
	}
	defer p.kill() // it has usually ended by then
	if err := src.indexed(ctx, p); err != nil {
		return nil, err
	}
	r = &result{Started: time.Now().UTC(), Minutes: s.length.Minutes(), WarmUp: warmUp(s.length).Seconds(), Machine: machine(), Load: map[string]counts{}}
	fmt.Fprintf(stderr, "soak: %v of load on %s: %d requests a second, %d dialogues, %d fetches of up to %d bytes, %d GUN souls\n",
		s.length, p.url, s.rate, s.dialogues, s.fetches, s.largest, water.souls)
	if r.Rest[0], err = atRest(ctx, p); err != nil {
		return nil, err
	}
	talk, err := drive(ctx, s, p, upstreams{src, water, media, secret}, r, stderr)
	if err != nil {
		return nil, err
	}
	if r.Outcomes, err = judge(r.Samples, warmUp(s.length)); err != nil {
		return nil, err
	}
	if err := afterwards(ctx, s, p, src, talk, r); err != nil {
		return nil, err
	}
	err = p.stop()
	r.say("The node ends cleanly", err == nil, "%s", orElse(err, "exit code 0 after Ctrl-C"))
	count, complaints := p.complained()
	r.say("Its log has no warning and no error", count == 0, "%s", strings.Join(append([]string{fmt.Sprintf("%d lines", count)}, complaints[:min(count, 3, len(complaints))]...), "; "))
	inspectState(ctx, filepath.Join(data, "state.db"), water, s.alone > 0, r)
	inspectMedia(ctx, data, r)
	r.conclude()
	return r, nil
}

// environment is the node's, and all of it: nothing of this machine's settings counts.
func environment(s settings, dir string, more map[string]string) []string {
	env := []string{
		"DATA_DIR=" + dir, "LISTEN=127.0.0.1:0", "LOG_FORMAT=json",
		"KEEP_DB_INTERVAL=1s", "KEEP_DB_DELAY=0", "DIALOGUE_TIMEOUT=" + s.timeout.String(),
		// As it is unless configured, but in a short run.
		fmt.Sprintf("GUN_SYNC_INTERVAL=%d", max(min(s.length/40, 30*time.Second), time.Second).Milliseconds()), "GUN_SYNC_PRIVATE_RECORDS=false",
		fmt.Sprintf("GUN_CACHE_MAX_AGE=%d", idLife(s.opening()).Milliseconds()),
		allowPrivate + "=true",
	}
	for name, value := range more {
		env = append(env, name+"="+value)
	}
	return env
}

// allowPrivate lets the node fetch from this machine, of which it warns, and rightly.
const allowPrivate = "MEDIA_ALLOW_PRIVATE"

// upstreams are where the node reads from.
type upstreams struct {
	source *source
	water  *pond
	media  *shelf
	// secret is the key of the users' tokens.
	secret string
}

// machine names what the numbers depend on.
func machine() string {
	return fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

// atRest takes a sample behind a full collection.
func atRest(ctx context.Context, p *process) (reading, error) { return take(ctx, p, "?gc=1") }

// drive puts the load on the node and takes samples of it meanwhile.
func drive(ctx context.Context, s settings, p *process, up upstreams, r *result, stderr io.Writer) (*talker, error) {
	dids, err := someDIDs(ctx, p)
	if err != nil {
		return nil, err
	}
	ask, closeAsk := newClient()
	defer closeAsk()
	speak, closeSpeak := newClient()
	defer closeSpeak()
	fetch, closeFetch := newClient()
	defer closeFetch()
	tokens, err := tokensOf(up.secret, fetchUsers)
	if err != nil {
		return nil, err
	}
	answers := &latencies{}
	requests := requester{url: p.url, client: ask, dids: dids, answers: answers}
	talk := &talker{url: p.url, client: speak}
	fetches := fetcher{url: p.url, client: fetch, shelf: up.media, tokens: tokens}
	loads := map[string]pace{
		"API requests":  {every: time.Second / time.Duration(s.rate), workers: requestWorkers, do: requests.do},
		"Dialogues":     {every: s.length / time.Duration(s.dialogues), workers: dialogueWorkers, most: s.dialogues, do: talk.do},
		"Media fetches": {every: s.length / time.Duration(s.fetches), workers: fetchWorkers, most: s.fetches, do: fetches.do},
		"Blocks":        {every: s.blocks, workers: 1, do: up.source.grow},
	}
	load, stop := context.WithTimeout(ctx, s.length)
	defer stop()
	up.water.open(s.opening())
	defer up.water.close()
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
	for _, name := range slices.Sorted(maps.Keys(loads)) {
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
	r.quiet = time.Now()
	if s.alone > 0 && !pause(ctx, s.alone) {
		return ctx.Err()
	}
	return nil
}

// orElse is an error's text, or another one when there is none.
func orElse(err error, text string) string {
	if err != nil {
		return err.Error()
	}
	return text
}
