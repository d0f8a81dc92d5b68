package main

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"oipnode/shared/api"
	"oipnode/shared/assembly"
	"oipnode/shared/gun"
)

// syncer is the sync with GUN peers, one cycle at a time.
type syncer interface {
	Run(ctx context.Context) (gun.Report, error)
}

// syncLoop runs sync cycles one after the other until its context ends.
type syncLoop struct {
	sync     syncer
	interval time.Duration
	log      *slog.Logger
	// wish holds at most one wish for a cycle now.
	wish chan struct{}

	failure string
	said    time.Time
}

// newSyncLoop makes the loop, nil when there is nothing to synchronize with.
func (n *node) newSyncLoop() (*syncLoop, error) {
	if !assembly.Syncs(n.config.Gun) {
		return nil, nil
	}
	o := assembly.Syncing(n.config, n.records, n.state)
	o.Holder, o.Log = holder, n.log
	s, err := gun.New(o)
	if err != nil {
		return nil, fmt.Errorf("GUN_EXTERNAL_PEERS or GUN_RELAY_URL: %w", err)
	}
	return &syncLoop{sync: countedSync{s, n.metrics}, interval: n.config.Gun.Interval, log: n.log, wish: make(chan struct{}, 1)}, nil
}

// force makes the next cycle begin at once, or as soon as the running one has ended.
func (l *syncLoop) force() {
	select {
	case l.wish <- struct{}{}:
	default: // it is wished for already
	}
}

// gunSync is the sync as the API shows and starts it; nil without one.
func (n *node) gunSync(l *syncLoop) *api.GunSync {
	if l == nil {
		return nil
	}
	return &api.GunSync{
		Settings: assembly.Syncing(n.config, n.records, n.state),
		Force:    func(context.Context) error { l.force(); return nil },
	}
}

// run returns when ctx has ended. A cycle under way is broken off for that: every step
// of it can be done again.
func (l *syncLoop) run(ctx context.Context) {
	for ctx.Err() == nil {
		report, err := l.cycle(ctx)
		if ctx.Err() != nil {
			return
		}
		l.tell(report, err)
		pause := l.interval
		if err == nil && !report.Complete && report.Counts.Discovered > 0 {
			pause = min(pause, catchUpPause)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-l.wish:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// cycle runs one cycle; a panic in it is an error like any other.
func (l *syncLoop) cycle(ctx context.Context) (r gun.Report, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return l.sync.Run(ctx)
}

// tell logs a cycle that did something, and a failure when it begins, changes, has
// lasted for long, or is over.
func (l *syncLoop) tell(r gun.Report, err error) {
	before := l.failure
	l.failure = failureOf(err)
	switch {
	case l.failure != "" && (l.failure != before || time.Since(l.said) >= reminder):
		l.said = time.Now()
		l.log.Error("the sync cycle with GUN peers failed; it is tried again after GUN_SYNC_INTERVAL", "error", err, "interval", l.interval)
		return
	case l.failure != "":
		l.log.Debug("the sync cycle with GUN peers failed again", "error", err)
		return
	case before != "":
		l.log.Info("the sync cycle with GUN peers works again")
	}
	level, c := slog.LevelDebug, r.Counts
	if c.Indexed+c.Deleted+c.Registered+c.Published > 0 {
		level = slog.LevelInfo
	}
	l.log.Log(context.Background(), level, "gun cycle", "complete", r.Complete, "duration", r.Duration.Round(time.Millisecond).String(),
		"discovered", c.Discovered, "synced", c.Synced, "indexed", c.Indexed, "rejected", c.Rejected, "skipped", c.Skipped,
		"deleted", c.Deleted, "registered", c.Registered, "published", c.Published, "errors", c.Errors)
}
