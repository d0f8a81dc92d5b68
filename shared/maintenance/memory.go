package maintenance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"time"

	"oipnode/shared/epoch"
	"oipnode/shared/errs"
	"oipnode/shared/gun"
	"oipnode/shared/media"
	"oipnode/shared/memory"
)

// Reading is the memory of this process at a moment. Its numbers are those of the health
// page and of the metrics.
type Reading struct {
	At time.Time `json:"at"`
	// Status is ok, warning or critical.
	Status      string   `json:"status"`
	Warnings    []string `json:"warnings,omitempty"`
	Utilization string   `json:"utilization"`
	Used        int64    `json:"usedBytes"`
	Limit       int64    `json:"limitBytes"`
	LimitBy     string   `json:"limitBy"`
	Peak        int64    `json:"peakBytes"`
	Resident    int64    `json:"residentBytes"`
	HeapUsed    int64    `json:"heapUsedBytes"`
	HeapLive    int64    `json:"heapLiveBytes"`
	Goroutines  int64    `json:"goroutines"`
}

func (m Maintenance) reading(s memory.State) Reading {
	return Reading{
		At: s.Sample.At.UTC(), Status: s.Verdict.Status().String(), Warnings: m.Memory.Sentences(s), Utilization: s.Sample.Utilization(),
		Used: s.Sample.Used, Limit: s.Sample.Limit, LimitBy: string(s.Sample.LimitBy), Peak: s.Peak, Resident: s.Sample.Resident,
		HeapUsed: s.Sample.HeapUsed, HeapLive: s.Sample.HeapLive, Goroutines: s.Sample.Goroutines,
	}
}

// Cleaned is what the task cleanup answers.
type Cleaned struct {
	Before Reading `json:"before"`
	After  Reading `json:"after"`
	// Caches are those that were dropped, with what they held, in bytes.
	Caches map[string]int64 `json:"caches"`
	// Processed is how many ids of processed GUN records were forgotten.
	Processed int64 `json:"processedCleared"`
	// Again says that the time was not enough for all ids.
	Again bool `json:"again,omitempty"`
}

// margin is kept of a call's time for its answer, or a quarter of a short one. A function
// has a quarter of an hour, and an alarm looks for those that take more than 98 percent.
const margin = 30 * time.Second

// within is the context of the work of a call, which ends in time to answer.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(margin, time.Until(deadline)/4)))
}

// cleanup forgets what can be had again. The processed ids are rows of the state store:
// they take no memory of this process, and the next sync looks at all records again.
func (m Maintenance) cleanup(ctx context.Context) (c Cleaned, err error) {
	if err := m.State.Commit(ctx, epoch.Op()); err != nil { // the answers that other processes keep
		return c, err
	}
	before, after := m.Memory.Relieve(ctx)
	c = Cleaned{Before: m.reading(before), After: m.reading(after), Caches: make(map[string]int64)}
	for _, cache := range before.Caches {
		c.Caches[cache.Name] = cache.Bytes
	}
	work, cancel := within(ctx)
	defer cancel()
	c.Processed, err = gun.ClearProcessed(work, m.State)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		c.Again, err = true, nil
	}
	return c, err
}

// Watched is what watching the memory answers.
type Watched struct {
	// Samples are in the answer when nobody was told of them one by one.
	Samples []Reading `json:"samples,omitempty"`
	Count   int       `json:"count"`
	// Growth is absent when there are too few samples for a line.
	Growth *Growth `json:"growth"`
}

// Growth is a line through the samples.
type Growth struct {
	// PerSecond lies with 95 % within Uncertainty of the true slope, in bytes.
	PerSecond   float64 `json:"bytesPerSecond"`
	Uncertainty float64 `json:"uncertaintyBytesPerSecond"`
	// Growing says that this is more than noise.
	Growing bool `json:"growing"`
	// InAnHour is what is used in an hour at this pace.
	InAnHour int64 `json:"usedInAnHourBytes"`
	// ToLimit is in how many seconds the limit is reached; absent when that is not to be
	// expected.
	ToLimit *int64 `json:"secondsToLimit,omitempty"`
}

// keptSamples is how many samples an answer has at most.
const keptSamples = 300

// monitor watches the memory for some seconds, at most 300 times.
func (m Maintenance) monitor(ctx context.Context, q Request) (Watched, error) {
	step := max((q.Seconds+keptSamples-1)/keptSamples, 1)
	return m.watch(ctx, time.Duration(step)*time.Second, time.Duration(q.Seconds)*time.Second)
}

// watch reads the memory at every interval, at the beginning and at the end among them.
// It ends early, with what it has, when the call's time is over.
func (m Maintenance) watch(ctx context.Context, interval, duration time.Duration) (w Watched, err error) {
	var points []memory.Point
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	brief, cancel := within(ctx)
	defer cancel()
	for n := int64(duration / interval); ; n-- {
		s := m.Memory.Check(ctx)
		points = append(points, memory.Point{At: s.Sample.At, Used: s.Sample.Used})
		w.Count++
		r := m.reading(s)
		if err := m.emit(r); err != nil {
			return w, err
		}
		if m.Emit == nil && len(w.Samples) < keptSamples {
			w.Samples = append(w.Samples, r)
		}
		if n <= 0 {
			break
		}
		select {
		case <-ticker.C:
			continue
		case <-brief.Done():
		}
		if err := ctx.Err(); err != nil {
			return w, err
		}
		break
	}
	w.Growth = growth(points, m.Memory.State().Sample.Limit)
	return w, nil
}

func growth(points []memory.Point, limit int64) *Growth {
	line, ok := memory.Project(points, limit)
	if !ok {
		return nil
	}
	g := &Growth{
		PerSecond: line.PerHour / 3600, Uncertainty: line.Uncertainty / 3600, Growing: line.Sure,
		InAnHour: max(points[len(points)-1].Used+int64(line.PerHour), 0),
	}
	if line.ToLimit > 0 {
		seconds := int64(line.ToLimit.Seconds())
		g.ToLimit = &seconds
	}
	return g
}

// Diagnosis is what the quick diagnosis answers.
type Diagnosis struct {
	Memory Reading `json:"memory"`
	// Parts are what the memory consists of, the largest first, in bytes.
	Parts      []memory.Part          `json:"parts"`
	Goroutines memory.GoroutineStates `json:"goroutines"`
	// Files are absent where the system does not tell.
	Files *memory.Files `json:"files,omitempty"`
	// Functions are all processes that have told of themselves in the last hours.
	Functions []FunctionMemory `json:"functions"`
}

// FunctionMemory is how the fullest process of a function is.
type FunctionMemory struct {
	Name        string    `json:"name"`
	Instances   int       `json:"instances"`
	At          time.Time `json:"at"`
	Utilization string    `json:"utilization"`
	Used        int64     `json:"usedBytes"`
	Limit       int64     `json:"limitBytes"`
	Peak        int64     `json:"peakBytes"`
	Growth      *Growth   `json:"growth"`
}

// Snapshot is what a snapshot of the heap answers.
type Snapshot struct {
	// File is where the profile is: a path, or the address of an object.
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

func (m Maintenance) diagnose(ctx context.Context, q Request) (any, error) {
	switch q.Mode {
	case ModeSnapshot:
		return m.snapshot(ctx)
	case ModeMonitor:
		return m.watch(ctx, time.Duration(q.Interval)*time.Second, time.Duration(q.Duration)*time.Second)
	}
	s := m.Memory.Check(ctx)
	d := Diagnosis{Memory: m.reading(s), Parts: s.Large(), Goroutines: memory.ReadGoroutines(), Functions: []FunctionMemory{}}
	if f, ok := (memory.Reader{}).Files(); ok {
		d.Files = &f
	}
	told, _, err := memory.ReadFunctions(ctx, m.State, m.Now())
	if err != nil {
		return nil, err
	}
	for _, f := range told {
		i := f.Fullest()
		d.Functions = append(d.Functions, FunctionMemory{
			Name: f.Name, Instances: len(f.Instances), At: i.At.UTC(), Utilization: i.Utilization(),
			Used: i.Used, Limit: i.Limit, Peak: f.Peak(), Growth: growth(i.Points, i.Limit),
		})
	}
	return d, nil
}

// ProfileKind is where profiles lie among the files: one of package media's kinds. On AWS
// a rule of the bucket removes them after a month.
const ProfileKind = "profile"

// snapshot writes a profile of the heap as the last collection left it, which it asks
// for. It is small: a line for each place that allocates.
func (m Maintenance) snapshot(ctx context.Context) (Snapshot, error) {
	if m.Files == nil {
		return Snapshot{}, errs.E(errs.Invalid, "this node has no place for a profile: MEDIA_BUCKET is not set", nil)
	}
	runtime.GC()
	var profile bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&profile, 0); err != nil {
		return Snapshot{}, fmt.Errorf("write the profile: %w", err)
	}
	name := fmt.Sprintf("%s/heap-%s.pprof", ProfileKind, m.Now().UTC().Format("20060102-150405.000"))
	stored, err := m.Files.Put(ctx, media.Upload{Body: &profile, Name: name})
	if err != nil {
		return Snapshot{}, err
	}
	return Snapshot{File: m.Where(name), Bytes: stored.Size}, nil
}
