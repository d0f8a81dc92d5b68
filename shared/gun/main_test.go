package gun

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	seeds   = flag.Int("seeds", defaultSeeds, "how many random worlds the truth and kill tests try")
	oneSeed = flag.Int64("seed", -1, "try only this world")
)

// eachSeed runs a test over the worlds asked for.
func eachSeed(t *testing.T, share int, run func(t *testing.T, seed uint64)) {
	for i := range max(*seeds/share, 1) {
		seed := uint64(i)
		if *oneSeed >= 0 {
			if i > 0 {
				return
			}
			seed = uint64(*oneSeed)
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			run(t, seed)
		})
	}
}

// clock is the time of a test; it only moves when the test says so.
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

// fastDir returns a folder for stores, in memory where the system has one: that a disk
// keeps what was synced is the stores' own tests' concern.
func fastDir(t testing.TB) string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		if dir, err := os.MkdirTemp("/dev/shm", "oipnode-test-"); err == nil {
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			return dir
		}
	}
	return t.TempDir()
}

// openStores opens the embedded stores.
func openStores(t testing.TB, now func() time.Time) (records.Store, state.Store) {
	t.Helper()
	dir := fastDir(t)
	st, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	rec, err := embedded.Open(context.Background(), filepath.Join(dir, "records"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rec.Close() })
	return rec, st
}
