package main

import (
	"context"
	"encoding/json"
	"time"

	"oipnode/shared/function"
	"oipnode/shared/indexer"
	"oipnode/shared/metrics"
	"oipnode/shared/summary"
)

// request is the event: a schedule's, which says nothing, or an operator's.
type request struct {
	// Force makes the summary anew although it is not due.
	Force bool `json:"force"`
}

// outcome is what an invocation answers with.
type outcome struct {
	// Refreshed says whether this invocation has made the summary.
	Refreshed bool `json:"refreshed"`
	// Summary is the one that holds now; absent before the first cycle.
	Summary *summary.Summary `json:"summary,omitempty"`
}

func newHandler(p *function.Parts) (any, error) {
	return func(ctx context.Context, event json.RawMessage) (outcome, error) { return refresh(ctx, p, event) }, nil
}

// refresh does nothing but two reads of single items while the summary is not due.
func refresh(ctx context.Context, p *function.Parts, event json.RawMessage) (outcome, error) {
	var q request
	if err := function.Decode(event, &q, true); err != nil {
		p.Log.ErrorContext(ctx, "malformed event", "error", err)
		return outcome{}, err
	}
	// The record store is opened only when there is something to count: before the first
	// cycle there is none, and while nothing is due it need not be there.
	store, err := p.State(ctx)
	if err != nil {
		return outcome{}, function.Failed(ctx, p.Log, "open the state store", err)
	}
	r := summary.Refresher{Records: p.Records, State: store, Every: p.Config.Index.RefreshCycles, Now: time.Now}
	sum, made, err := r.Run(ctx, q.Force)
	if err != nil {
		return outcome{}, function.Failed(ctx, p.Log, "refresh the summary", err)
	}
	if sum.At.IsZero() {
		return outcome{}, nil
	}
	if made {
		h, err := indexer.ReadHealth(ctx, store)
		if err != nil {
			return outcome{}, function.Failed(ctx, p.Log, "count the ledger", err)
		}
		metrics.Ledger(p.Metrics, h.Ledger)
		p.Log.InfoContext(ctx, "summary", "cycle", sum.Cycle, "records", sum.Records, "types", len(sum.Types), "latestBlock", sum.LatestBlock)
	}
	return outcome{Refreshed: made, Summary: &sum}, nil
}
