package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"oipnode/shared/config"
	"oipnode/shared/gun"
	"oipnode/shared/indexer"
	"oipnode/shared/memory"
	"oipnode/shared/metrics"
)

// memoryInterval is how often the node looks at its memory.
const memoryInterval = 10 * time.Second

// functionName is the node's among the functions of the health page.
const functionName = "node"

func newMonitor(c config.Config, log *slog.Logger) *memory.Monitor {
	return memory.New(memory.Options{
		Read: memory.Reader{Function: c.AWS.FunctionMemory}.Read, Thresholds: memory.Thresholds(c.Memory), Log: log,
	})
}

// watchMemory looks at the memory until ctx ends, and keeps a sample a minute in the
// state file: the next process shows how this one ended.
func (n *node) watchMemory(ctx context.Context) {
	reporter := memory.NewReporter(functionName, n.memory)
	n.memory.Run(ctx, memoryInterval, func(memory.State) {
		if err := reporter.Report(ctx, n.state); err != nil && ctx.Err() == nil {
			n.log.Warn("write the sample of the memory", "error", err)
		}
	})
}

// measure sets the gauges of what is at the moment, for whoever reads the metrics now.
// What cannot be read stays as it was.
func (n *node) measure(r *http.Request) {
	s := n.memory.Check(r.Context())
	memory.Record(n.metrics, s.Sample, s.Peak)
	if stats, err := n.media.queue.Stats(r.Context()); err == nil {
		n.metrics.Set(metrics.QueueDepth, float64(stats.Waiting))
	} else {
		n.log.WarnContext(r.Context(), "the depth of the queue", "error", err)
	}
	h, err := indexer.ReadHealth(r.Context(), n.state)
	if err != nil {
		n.log.WarnContext(r.Context(), "count the ledger", "error", err)
		return
	}
	metrics.Ledger(n.metrics, h.Ledger)
}

// countedIndex is the indexer, whose cycles are counted.
type countedIndex struct {
	cycler
	metrics metrics.Recorder
}

func (c countedIndex) Run(ctx context.Context) (indexer.Report, error) {
	begun := time.Now()
	r, err := c.cycler.Run(ctx)
	if !errors.Is(err, indexer.ErrBusy) && ctx.Err() == nil {
		r.Measure(c.metrics, time.Since(begun), err)
	}
	return r, err
}

// countedSync is the sync with GUN peers, whose cycles are counted.
type countedSync struct {
	syncer
	metrics metrics.Recorder
}

func (c countedSync) Run(ctx context.Context) (gun.Report, error) {
	begun := time.Now()
	r, err := c.syncer.Run(ctx)
	if !errors.Is(err, gun.ErrBusy) && ctx.Err() == nil {
		r.Measure(c.metrics, time.Since(begun), err)
	}
	return r, err
}
