// Package metrics is what the node counts and measures of itself. Each metric is a
// constant with one row in a table: its name, unit, kind, dimensions and meaning. The
// README prints that table, and everything that writes metrics somewhere goes by it.
//
// Code records into a Recorder:
//
//	r.Add(metrics.RecordsIndexed, int64(report.Counts.Indexed))
//	r.Set(metrics.LagBlocks, float64(tip-checkpoint))
//	r.Observe(metrics.CycleDuration, took)
//
// EMF is the Recorder of the Lambda functions: one line on standard output for each
// flush, which CloudWatch reads as metrics. Discard is that of everybody else.
package metrics

import "time"

// Recorder takes values. It is safe for concurrent use, bounded in memory, and never
// waits: a value is worth less than the work that is measured.
type Recorder interface {
	// Add counts n more; less than one is nothing.
	Add(c Counter, n int64)
	// Set replaces the value of a gauge. What is not finite is nothing.
	Set(g Gauge, value float64)
	// Observe keeps how long something took; less than nothing counts as nothing.
	Observe(t Timing, took time.Duration)
}

// Discard is a Recorder that forgets.
var Discard Recorder = discard{}

type discard struct{}

func (discard) Add(Counter, int64)            {}
func (discard) Set(Gauge, float64)            {}
func (discard) Observe(Timing, time.Duration) {}

// Counter is a metric that is summed up.
type Counter uint8

// The counters.
const (
	RecordsIndexed Counter = iota
	RecordsRejected
	RecordsWaiting
	RecordsDeleted
	CycleErrors
	GatewayErrors
	APIRequests2xx
	APIRequests4xx
	APIRequests5xx
	CacheHits
	CacheMisses
	DialogueExpiries
	ProcessedExpiries
	JobExpiries
	OtherExpiries
	GunRecordsIndexed
	GunRecordsRejected
	GunRecordsDeleted
	GunErrors
	ColdStarts

	counters
)

// Gauge is a metric that has one value at a time.
type Gauge uint8

// The gauges.
const (
	LagBlocks Gauge = iota
	CheckpointHeight
	LedgerCreator
	LedgerTemplate
	LedgerData
	LedgerPartial
	LedgerPending
	LedgerParked
	LedgerRejected
	LedgerDeleted
	LedgerOther
	QueueDepth
	MemoryUsed
	MemoryPeak
	MemoryLimit
	MemoryPercent
	Goroutines

	gauges
)

// Timing is a metric of how long something took. All single values count, for the
// percentiles.
type Timing uint8

// The timings.
const (
	CycleDuration Timing = iota
	GunCycleDuration
	APILatency

	timings
)
