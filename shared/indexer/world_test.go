package indexer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"oipnode/shared/gateway"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

// Settings of the simulated world. The chain is short, so that a seed takes a
// fraction of a second; the proportions are those of the real one.
const (
	worldStart    = int64(1000)
	worldConfirms = int64(18)
	worldWarm     = int64(40)
	worldMaxBytes = int64(16 << 10)
)

// clock is the time of a world; it only moves when a test says so.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a random chain, the gateways that serve it, the stores that index it,
// and what happens over time; everything follows from the seed.
type world struct {
	t     testing.TB
	seed  uint64
	rng   *rand.Rand
	clock *clock
	chain *gatewaysim.Chain
	sims  []*gatewaysim.Server
	fault []*gatewaysim.Faults
	pool  *gateway.Pool
	dir   string

	// What the generator remembers to refer to.
	creators  []*oiptest.Signer
	templates []template
	dids      []published
	bootstrap []string
	// removed are the DIDs that their owners had removed from the node.
	removed map[string]bool
}

type template struct {
	id    string
	owner *oiptest.Signer
	def   int // index into definitions
}

// published is something that a delete message may name.
type published struct {
	did   string
	owner *oiptest.Signer
}

// fastDir returns a folder for stores, in memory where the system has one: these
// tests check order and completeness; that a disk keeps what was synced is the
// stores' own tests' concern.
func fastDir(t testing.TB) string {
	if base := "/dev/shm"; isDir(base) {
		dir, err := os.MkdirTemp(base, "oipnode-test-")
		if err == nil {
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			return dir
		}
	}
	return t.TempDir()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// newWorld makes gateways for an empty chain.
func newWorld(t testing.TB, seed uint64, gateways int, faults bool) *world {
	w := &world{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), clock: newClock(), dir: fastDir(t), removed: make(map[string]bool)}
	w.chain = gatewaysim.NewChain(worldStart + 60)
	var gws []*gateway.Gateway
	for i := range gateways {
		opt := gatewaysim.Options{Seed: seed*10 + uint64(i), IndexesBundles: true}
		if faults {
			f := gatewaysim.Everything(seed*10 + uint64(i))
			f.SlowDelay = time.Millisecond
			opt.Faults = f
			w.fault = append(w.fault, f)
			opt.NoRaw = w.chance(0.2)
			opt.FullPageNoNext = w.chance(0.3)
			opt.LeakPending = w.chance(0.3)
			if w.chance(0.2) {
				opt.RowLimit = 40
			}
		}
		sim, gw := w.serve(w.chain, opt)
		w.sims, gws = append(w.sims, sim), append(gws, gw)
	}
	w.use(gws...)
	return w
}

// serve starts one more gateway, over any chain.
func (w *world) serve(chain *gatewaysim.Chain, opt gatewaysim.Options) (*gatewaysim.Server, *gateway.Gateway) {
	w.t.Helper()
	sim := gatewaysim.NewServer(chain, opt)
	if err := sim.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = sim.Close() })
	gw, err := gateway.Dial(sim.URL(), w.gatewayOptions())
	if err != nil {
		w.t.Fatal(err)
	}
	return sim, gw
}

// use makes these the gateways of runners that are made from now on.
func (w *world) use(gws ...*gateway.Gateway) {
	w.pool = gateway.NewPool(gws, w.gatewayOptions())
	w.t.Cleanup(w.pool.Close)
}

func (w *world) gatewayOptions() gateway.Options {
	return gateway.Options{
		Now: w.clock.Now, MaxDataBytes: worldMaxBytes, RequestTimeout: 5 * time.Second,
		RetryPause: time.Microsecond, Jitter: func() float64 { return 0.5 }, MaxBlockGapForFallback: 100000,
	}
}

// chance is true with probability p.
func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// pick returns one of the elements.
func pick[T any](w *world, from []T) T { return from[w.rng.IntN(len(from))] }

// open opens the world's stores.
func (w *world) open() (records.Store, state.Store, func()) {
	w.t.Helper()
	st, err := bolt.Open(filepath.Join(w.dir, "state.db"), bolt.Options{Now: w.clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	rec, err := embedded.Open(context.Background(), filepath.Join(w.dir, "records"), embedded.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	var once sync.Once
	closeBoth := func() {
		once.Do(func() {
			if err := rec.Close(); err != nil {
				w.t.Error(err)
			}
			if err := st.Close(); err != nil {
				w.t.Error(err)
			}
		})
	}
	w.t.Cleanup(closeBoth)
	return rec, st, closeBoth
}

// options are those of a runner over these stores.
func (w *world) options(rec records.Store, st state.Store, holder string) Options {
	return Options{
		Records: rec, State: st, Pool: w.pool,
		StartHeight: worldStart, Confirmations: worldConfirms, WarmBlocks: worldWarm,
		WarmInterval: time.Hour, ColdRescan: 6 * time.Hour,
		BootstrapCreators: w.bootstrap, MaxRecordBytes: worldMaxBytes,
		GroupSize: 20, Holder: holder, Now: w.clock.Now, Log: w.logger(),
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.clock.Advance(d)
			return ctx.Err()
		},
	}
}

// logger shows the pipeline's log when a test runs verbosely.
func (w *world) logger() *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(testWriter{w.t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// stopFaults ends all misbehaviour.
func (w *world) stopFaults() {
	for _, f := range w.fault {
		f.Stop()
	}
}

// replay tells how to run a failed seed again.
func (w *world) replay(test string) string {
	return fmt.Sprintf("replay: go test ./shared/indexer -run '%s' -seed %d", test, w.seed)
}
