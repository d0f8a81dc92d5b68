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
	"oipnode/shared/gun"
	"oipnode/shared/pace"
)

// Why an invocation did nothing, as its answer and its log say it.
const (
	skippedOff   = "there is nothing to synchronize with: GUN_EXTERNAL_PEERS and GUN_RELAY_URL are not set, or GUN_SYNC_ENABLED is false"
	skippedEarly = "another invocation does the next pass"
	skippedBusy  = "another pass is running"
)

// syncer runs one sync pass per invocation.
type syncer struct {
	parts *function.Parts
	queue pace.Sender // nil without GUN_QUEUE_URL
	// holder names this process in the lease. A process that Lambda froze and never
	// thawed keeps its lease until it runs out.
	holder string
}

// outcome is what an invocation answers with.
type outcome struct {
	// Skipped says why nothing was done; empty when a pass was run.
	Skipped string  `json:"skipped,omitempty"`
	Report  *report `json:"report,omitempty"`
}

// report is what of a pass may be shown to whoever invokes a function; the log has all
// of it.
type report struct {
	Counts   gun.Counts `json:"counts"`
	Complete bool       `json:"complete"`
}

func newHandler(p *function.Parts) (any, error) {
	p.Writes = true
	s := &syncer{parts: p, holder: "gunsync " + rand.Text()}
	if assembly.Syncs(p.Config.Gun) {
		// An address that no peer can have is a fault of the start.
		if _, err := gun.New(assembly.Syncing(p.Config, nil, nil)); err != nil {
			return nil, fmt.Errorf("GUN_EXTERNAL_PEERS or GUN_RELAY_URL: %w", err)
		}
	}
	if url := p.Config.AWS.GunQueueURL; url != "" {
		queue, err := p.Queue(url, "")
		if err != nil {
			return nil, fmt.Errorf("GUN_QUEUE_URL: %w", err)
		}
		s.queue = queue
	}
	return s.handle, nil
}

// handle runs a pass if it is time for one (package pace), or if somebody wishes one.
//
// A pass that is skipped is no fault. One that failed is an error, so that it counts as
// one in Lambda's own metrics; its cause has been logged. A message then comes again,
// and dies: its beat is used up, and a wish is tried once.
func (s *syncer) handle(ctx context.Context, event json.RawMessage) (outcome, error) {
	calls, err := parse(event)
	if err != nil {
		s.parts.Log.ErrorContext(ctx, "malformed event", "error", err)
		return outcome{}, err
	}
	if !assembly.Syncs(s.parts.Config.Gun) {
		return s.skip(ctx, skippedOff), nil // and no message: a chain ends here
	}
	stores, err := s.parts.Stores(ctx)
	if err != nil {
		return outcome{}, function.Failed(ctx, s.parts.Log, "open the stores", err)
	}
	beats := pace.New(pace.Options{Name: "gunsync", State: stores.State, Interval: s.parts.Config.Gun.Interval, Queue: s.queue})
	mine := false
	var wish *pace.Message
	for _, c := range calls {
		if c.Force {
			if !c.again {
				mine, wish = true, &c.Message
			}
			continue
		}
		claimed, err := beats.Claim(ctx, c.Beat)
		if errors.Is(err, pace.ErrSend) {
			s.parts.Log.WarnContext(ctx, "the next pass waits for the schedule", "error", err)
		} else if err != nil {
			return outcome{}, function.Failed(ctx, s.parts.Log, "claim the pass", err)
		}
		mine = mine || claimed
	}
	if !mine {
		return s.skip(ctx, skippedEarly), nil
	}
	done, err := s.pass(ctx, stores)
	if done.Skipped == skippedBusy && wish != nil && s.queue != nil {
		if err := pace.PutOff(ctx, s.queue, *wish); err != nil {
			s.parts.Log.WarnContext(ctx, "a wish for a pass is lost", "error", err)
		}
	}
	return done, err
}

// skip notes that nothing is done.
func (s *syncer) skip(ctx context.Context, why string) outcome {
	s.parts.Log.DebugContext(ctx, "skipped: "+why)
	return outcome{Skipped: why}
}

// pass runs one cycle. It stops well before the function's deadline, with everything
// saved, and the next one goes on.
func (s *syncer) pass(ctx context.Context, stores function.Stores) (outcome, error) {
	options := assembly.Syncing(s.parts.Config, stores.Records, stores.State)
	options.Holder, options.Log = s.holder, s.parts.Log
	sync, err := gun.New(options)
	if err != nil {
		return outcome{}, function.Failed(ctx, s.parts.Log, "prepare the sync", err)
	}
	begun := time.Now()
	r, err := sync.Run(ctx)
	if errors.Is(err, gun.ErrBusy) {
		return s.skip(ctx, skippedBusy), nil
	}
	r.Measure(s.parts.Metrics, time.Since(begun), err)
	switch {
	case err != nil && r.Error != "":
		return outcome{}, fmt.Errorf("the pass ended early: %s", r.Error)
	case err != nil:
		return outcome{}, function.Failed(ctx, s.parts.Log, "sync pass", err)
	}
	s.parts.Log.InfoContext(ctx, "sync", "duration", r.Duration, "complete", r.Complete, "counts", r.Counts, "peers", r.Peers)
	return outcome{Report: &report{Counts: r.Counts, Complete: r.Complete}}, nil
}
