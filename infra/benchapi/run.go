package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

// run measures everything once and returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stderr io.Writer) int {
	s, err := readSettings(args, getenv, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "benchapi:", err)
		return exitUsage
	}
	r, err := measure(ctx, s, stderr)
	if err == nil {
		err = r.write(s.out)
	}
	if err != nil {
		fmt.Fprintln(stderr, "benchapi:", err)
		return exitFailed
	}
	fmt.Fprintf(stderr, "\n%s\nThe results are in %s.\n", r.markdown(), s.out)
	if r.failed() {
		return exitFailed
	}
	return 0
}

// measure opens the stores, measures, and closes them.
func measure(ctx context.Context, s settings, stderr io.Writer) (r *result, err error) {
	begun := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(stderr, "benchapi: %4.0f s: %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
	}
	st, err := openStores(ctx, s, say)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	r = &result{Started: begun.UTC(), Machine: machine(), Records: s.records, Connections: s.connections, Turn: s.turn}
	seats := []seat{embeddedSeat(st.embedded)}
	if st.openSearch != nil {
		seats = append(seats, openSearchSeat(st.openSearch, st.heard, s.openSearch))
	}
	if s.profile != "" {
		stop, err := startProfile(s.profile)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	for _, seat := range seats {
		rows, err := measureSeat(ctx, s, seat, say)
		r.Rows = append(r.Rows, rows...)
		if err != nil {
			return nil, err
		}
	}
	if s.heapRequests > 0 && s.wanted("embedded", "heap") {
		say("the heap over %d requests", s.heapRequests)
		if r.Heap, err = measureHeap(ctx, s, st.embedded); err != nil {
			return nil, err
		}
	}
	r.Took = time.Since(begun)
	return r, nil
}

func startProfile(name string) (stop func() error, err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// machine names what the numbers depend on.
func machine() string {
	return fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

// measureSeat asks all questions of one store, without a cache of answers and with one.
func measureSeat(ctx context.Context, s settings, seat seat, say func(string, ...any)) (rows []row, err error) {
	uncached, err := serve(ctx, seat.store, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, uncached.close()) }()
	cached, err := serve(ctx, seat.store, answersBytes)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cached.close()) }()
	for _, q := range questions() {
		if !s.wanted(seat.name, q.name) {
			continue
		}
		say("%s: %s", seat.name, q.name)
		row := row{Store: seat.name, Name: q.name, Query: q.query}
		if err := row.uncached(ctx, s, seat, uncached, q); err != nil {
			row.Fault = err.Error()
		} else if err := row.cached(ctx, s, cached, q); err != nil {
			row.Fault = err.Error()
		}
		if err := ctx.Err(); err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// answersBytes is room for all answers that are measured.
const answersBytes = 64 << 20

// uncached measures a question beside what is asked of the engine for it.
func (r *row) uncached(ctx context.Context, s settings, seat seat, server *server, q question) error {
	body, err := server.body(ctx, q.query)
	if err != nil {
		return err
	}
	if r.Matches, err = q.check(body); err != nil {
		return err
	}
	r.Bytes = len(body)
	ask, one, err := server.askers(ctx, q.query)
	if err != nil {
		return err
	}
	defer func() { _ = one.close() }()
	// From here on what a node keeps for a second about the whole is kept.
	if _, _, err := inTurns(ctx, settled/2, one, nil); err != nil {
		return err
	}
	// The lesser of two: once a second there is a query more, for the whole.
	n, raw, err := seat.overhear(func() error { return one.ask(ctx) })
	if err != nil {
		return err
	}
	if less, other, err := seat.overhear(func() error { return one.ask(ctx) }); err != nil {
		return err
	} else if less < n {
		n, raw = less, other
	}
	r.Searches = n
	engine, err := raw(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = engine.close() }()
	if _, _, err := inTurns(ctx, s.turn/8, one, engine); err != nil { // warms both
		return err
	}
	ours, engines, err := inTurns(ctx, s.turn, one, engine)
	if err != nil {
		return err
	}
	r.Samples = len(ours)
	r.P50, r.P99, r.RawP50, r.RawP99 = ours.quantile(0.5), ours.quantile(0.99), engines.quantile(0.5), engines.quantile(0.99)
	// These connect only now: a connection that says nothing for long is closed.
	askers, closeAskers, err := several(ctx, s.connections, ask)
	if err != nil {
		return err
	}
	defer closeAskers()
	raws, closeRaws, err := several(ctx, s.connections, raw)
	if err != nil {
		return err
	}
	defer closeRaws()
	r.Rate, r.RawRate, err = ratesInTurns(ctx, s.turn, askers, raws)
	return err
}

const (
	// settled is how long a new process keeps nothing (package epoch), and a little.
	settled = 2200 * time.Millisecond
	// settleTime is how long it may take until an answer is kept.
	settleTime = 10 * time.Second
)

// askers makes askers of a query, and a first one.
func (s *server) askers(ctx context.Context, query string) (more func(context.Context) (asker, error), one asker, err error) {
	request, err := s.request(query)
	if err != nil {
		return nil, nil, err
	}
	more = func(ctx context.Context) (asker, error) { return dial(ctx, s.url, request) }
	one, err = more(ctx)
	return more, one, err
}

// cached measures a question whose answer is kept.
func (r *row) cached(ctx context.Context, s settings, server *server, q question) error {
	ask, one, err := server.askers(ctx, q.query)
	if err != nil {
		return err
	}
	defer func() { _ = one.close() }()
	for begun := time.Now(); ; {
		before := server.counter.hits.Load()
		if err := one.ask(ctx); err != nil {
			return err
		}
		if server.counter.hits.Load() > before {
			break
		}
		if time.Since(begun) > settleTime {
			return errors.New("the answer was not kept")
		}
		time.Sleep(20 * time.Millisecond)
	}
	times, _, err := inTurns(ctx, s.turn/8, one, nil)
	if err != nil {
		return err
	}
	r.CachedP50, r.CachedP99 = times.quantile(0.5), times.quantile(0.99)
	askers, closeAskers, err := several(ctx, s.connections, ask)
	if err != nil {
		return err
	}
	defer closeAskers()
	hits, begun := server.counter.hits.Load(), time.Now()
	r.CachedRate, err = rate(ctx, s.turn/2, askers)
	if kept := server.counter.hits.Load() - hits; err == nil && float64(kept) < r.CachedRate*time.Since(begun).Seconds()*0.9 {
		err = fmt.Errorf("only %d answers came out of the cache", kept)
	}
	return err
}
