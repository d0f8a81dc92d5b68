package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"oipnode/shared/assembly"
	"oipnode/shared/config"
	"oipnode/shared/jobs"
	jobfile "oipnode/shared/jobs/local"
	"oipnode/shared/library"
	"oipnode/shared/media/files"
)

const (
	// mediaQuiet is for how long nothing must have been heard of a fetch before it is
	// sent again: longer than the longest pause between two tries.
	mediaQuiet = 30 * time.Minute
	// mediaVisibility is for how long a worker has a fetch before it must say that it is
	// still at it: what a killed process has begun is begun again so much later.
	mediaVisibility = 10 * time.Second
	// mediaInterval is the pause between two repairs, and mediaTime how long one takes
	// at most; the next one goes on.
	mediaInterval = time.Hour
	mediaTime     = 5 * time.Minute
)

// shelf is the node's media: the files, what is known of them, and the fetches.
type shelf struct {
	library *library.Library
	files   *files.Store
	queue   *jobfile.Queue
	workers int
	// hold says that no fetch should be begun.
	hold func() bool
	log  *slog.Logger
}

// openShelf opens the media in the data folder.
func (n *node) openShelf(dir string) (*shelf, error) {
	store, err := files.Open(filepath.Join(dir, "media"), files.Options{})
	if err != nil {
		return nil, storeError(dir, err)
	}
	queue, err := jobfile.Open(filepath.Join(dir, "jobs.db"), jobfile.Options{})
	if err != nil {
		return nil, storeError(dir, err)
	}
	o := assembly.Library(n.config, n.state, store, n.log)
	o.Queue, o.Records, o.Quiet = queue, n.records, mediaQuiet
	if base, ok := n.network.sampleAddress(); ok {
		o.Gateways, o.GatewayRemote = []string{base}, assembly.Remote(config.Media{
			AllowPrivate: true, MaxBytes: n.config.Media.MaxBytes, Timeout: n.config.Media.Timeout, // this process itself
		}, assembly.Ports(base))
	}
	l, err := library.New(o)
	if err != nil {
		_ = queue.Close()
		return nil, err
	}
	return &shelf{l, store, queue, n.config.Media.Workers, n.memory.Tight, n.log}, nil
}

// work fetches what is asked for until ctx has ended. A fetch under way is given back
// then, and goes on with the next start.
func (s *shelf) work(ctx context.Context) error {
	return jobs.Work(ctx, s.queue, s.library.Run, jobs.Options{
		Parallel: s.workers, MaxAttempts: library.MaxAttempts, Visibility: mediaVisibility, Hold: s.hold, Log: s.log,
	})
}

// repair mends what kills and lost files have left, at once and every hour.
func (s *shelf) repair(ctx context.Context) {
	for pause := time.Duration(0); wait(ctx, pause); pause = mediaInterval {
		done, err := s.repairOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Warn("repair of the media", "error", err)
		case done.Resent+done.Ended+done.Removed+done.Refetched+done.Lost+done.Swept > 0:
			s.log.Info("repair of the media", "found", done)
		}
	}
}

func (s *shelf) repairOnce(ctx context.Context) (library.Repaired, error) {
	ctx, cancel := context.WithTimeout(ctx, mediaTime)
	defer cancel()
	return s.library.Repair(ctx, library.Grace)
}

func (s *shelf) close() error { return s.queue.Close() }
