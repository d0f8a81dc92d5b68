package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"oipnode/shared/assembly"
	"oipnode/shared/function"
	"oipnode/shared/gateway"
	"oipnode/shared/indexer"
)

// keeper runs one index cycle per invocation.
type keeper struct {
	parts *function.Parts
	pool  *gateway.Pool
	// holder names this process in the lease. A process that Lambda froze and never
	// thawed keeps its lease until it runs out.
	holder string
}

// outcome is what an invocation answers with.
type outcome struct {
	// Skipped says why nothing was done; empty when a cycle was run.
	Skipped string          `json:"skipped,omitempty"`
	Report  *indexer.Report `json:"report,omitempty"`
}

func newHandler(p *function.Parts) (any, error) {
	p.Writes = true
	k, err := newKeeper(p)
	if err != nil {
		return nil, err
	}
	return k.handle, nil
}

func newKeeper(p *function.Parts) (*keeper, error) {
	if p.Config.Chain.Sample {
		return nil, errors.New("ARWEAVE_GATEWAYS is sample, which only the local node has; set the base URLs of gateways")
	}
	pool, err := assembly.Gateways(p.Config.Chain, p.Config.Chain.Gateways, nil, p.Metrics, p.Log)
	if err != nil {
		return nil, err
	}
	return &keeper{parts: p, pool: pool, holder: "keepdb " + rand.Text()}, nil
}

// handle runs a cycle. It stops well before the function's deadline, with everything
// saved, and the next invocation goes on. Whatever the schedule's event holds is of no
// meaning, but it must be an event.
//
// Another cycle that is still running is no fault: this one is skipped. A cycle that
// failed is an error, so that it counts as one in Lambda's own metrics; its cause has
// been logged.
func (k *keeper) handle(ctx context.Context, event json.RawMessage) (outcome, error) {
	if err := function.Decode(event, &struct{}{}, true); err != nil {
		k.parts.Log.ErrorContext(ctx, "malformed event", "error", err)
		return outcome{}, err
	}
	stores, err := k.parts.Stores(ctx)
	if err != nil {
		return outcome{}, function.Failed(ctx, k.parts.Log, "open the stores", err)
	}
	options := assembly.Indexing(k.parts.Config, stores.Records, stores.State, k.pool)
	options.Holder, options.Log = k.holder, k.parts.Log
	begun := time.Now()
	report, err := indexer.New(options).Run(ctx)
	if !errors.Is(err, indexer.ErrBusy) {
		report.Measure(k.parts.Metrics, time.Since(begun), err)
	}
	switch {
	case errors.Is(err, indexer.ErrBusy):
		k.parts.Log.InfoContext(ctx, "skipped: another cycle is running")
		return outcome{Skipped: indexer.ErrBusy.Error()}, nil
	case err != nil && report.Error != "":
		return outcome{}, fmt.Errorf("the cycle ended early: %s", report.Error)
	case err != nil:
		return outcome{}, function.Failed(ctx, k.parts.Log, "index cycle", err)
	}
	k.parts.Log.InfoContext(ctx, "cycle", "gateway", report.Gateway, "height", report.Height, "duration", report.Duration,
		"complete", report.Complete, "counts", report.Counts)
	return outcome{Report: &report}, nil
}
