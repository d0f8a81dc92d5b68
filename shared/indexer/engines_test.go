package indexer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"oipnode/infra/awslocal/stack"
	"oipnode/infra/engines"
	"oipnode/shared/records"
	"oipnode/shared/records/opensearch"
	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

// This file runs the truth and kill tests over the engines of AWS, which misbehave on
// the way: a proxy in front of each cuts connections before and after the engine has
// done its work, answers that it is busy, is slow, or is gone for a while.

// rough is a proxy in front of an engine.
type rough struct {
	proxy *httputil.ReverseProxy
	// busy is how the engine says that it has too much to do.
	busy func(w http.ResponseWriter)
	seed uint64
	// share of the requests that meet a fault, in percent.
	share atomic.Int64
	// away is set while the engine is stopped.
	away  atomic.Bool
	count atomic.Uint64
	// bulks counts the requests that write documents.
	bulks atomic.Uint64
	// met counts the faults by kind.
	met [4]atomic.Int64
}

func newRough(t testing.TB, target string, seed uint64, busy func(http.ResponseWriter)) (*rough, string) {
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r := &rough{seed: seed, busy: busy}
	r.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(u)
			p.Out.Host = u.Host
		},
		Transport:    &http.Transport{MaxIdleConnsPerHost: 32},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(r)
	t.Cleanup(func() {
		server.Close()
		r.proxy.Transport.(*http.Transport).CloseIdleConnections()
	})
	return r, server.URL
}

func (r *rough) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if r.away.Load() {
		panic(http.ErrAbortHandler)
	}
	n := r.count.Add(1)
	if strings.HasSuffix(q.URL.Path, "/_bulk") {
		r.bulks.Add(1)
	}
	// Multiplication by an odd constant spreads consecutive numbers.
	dice := (n + r.seed*7919) * 0x9E3779B97F4A7C15 >> 33 % 100
	if int64(dice) >= r.share.Load() {
		r.proxy.ServeHTTP(w, q)
		return
	}
	kind := n % 4
	r.met[kind].Add(1)
	switch kind {
	case 0: // nothing was done
		panic(http.ErrAbortHandler)
	case 1: // all was done, and nobody hears of it
		r.proxy.ServeHTTP(&deaf{header: http.Header{}}, q)
		panic(http.ErrAbortHandler)
	case 2:
		_, _ = io.Copy(io.Discard, q.Body)
		r.busy(w)
	case 3:
		time.Sleep(30 * time.Millisecond)
		r.proxy.ServeHTTP(w, q)
	}
}

// deaf takes an answer that goes nowhere.
type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header         { return d.header }
func (d *deaf) Write(p []byte) (int, error) { return len(p), nil }
func (d *deaf) WriteHeader(int)             {}

func busyOpenSearch(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"error":{"root_cause":[{"type":"circuit_breaking_exception"}],"type":"circuit_breaking_exception","reason":"too much"},"status":429}`)
}

func busyDynamoDB(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"too much"}`)
}

// openRough opens the stores of AWS for a world, behind rough proxies that behave
// until their share is set.
func (w *world) openRough() (rec records.Store, st state.Store, proxies []*rough) {
	w.t.Helper()
	return w.openRoughOn(engines.OpenSearch.URL(w.t), engines.DynamoDB.URL(w.t))
}

// openRoughOn does the same with engines of the test's own.
func (w *world) openRoughOn(openSearch, dynamoDB string) (rec records.Store, st state.Store, proxies []*rough) {
	w.t.Helper()
	config := engines.DynamoDB.AWS(w.t)
	config.BaseEndpoint, config.ConfigSources = aws.String(dynamoDB), nil // or the variable would win
	o := stack.Options{AWS: config, DynamoDB: dynamoDB, OpenSearch: openSearch, SQS: engines.SQS.URL(w.t),
		Name: fmt.Sprintf("rough-%d-%s", w.seed, strings.ToLower(rand.Text()[:8])), Gateways: "none"}
	ctx := context.Background()
	if _, err := stack.New(ctx, o); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := stack.Delete(ctx, o); err != nil {
			w.t.Error(err)
		}
	})
	documents, documentsURL := newRough(w.t, o.OpenSearch, w.seed, busyOpenSearch)
	items, itemsURL := newRough(w.t, o.DynamoDB, w.seed+1, busyDynamoDB)
	client := dynamodb.NewFromConfig(config, func(d *dynamodb.Options) { d.BaseEndpoint = aws.String(itemsURL) })
	s, err := dynamo.Open(ctx, dynamo.Options{Client: client, Table: o.Table(), Now: w.clock.Now, Patience: 2 * time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := opensearch.Open(ctx, opensearch.Options{Endpoints: []string{documentsURL}, Prefix: o.Name})
	if err != nil {
		w.t.Fatal(err)
	}
	var once sync.Once
	closeBoth := func() {
		once.Do(func() {
			if err := errors.Join(r.Close(), s.Close()); err != nil {
				w.t.Error(err)
			}
		})
	}
	w.t.Cleanup(closeBoth)
	return r, s, []*rough{documents, items}
}

// engineSeeds is how many worlds are indexed over the engines.
const engineSeeds = 6

// TestTruthOverEngines is TestTruth over OpenSearch and DynamoDB, both of which fail
// in every tenth request, and are gone in the middle of some cycles.
func TestTruthOverEngines(t *testing.T) {
	for i := range engineSeeds {
		seed := uint64(i)
		if *oneSeed >= 0 {
			seed = uint64(*oneSeed)
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed, 1, true)
			const steps = 5
			w.populate(w.chain.Tip(), steps, 40)
			rec, st, proxies := w.openRough()
			for _, p := range proxies {
				p.share.Store(10)
			}
			ix := New(w.options(rec, st, "truth"))
			for step := range steps {
				w.step()
				over := stopSoon(proxies[step%2], step%3 == 1)
				if _, err := ix.Run(context.Background()); err != nil {
					t.Logf("cycle: %v", err)
				}
				over()
				w.clock.Advance(time.Duration(5+w.rng.IntN(40)) * time.Minute)
			}
			faults := int64(0)
			for _, p := range proxies {
				p.share.Store(0)
				for k := range p.met {
					faults += p.met[k].Load()
				}
			}
			if faults == 0 {
				t.Error("the engines have not failed once: the test shows nothing")
			}
			w.settleDown(ix)
			w.compare(rec, st, "TruthOverEngines")
		})
	}
}

// stopSoon stops an engine in the middle of what goes on, for longer than its client's
// patience, and starts it again; over ends that early.
func stopSoon(p *rough, stop bool) (over func()) {
	if !stop {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer p.away.Store(false)
		for _, pause := range []time.Duration{50 * time.Millisecond, 3 * time.Second} {
			select {
			case <-done:
				return
			case <-time.After(pause):
				p.away.Store(true)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// TestEngineKilled ends OpenSearch itself, as a power cut would, and then DynamoDB Local
// (with SIGTERM, see engines.Own), while they write, in the middle
// of cycles, and starts them again on their files: nothing is lost, and nothing is there
// twice.
func TestEngineKilled(t *testing.T) {
	for i, e := range []engines.Engine{engines.OpenSearch, engines.DynamoDB} {
		t.Run(e.Name, func(t *testing.T) {
			own := e.StartOwn(t)
			w := newWorld(t, 300, 1, false)
			const steps = 3
			w.populate(w.chain.Tip(), steps, 60)
			urls := [2]string{engines.OpenSearch.URL(t), engines.DynamoDB.URL(t)}
			urls[i] = own.URL
			rec, st, proxies := w.openRoughOn(urls[0], urls[1])
			// OpenSearch is killed at a bulk, DynamoDB at any request.
			written := func() uint64 { return proxies[0].bulks.Load() }
			if e == engines.DynamoDB {
				written = func() uint64 { return proxies[1].count.Load() / 8 }
			}
			ix := New(w.options(rec, st, "killed"))
			met := 0
			for step := range steps {
				w.step()
				if killDuring(t, ix, own, written, uint64(step%2)) {
					met++
				}
				if e == engines.OpenSearch {
					awaitShards(t, own.URL)
				}
				w.clock.Advance(20 * time.Minute)
			}
			if met == 0 {
				t.Error("the engine was never killed in the middle of a cycle: the test shows nothing")
			}
			w.settleDown(ix)
			w.compare(rec, st, "EngineKilled")
		})
	}
}

// killDuring runs a cycle, kills an engine when so much more than nothing was written,
// and starts it again. It reports whether the cycle was still under way.
func killDuring(t *testing.T, ix *Indexer, own *engines.Own, written func() uint64, more uint64) (under bool) {
	t.Helper()
	ended := make(chan error, 1)
	begun := written()
	go func() {
		_, err := ix.Run(context.Background())
		ended <- err
	}()
	for under = true; under && written() <= begun+more; {
		select {
		case err := <-ended: // it wrote less than that
			under = false
			t.Logf("cycle: %v", err)
		case <-time.After(100 * time.Microsecond):
		}
	}
	if err := errors.Join(own.Kill(), own.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	if under {
		t.Logf("cycle: %v", <-ended)
	}
	return under
}

// TestCycleReopens: a Reindex that was killed leaves an index without writes. The next
// cycle opens it again; a cycle beside a Reindex that is running does not come so far.
func TestCycleReopens(t *testing.T) {
	w := newWorld(t, 400, 1, false)
	w.populate(w.chain.Tip(), 2, 30)
	rec, st, _ := w.openRough()
	ix := New(w.options(rec, st, "cycle"))
	w.step()
	run(t, ix)
	killed := errors.New("killed")
	calls := 0
	err := Alone(t.Context(), st, "operator", w.clock.Now, func(ctx context.Context, renew func(context.Context) error) error {
		_, err := rec.(*opensearch.Store).Reindex(ctx, func(ctx context.Context) error {
			if calls++; calls > 2 {
				return killed
			}
			return errors.Join(renew(ctx), beside(ctx, ix))
		})
		return err
	})
	if !errors.Is(err, killed) {
		t.Fatal(err)
	}
	w.step()
	run(t, ix)
	w.settleDown(ix)
	w.compare(rec, st, "CycleReopens")
	again, err := rec.(*opensearch.Store).Reindex(t.Context(), func(context.Context) error { return nil })
	if err != nil || !again.Done || again.Copied != again.Documents {
		t.Errorf("%+v, %v: the copy of the killed one was continued", again, err)
	}
}

// beside runs a cycle while somebody works alone.
func beside(ctx context.Context, ix *Indexer) error {
	if _, err := ix.Run(ctx); !errors.Is(err, ErrBusy) {
		return fmt.Errorf("a cycle beside it ended with %w", err)
	}
	return nil
}

// awaitShards waits until an engine has read its files.
func awaitShards(t *testing.T, url string) {
	t.Helper()
	for t.Context().Err() == nil {
		res, err := http.Get(url + "/_cluster/health?wait_for_status=yellow&timeout=5s")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if e := res.Body.Close(); err != nil || e != nil {
			t.Fatal(err, e)
		}
		if res.StatusCode == http.StatusOK && !strings.Contains(string(text), `"timed_out":true`) {
			return
		}
	}
}

// TestKillOverEngines is TestKillAgainAndAgain over OpenSearch and DynamoDB.
func TestKillOverEngines(t *testing.T) {
	for i := range engineSeeds / 2 {
		seed := uint64(100 + i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed, 1, false)
			const steps = 4
			w.populate(w.chain.Tip(), steps, 30)
			rec, st, _ := w.openRough()
			for i := range 3 * steps {
				if i%3 == 0 {
					w.step()
				}
				b := &blade{at: 1 + w.rng.Int64N(25), after: w.chance(0.5)}
				_, err := w.killer(rec, st, b, fmt.Sprint("victim ", i)).Run(context.Background())
				if err != nil && !errors.Is(err, errKilled) {
					t.Logf("cycle: %v", err)
				}
				w.clock.Advance(5 * time.Minute)
			}
			w.settleDown(New(w.options(rec, st, "heir")))
			w.compare(rec, st, "KillOverEngines")
		})
	}
}

// idle has a world indexed over the engines until all that waits has been tried; cycle
// runs one more cycle and tells how many requests of DynamoDB it took.
func idle(t testing.TB) (cycle func() uint64) {
	w := smallWorld(t, 5, 40)
	rec, st, proxies := w.openRough()
	ix := New(w.options(rec, st, "idle"))
	for range 4 {
		run(t, ix)
		w.clock.Advance(time.Minute)
	}
	return func() uint64 {
		before := proxies[1].count.Load()
		run(t, ix)
		return proxies[1].count.Load() - before
	}
}

// TestIdleRequests counts what an idle cycle asks of DynamoDB.
func TestIdleRequests(t *testing.T) {
	if n := idle(t)(); n > 10 {
		t.Errorf("%d requests of DynamoDB in an idle cycle, at most 10", n)
	}
}

// BenchmarkIdleRequests shows the same number.
func BenchmarkIdleRequests(b *testing.B) {
	cycle := idle(b)
	requests := uint64(0)
	for b.Loop() {
		requests += cycle()
	}
	b.ReportMetric(float64(requests)/float64(b.N), "requests/cycle")
}
