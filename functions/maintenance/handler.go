package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"oipnode/shared/assembly"
	"oipnode/shared/errs"
	"oipnode/shared/function"
	"oipnode/shared/function/tokenkey"
	"oipnode/shared/gateway"
	"oipnode/shared/indexer"
	"oipnode/shared/maintenance"
)

// operator does an operator's tasks.
type operator struct {
	parts *function.Parts
	pool  *gateway.Pool
	// holder names this process in the lease of the index cycles.
	holder string
}

func newHandler(p *function.Parts) (any, error) {
	p.Writes = true
	if p.Config.Chain.Sample {
		return nil, errors.New("ARWEAVE_GATEWAYS is sample, which only the local node has; set the base URLs of gateways")
	}
	pool, err := assembly.Gateways(p.Config.Chain, p.Config.Chain.Gateways, nil, p.Metrics, p.Log)
	if err != nil {
		return nil, err
	}
	o := &operator{p, pool, "maintenance " + rand.Text()}
	return o.work, nil
}

// work does one task. A request that is not valid changes nothing.
func (o *operator) work(ctx context.Context, event json.RawMessage) (any, error) {
	p := o.parts
	var q maintenance.Request
	err := function.Decode(event, &q, false)
	if err == nil {
		err = q.Check()
	}
	if err != nil {
		p.Log.ErrorContext(ctx, "malformed event", "error", err)
		return nil, err
	}
	m, err := o.open(ctx, q.Needs())
	if err != nil {
		return nil, function.Failed(ctx, p.Log, "open the stores", err)
	}
	result, err := m.Run(ctx, q)
	if errors.Is(err, errs.NotFound) { // that is an answer
		p.Log.InfoContext(ctx, "not found", "task", q.Task)
		return nil, errors.New(errs.Public(err))
	}
	if err != nil {
		return nil, function.Failed(ctx, p.Log, "task "+q.Task, err)
	}
	p.Log.InfoContext(ctx, "done", "task", q.Task)
	return result, nil
}

// open opens what a task needs, and nothing else: what is away must not be in the way of
// another task.
func (o *operator) open(ctx context.Context, needs maintenance.Needs) (m maintenance.Maintenance, err error) {
	p := o.parts
	m = maintenance.Maintenance{
		RefreshCycles: p.Config.Index.RefreshCycles, Holder: o.holder, Now: time.Now, Memory: p.Memory,
		Secret: func(ctx context.Context) ([]byte, error) { return tokenkey.Read(ctx, p) },
	}
	if needs.State {
		if m.State, err = p.State(ctx); err != nil {
			return m, err
		}
	}
	if needs.Records {
		if m.Records, err = p.Records(ctx); err != nil {
			return m, err
		}
	}
	if needs.Media && p.HasMedia() {
		if m.Media, err = p.Library(m.State, nil); err != nil {
			return m, err
		}
	}
	if needs.Files && p.HasMedia() {
		if m.Files, err = p.Files(); err != nil {
			return m, err
		}
		m.Where = func(name string) string { return "s3://" + p.Config.AWS.MediaBucket + "/" + name }
	}
	m.Indexer = func() (*indexer.Indexer, error) {
		options := assembly.Indexing(p.Config, m.Records, m.State, o.pool)
		options.Holder, options.Log = o.holder, p.Log
		return indexer.New(options), nil
	}
	return m, nil
}
