package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"oipnode/shared/function"
	"oipnode/shared/maintenance"
)

func newHandler(p *function.Parts) (any, error) {
	p.Writes = true
	return func(ctx context.Context, event json.RawMessage) (any, error) { return work(ctx, p, event) }, nil
}

// work does one task. A request that is not valid changes nothing.
func work(ctx context.Context, p *function.Parts, event json.RawMessage) (any, error) {
	var q maintenance.Request
	err := function.Decode(event, &q, false)
	if err == nil {
		err = q.Check()
	}
	if err != nil {
		p.Log.ErrorContext(ctx, "malformed event", "error", err)
		return nil, err
	}
	stores, err := p.Stores(ctx)
	if err != nil {
		return nil, function.Failed(ctx, p.Log, "open the stores", err)
	}
	m := maintenance.Maintenance{Records: stores.Records, State: stores.State, RefreshCycles: p.Config.Index.RefreshCycles,
		Holder: "maintenance " + rand.Text(), Now: time.Now}
	result, err := m.Run(ctx, q)
	if err != nil {
		return nil, function.Failed(ctx, p.Log, "task "+q.Task, err)
	}
	p.Log.InfoContext(ctx, "done", "task", q.Task)
	return result, nil
}
