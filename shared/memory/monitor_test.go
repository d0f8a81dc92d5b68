package memory

import (
	"bytes"
	"context"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// buffer is a cache as others have it.
type buffer struct {
	mu    sync.Mutex
	held  []byte
	bound int64
	drops int
}

func (b *buffer) Size() CacheSize {
	b.mu.Lock()
	defer b.mu.Unlock()
	return CacheSize{"buffer", int64(len(b.held)), b.bound}
}

func (b *buffer) Drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held, b.drops = nil, b.drops+1
}

// script is a monitor whose utilization a test sets.
type script struct {
	*Monitor
	percent, shed float64 // shed is by how much the utilization falls with the cache
	goroutines    int64
	at            time.Time
	freed         int
	cache         *buffer
	log           bytes.Buffer
}

func newScript(t *testing.T) *script {
	s := &script{at: noon, cache: &buffer{bound: 10}, goroutines: 7}
	s.Monitor = New(Options{
		Read: func() Sample {
			p := s.percent
			if s.cache.drops > 0 {
				p -= s.shed
			}
			got := sample(p)
			got.At, got.Goroutines = s.at, s.goroutines
			return got
		},
		Thresholds: thresholds(t), Free: func() { s.freed++ },
		Log: slog.New(slog.NewTextHandler(&s.log, nil)),
	})
	s.Register(s.cache)
	return s
}

// step sets a utilization, checks, and returns what was logged.
func (s *script) step(percent float64) (State, string) {
	s.log.Reset()
	s.percent = percent
	s.at = s.at.Add(10 * time.Second)
	return s.Check(context.Background()), s.log.String()
}

// Each crossing is told once, with what is large; staying near a threshold is not.
func TestCrossing(t *testing.T) {
	s := newScript(t)
	for _, c := range []struct {
		percent float64
		level   Level
		said    []string
	}{
		{50, OK, nil},
		{81, Warning, []string{"level=WARN", "crossed", "level=warning", "before=ok", `utilization=81.00%`, "heapLiveBytes", "goroutines=7"}},
		{83, Warning, nil}, {79, Warning, nil}, {81, Warning, nil},
		{70, OK, []string{"level=INFO", "level=ok", "before=warning", `utilization=70.00%`}},
		{71, OK, nil},
		{95, Critical, []string{"level=critical", "before=ok", "caches were dropped"}},
		{96, Critical, nil}, {88, Critical, nil}, {95, Critical, nil},
		{84, Warning, []string{"level=warning", "before=critical"}},
	} {
		state, log := s.step(c.percent)
		if state.Level != c.level || (len(c.said) == 0) != (log == "") {
			t.Errorf("%v%%: %v, log %q", c.percent, state.Level, log)
		}
		for _, part := range c.said {
			if !strings.Contains(log, part) {
				t.Errorf("%v%%: %q is missing in %s", c.percent, part, log)
			}
		}
	}
	if s.State().Peak != 96_000 {
		t.Errorf("peak %d", s.State().Peak)
	}
}

// A process that begins above a threshold has crossed it with its first check.
func TestBeginsFull(t *testing.T) {
	var log bytes.Buffer
	cache := &buffer{}
	m := New(Options{Read: func() Sample { return sample(95) }, Thresholds: thresholds(t), Free: func() {}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	m.Register(cache)
	if s := m.State(); s.Level != OK || s.Verdict.Level != Critical || s.Peak != 95_000 {
		t.Errorf("%+v", s)
	}
	if s := m.Check(t.Context()); s.Level != Critical || !s.Shedding || cache.drops != 1 || strings.Count(log.String(), "crossed a level") != 1 {
		t.Errorf("%+v, dropped %d: %s", s, cache.drops, log.String())
	}
}

// TestShedding: at critical the caches are dropped and memory is given back once, media
// wait, and queries are refused only when that was not enough.
func TestShedding(t *testing.T) {
	t.Run("dropping is enough", func(t *testing.T) {
		s := newScript(t)
		s.shed = 30
		state, log := s.step(95)
		if s.cache.drops != 1 || s.freed != 1 || state.Shedding || s.Shedding() || s.Tight() || state.Level != OK || state.Sample.Percent() != 65 {
			t.Errorf("%+v, dropped %d, freed %d", state, s.cache.drops, s.freed)
		}
		for _, part := range []string{"level=critical", "caches were dropped", "utilization=65.00%", "level=ok before=critical"} {
			if !strings.Contains(log, part) {
				t.Errorf("%q is missing in %s", part, log)
			}
		}
	})
	t.Run("it is a little better", func(t *testing.T) {
		s := newScript(t)
		s.shed = 8
		if state, _ := s.step(95); state.Level != Critical || state.Shedding || !s.Tight() {
			t.Errorf("%+v", state)
		}
		s.step(95) // 87
		if s.Shedding() || !s.Tight() || s.cache.drops != 1 || s.freed != 1 {
			t.Error("at 87 % behind the crossing")
		}
		if s.step(99); !s.Shedding() { // 91: critical after the caches were dropped
			t.Error("it is critical again, and nothing is refused")
		}
	})
	t.Run("it is not enough", func(t *testing.T) {
		s := newScript(t)
		s.step(85)
		if s.Tight() || s.Shedding() {
			t.Error("at a warning")
		}
		for range 3 {
			if s.step(97); !s.Shedding() || !s.Tight() || s.cache.drops != 1 || s.freed != 1 {
				t.Errorf("dropped %d, freed %d", s.cache.drops, s.freed)
			}
		}
		if s.step(86); !s.Shedding() || !s.Tight() {
			t.Error("the level is not left yet")
		}
		if s.step(84); s.Shedding() || s.Tight() {
			t.Error("the level is left")
		}
		if s.step(97); s.cache.drops != 2 || s.freed != 2 {
			t.Error("another crossing")
		}
	})
}

// Goroutines and caches beyond their bounds are told once each, and when they are back.
func TestAlertsAreToldOnce(t *testing.T) {
	s := newScript(t)
	s.goroutines, s.cache.held = 10_001, make([]byte, 11)
	if state, log := s.step(10); state.Verdict.Status() != Warning || strings.Count(log, "level=WARN") != 2 ||
		!strings.Contains(log, "10001 goroutines") || !strings.Contains(log, "grown beyond its bound") || len(s.Sentences(state)) != 2 {
		t.Errorf("%+v: %s", state.Verdict, log)
	}
	if _, log := s.step(10); log != "" {
		t.Errorf("again: %s", log)
	}
	s.cache.held = nil
	if state, log := s.step(10); strings.Count(log, "\n") != 1 || !strings.Contains(log, "back within its bound") || len(state.Verdict.Alerts) != 1 {
		t.Errorf("%+v: %s", state.Verdict, log)
	}
}

// TestRealLoad: a process that really fills its memory crosses the level, and what a
// cache really held is given back to the system.
func TestRealLoad(t *testing.T) {
	debug.FreeOSMemory()
	base := Reader{}.Read()
	cache := &buffer{bound: 1 << 30}
	m := New(Options{
		// The limit is one that 128 MiB more reach.
		Read: func() Sample {
			s := Reader{}.Read()
			s.Limit, s.LimitBy = base.Used+128*mib, SourceContainer
			return s
		},
		Thresholds: thresholds(t),
	})
	m.Register(cache)
	before := m.Check(t.Context())
	if before.Level == Critical {
		t.Fatalf("%+v", before)
	}
	cache.mu.Lock()
	cache.held = touched(126 * mib)
	cache.mu.Unlock()
	after := m.Check(t.Context())
	if cache.drops != 1 || after.Peak < base.Used+120*mib || after.Sample.Used > after.Peak-100*mib || after.Shedding && !raceEnabled {
		t.Errorf("before %+v, after %+v, peak %d", before.Sample, after.Sample, after.Peak)
	}
}

// Run ends with its context, and checks until then, while others ask.
func TestRun(t *testing.T) {
	m := New(Options{Thresholds: thresholds(t)})
	ctx, cancel := context.WithCancel(t.Context())
	var checks atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		m.Run(ctx, time.Millisecond, func(s State) {
			if s.Sample.Used == 0 || s.Sample.At.Before(m.Started()) {
				t.Errorf("%+v", s)
			}
			if checks.Add(1) == 5 {
				cancel()
			}
		})
	})
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				m.Check(ctx)
				m.Shedding()
				m.History()
				m.Register(&buffer{})
			}
		})
	}
	all.Wait()
	if checks.Load() < 5 {
		t.Errorf("%d checks", checks.Load())
	}
}

// TestLarge: the largest part is first, and crumbs are left out.
func TestLarge(t *testing.T) {
	s := State{Sample: Sample{Mapped: 300 * mib, Heap: Heap{HeapLive: 100 * mib, HeapUsed: 140 * mib, HeapTotal: 150 * mib, Stacks: 1, External: 5 * mib}},
		Caches: []CacheSize{{"a", 16 * mib, 0}, {"b", 4 * mib, 0}}}
	want := []Part{{PartMapped, 300 * mib}, {PartLive, 100 * mib}, {PartSince, 40 * mib}, {PartCaches, 20 * mib}, {PartRoom, 10 * mib}, {PartOther, 5 * mib}}
	got := s.Large()
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: %+v, want %+v", i, got[i], want[i])
		}
	}
	if got := (State{}).Large(); len(got) != 7 {
		t.Errorf("of a process that has nothing: %+v", got)
	}
}

func BenchmarkCheck(b *testing.B) {
	for name, r := range map[string]Reader{"machine": {}, "function": {Function: 256 * mib}} {
		b.Run(name, func(b *testing.B) {
			m := New(Options{Read: r.Read, Thresholds: thresholds(b)})
			b.ReportAllocs()
			for b.Loop() {
				m.Check(b.Context())
			}
		})
	}
}
