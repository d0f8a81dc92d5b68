package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"oipnode/shared/state"
)

func put(id string, size int) state.Op {
	return state.Put(state.Key{Space: "s", ID: id}, make([]byte, size))
}

// waitFor waits until that many calls are in the queue.
func (q *queue) waitFor(t *testing.T, n int) {
	t.Helper()
	for {
		q.mu.Lock()
		waiting := len(q.waiting)
		q.mu.Unlock()
		if waiting == n {
			return
		}
		if t.Context().Err() != nil {
			t.Fatalf("%d calls wait, want %d", waiting, n)
		}
		runtime.Gosched()
	}
}

func openTemp(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "state.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// transactions returns how many write transactions there were.
func transactions(t *testing.T, s *Store) int {
	t.Helper()
	id := 0
	if err := s.view(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestCommitsShareATransaction holds the turn until many Commits wait; then they
// must be written at once, each with its own result.
func TestCommitsShareATransaction(t *testing.T) {
	s := openTemp(t)
	if err := s.Commit(t.Context(), put("taken", 0)); err != nil {
		t.Fatal(err)
	}
	before := transactions(t, s)
	s.queue.turn <- struct{}{}
	const n = 50
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			id := fmt.Sprint(i)
			if i%5 == 0 {
				err := s.Commit(t.Context(), put(id, 0), state.Create(state.Key{Space: "s", ID: "taken"}, nil))
				if !errors.Is(err, state.ErrConflict) {
					t.Errorf("%d: %v, want ErrConflict", i, err)
				}
				return
			}
			if err := s.Commit(t.Context(), put(id, 0)); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	s.queue.waitFor(t, n)
	<-s.queue.turn
	wg.Wait()
	if got := transactions(t, s) - before; got != 1 {
		t.Errorf("%d transactions for %d Commits, want 1", got, n)
	}
	items, err := s.Range(t.Context(), "s", "", "", n)
	if want := n - n/5 + 1; err != nil || len(items) != want {
		t.Errorf("%d items, %v, want %d", len(items), err, want)
	}
}

func TestOnlyConflictsWriteNothing(t *testing.T) {
	s := openTemp(t)
	before := transactions(t, s)
	absent := state.Key{Space: "s", ID: "absent"}
	if err := s.Commit(t.Context(), state.Check(absent, 0)); err != nil {
		t.Error(err)
	}
	if err := s.Commit(t.Context(), state.Check(absent, 1)); !errors.Is(err, state.ErrConflict) {
		t.Error(err)
	}
	if got := transactions(t, s) - before; got != 0 {
		t.Errorf("%d transactions were written", got)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	s := openTemp(t)
	s.queue.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error)
	go func() { results <- s.Commit(ctx, put("cancelled", 0)) }()
	s.queue.waitFor(t, 1)
	go func() {
		_, err := s.Sweep(ctx, 1)
		results <- err
	}()
	cancel()
	for range 2 {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
	<-s.queue.turn
	if err := s.Commit(t.Context(), put("next", 0)); err != nil {
		t.Error(err)
	}
	items, err := s.Range(t.Context(), "s", "", "", 10)
	if err != nil || len(items) != 1 || items[0].ID != "next" {
		t.Errorf("got %v, %v, want the Commit after the cancelled one only", items, err)
	}
}

// TestCancelledWhileWritten: a call that is being written by another one stays,
// and returns how it ended.
func TestCancelledWhileWritten(t *testing.T) {
	q := newQueue()
	failure := errors.New("failure")
	writing, finish := make(chan struct{}), make(chan struct{})
	write := func(batch []*request) {
		close(writing)
		<-finish
		for _, r := range batch {
			r.err = failure
		}
	}
	q.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error)
	for range 2 {
		go func() { results <- q.do(ctx, []state.Op{put("a", 0)}, write) }()
	}
	q.waitFor(t, 2)
	<-q.turn
	<-writing
	cancel()
	close(finish)
	for range 2 {
		if err := <-results; !errors.Is(err, failure) {
			t.Errorf("got %v, want the result of the write", err)
		}
	}
}

func TestCloseEndsWaitingCommits(t *testing.T) {
	s := openTemp(t)
	s.queue.turn <- struct{}{}
	results := make(chan error)
	for i := range 5 {
		go func() { results <- s.Commit(t.Context(), put(fmt.Sprint(i), 0)) }()
	}
	s.queue.waitFor(t, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	<-s.queue.turn
	for range 5 {
		if err := <-results; !errors.Is(err, state.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
}

func TestBatchesAreBounded(t *testing.T) {
	q := newQueue()
	for _, c := range []struct {
		name  string
		sizes []int
		want  []int
	}{
		{"count", make([]int, 2*maxBatch+1), []int{maxBatch, maxBatch, 1}},
		{"bytes", []int{maxBatchBytes / 2, maxBatchBytes / 2, 1, maxBatchBytes}, []int{2, 1, 1}},
		{"too large alone", []int{1, maxBatchBytes + 1, 1}, []int{1, 1, 1}},
	} {
		for _, size := range c.sizes {
			q.waiting = append(q.waiting, &request{size: size})
		}
		for i, want := range c.want {
			if got := len(q.take()); got != want {
				t.Errorf("%s: batch %d has %d requests, want %d", c.name, i, got, want)
			}
		}
		if len(q.waiting) != 0 {
			t.Errorf("%s: %d requests are left", c.name, len(q.waiting))
		}
	}
}

// TestPanicInAWrite: after bbolt panicked in a write its locks may be held, so
// that every later call must fail at once instead of waiting for ever.
func TestPanicInAWrite(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "state.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.update(func(*bbolt.Tx) error { panic("page 7 already freed") })
	_, getErr := s.Get(t.Context(), state.Key{Space: "s", ID: "a"})
	_, sweepErr := s.Sweep(t.Context(), 1)
	for _, err := range []error{err, getErr, sweepErr, s.Commit(t.Context(), put("a", 0)), s.Verify(t.Context()), s.Close()} {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("got %v, want ErrCorrupt", err)
		}
	}
	if err := s.db.Close(); err != nil { // this panic held no lock
		t.Error(err)
	}
}
