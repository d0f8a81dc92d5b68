package memory

import (
	"cmp"
	"slices"
)

// Part is a part of the memory.
type Part struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// Names of the parts.
const (
	PartLive    = "heapLive"    // objects that the last collection left alive
	PartSince   = "heapSince"   // objects since then, dead or alive
	PartRoom    = "heapRoom"    // room between and beside objects
	PartStacks  = "stacks"      // stacks of goroutines and threads
	PartOther   = "other"       // the runtime's books, and what is none of Go's
	PartMapped  = "mappedFiles" // files; they do not count against the limit
	PartCaches  = "caches"      // registered caches, which are also part of the heap
	leastReport = 1 << 20
)

// Large are the parts of the memory, the largest first. Those below a mebibyte are left
// out, unless all of them are.
func (s State) Large() []Part {
	h := s.Sample.Heap
	parts := []Part{
		{PartLive, min(h.HeapLive, h.HeapUsed)},
		{PartSince, max(h.HeapUsed-h.HeapLive, 0)},
		{PartRoom, h.HeapTotal - h.HeapUsed},
		{PartStacks, h.Stacks},
		{PartOther, h.External},
		{PartMapped, s.Sample.Mapped},
		{PartCaches, s.cached()},
	}
	slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(b.Bytes, a.Bytes) })
	if parts[0].Bytes < leastReport {
		return parts
	}
	return slices.DeleteFunc(parts, func(p Part) bool { return p.Bytes < leastReport })
}

func (s State) cached() (sum int64) {
	for _, c := range s.Caches {
		sum += c.Bytes
	}
	return sum
}
