package memory

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Cache is something that holds memory which can be given up at any time.
type Cache interface {
	// Size is what it holds and may hold.
	Size() CacheSize
	// Drop gives all of it up.
	Drop()
}

// Options are what a Monitor is made of. The zero value is ready for use, with no
// thresholds.
type Options struct {
	// Read reads a sample; nil means that of a zero Reader.
	Read func() Sample
	// Thresholds are those of the levels.
	Thresholds Thresholds
	// Free gives what is free back to the system; nil means debug.FreeOSMemory.
	Free func()
	// Log hears of each level that is crossed, once; nil discards it.
	Log *slog.Logger
}

// Monitor watches over the memory of the process.
//
// It crosses into a level at its threshold, and leaves it five percent below, so that a
// process that stays near a threshold is told of once. On the crossing into Critical
// every cache is dropped and free memory goes back to the system, once; from then on no
// media job is begun (Tight). Only when the memory is critical after that, the heaviest
// queries are refused (Shedding). Both last until the level is left.
//
// It is safe for concurrent use, and holds an hour of history in bounded memory.
type Monitor struct {
	opt     Options
	started time.Time

	checking sync.Mutex // one Check at a time; held before mu

	mu      sync.Mutex
	caches  []Cache
	state   State
	alerted []string
	history history
}

// State is what the last check has found.
type State struct {
	Sample  Sample
	Verdict Verdict
	// Caches are the sizes that were judged.
	Caches []CacheSize
	// Peak is the most that was used in the life of the process, as far as samples saw.
	Peak int64
	// Level is the crossed one: it differs from the verdict's while memory is less than
	// the margin below a threshold.
	Level Level
	// Shedding says that the heaviest queries are refused.
	Shedding bool
}

// New makes a Monitor. It starts nothing; its life, and its first sample, begin now.
func New(o Options) *Monitor {
	if o.Read == nil {
		o.Read = Reader{}.Read
	}
	if o.Free == nil {
		o.Free = debug.FreeOSMemory
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := &Monitor{opt: o}
	s := o.Read()
	m.started = s.At
	m.note(s)
	m.state.Level = OK // no level is crossed before the first check
	return m
}

// Register adds a cache. What is registered stays.
func (m *Monitor) Register(c Cache) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.caches = append(m.caches, c)
}

// Started is when the process began to be watched.
func (m *Monitor) Started() time.Time { return m.started }

// Thresholds are those of the levels.
func (m *Monitor) Thresholds() Thresholds { return m.opt.Thresholds }

// State is what the last check has found.
func (m *Monitor) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// History are the points of the last hour, the oldest first.
func (m *Monitor) History() []Point {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.history.points)
}

// Tight says that no work should be begun that can wait.
func (m *Monitor) Tight() bool { return m.State().Level == Critical }

// Shedding says that the heaviest queries should be refused.
func (m *Monitor) Shedding() bool { return m.State().Shedding }

// Sentences are the warnings of a state, for a page.
func (m *Monitor) Sentences(s State) []string { return s.Verdict.sentences(s.Sample, m.opt.Thresholds) }

// Check takes a sample, judges it, and does what follows.
func (m *Monitor) Check(ctx context.Context) State {
	m.checking.Lock()
	defer m.checking.Unlock()
	before := m.State().Level
	now := m.note(m.opt.Read())
	if now.Level == Critical && before != Critical {
		m.tell(ctx, before, now)
		for _, c := range m.list() {
			c.Drop()
		}
		m.opt.Free()
		now = m.note(m.opt.Read())
		m.opt.Log.WarnContext(ctx, "caches were dropped and free memory was given back", "utilization", now.Sample.Utilization(),
			"usedBytes", now.Sample.Used)
		before = Critical
	}
	now = m.shed(now)
	if now.Level != before {
		m.tell(ctx, before, now)
	}
	m.alert(ctx, now.Verdict.Alerts)
	return now
}

// Relieve drops every cache and gives free memory back whatever the level is, because an
// operator wants it, and returns what was before and is behind that.
func (m *Monitor) Relieve(ctx context.Context) (before, after State) {
	before = m.Check(ctx)
	for _, c := range m.list() {
		c.Drop()
	}
	m.opt.Free()
	return before, m.Check(ctx)
}

// shed decides whether queries are refused: from the first sample that is critical
// behind the dropping of the caches until the level is left.
func (m *Monitor) shed(s State) State {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Shedding = s.Level == Critical && (m.state.Shedding || s.Verdict.Level == Critical)
	return m.state
}

// note makes a sample the last one.
func (m *Monitor) note(s Sample) State {
	var sizes []CacheSize
	for _, c := range m.list() {
		sizes = append(sizes, c.Size())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history.add(Point{s.At, s.Used})
	m.state = State{
		Sample: s, Caches: sizes, Verdict: m.opt.Thresholds.Judge(s, sizes),
		Peak:  max(m.state.Peak, s.Used),
		Level: m.opt.Thresholds.next(m.state.Level, s.Percent()), Shedding: m.state.Shedding,
	}
	return m.state
}

// list is a copy of the caches: they have locks of their own.
func (m *Monitor) list() []Cache {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.caches)
}

// Run checks at once and then at every interval, until the context ends. Each is called
// with what a check has found; it may be nil.
func (m *Monitor) Run(ctx context.Context, interval time.Duration, each func(State)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if s := m.Check(ctx); each != nil {
			each(s)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// tell logs that a level was crossed, with what is large.
func (m *Monitor) tell(ctx context.Context, before Level, s State) {
	attributes := []any{"level", s.Level.String(), "before", before.String(), "utilization", s.Sample.Utilization(),
		"usedBytes", s.Sample.Used, "limitBytes", s.Sample.Limit, "limitBy", string(s.Sample.LimitBy)}
	level := slog.LevelInfo
	if s.Level > before {
		level = slog.LevelWarn
		for _, p := range s.Large() {
			attributes = append(attributes, slog.Int64(p.Name+"Bytes", p.Bytes))
		}
		attributes = append(attributes, "goroutines", s.Sample.Goroutines)
	}
	m.opt.Log.Log(ctx, level, "memory has crossed a level", attributes...)
}

// alert logs alerts that are new, and those that are over.
func (m *Monitor) alert(ctx context.Context, alerts []Alert) {
	m.mu.Lock()
	before := m.alerted
	m.alerted = nil
	for _, a := range alerts {
		m.alerted = append(m.alerted, a.Name)
	}
	now := m.alerted
	m.mu.Unlock()
	for _, a := range alerts {
		if !slices.Contains(before, a.Name) {
			m.opt.Log.WarnContext(ctx, "memory: "+a.Text)
		}
	}
	for _, name := range before {
		if !slices.Contains(now, name) {
			m.opt.Log.InfoContext(ctx, "memory: back within its bound", "what", name)
		}
	}
}
