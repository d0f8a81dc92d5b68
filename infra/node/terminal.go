package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"oipnode/shared/indexer"
)

// redrawEvery is the least time between two pictures of the progress line.
const redrawEvery = 100 * time.Millisecond

// clearLine takes the cursor to the start of the line and empties it.
const clearLine = "\r\x1b[K"

// terminal shows progress on one line that is written over and over. Log lines are
// written above it.
type terminal struct {
	out    io.Writer
	width  func() int
	sample bool
	logs   *slog.Logger
	// requests is the log of requests.
	requests *slog.Logger

	mu    sync.Mutex
	m     meter
	line  string // what is on the line now
	drawn time.Time
	done  bool
}

func (t *terminal) log() *slog.Logger    { return t.logs }
func (t *terminal) access() *slog.Logger { return t.requests }

func (t *terminal) started(url string) {
	t.aside(func() { t.print("Serving at %s/\n", url) })
}

func (t *terminal) progress(p indexer.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.m.read(p, now)
	if t.done || now.Sub(t.drawn) < redrawEvery {
		return
	}
	t.drawn, t.line = now, t.m.line()
	t.draw()
}

// cycle shows what is new once the node has caught up; until then the progress
// line does.
func (t *terminal) cycle(r indexer.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if news := changes(r.Counts); t.done && news != "" {
		t.print("%s  block %s: %s\n", r.Started.Local().Format(time.TimeOnly), grouped(r.Height), news)
	}
}

// changes are the counts that are not zero, in words.
func changes(c indexer.Counts) string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{
		{c.Indexed, "indexed"}, {c.Rejected, "rejected"}, {c.Waiting, "waiting"}, {c.Deleted, "deleted"},
		{c.Moved, "moved by a fork"}, {c.Vanished, "out of their block"}, {c.Gone, "gone"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

func (t *terminal) caughtUp(height int64, try []suggestion) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done, t.line = true, ""
	t.print("%sUp to date at block %s. Things to try:\n\n", clearLine, grouped(height))
	for _, s := range try {
		t.print("  %-20s %s\n", s.label, s.url)
	}
	t.print("\n")
	if t.sample {
		t.print("This is the sample chain. For a live one: make run GATEWAY=https://arweave.net\n")
	}
	t.print("Ctrl-C ends the node; the next start goes on from here.\n")
}

// aside does something that writes to the same terminal, above the progress line.
func (t *terminal) aside(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.line != "" {
		t.print(clearLine)
	}
	f()
	t.draw()
}

// draw shows the progress line, cut to the width: a longer one would wrap, and the
// rest of it could not be written over. t.mu is held.
func (t *terminal) draw() {
	if t.line == "" {
		return
	}
	line := t.line
	if room := max(t.width()-1, 0); len(line) > room {
		line = line[:room]
	}
	t.print("%s%s", clearLine, line)
}

// print writes to the terminal. That a terminal has gone is no reason to end.
func (t *terminal) print(format string, args ...any) {
	_, _ = fmt.Fprintf(t.out, format, args...)
}

// asideHandler keeps log lines and the progress line apart.
type asideHandler struct {
	slog.Handler
	t *terminal
}

func (h asideHandler) Handle(ctx context.Context, r slog.Record) (err error) {
	h.t.aside(func() { err = h.Handler.Handle(ctx, r) })
	return err
}

func (h asideHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return asideHandler{h.Handler.WithAttrs(attrs), h.t}
}

func (h asideHandler) WithGroup(name string) slog.Handler {
	return asideHandler{h.Handler.WithGroup(name), h.t}
}
