package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"oipnode/shared/memory"
)

// trackerAnswer is the page of GET /api/health/memory/tracker: how memory went.
type trackerAnswer struct {
	Status    string    `json:"status" enum:"ok,warning,critical"`
	Warnings  []string  `json:"warnings"`
	Timestamp time.Time `json:"timestamp"`
	// Samples and Growth are the last hour of the process that answers.
	Samples []sampleInfo `json:"samples"`
	Growth  *growthInfo  `json:"growth"`
	// Functions are all processes; Truncated says that there are more.
	Functions []trackedFunction `json:"functions"`
	Truncated bool              `json:"truncated"`
}

type sampleInfo struct {
	At     time.Time `json:"at"`
	UsedMB float64   `json:"usedMb"`
}

// trackedFunction is a function with its processes. Samples are those of the fullest one.
type trackedFunction struct {
	functionInfo
	Samples   []sampleInfo      `json:"samples"`
	Processes []trackedInstance `json:"processes"`
}

type trackedInstance struct {
	ID          string      `json:"id"`
	Started     time.Time   `json:"started"`
	At          time.Time   `json:"at"`
	LimitMB     float64     `json:"limitMb"`
	UsedMB      float64     `json:"usedMb"`
	PeakMB      float64     `json:"peakMb"`
	Utilization string      `json:"utilization"`
	Growth      *growthInfo `json:"growth"`
}

func samplesOf(points []memory.Point) []sampleInfo {
	list := make([]sampleInfo, len(points))
	for i, p := range points {
		list[i] = sampleInfo{p.At.UTC(), megabytes(float64(p.Used))}
	}
	return list
}

// memoryTracker serves GET /api/health/memory/tracker.
func (s *server) memoryTracker(ctx context.Context, _ *http.Request) (answer, error) {
	c := s.condition(ctx)
	history := s.opt.Memory.History()
	a := trackerAnswer{
		Timestamp: s.opt.Now().UTC(), Samples: samplesOf(history), Growth: growthOf(history, c.state.Sample.Limit),
		Functions: []trackedFunction{}, Truncated: c.truncated,
	}
	for _, f := range c.list {
		t := trackedFunction{functionInfo: s.functionOf(f), Samples: samplesOf(f.Fullest().Points)}
		for _, i := range f.Instances {
			t.Processes = append(t.Processes, trackedInstance{
				ID: i.ID[:min(len(i.ID), 8)], Started: i.Started.UTC(), At: i.At.UTC(), LimitMB: megabytes(float64(i.Limit)),
				UsedMB: megabytes(float64(i.Used)), PeakMB: megabytes(float64(i.Peak)), Utilization: i.Utilization(), Growth: growthOf(i.Points, i.Limit),
			})
		}
		a.Functions = append(a.Functions, t)
	}
	a.Status, a.Warnings = c.level.String(), c.warnings
	return reply(http.StatusOK, a)
}

// analyzeAnswer is the page of GET /api/health/memory/analyze: what is large in the
// process that answers, where it goes, and what to do. It holds numbers and the names of
// our own parts, nothing of what is in the memory.
type analyzeAnswer struct {
	Status    string      `json:"status" enum:"ok,warning,critical"`
	Warnings  []string    `json:"warnings"`
	Timestamp time.Time   `json:"timestamp"`
	Heap      limitInfo   `json:"heap"`
	Large     []partInfo  `json:"large"`
	Growth    *growthInfo `json:"growth"`
	// Shedding is what the process does about it.
	Shedding    shedInfo      `json:"shedding"`
	Goroutines  goroutineInfo `json:"goroutines"`
	Connections *memory.Files `json:"connections"` // null where the system does not tell
	Caches      []cacheInfo   `json:"caches"`
	Advice      []string      `json:"advice"`
}

type partInfo struct {
	Name string `json:"name"`
	amount
	// Share is in percent of what counts against the limit; null for what does not.
	Share *float64 `json:"share"`
}

type shedInfo struct {
	// Level is the one that was crossed: it is left five percent below its threshold.
	Level string `json:"level" enum:"ok,warning,critical"`
	// MediaWait says that no media job is begun, HeavyRefused that the heaviest queries
	// get 503.
	MediaWait    bool `json:"mediaJobsWait"`
	HeavyRefused bool `json:"heavyQueriesRefused"`
}

type goroutineInfo struct {
	Count int64 `json:"count"`
	Bound int   `json:"bound"`
	memory.GoroutineStates
}

type cacheInfo struct {
	Name string `json:"name"`
	amount
	BoundBytes int64 `json:"boundBytes"`
}

// memoryAnalyze serves GET /api/health/memory/analyze.
func (s *server) memoryAnalyze(ctx context.Context, _ *http.Request) (answer, error) {
	c := s.condition(ctx)
	m, sample := s.opt.Memory, c.state.Sample
	history := m.History()
	a := analyzeAnswer{
		Status: c.level.String(), Warnings: c.warnings, Timestamp: s.opt.Now().UTC(),
		Heap: limitOf(c.state), Growth: growthOf(history, sample.Limit),
		Shedding:   shedInfo{c.state.Level.String(), c.state.Level == memory.Critical, c.state.Shedding},
		Goroutines: goroutineInfo{sample.Goroutines, m.Thresholds().MaxGoroutines, memory.ReadGoroutines()},
		Large:      []partInfo{}, Caches: []cacheInfo{},
	}
	if files, ok := (memory.Reader{}).Files(); ok {
		a.Connections = &files
	}
	for _, p := range c.state.Large() {
		info := partInfo{Name: p.Name, amount: amountOf(p.Bytes)}
		if p.Name != memory.PartMapped && sample.Used > 0 {
			share := math.Round(float64(p.Bytes)/float64(sample.Used)*1000) / 10
			info.Share = &share
		}
		a.Large = append(a.Large, info)
	}
	for _, cache := range c.state.Caches {
		a.Caches = append(a.Caches, cacheInfo{cache.Name, amountOf(cache.Bytes), cache.Bound})
	}
	a.Advice = advise(c.state, a.Growth)
	return reply(http.StatusOK, a)
}

// advise says what an operator can do, the most urgent first.
func advise(s memory.State, g *growthInfo) []string {
	sample, list := s.Sample, []string{}
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if s.Verdict.Level > memory.OK {
		raise := map[memory.Source]string{
			memory.SourceFunction: "the function's memory size", memory.SourceContainer: "the container's memory limit", memory.SourceMachine: "the machine's memory",
		}[sample.LimitBy]
		say("raise %s (%.0f MB), or lower what is large below", raise, megabytes(float64(sample.Limit)))
	}
	if g != nil && g.Growing {
		when := ""
		if g.HoursToLimit != nil {
			when = fmt.Sprintf(", and reaches the limit in %.1f hours", *g.HoursToLimit)
		}
		say("memory grows by %.1f MB an hour%s: compare two heap profiles that lie an hour apart", g.PerHourMB, when)
	}
	for _, alert := range s.Verdict.Alerts {
		if alert.Name == "goroutines" {
			say("look at the goroutine profile: what many of them wait for does not answer, or never ends")
		} else {
			say("%s: this is a fault of the program; POST /api/health/memory/clear-cache or a restart helps for a while", alert.Name)
		}
	}
	switch {
	case sample.LimitBy == memory.SourceUnknown:
		say("nobody tells which limit there is: give the process a container with one, or watch usedHeapSize")
	case sample.SoftLimit == 0 && sample.LimitBy == memory.SourceContainer:
		say("set GOMEMLIMIT to about 80 %% of the limit (%dMiB), so that the runtime collects in time", sample.Limit*8/10>>20)
	case sample.SoftLimit > sample.Limit:
		say("GOMEMLIMIT is above the limit and has no effect before it")
	}
	if sample.Mapped > sample.Used {
		say("most of rss are mapped files of the stores: the system takes them back by itself, and they do not count")
	}
	if len(list) == 0 {
		say("nothing needs to be done")
	}
	return list
}
