package memory

import (
	"math"
	"runtime/metrics"
)

// Names of the runtime's numbers.
const (
	classTotal    = "/memory/classes/total:bytes"
	classReleased = "/memory/classes/heap/released:bytes"
	classObjects  = "/memory/classes/heap/objects:bytes"
	classUnused   = "/memory/classes/heap/unused:bytes"
	classFree     = "/memory/classes/heap/free:bytes"
	classStacks   = "/memory/classes/heap/stacks:bytes"
	classThreads  = "/memory/classes/os-stacks:bytes"
	heapLive      = "/gc/heap/live:bytes"
	softLimit     = "/gc/gomemlimit:bytes"
	goroutines    = "/sched/goroutines:goroutines"
)

// readRuntime reads numbers of the runtime. One that this version of Go does not have
// is 0.
func readRuntime(names ...string) map[string]int64 {
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	of := make(map[string]int64, len(samples))
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			of[s.Name] = int64(min(s.Value.Uint64(), math.MaxInt64))
		}
	}
	return of
}

// fill sets what the runtime knows. Used is at first what Go has of the system.
func (s *Sample) fill() {
	of := readRuntime(classTotal, classReleased, classObjects, classUnused, classFree, classStacks, classThreads,
		heapLive, softLimit, goroutines)
	s.Used = max(of[classTotal]-of[classReleased], 0)
	s.Resident, s.Estimated = s.Used, true
	s.Goroutines = of[goroutines]
	if limit := of[softLimit]; limit < math.MaxInt64 {
		s.SoftLimit = limit
	}
	s.Heap = Heap{
		HeapLive:  of[heapLive],
		HeapUsed:  of[classObjects],
		HeapTotal: of[classObjects] + of[classUnused] + of[classFree],
		Stacks:    of[classStacks] + of[classThreads],
	}
	s.External = max(s.Used-s.HeapTotal-s.Stacks, 0)
}

// GoroutineStates are the goroutines by what they do. They are counted one after the
// other, so that the sum may differ from Sample.Goroutines.
type GoroutineStates struct {
	Running  int64 `json:"running"`
	Runnable int64 `json:"runnable"`
	Waiting  int64 `json:"waiting"`
	// NotInGo are in system calls and the like.
	NotInGo int64 `json:"notInGo"`
	// Threads are the system's.
	Threads int64 `json:"threads"`
}

// ReadGoroutines reads the states of now.
func ReadGoroutines() GoroutineStates {
	const (
		running  = "/sched/goroutines/running:goroutines"
		runnable = "/sched/goroutines/runnable:goroutines"
		waiting  = "/sched/goroutines/waiting:goroutines"
		notInGo  = "/sched/goroutines/not-in-go:goroutines"
		threads  = "/sched/threads/total:threads"
	)
	of := readRuntime(running, runnable, waiting, notInGo, threads)
	return GoroutineStates{Running: of[running], Runnable: of[runnable], Waiting: of[waiting], NotInGo: of[notInGo], Threads: of[threads]}
}
