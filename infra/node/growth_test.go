package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"
	"time"

	"oipnode/shared/access"
	"oipnode/shared/config"
	"oipnode/shared/expiry"
	"oipnode/shared/gun/guntest"
	"oipnode/shared/indexer"
	"oipnode/shared/library"
	"oipnode/shared/memory"
	"oipnode/shared/metrics/prom"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/start"
	"oipnode/shared/state"
	"oipnode/shared/summary"
	"oipnode/shared/trend"
	"oipnode/shared/voice"
)

const (
	// growthRuns is how often each background job is run, and growthWarm how often before
	// that, so that pools and caches have their sizes.
	growthRuns, growthWarm = 1000, 100
	// growthPoints is how often the heap is measured meanwhile.
	growthPoints = 50
	// growthTolerance is what the heap may grow by in all the runs: 64 bytes for each, which
	// is less than the least that anybody would remember of one: a key in a map.
	growthTolerance = growthRuns * 64
)

// heapAfterGC is what is alive, in bytes. What a finalizer held back goes with the second
// collection.
func heapAfterGC() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// growth runs a job, and fits a line to the heap between the runs.
func growth(t *testing.T, job func(i int)) trend.Line {
	t.Helper()
	for i := range growthWarm {
		job(-1 - i)
	}
	var points []trend.Point
	for i := range growthRuns {
		if i%(growthRuns/growthPoints) == 0 {
			points = append(points, trend.Point{X: float64(i), Y: heapAfterGC()})
		}
		job(i)
	}
	points = append(points, trend.Point{X: growthRuns, Y: heapAfterGC()})
	line, err := trend.Fit(points)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d runs: heap %.2f MiB, growth %+.0f bytes ± %.0f", growthRuns, line.Mean/(1<<20), line.Growth(), line.Uncertainty())
	return line
}

// openGrowing opens a node on the sample chain, with a peer, all of it in this process.
func openGrowing(t *testing.T, variables map[string]string) *node {
	t.Helper()
	values := map[string]string{"ARWEAVE_GATEWAYS": "sample", "DATA_DIR": t.TempDir(), "LISTEN": "127.0.0.1:0", "LOG_FORMAT": "json"}
	for name, v := range variables {
		values[name] = v
	}
	c, err := config.Load(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	n := &node{config: c, display: newDisplay(&start.Env{Config: c, Log: log}), log: log}
	n.metrics, n.memory = prom.New(), newMonitor(c, log)
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	if err := n.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNothingGrows runs every background job of the node a thousand times, each on the
// node's own stores: the heap is the same afterwards.
func TestNothingGrows(t *testing.T) {
	gunner := oiptest.NewSigner("gun growth", 2048)
	peer := guntest.NewPeer(guntest.Options{})
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := peer.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range 4 {
		peer.Publish(guntest.Record{Signer: gunner, LocalID: fmt.Sprint(i), Type: "post", NodeID: "node-a",
			Data: fmt.Sprintf(`{"basic":{"name":"GUN record %d"},"post":{"webUrl":"https://example.com/%d"}}`, i, i)})
	}
	shelf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "a small file: "+r.URL.Path)
	}))
	t.Cleanup(shelf.Close)
	address, err := url.Parse(shelf.URL)
	if err != nil {
		t.Fatal(err)
	}
	n := openGrowing(t, map[string]string{"GUN_EXTERNAL_PEERS": peer.URL(), "GUN_CACHE_MAX_AGE": "1000",
		"MEDIA_ALLOW_PRIVATE": "true", "MEDIA_PORTS": address.Port()})
	cycles := countedIndex{indexer.New(n.indexing()), n.metrics}
	for complete := false; !complete; {
		r, err := cycles.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		complete = r.Complete
	}

	for name, job := range map[string]func(t *testing.T) func(i int){
		"idle cycle": func(t *testing.T) func(int) {
			return func(int) {
				if r, err := cycles.Run(t.Context()); err != nil || !r.Complete || r.Counts.Indexed > 0 {
					t.Fatalf("%+v, %v", r, err)
				}
			}
		},
		"summary": func(t *testing.T) func(int) {
			r := summary.Refresher{Records: summary.Opened(n.records), State: n.state, Every: 1, Now: time.Now}
			return func(int) {
				if s, fresh, err := r.Run(t.Context(), true); err != nil || !fresh || s.Records == 0 {
					t.Fatalf("%+v, %v, %v", s, fresh, err)
				}
			}
		},
		"GUN pass":      n.growGun,
		"expiry":        n.growExpiry,
		"media job":     func(t *testing.T) func(int) { return n.growMedia(t, shelf.URL) },
		"memory sample": n.growMemory,
	} {
		t.Run(name, func(t *testing.T) {
			if line := growth(t, job(t)); line.Grows(growthTolerance) {
				t.Errorf("the heap grows by %.0f bytes a run", line.Slope)
			}
		})
	}
}

// growGun runs passes over a peer that has nothing new, and over all of its records each
// time that GUN_CACHE_MAX_AGE is over.
func (n *node) growGun(t *testing.T) func(int) {
	loop, err := n.newSyncLoop()
	if err != nil || loop == nil {
		t.Fatal(loop, err)
	}
	return func(int) {
		r, err := loop.cycle(t.Context())
		if err != nil || !r.Complete || r.Counts.Errors > 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		loop.tell(r, err)
	}
}

// growExpiry removes rows that have just expired.
func (n *node) growExpiry(t *testing.T) func(int) {
	dialogues, err := voice.New(voice.Options{State: n.state, Log: n.log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dialogues.Close)
	removals, err := expiry.New(expiry.Options{Voice: dialogues, Metrics: n.metrics, Log: n.log})
	if err != nil {
		t.Fatal(err)
	}
	s := sweeper{store: n.state, removals: removals, log: n.log}
	return func(i int) {
		for j := range 4 {
			op := state.Create(state.Key{Space: "growth", ID: fmt.Sprintf("%d/%d", i, j)}, []byte("1")).Until(time.Now().Add(time.Millisecond))
			if err := n.state.Commit(t.Context(), op); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Millisecond)
		if err := s.sweep(t.Context()); err != nil || len(s.left) > 0 {
			t.Fatal(err, s.left)
		}
	}
}

// growMedia fetches a small file each time, each another one, through the node's workers.
func (n *node) growMedia(t *testing.T, base string) func(int) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.media.work(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	ann := access.Viewer{Authenticated: true, PublicKey: "key-of-ann"}
	return func(i int) {
		job, err := n.media.library.Request(t.Context(), ann, library.Wanted{URL: fmt.Sprintf("%s/%d", base, i)})
		for end := time.Now().Add(patience); err == nil && job.Status != library.Done; {
			if job.Status == library.Failed || time.Now().After(end) {
				t.Fatalf("%+v", job)
			}
			time.Sleep(time.Millisecond)
			job, err = n.media.library.Job(t.Context(), ann, job.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// growMemory checks the memory and writes the row of the health page, which a clock that
// goes on by a minute makes due each time.
func (n *node) growMemory(t *testing.T) func(int) {
	at := time.Now()
	m := memory.New(memory.Options{Read: memory.Reader{Now: func() time.Time { return at }}.Read, Log: n.log})
	reporter := memory.NewReporter(functionName, m)
	return func(int) {
		at = at.Add(time.Minute)
		s := m.Check(t.Context())
		memory.Record(n.metrics, s.Sample, s.Peak)
		if err := reporter.Report(t.Context(), n.state); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGrowthIsFound: a job that remembers the id of each run is found, or TestNothingGrows
// would show nothing.
func TestGrowthIsFound(t *testing.T) {
	processed := make(map[string]bool)
	line := growth(t, func(i int) { processed[fmt.Sprintf("did:arweave:%043d", i)] = true })
	if !line.Grows(growthTolerance) {
		t.Errorf("%d ids are not noticed: %+v", len(processed), line)
	}
	var kept []byte
	if line := growth(t, func(i int) { kept = make([]byte, 1000+i%10) }); line.Grows(growthTolerance) {
		t.Errorf("a job that keeps its last result grows: %+v, %d bytes", line, len(kept))
	}
}
