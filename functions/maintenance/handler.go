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
	m, err := parts(ctx, p, q.Task)
	if err != nil {
		return nil, function.Failed(ctx, p.Log, "open the stores", err)
	}
	result, err := m.Run(ctx, q)
	if err != nil {
		return nil, function.Failed(ctx, p.Log, "task "+q.Task, err)
	}
	p.Log.InfoContext(ctx, "done", "task", q.Task)
	return result, nil
}

// parts opens what a task needs: media are repaired also when the index is away.
func parts(ctx context.Context, p *function.Parts, task string) (m maintenance.Maintenance, err error) {
	m = maintenance.Maintenance{RefreshCycles: p.Config.Index.RefreshCycles, Holder: "maintenance " + rand.Text(), Now: time.Now}
	if task != maintenance.TaskMediaRepair {
		stores, err := p.Stores(ctx)
		m.Records, m.State = stores.Records, stores.State
		return m, err
	}
	if m.State, err = p.State(ctx); err != nil || !p.HasMedia() {
		return m, err
	}
	m.Media, err = p.Library(m.State, nil)
	return m, err
}
