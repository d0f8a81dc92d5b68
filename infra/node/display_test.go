package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"oipnode/shared/indexer"
)

// testTerminal is a terminal of a width that keeps what is written.
func testTerminal(width int) (*terminal, *bytes.Buffer) {
	var out bytes.Buffer
	t := &terminal{out: &out, width: func() int { return width }, sample: true}
	t.logs = slog.New(asideHandler{slog.NewTextHandler(&out, nil), t})
	t.requests = slog.New(fromWarn{t.logs.Handler()})
	return t, &out
}

// screen is what is to be seen after all the carriage returns.
func screen(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if i := strings.LastIndex(line, clearLine); i >= 0 {
			line = line[i+len(clearLine):]
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term, out := testTerminal(80)
		term.started("http://127.0.0.1:3005")
		for i := range int64(5) {
			time.Sleep(time.Second)
			term.progress(indexer.Progress{Checkpoint: 1_000_000 + i*1000, Target: 1_010_000, Indexed: int(i)})
		}
		if got := screen(out.String()); !strings.HasSuffix(got, "block 1,004,000 of 1,010,000, 4 records, 1/s, about 6 s left") {
			t.Errorf("the screen shows %q", got)
		}
		if strings.Count(out.String(), "\n") != 1 {
			t.Errorf("progress takes more than its line: %q", out)
		}

		// A log line comes above the progress line, which is there again after it.
		term.log().With("a", 1).WithGroup("g").Warn("careful", "b", 2)
		got := strings.Split(screen(out.String()), "\n")
		if len(got) != 3 || !strings.Contains(got[1], "careful a=1 g.b=2") || !strings.HasPrefix(got[2], "Catching up") {
			t.Errorf("the screen shows %q", got)
		}

		term.cycle(indexer.Report{Counts: indexer.Counts{Indexed: 7}})
		term.caughtUp(1_010_000, []suggestion{{"one record", "http://127.0.0.1:3005/api/records"}})
		shown := screen(out.String())
		if strings.Contains(shown, "Catching up") || strings.Contains(shown, "7 indexed") || !strings.Contains(shown, "Up to date at block 1,010,000") ||
			!strings.Contains(shown, "one record           http://127.0.0.1:3005/api/records") || !strings.Contains(shown, "GATEWAY=") {
			t.Errorf("the screen shows %q", shown)
		}

		out.Reset()
		time.Sleep(time.Second)
		term.progress(indexer.Progress{Checkpoint: 1_010_000, Target: 1_010_000})
		term.cycle(indexer.Report{Height: 1_010_000})
		if out.Len() > 0 {
			t.Errorf("a cycle without news shows %q", out)
		}
		term.cycle(indexer.Report{Height: 1_010_001, Counts: indexer.Counts{Indexed: 2, Deleted: 1}})
		if !strings.HasSuffix(out.String(), "  block 1,010,001: 2 indexed, 1 deleted\n") {
			t.Errorf("a cycle with news shows %q", out)
		}
	})
}

func TestTerminalDoesNotFlicker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term, out := testTerminal(80)
		for i := range 1000 {
			time.Sleep(time.Millisecond)
			term.progress(indexer.Progress{Checkpoint: 1, Target: 2, Indexed: i})
		}
		if n := strings.Count(out.String(), clearLine); n != 10 {
			t.Errorf("%d pictures in a second, want 10", n)
		}
	})
}

// A line that is too long would wrap and stay on the screen.
func TestNarrowTerminal(t *testing.T) {
	for _, width := range []int{0, 1, 20} {
		term, out := testTerminal(width)
		term.progress(indexer.Progress{Checkpoint: 1_000_000, Target: 1_700_000})
		if got := screen(out.String()); len(got) > max(width-1, 0) {
			t.Errorf("%q on a terminal of %d columns", got, width)
		}
	}
}

func TestRequestsDoNotFillTheTerminal(t *testing.T) {
	term, out := testTerminal(80)
	term.access().With("a", 1).WithGroup("g").Info("request")
	if out.Len() > 0 {
		t.Errorf("a request shows %q", out)
	}
	term.access().Error("panic")
	if !strings.Contains(out.String(), "panic") {
		t.Errorf("an error of a request shows %q", out)
	}
}

func TestLogDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := &logDisplay{out: slog.New(slog.NewTextHandler(&out, nil))}
		d.started("http://127.0.0.1:3005")
		for i := range int64(600) {
			time.Sleep(100 * time.Millisecond)
			d.progress(indexer.Progress{Checkpoint: i, Target: 1000, Indexed: int(i)})
		}
		if n := strings.Count(out.String(), "catching up"); n != 5 {
			t.Errorf("%d lines in a minute, want 5:\n%s", n, &out)
		}
		if !strings.Contains(out.String(), "height=100 target=1000 records=100 perSecond=10.0 left=1m30s") {
			t.Errorf("the log says:\n%s", &out)
		}
		d.cycle(indexer.Report{Height: 1000})
		d.cycle(indexer.Report{Height: 1000, Complete: true, Counts: indexer.Counts{Indexed: 600}})
		d.caughtUp(1000, nil)
		time.Sleep(time.Hour)
		d.progress(indexer.Progress{Checkpoint: 1000, Target: 1000})
		for what, want := range map[string]int{"msg=cycle": 1, "msg=\"up to date\" height=1000": 1, "catching up": 5, "msg=serving": 1} {
			if n := strings.Count(out.String(), what); n != want {
				t.Errorf("%q is in the log %d times, want %d:\n%s", what, n, want, &out)
			}
		}
		if d.log() != d.access() || !d.log().Enabled(context.Background(), slog.LevelInfo) {
			t.Error("requests are not in the log")
		}
	})
}
