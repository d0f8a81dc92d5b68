package metrics

import "time"

// Kind says what the values of a metric mean together.
type Kind string

// The kinds.
const (
	KindCounter Kind = "counter"
	KindGauge   Kind = "gauge"
	KindTiming  Kind = "timing"
)

// Unit is a unit of CloudWatch.
type Unit string

// The units that are in use.
const (
	Count        Unit = "Count"
	Bytes        Unit = "Bytes"
	Percent      Unit = "Percent"
	Seconds      Unit = "Seconds"
	Milliseconds Unit = "Milliseconds"
)

// Definition declares a metric.
type Definition struct {
	// Name is the metric's name in CloudWatch. One name has one series for each
	// function: what other systems tell apart by a label is a name of its own, because
	// a line of EMF has room for one value of each dimension only.
	Name string
	Unit Unit
	Kind Kind
	// Family, Label and Value are the same series for systems with labels: metrics of
	// a family differ by the value of their label. Families have base units (seconds
	// also for Milliseconds), and those of counters end in _total.
	Family, Label, Value string
	// Meaning is one sentence for the operator.
	Meaning string
}

// Dimension is the one dimension that all metrics have in CloudWatch.
const Dimension = "FunctionName"

// Definition is the counter's declaration.
func (c Counter) Definition() Definition { return counterTable[c] }

// Definition is the gauge's declaration.
func (g Gauge) Definition() Definition { return gaugeTable[g] }

// Definition is the timing's declaration.
func (t Timing) Definition() Definition { return timingTable[t] }

// in converts to the timing's unit.
func (t Timing) in(took time.Duration) float64 {
	if timingTable[t].Unit == Milliseconds {
		return float64(took) / float64(time.Millisecond)
	}
	return took.Seconds()
}

// Definitions are all declarations, in the order of the README.
func Definitions() []Definition {
	all := append(counterTable[:len(counterTable):len(counterTable)], gaugeTable[:]...)
	return append(all, timingTable[:]...)
}

func counter(name, family, label, value, meaning string) Definition {
	return Definition{name, Count, KindCounter, family, label, value, meaning}
}

var counterTable = [counters]Definition{
	RecordsIndexed:     counter("RecordsIndexed", "oipnode_records_total", "outcome", "indexed", "Records that were written into the index."),
	RecordsRejected:    counter("RecordsRejected", "oipnode_records_total", "outcome", "rejected", "Records that were refused, with a reason that is kept."),
	RecordsWaiting:     counter("RecordsWaiting", "oipnode_records_total", "outcome", "waiting", "Records that went into the retry ledger, for their bytes, a creator or a template."),
	RecordsDeleted:     counter("RecordsDeleted", "oipnode_records_total", "outcome", "deleted", "Records that their creators deleted."),
	CycleErrors:        counter("CycleErrors", "oipnode_cycle_errors_total", "", "", "Index cycles that ended early with an error."),
	GatewayErrors:      counter("GatewayErrors", "oipnode_gateway_errors_total", "", "", "Requests to gateways that failed, each attempt counted."),
	APIRequests2xx:     counter("APIRequests2xx", "oipnode_api_requests_total", "class", "2xx", "Requests that were answered with a status below 400."),
	APIRequests4xx:     counter("APIRequests4xx", "oipnode_api_requests_total", "class", "4xx", "Requests that were refused: status 400 to 499."),
	APIRequests5xx:     counter("APIRequests5xx", "oipnode_api_requests_total", "class", "5xx", "Requests that failed: status 500 and above."),
	CacheHits:          counter("CacheHits", "oipnode_cache_requests_total", "outcome", "hit", "Answers that the cache had."),
	CacheMisses:        counter("CacheMisses", "oipnode_cache_requests_total", "outcome", "miss", "Answers that the cache did not have."),
	DialogueExpiries:   counter("DialogueExpiries", "oipnode_expiries_total", "kind", "dialogue", "Dialogues that were removed because their time was over."),
	ProcessedExpiries:  counter("ProcessedExpiries", "oipnode_expiries_total", "kind", "processed", "Ids of processed GUN records that were removed after GUN_CACHE_MAX_AGE."),
	JobExpiries:        counter("JobExpiries", "oipnode_expiries_total", "kind", "job", "Media jobs that were removed because they had been over for long."),
	OtherExpiries:      counter("OtherExpiries", "oipnode_expiries_total", "kind", "other", "Rows of the state store of any other kind that were removed because they had expired."),
	GunRecordsIndexed:  counter("GunRecordsIndexed", "oipnode_gun_records_total", "outcome", "indexed", "GUN records that were written into the index."),
	GunRecordsRejected: counter("GunRecordsRejected", "oipnode_gun_records_total", "outcome", "rejected", "GUN records that did not pass the door, each try counted."),
	GunRecordsDeleted:  counter("GunRecordsDeleted", "oipnode_gun_records_total", "outcome", "deleted", "GUN records that were removed because of a deletion registry."),
	GunErrors:          counter("GunErrors", "oipnode_gun_errors_total", "", "", "What failed in sync cycles and is tried again: records, indexes, peers, cycles."),
	ColdStarts:         counter("ColdStarts", "oipnode_cold_starts_total", "", "", "Invocations that were the first of their process."),
}

func gauge(name string, unit Unit, family, label, value, meaning string) Definition {
	return Definition{name, unit, KindGauge, family, label, value, meaning}
}

var gaugeTable = [gauges]Definition{
	LagBlocks:        gauge("LagBlocks", Count, "oipnode_lag_blocks", "", "", "Blocks between the checkpoint and the gateway's height after a cycle."),
	CheckpointHeight: gauge("CheckpointHeight", Count, "oipnode_checkpoint_height", "", "", "Height up to which everything is settled."),
	LedgerCreator:    gauge("LedgerCreator", Count, "oipnode_ledger_entries", "state", "creator", "Entries of the ledger that wait for their creator's registration."),
	LedgerTemplate:   gauge("LedgerTemplate", Count, "oipnode_ledger_entries", "state", "template", "Entries of the ledger that wait for a template."),
	LedgerData:       gauge("LedgerData", Count, "oipnode_ledger_entries", "state", "data", "Entries of the ledger that wait for their bytes."),
	LedgerPartial:    gauge("LedgerPartial", Count, "oipnode_ledger_entries", "state", "partial", "Records that are indexed with some templates missing."),
	LedgerPending:    gauge("LedgerPending", Count, "oipnode_ledger_entries", "state", "pending", "Records that are indexed and whose block vanished."),
	LedgerParked:     gauge("LedgerParked", Count, "oipnode_ledger_entries", "state", "parked", "Entries that waited for long and are tried once a week."),
	LedgerRejected:   gauge("LedgerRejected", Count, "oipnode_ledger_entries", "state", "rejected", "Rejections that are kept, for whatever reason."),
	LedgerDeleted:    gauge("LedgerDeleted", Count, "oipnode_ledger_entries", "state", "deleted", "Deletions that are kept."),
	LedgerOther:      gauge("LedgerOther", Count, "oipnode_ledger_entries", "state", "other", "Entries of the ledger in any other state."),
	QueueDepth:       gauge("QueueDepth", Count, "oipnode_queue_depth", "", "", "Jobs that wait in the queue of media fetches."),
	MemoryUsed:       gauge("MemoryUsed", Bytes, "oipnode_memory_used_bytes", "", "", "Memory of the process that counts against its limit; mapped files do not."),
	MemoryPeak:       gauge("MemoryPeak", Bytes, "oipnode_memory_peak_bytes", "", "", "The most that MemoryUsed has been in the life of the process."),
	MemoryLimit:      gauge("MemoryLimit", Bytes, "oipnode_memory_limit_bytes", "", "", "Memory at which the process is ended: the function's, the container's or the machine's."),
	MemoryPercent:    gauge("MemoryPercent", Percent, "oipnode_memory_used_percent", "", "", "MemoryUsed in percent of MemoryLimit, as the health pages show it."),
	Goroutines:       gauge("Goroutines", Count, "oipnode_goroutines", "", "", "Goroutines of the process."),
}

func timing(name string, unit Unit, family, meaning string) Definition {
	return Definition{Name: name, Unit: unit, Kind: KindTiming, Family: family, Meaning: meaning}
}

var timingTable = [timings]Definition{
	CycleDuration:    timing("CycleDuration", Seconds, "oipnode_cycle_duration_seconds", "How long an index cycle took."),
	GunCycleDuration: timing("GunCycleDuration", Seconds, "oipnode_gun_cycle_duration_seconds", "How long a sync cycle with GUN peers took."),
	APILatency:       timing("APILatency", Milliseconds, "oipnode_api_latency_seconds", "How long a request took until its answer was ready."),
}
