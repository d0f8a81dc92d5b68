package metrics

import "runtime/metrics"

// MemoryState is what the process has of memory at one moment, in bytes. The names are
// those of the API's health pages (spec records-api section 5).
type MemoryState struct {
	// RSS is what Go has mapped and not given back; files that are mapped into memory
	// are not in it. HeapTotal, Stacks and External are its parts.
	RSS int64
	// HeapUsed is what objects take of HeapTotal, dead ones that were not collected
	// yet among them.
	HeapUsed  int64
	HeapTotal int64
	Stacks    int64
	// External is everything else: the runtime's own books, profiles, buffers.
	External int64
}

const (
	classTotal    = "/memory/classes/total:bytes"
	classReleased = "/memory/classes/heap/released:bytes"
	classObjects  = "/memory/classes/heap/objects:bytes"
	classUnused   = "/memory/classes/heap/unused:bytes"
	classFree     = "/memory/classes/heap/free:bytes"
	classStacks   = "/memory/classes/heap/stacks:bytes"
	classThreads  = "/memory/classes/os-stacks:bytes"
)

// ReadMemory reads the state of now. It stops nothing.
func ReadMemory() MemoryState {
	names := []string{classTotal, classReleased, classObjects, classUnused, classFree, classStacks, classThreads}
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	of := make(map[string]int64, len(samples))
	for _, s := range samples {
		of[s.Name] = int64(s.Value.Uint64())
	}
	m := MemoryState{
		RSS:       max(of[classTotal]-of[classReleased], 0),
		HeapUsed:  of[classObjects],
		HeapTotal: of[classObjects] + of[classUnused] + of[classFree],
		Stacks:    of[classStacks] + of[classThreads],
	}
	m.External = max(m.RSS-m.HeapTotal-m.Stacks, 0)
	return m
}
