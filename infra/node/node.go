package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/access"
	"oipnode/shared/api"
	"oipnode/shared/assembly"
	"oipnode/shared/config"
	"oipnode/shared/expiry"
	"oipnode/shared/indexer"
	"oipnode/shared/memory"
	"oipnode/shared/metrics/prom"
	"oipnode/shared/records/embedded"
	"oipnode/shared/start"
	"oipnode/shared/state/bolt"
	"oipnode/shared/summary"
	"oipnode/shared/voice"
)

// holder names the node in the lease that makes a cycle the only writer. It is the
// same in every process, and that is safe: the lease lies in the state file, which
// one process at a time has open, so another holder of that name can only be one
// that was killed. Its lease is taken over at once instead of after its end.
const holder = "local node"

// node is a node that has everything it needs open.
type node struct {
	config   config.Config
	log      *slog.Logger
	display  display
	state    *bolt.Store
	records  *embedded.Store
	listener net.Listener
	network  *network
	// empty says that no cycle has got anywhere in this folder yet.
	empty bool
	// caughtUp says that a cycle of this process was through with everything. Only
	// the loop of cycles uses it.
	caughtUp bool
	voice    *voice.Dialogues
	media    *shelf
	metrics  *prom.Recorder
	memory   *memory.Monitor
	// dir is the folder of the stores.
	dir string
	// turns holds one token, for whoever works as the only writer: a cycle, or a task.
	turns chan struct{}
	// closers undo what was opened, the last first.
	closers []func() error
}

// run is the whole life of a node.
func run(ctx context.Context, env *start.Env) (err error) {
	n := newNode(env.Config, newDisplay(env))
	defer func() { err = errors.Join(err, n.close()) }()
	if err := n.open(ctx); err != nil {
		return err
	}
	return n.run(ctx)
}

// newNode makes a node that has nothing open.
func newNode(c config.Config, d display) *node {
	n := &node{config: c, display: d, log: d.log(), turns: make(chan struct{}, 1)}
	n.metrics, n.memory = prom.New(), newMonitor(c, n.log)
	return n
}

// open checks and takes everything that the node needs, and does no work yet: what
// cannot be had is told at once.
func (n *node) open(ctx context.Context) error {
	kept, err := n.openState()
	if err != nil {
		return err
	}
	// After the folder, so that a second node in the same folder hears of that
	// first; before the record store, which may have an index to rebuild.
	if n.listener, err = listen(ctx, n.config.Node.Listen); err != nil {
		return err
	}
	n.closers = append(n.closers, n.closeListener)
	if err := n.openRest(ctx); err != nil {
		return err
	}
	n.advise(kept)
	return n.resume(ctx)
}

// openState takes the data folder, whose lock is that of the state file.
func (n *node) openState() (kept layout, err error) {
	if n.dir, err = dataFolder(n.config); err != nil {
		return kept, err
	}
	if kept, err = prepareFolder(n.dir, n.config); err != nil {
		return kept, err
	}
	if n.state, err = bolt.Open(filepath.Join(n.dir, "state.db"), bolt.Options{}); err != nil {
		return kept, storeError(n.dir, err)
	}
	n.closers = append(n.closers, n.state.Close)
	return kept, nil
}

// openRest opens the other stores, and prepares the gateways.
func (n *node) openRest(ctx context.Context) (err error) {
	n.records, err = embedded.Open(ctx, filepath.Join(n.dir, "records"), embedded.Options{Logger: n.log})
	if err != nil {
		return storeError(n.dir, err)
	}
	n.closers = append(n.closers, n.records.Close)
	if n.network, err = openNetwork(n.config, n.metrics, n.log); err != nil {
		return err
	}
	n.closers = append(n.closers, n.network.close)
	if n.media, err = n.openShelf(n.dir); err != nil {
		return err
	}
	n.closers = append(n.closers, n.media.close)
	return nil
}

// closeListener closes the listener of a node that did not come to serve; a server
// closes its own.
func (n *node) closeListener() error {
	if err := n.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// advise logs what is allowed but may surprise.
func (n *node) advise(kept layout) {
	if c := n.config; c.Chain.StartHeight < kept.StartHeight {
		n.log.Warn("START_HEIGHT is lower than that of the index: the blocks between are read by the cold pass only",
			"startHeight", c.Chain.StartHeight, "indexBegan", kept.StartHeight, "coldRescan", c.Chain.ColdRescan)
	}
	if n.config.HTTP.JWTSecretParameter != "" {
		n.log.Warn("JWT_SECRET_PARAMETER has no effect on the local node; set JWT_SECRET")
	}
}

// resume finds out how far an earlier process came.
func (n *node) resume(ctx context.Context) error {
	h, err := indexer.ReadHealth(ctx, n.state)
	if err != nil {
		return fmt.Errorf("read the checkpoint: %w", err)
	}
	n.empty = h.Checkpoint.At.IsZero()
	if !n.empty && !h.Checkpoint.Initial {
		n.network.caughtUp()
	}
	return nil
}

// close undoes open, as far as that came.
func (n *node) close() error {
	var errs []error
	for _, c := range slices.Backward(n.closers) {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// run serves and indexes until ctx ends or serving fails.
func (n *node) run(ctx context.Context) error {
	c := n.config
	auth, err := access.NewAuthenticator(access.Settings{
		Secret: c.HTTP.JWTSecret.Reveal(), PublicBaseURL: c.HTTP.PublicBaseURL, ServerAddress: c.HTTP.ServerAddress, Log: n.log,
	})
	if err != nil {
		return err
	}
	if n.voice, err = voice.New(voice.Options{State: n.state, Timeout: c.Voice.DialogueTimeout, Log: n.log}); err != nil {
		return err
	}
	removals, err := expiry.New(expiry.Options{Voice: n.voice, Metrics: n.metrics, Log: n.log})
	if err != nil {
		return err
	}
	syncs, err := n.newSyncLoop()
	if err != nil {
		return err
	}
	sweeps := sweeper{store: n.state, removals: removals, log: n.log}
	proxy, err := assembly.Relaying(c.Gun, n.log)
	if err != nil {
		return err
	}
	if proxy != nil {
		defer proxy.Close()
	}
	handler := api.New(api.Options{
		Records: n.records, State: n.state, Auth: auth, Voice: n.voice, Media: n.media.library, Version: assembly.Version,
		GunSync: n.gunSync(syncs), Relay: proxy, Operations: c.HTTP.Operations, Origins: c.HTTP.Origins,
		StartHeight: c.Chain.StartHeight, CycleInterval: c.Index.Interval, RefreshCycles: c.Index.RefreshCycles, Console: console(),
		CacheBytes: c.Index.CacheBytes, CacheLife: c.Index.CacheTTL,
		Metrics: n.metrics, Memory: n.memory, Prometheus: n.metrics.Page(n.measure), Log: n.display.access(),
	})
	cycles := loop{
		index:    orderlyIndex{countedIndex{indexer.New(n.indexing()), n.metrics}, n.turn},
		delay:    n.delay(),
		interval: c.Index.Interval,
		log:      n.log,
		ended:    n.cycleEnded,
	}
	operators, err := n.openDesk(ctx)
	if err != nil {
		return err
	}
	n.display.started(baseURL(n.listener))
	if cycles.delay > 0 {
		n.log.Info("the first index cycle begins after KEEP_DB_DELAY", "delay", cycles.delay, "gateways", c.Chain.Gateways)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return serve(ctx, n.listener, withDebug(n.listener, handler, n.log), n.endAnswers, n.log)
	})
	g.Go(func() error { return operators.serve(ctx) })
	g.Go(func() error { cycles.run(ctx); return nil })
	g.Go(func() error { sweeps.run(ctx); return nil })
	g.Go(func() error { return n.media.work(ctx) })
	g.Go(func() error { n.media.repair(ctx); return nil })
	g.Go(func() error { n.watchMemory(ctx); return nil })
	if syncs != nil {
		g.Go(func() error { syncs.run(ctx); return nil })
	}
	return g.Wait()
}

// endAnswers ends the answers that would go on for long.
func (n *node) endAnswers() {
	n.voice.Close()
	n.media.library.Close()
}

// cycleEnded is called after every cycle that ended without an error.
func (n *node) cycleEnded(ctx context.Context, r indexer.Report) {
	n.refresh(ctx)
	n.display.cycle(r)
	if !r.Complete || n.caughtUp {
		return
	}
	n.caughtUp = true
	n.network.caughtUp()
	try, err := suggest(ctx, n.records, baseURL(n.listener))
	if err != nil {
		n.log.Warn("what to try", "error", err)
	}
	n.display.caughtUp(r.Height, try)
}

// delay is the wait before the first cycle: an operator may look at the settings of
// a new node before it asks other people's gateways for years of blocks.
func (n *node) delay() time.Duration {
	if n.empty && !n.config.Chain.Sample {
		return n.config.Index.FirstDelay
	}
	return 0
}

// indexing are the pipeline's settings.
func (n *node) indexing() indexer.Options {
	o := assembly.Indexing(n.config, n.records, n.state, n.network.pool)
	o.BootstrapCreators = n.network.bootstrap
	o.Holder, o.Log, o.Progress = holder, n.log, n.display.progress
	return o
}

// refresh makes the shared summary anew when it is due.
func (n *node) refresh(ctx context.Context) {
	r := summary.Refresher{Records: summary.Opened(n.records), State: n.state, Every: n.config.Index.RefreshCycles, Now: time.Now}
	if _, _, err := r.Run(ctx, false); err != nil && ctx.Err() == nil {
		n.log.Warn("refresh the shared summary", "error", err)
	}
}
