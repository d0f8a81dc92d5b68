package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

// leaveExpired makes a state file with three rows that have expired.
func leaveExpired(t *testing.T, path string) {
	t.Helper()
	past := time.Now().Add(-time.Hour)
	s, err := bolt.Open(path, bolt.Options{Now: func() time.Time { return past }})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		if err := s.Commit(t.Context(), state.Put(state.Key{Space: "space", ID: id}, []byte("x")).Until(past.Add(time.Minute))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSettings(t *testing.T) {
	s, err := readSettings(nil, io.Discard)
	if err != nil || s.length != 20*time.Minute || s.rate != 200 || s.dialogues != 10_000 || s.timeout != 30*time.Second || s.interval != 2*time.Second || warmUp(s.length) != 10*time.Minute || s.souls != 1_000_000 || s.fetches != 1000 {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = readSettings([]string{"-minutes", "1"}, io.Discard)
	if err != nil || s.dialogues != 500 || s.timeout != 15*time.Second || s.interval != 500*time.Millisecond || warmUp(s.length) != 30*time.Second {
		t.Errorf("%+v, %v", s, err)
	}
	for _, args := range []string{"-minutes 0", "-minutes NaN", "-minutes 99999", "-rate 0", "-dialogues 0", "-rate 1000000", "more", "-unknown"} {
		if _, err := readSettings(strings.Fields(args), io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%s: %v", args, err)
		}
		if code := run(t.Context(), strings.Fields(args), io.Discard); code != exitUsage {
			t.Errorf("%s: code %d", args, code)
		}
	}
}

// Quantiles are right to a bucket's width, and a window forgets.
func TestLatencies(t *testing.T) {
	var l latencies
	for i := range 1000 {
		l.add(time.Duration(i+1) * time.Millisecond)
	}
	h := l.take()
	for q, want := range map[float64]time.Duration{0: time.Millisecond, 0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second} {
		if got := h.quantile(q); got < want || float64(got) > float64(want)*bucketStep*1.001 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if again := l.take(); again.count != 0 || again.quantile(0.5) != 0 {
		t.Errorf("the window kept %d times", again.count)
	}
	l.add(0)
	l.add(-time.Second)
	l.add(24 * time.Hour)
	if all := l.total(); all.count != 1003 || all.quantile(1) < time.Minute {
		t.Errorf("%d times, the longest %v", all.count, all.quantile(1))
	}
}

const status = "Name:\toipnode\nVmPeak:\t 1226320 kB\nVmRSS:\t   40000 kB\nRssAnon:\t   12000 kB\nRssFile:\t   28000 kB\nThreads:\t9\n"

func TestParseStatus(t *testing.T) {
	sizes, err := parseStatus(status)
	if err != nil || sizes["VmRSS"] != 40000<<10 || sizes["RssAnon"] != 12000<<10 || len(sizes) != 4 {
		t.Errorf("%v, %v", sizes, err)
	}
	for _, bad := range []string{"VmRSS: x kB", "VmRSS: -1 kB", "VmRSS: 99999999999999999999 kB"} {
		if _, err := parseStatus(bad); !errors.Is(err, errProc) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add(status)
	f.Add("a:b:c kB\n: kB\nVmRSS:")
	f.Fuzz(func(t *testing.T, text string) {
		sizes, err := parseStatus(text)
		if err != nil && !errors.Is(err, errProc) {
			t.Errorf("%v", err)
		}
		for name, size := range sizes {
			if size < 0 || size%1024 != 0 {
				t.Errorf("%s is %d", name, size)
			}
		}
	})
}

// What this very process takes is seen to grow.
func TestProc(t *testing.T) {
	before, private, err := memory(os.Getpid())
	if err != nil || before < private {
		t.Fatalf("%d, %d, %v", before, private, err)
	}
	held := make([]byte, 64*mebibyte)
	for i := 0; i < len(held); i += 512 {
		held[i] = 1
	}
	if _, after, err := memory(os.Getpid()); err != nil || after < private+48*mebibyte || held[0] != 1 {
		t.Errorf("%d bytes before, %d after 64 MiB, %v", private, after, err)
	}
	few, err := openFiles(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
	}
	if many, err := openFiles(os.Getpid()); err != nil || many < few+15 {
		t.Errorf("%d files, then %d, %v", few, many, err)
	}
	if _, _, err := memory(1 << 30); !errors.Is(err, errProc) {
		t.Errorf("no process: %v", err)
	}
	if _, err := openFiles(1 << 30); !errors.Is(err, errProc) {
		t.Errorf("no process: %v", err)
	}
}

// Parts begin at their moments although the ones before have not ended; what finds all
// workers busy is counted.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began []time.Duration
		var mu sync.Mutex
		start := time.Now()
		p := pace{every: time.Second, workers: 2, most: 20, do: func(ctx context.Context, i int, at time.Time) error {
			mu.Lock()
			began = append(began, at.Sub(start))
			mu.Unlock()
			if i < 4 {
				time.Sleep(5500 * time.Millisecond)
			}
			if i == 7 {
				return errors.New("part 7 fails")
			}
			return nil
		}}
		var tallied tally
		p.run(t.Context(), &tallied)
		// 0 and 1 are under way until 5.5 s and 6.5 s, 2 and 3 wait; 4 and 5 find no room.
		c := tallied.counts()
		if c.Failed != 1 || c.Late < 2 || c.Done+c.Failed+c.Late != 20 || fmt.Sprint(c.First) != "[part 7 fails]" {
			t.Errorf("%s, %q", c, c.First)
		}
		if len(began) < 2 || began[0] != 0 || began[1] != time.Second {
			t.Errorf("the parts began at %v", began)
		}
	})
}

// At the end of its time a load finishes what it began, and does not blame the node for
// what was cut off.
func TestPaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var under atomic.Int32
		p := pace{every: 100 * time.Millisecond, workers: 50, do: func(ctx context.Context, _ int, _ time.Time) error {
			under.Add(1)
			defer under.Add(-1)
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		var tallied tally
		p.run(ctx, &tallied)
		if c := tallied.counts(); c.Failed != 0 || c.Done < 80 || under.Load() != 0 {
			t.Errorf("%s, %d under way", c, under.Load())
		}
	})
}

func TestTallyKeepsFew(t *testing.T) {
	var tallied tally
	for i := range 100 {
		tallied.add(fmt.Errorf("failure %d", i))
	}
	if c := tallied.counts(); c.Failed != 100 || len(c.First) != keptFailures || c.First[0] != "failure 0" {
		t.Errorf("%s, %q", c, c.First)
	}
}

// The stores' files are added up, whatever vanishes meanwhile.
func TestDiskSize(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"state.db": 1000, "records/a/one": 200, "records/b": 30, "media/x": 4} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	size, err := diskSize([]string{filepath.Join(dir, "state.db"), filepath.Join(dir, "records"), filepath.Join(dir, "none")})
	if err != nil || size != 1230 {
		t.Errorf("%d bytes, %v", size, err)
	}
}
