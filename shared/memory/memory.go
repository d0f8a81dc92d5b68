// Package memory says how much memory the process has, how much of that which would end
// it is used up, and what to do about it.
//
// There is one calculation of utilization, Sample.Percent: what counts against the limit,
// divided by the limit that really ends the process. The health pages, the log, the
// metrics and with them the alarms all print this number (Record, Sample.Utilization),
// and a test holds them to it.
//
// A Reader reads a Sample. A Monitor reads them again and again, judges them by its
// Thresholds, logs when a level is crossed, and gives memory back when the process is
// near its end. A Reporter writes a sample of each process into the state store, at most
// one a minute, and ReadFunctions reads what all of them wrote.
//
// Reading stops nothing: the runtime's numbers come from runtime/metrics, the system's
// from a few small files below /proc and /sys.
package memory

import (
	"fmt"
	"math"
	"time"
)

// Source says which limit it is that ends the process.
type Source string

// The sources, the first that has a limit counts.
const (
	// SourceFunction is the memory size of a Lambda function.
	SourceFunction Source = "function"
	// SourceContainer is the limit of a control group, as containers have it.
	SourceContainer Source = "container"
	// SourceMachine is all memory of the machine.
	SourceMachine Source = "machine"
	// SourceUnknown says that no limit is known; Sample.Limit is 0.
	SourceUnknown Source = "unknown"
)

// Sample is what the process has of memory at one moment, in bytes.
type Sample struct {
	At time.Time
	// Used is what counts against the limit: memory of the process's own, as anonymous
	// and shared pages. Files that are mapped into memory are not in it, since the
	// system takes their pages back before it ends anybody; the embedded stores map
	// theirs.
	Used int64
	// Mapped is what of mapped files is in memory, and Resident both together (RSS).
	Mapped, Resident int64
	// Estimated is set where the system does not tell: Used is then what Go has mapped
	// and not given back, and Mapped is 0.
	Estimated bool
	// Limit ends the process when Used reaches it, LimitBy says which limit that is.
	Limit   int64
	LimitBy Source
	// SoftLimit is the runtime's own (GOMEMLIMIT), near which it collects more often;
	// it ends nothing. 0 is none.
	SoftLimit int64
	Heap
	// Goroutines are all that there are.
	Goroutines int64
}

// Heap is what Go has of the memory, in bytes.
type Heap struct {
	// HeapLive is what the last collection left alive; HeapUsed is what objects take,
	// dead ones that were not collected yet among them.
	HeapLive, HeapUsed int64
	// HeapTotal is HeapUsed with the room between and beside objects.
	HeapTotal int64
	Stacks    int64
	// External is everything else: the runtime's own books, profiles, buffers.
	External int64
}

// Percent is the utilization, Used in percent of Limit to two decimals. It is 0 where no
// limit is known.
func (s Sample) Percent() float64 { return percent(s.Used, s.Limit) }

// Utilization is Percent as text, such as "12.34%".
func (s Sample) Utilization() string { return percentText(s.Percent()) }

// percent is the one division.
func percent(used, limit int64) float64 {
	if limit <= 0 {
		return 0
	}
	return math.Round(float64(used)/float64(limit)*10000) / 100
}

func percentText(p float64) string { return fmt.Sprintf("%.2f%%", p) }
