package indexer

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/shared/gateway"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

// startGateway runs the test binary as a gateway over n records.
func startGateway(b *testing.B, n int) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", serveEnv, n))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// benchStores opens embedded stores on the disk.
func benchStores(b *testing.B) (records.Store, state.Store) {
	b.Helper()
	dir := b.TempDir()
	st, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	rec, err := embedded.Open(b.Context(), filepath.Join(dir, "records"), embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = rec.Close(), st.Close() })
	return rec, st
}

// benchIndexer is an indexer as the local node has it.
func benchIndexer(b *testing.B, url string, rec records.Store, st state.Store) *Indexer {
	b.Helper()
	gw, err := gateway.Dial(url, gateway.Options{})
	if err != nil {
		b.Fatal(err)
	}
	pool := gateway.NewPool([]*gateway.Gateway{gw}, gateway.Options{})
	b.Cleanup(pool.Close)
	return New(Options{Records: rec, State: st, Pool: pool, StartHeight: worldStart, MaxTransactions: 1 << 30, ColdRescan: 168 * time.Hour})
}

// heapPeak samples the bytes of live and not yet collected objects.
func heapPeak(stop <-chan struct{}) (peak uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return peak
		case <-tick.C:
			metrics.Read(sample)
			peak = max(peak, sample[0].Value.Uint64())
		}
	}
}

// BenchmarkCycle indexes a chain of so many records from an empty store, over
// loopback HTTP from another process, signatures with 4096-bit keys, into the
// embedded stores on this disk. One operation is the whole chain.
func BenchmarkCycle(b *testing.B) {
	for _, n := range []int{5000, 50000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			url := startGateway(b, n)
			var worst uint64
			for b.Loop() {
				b.StopTimer()
				rec, st := benchStores(b)
				ix := benchIndexer(b, url, rec, st)
				runtime.GC()
				stop := make(chan struct{})
				var peak uint64
				var wait sync.WaitGroup
				wait.Go(func() { peak = heapPeak(stop) })
				b.StartTimer()
				report, err := ix.Run(context.Background())
				b.StopTimer()
				close(stop)
				wait.Wait()
				if err != nil || report.Counts.Indexed != n+2 {
					b.Fatalf("%+v: %v", report, err)
				}
				worst = max(worst, peak)
				b.StartTimer()
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(worst)/(1<<20), "peak-heap-MiB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkIdleCycle runs cycles over a chain that does not change.
func BenchmarkIdleCycle(b *testing.B) {
	w := smallWorld(b, 5, 40)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "idle"))
	w.settleDown(ix)
	before := w.sims[0].Requests().Total()
	for b.Loop() {
		w.clock.Advance(5 * time.Minute)
		if _, err := ix.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(w.sims[0].Requests().Total()-before)/float64(b.N), "requests/op")
}
