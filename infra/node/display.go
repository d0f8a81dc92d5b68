package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"oipnode/shared/assembly"
	"oipnode/shared/config"
	"oipnode/shared/indexer"
	"oipnode/shared/start"
)

// display is what whoever started the node gets to see besides the log.
type display interface {
	// started tells where the node answers.
	started(url string)
	// progress is called often while a cycle runs, from one goroutine at a time.
	progress(p indexer.Progress)
	// cycle is called after every cycle that ended without an error.
	cycle(r indexer.Report)
	// caughtUp is called once, when the index has reached the tip for the first
	// time since the start; try are requests that are worth a look.
	caughtUp(height int64, try []suggestion)
	// log is the log that goes well with this display, and access that of requests.
	log() *slog.Logger
	access() *slog.Logger
}

// newDisplay chooses a progress line for a person at a terminal, and log lines for
// everything else.
func newDisplay(env *start.Env) display {
	fd := int(os.Stdout.Fd())
	if !term.IsTerminal(fd) || env.Config.Log.Format == config.LogJSON {
		return &logDisplay{out: env.Log}
	}
	t := &terminal{out: os.Stdout, sample: env.Config.Chain.Sample, width: func() int {
		width, _, err := term.GetSize(fd)
		if err != nil {
			return 80
		}
		return width
	}}
	t.logs = slog.New(asideHandler{env.Log.Handler(), t})
	t.requests = t.logs
	if env.Config.Log.Level > slog.LevelDebug {
		// A line for each request would bury what a person wants to see.
		t.requests = slog.New(fromWarn{t.logs.Handler()})
	}
	return t
}

// fromWarn passes warnings and errors only.
type fromWarn struct{ slog.Handler }

func (h fromWarn) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

func (h fromWarn) WithAttrs(attrs []slog.Attr) slog.Handler {
	return fromWarn{h.Handler.WithAttrs(attrs)}
}

func (h fromWarn) WithGroup(name string) slog.Handler { return fromWarn{h.Handler.WithGroup(name)} }

// progressEvery is the least time between two lines of progress in a log.
const progressEvery = 10 * time.Second

// logDisplay writes progress into the log, a line every ten seconds at most.
type logDisplay struct {
	out *slog.Logger

	mu   sync.Mutex
	m    meter
	said time.Time
	done bool
}

func (d *logDisplay) log() *slog.Logger    { return d.out }
func (d *logDisplay) access() *slog.Logger { return d.out }

func (d *logDisplay) started(url string) {
	d.out.Info("serving", "url", url, "version", assembly.Version)
}

func (d *logDisplay) progress(p indexer.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		return
	}
	now := time.Now()
	d.m.read(p, now)
	if d.said.IsZero() {
		d.said = now // the first line comes after the first ten seconds
	}
	if now.Sub(d.said) < progressEvery {
		return
	}
	d.said = now
	attrs := []any{"height", p.Checkpoint, "target", p.Target, "records", d.m.total(), "perSecond", fmt.Sprintf("%.1f", d.m.rate())}
	if left, ok := d.m.left(); ok {
		attrs = append(attrs, "left", left.Round(time.Second).String())
	}
	d.out.Info("catching up", attrs...)
}

// cycle logs a cycle that did nothing for debugging only: there may be one every
// second.
func (d *logDisplay) cycle(r indexer.Report) {
	level := slog.LevelDebug
	if r.Counts != (indexer.Counts{}) {
		level = slog.LevelInfo
	}
	d.out.Log(context.Background(), level, "cycle", "height", r.Height, "complete", r.Complete, "duration", r.Duration,
		"indexed", r.Counts.Indexed, "rejected", r.Counts.Rejected, "waiting", r.Counts.Waiting, "deleted", r.Counts.Deleted,
		"moved", r.Counts.Moved, "vanished", r.Counts.Vanished, "gone", r.Counts.Gone)
}

func (d *logDisplay) caughtUp(height int64, _ []suggestion) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done = true
	d.out.Info("up to date", "height", height, "records", d.m.total())
}
