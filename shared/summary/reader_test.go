package summary_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"oipnode/shared/records"
	"oipnode/shared/state"
	"oipnode/shared/summary"
)

// counted is a record store that counts the summaries that are made of it.
type counted struct {
	records.Store
	counts atomic.Int64
	// wait, if set, is waited for by each count, and fail ends it.
	wait chan struct{}
	fail error
}

func (s *counted) Count(ctx context.Context, where records.Cond, by records.Field) (records.Counts, error) {
	s.counts.Add(1)
	if s.wait != nil {
		<-s.wait
	}
	if s.fail != nil {
		return records.Counts{}, s.fail
	}
	return s.Store.Count(ctx, where, by)
}

// reading is a Reader over stores that have had one index cycle.
type reading struct {
	*summary.Reader
	store   *counted
	state   state.Store
	cycle   func()
	refresh summary.Refresher
	log     bytes.Buffer
	gone    atomic.Int64
}

func newReading(t *testing.T) *reading {
	rec, st := stores(t)
	r := &reading{store: &counted{Store: rec}, state: st, cycle: cycles(t, rec, st)}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r.refresh = summary.Refresher{Records: summary.Opened(r.store), State: st, Every: 2,
		Now: func() time.Time { return start.Add(time.Duration(r.gone.Load())) }}
	r.Reader = summary.NewReader(r.refresh, slog.New(slog.NewTextHandler(&r.log, nil)))
	r.cycle()
	return r
}

// read reads after so many cycles and expects a summary of a cycle, 0 for none.
func (r *reading) read(t *testing.T, cycles, want int64) {
	t.Helper()
	sum, exists, err := r.Read(t.Context(), cycles)
	if err != nil || exists != (want > 0) || sum.Cycle != want {
		t.Errorf("after %d cycles: of cycle %d, %v, %v; want %d", cycles, sum.Cycle, exists, err, want)
	}
}

// TestFirstReader: a summary whose time is over is made by its first reader, once.
func TestFirstReader(t *testing.T) {
	r := newReading(t)
	r.read(t, 0, 0)
	r.read(t, 1, 1) // there was none
	r.read(t, 1, 1)
	r.cycle()
	r.read(t, 2, 1) // its time is two cycles
	if n := r.store.counts.Load(); n != 1 {
		t.Errorf("%d were made", n)
	}
	r.cycle()
	r.store.wait = make(chan struct{})
	var all sync.WaitGroup
	first := make(chan struct{})
	all.Go(func() { r.read(t, 3, 3); close(first) })
	for r.store.counts.Load() == 1 {
		time.Sleep(time.Millisecond)
	}
	var others sync.WaitGroup
	for range 20 { // they have what there is, and wait for nobody
		others.Go(func() { r.read(t, 3, 1) })
	}
	others.Wait()
	other := summary.NewReader(r.refresh, nil) // another process
	if sum, _, err := other.Read(t.Context(), 3); err != nil || sum.Cycle != 1 {
		t.Errorf("another process: %+v, %v", sum, err)
	}
	select {
	case <-first:
		t.Error("the first one did not wait")
	default:
	}
	close(r.store.wait)
	all.Wait()
	r.read(t, 3, 3)
	if n := r.store.counts.Load(); n != 2 {
		t.Errorf("%d were made", n)
	}
}

// TestReaderWithoutStore: what cannot be made anew is shown as it was, and the next
// reader tries again.
func TestReaderWithoutStore(t *testing.T) {
	r := newReading(t)
	r.store.fail = errors.New("the engine is away")
	r.read(t, 1, 0)
	r.read(t, 1, 0)
	if n := r.store.counts.Load(); n != 2 || !strings.Contains(r.log.String(), "the engine is away") {
		t.Errorf("tried %d times: %s", n, &r.log)
	}
	for _, want := range []error{r.store.fail, nil} { // an engine that is away is not asked more often
		if err := r.Refresh(t.Context()); !errors.Is(err, want) {
			t.Errorf("asked for: %v, want %v", err, want)
		}
	}
	r.store.fail = nil
	r.read(t, 1, 1)
}

// TestDiedOverIt: whoever died while making a summary keeps the others from it for half a
// minute, and no longer.
func TestDiedOverIt(t *testing.T) {
	r := newReading(t)
	dead := r.refresh
	dead.State = killed{r.state, new(atomic.Int64)}
	if _, _, err := dead.Run(t.Context(), false); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	r.read(t, 1, 0)
	r.gone.Add(int64(30*time.Second) - 1)
	r.read(t, 1, 0)
	r.gone.Add(1)
	r.read(t, 1, 1)
}

var errKilled = errors.New("killed")

// killed is a store that a process has until its second write.
type killed struct {
	state.Store
	writes *atomic.Int64
}

func (s killed) Commit(ctx context.Context, ops ...state.Op) error {
	if s.writes.Add(1) > 1 {
		return errKilled
	}
	return s.Store.Commit(ctx, ops...)
}

// TestAskedFor: a summary that is asked for is made, whatever its time, and at most once a
// second; those who ask meanwhile share it.
func TestAskedFor(t *testing.T) {
	r := newReading(t)
	ask := func(r *summary.Reader) {
		if err := r.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	}
	ask(r.Reader)
	r.cycle()
	r.gone.Add(int64(time.Second) - 1)
	ask(r.Reader)
	r.read(t, 2, 1)
	r.gone.Add(1)
	r.store.wait = make(chan struct{})
	before := r.store.counts.Load()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { ask(r.Reader) })
	}
	all.Go(func() { ask(summary.NewReader(r.refresh, nil)) }) // another process, at the same time
	for r.store.counts.Load() < before+2 {
		time.Sleep(time.Millisecond)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Refresh(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("somebody who has gone: %v", err)
	}
	if err := r.Renew(t.Context()); err != nil { // does not wait
		t.Error(err)
	}
	close(r.store.wait)
	all.Wait()
	r.read(t, 2, 2)
	if err := r.Renew(t.Context()); err != nil {
		t.Error(err)
	}
	if n := r.store.counts.Load() - before; n != 2 { // one for each process
		t.Errorf("%d were made", n)
	}
}
