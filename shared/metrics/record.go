package metrics

import (
	"strings"
	"time"
)

// Request records an answer of the API: its class and how long it took.
func Request(r Recorder, status int, took time.Duration) {
	switch {
	case status >= 500:
		r.Add(APIRequests5xx, 1)
	case status >= 400:
		r.Add(APIRequests4xx, 1)
	default:
		r.Add(APIRequests2xx, 1)
	}
	r.Observe(APILatency, took)
}

// Ledger records how many entries the ledger has in each state, as
// indexer.Health.Ledger tells it. States that are not there have none.
func Ledger(r Recorder, entries map[string]int64) {
	var sums [gauges]int64
	for state, n := range entries {
		sums[ledgerState(state)] += n
	}
	for g := LedgerCreator; g <= LedgerOther; g++ {
		r.Set(g, float64(sums[g]))
	}
}

// ledgerState is the gauge of a state; the reasons of rejections are not told apart.
func ledgerState(state string) Gauge {
	name, reason, _ := strings.Cut(state, ":")
	if name == "waiting" {
		name = reason
	}
	switch name {
	case "creator":
		return LedgerCreator
	case "template":
		return LedgerTemplate
	case "data":
		return LedgerData
	case "partial":
		return LedgerPartial
	case "pending":
		return LedgerPending
	case "parked":
		return LedgerParked
	case "rejected":
		return LedgerRejected
	case "deleted":
		return LedgerDeleted
	default:
		return LedgerOther
	}
}
