package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"oipnode/shared/gun"
	"oipnode/shared/memory"
)

// amount is a number of bytes, for machines and for people.
type amount struct {
	Bytes int64   `json:"bytes"`
	MB    float64 `json:"mb"`
}

func amountOf(bytes int64) amount { return amount{bytes, megabytes(float64(bytes))} }

// megabytes has two decimals; the unit is 1,048,576 bytes, as Lambda has it.
func megabytes(bytes float64) float64 { return math.Round(bytes*100/(1<<20)) / 100 }

// memoryInfo is the memory of this process (spec records-api section 5). Mapped is the
// part of rss that belongs to files and does not count against the limit.
type memoryInfo struct {
	RSS       amount `json:"rss"`
	HeapUsed  amount `json:"heapUsed"`
	HeapTotal amount `json:"heapTotal"`
	External  amount `json:"external"`
	Stacks    amount `json:"stacks"`
	Mapped    amount `json:"mapped"`
}

func memoryOf(s memory.Sample) memoryInfo {
	return memoryInfo{amountOf(s.Resident), amountOf(s.HeapUsed), amountOf(s.HeapTotal), amountOf(s.External), amountOf(s.Stacks), amountOf(s.Mapped)}
}

// limitInfo is what of the limit is used up, in bytes. The contract's names speak of a
// heap; what they mean is the process.
type limitInfo struct {
	// Limit is 0 when nobody knows it, and LimitBy says whose it is.
	Limit   int64         `json:"sizeLimit"`
	LimitBy memory.Source `json:"limitBy"`
	// Soft is the runtime's own limit (GOMEMLIMIT), null without one.
	Soft        *int64 `json:"softLimit"`
	Available   int64  `json:"totalAvailable"`
	Used        int64  `json:"usedHeapSize"`
	Peak        int64  `json:"peak"`
	Utilization string `json:"utilization"`
}

func limitOf(s memory.State) limitInfo {
	l := limitInfo{Limit: s.Sample.Limit, LimitBy: s.Sample.LimitBy, Available: max(s.Sample.Limit-s.Sample.Used, 0),
		Used: s.Sample.Used, Peak: s.Peak, Utilization: s.Sample.Utilization()}
	if s.Sample.SoftLimit > 0 {
		l.Soft = &s.Sample.SoftLimit
	}
	return l
}

// memoryAnswer is the page of GET /api/health/memory.
type memoryAnswer struct {
	Status    string    `json:"status" enum:"ok,warning,critical"` // ok, warning or critical
	Warnings  []string  `json:"warnings"`
	Timestamp time.Time `json:"timestamp"`
	Uptime    int64     `json:"uptime"` // seconds
	// Memory, Heap and Goroutines are those of the process that answers.
	Memory     memoryInfo `json:"memory"`
	Heap       limitInfo  `json:"heap"`
	Goroutines int64      `json:"goroutines"`
	// GunSync is null when the state cannot be read.
	GunSync *processedInfo `json:"gunSync"`
	// Functions are all that have told of themselves within the last hours.
	Functions []functionInfo `json:"functions"`
}

// processedInfo is what the sync with GUN remembers. These are rows of the state store:
// they take no memory of any process.
type processedInfo struct {
	Enabled   bool  `json:"enabled"`
	CacheSize int64 `json:"cacheSize"`
	// NextClear is when the first of them is forgotten; null when there is none.
	NextClear   *int64 `json:"nextClearInMinutes"`
	MaxAge      int64  `json:"cacheMaxAgeMinutes"`
	CyclesSoFar int64  `json:"syncCycles"`
}

// functionInfo is one function, by that of its processes that is the fullest.
type functionInfo struct {
	Name        string    `json:"name"`
	Status      string    `json:"status" enum:"ok,warning,critical"`
	LimitMB     float64   `json:"limitMb"`
	UsedMB      float64   `json:"usedMb"`
	PeakMB      float64   `json:"peakMb"`
	Utilization string    `json:"utilization"`
	At          time.Time `json:"at"`
	// Instances are its processes of the last hours, ColdStarts those that began in them.
	Instances  int         `json:"instances"`
	ColdStarts int         `json:"coldStarts"`
	Growth     *growthInfo `json:"growth"`
}

// growthInfo is a line through the last hour of a process; null before there are enough
// samples.
type growthInfo struct {
	PerHourMB     float64 `json:"mbPerHour"`
	UncertaintyMB float64 `json:"uncertaintyMb"`
	// Growing says that this is more than noise.
	Growing bool `json:"growing"`
	// HoursToLimit is how long the limit is away at this pace; null when it is not to be
	// expected.
	HoursToLimit *float64 `json:"hoursToLimit"`
}

func growthOf(points []memory.Point, limit int64) *growthInfo {
	g, ok := memory.Project(points, limit)
	if !ok {
		return nil
	}
	info := growthInfo{PerHourMB: megabytes(g.PerHour), UncertaintyMB: megabytes(g.Uncertainty), Growing: g.Sure}
	if g.ToLimit > 0 {
		hours := math.Round(g.ToLimit.Hours()*100) / 100
		info.HoursToLimit = &hours
	}
	return &info
}

// functionsTTL is how old the list of functions in an answer may be: reading it can take
// a page of rows for each function, and the pages are for everybody.
const functionsTTL = 10 * time.Second

// functionsRead remembers what the processes have told.
type functionsRead struct {
	mu        sync.Mutex
	at        time.Time
	list      []memory.Function
	truncated bool
}

// functions reads what all processes have told. Nobody waits for another one's reading,
// which may take as long as the store likes.
func (s *server) functions(ctx context.Context) (list []memory.Function, truncated bool, err error) {
	f := &s.told
	now := s.opt.Now()
	f.mu.Lock()
	list, truncated, age := f.list, f.truncated, now.Sub(f.at)
	known := !f.at.IsZero() && age >= 0 && age < functionsTTL
	f.mu.Unlock()
	if known {
		return list, truncated, nil
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	list, truncated, err = memory.ReadFunctions(ctx, s.opt.State, now)
	if err != nil {
		return nil, false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at, f.list, f.truncated = now, list, truncated
	return list, truncated, nil
}

// condition is how the process and all functions are, for the head of a page.
type condition struct {
	state     memory.State
	level     memory.Level
	warnings  []string
	list      []memory.Function
	truncated bool
}

// condition takes a sample, and reads what the others have told. A health page has an
// answer also when the state store has none, and says so.
func (s *server) condition(ctx context.Context) condition {
	c := condition{state: s.opt.Memory.Check(ctx)}
	c.level, c.warnings = c.state.Verdict.Status(), s.opt.Memory.Sentences(c.state)
	var err error
	if c.list, c.truncated, err = s.functions(ctx); err != nil {
		s.opt.Log.ErrorContext(ctx, "health", "page", "memory", "error", err)
		c.warn("the state store cannot be reached, so nothing is known of the other processes")
	}
	for _, f := range c.list {
		if level := s.levelOf(f); level > memory.OK {
			c.level = max(c.level, level)
			c.warnings = append(c.warnings, fmt.Sprintf("the function %s is at %s of its memory", f.Name, f.Fullest().Utilization()))
		}
	}
	return c
}

func (c *condition) warn(text string) {
	c.level = max(c.level, memory.Warning)
	c.warnings = append(c.warnings, text)
}

// staleAfter is how old a function's sample may be that still makes a warning.
const staleAfter = 15 * time.Minute

// levelOf judges a function by its fullest process. One of which nothing was heard for
// long is idle.
func (s *server) levelOf(f memory.Function) memory.Level {
	i := f.Fullest()
	if s.opt.Now().Sub(i.At) > staleAfter {
		return memory.OK
	}
	return s.opt.Memory.Thresholds().Judge(memory.Sample{Used: i.Used, Limit: i.Limit}, nil).Level
}

func (s *server) functionOf(f memory.Function) functionInfo {
	i := f.Fullest()
	return functionInfo{
		Name: f.Name, Status: s.levelOf(f).String(), LimitMB: megabytes(float64(i.Limit)), UsedMB: megabytes(float64(i.Used)),
		PeakMB: megabytes(float64(f.Peak())), Utilization: i.Utilization(), At: i.At.UTC(),
		Instances: len(f.Instances), ColdStarts: f.ColdStarts, Growth: growthOf(i.Points, i.Limit),
	}
}

// memory serves GET /api/health/memory: always 200, whatever it says.
func (s *server) memory(ctx context.Context, _ *http.Request) (answer, error) {
	c := s.condition(ctx)
	a := memoryAnswer{
		Timestamp: s.opt.Now().UTC(), Uptime: int64(max(c.state.Sample.At.Sub(s.opt.Memory.Started()), 0).Seconds()),
		Memory: memoryOf(c.state.Sample), Heap: limitOf(c.state), Goroutines: c.state.Sample.Goroutines, Functions: []functionInfo{},
	}
	a.GunSync = s.processed(ctx)
	for _, f := range c.list {
		a.Functions = append(a.Functions, s.functionOf(f))
	}
	a.Status, a.Warnings = c.level.String(), c.warnings
	return reply(http.StatusOK, a)
}

// processed is what the sync remembers; nil when the state cannot be read.
func (s *server) processed(ctx context.Context) *processedInfo {
	if s.opt.GunSync == nil {
		return &processedInfo{}
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	h, err := gun.ReadHealth(ctx, s.opt.State)
	if err != nil {
		return nil // the page says already that the state cannot be read
	}
	p := &processedInfo{Enabled: true, CacheSize: h.Status.Processed, MaxAge: int64(s.opt.GunSync.Settings.MaxAge.Minutes()), CyclesSoFar: h.Status.Cycles}
	if next := h.Status.NextExpiry; !next.IsZero() {
		minutes := int64(math.Ceil(max(next.Sub(s.opt.Now()), 0).Minutes()))
		p.NextClear = &minutes
	}
	return p
}
