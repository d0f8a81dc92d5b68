package bolt

import (
	"context"
	"slices"
	"sync"

	"oipnode/shared/state"
)

// Bounds of one write transaction. bbolt keeps what a transaction changes in
// memory until it ends, so these bound the memory of a write. A Commit that is
// larger by itself is written alone.
const (
	maxBatch      = 128
	maxBatchBytes = 8 << 20
)

// request is one Commit that waits to be written.
type request struct {
	ops  []state.Op
	size int
	err  error
	// done is closed when err is final.
	done chan struct{}
}

// queue is the group commit: an fsync takes longer than everything else of a
// Commit, so those that arrive during one share the next. There is no goroutine
// and no delay: whoever has the turn writes for all that wait, oldest first,
// until its own is written, and passes the turn on. A lone Commit waits for
// nobody.
type queue struct {
	// turn holds one token; who put it there may write.
	turn chan struct{}
	mu   sync.Mutex
	// waiting is in order of arrival. Each entry belongs to a call that blocks.
	waiting []*request
}

func newQueue() queue { return queue{turn: make(chan struct{}, 1)} }

// do has the operations written by the given function, by this call or another
// that has the turn, and returns their result. The function must set err of all
// requests it is given.
func (q *queue) do(ctx context.Context, ops []state.Op, write func([]*request)) error {
	r := &request{ops: ops, done: make(chan struct{})}
	for _, op := range ops {
		r.size += op.Size()
	}
	q.mu.Lock()
	q.waiting = append(q.waiting, r)
	q.mu.Unlock()

	select {
	case q.turn <- struct{}{}:
		q.lead(r, write)
	case <-r.done:
	case <-ctx.Done():
		if q.withdraw(r) {
			return ctx.Err()
		}
		// It is being written. To leave now would let the caller change the
		// values under the writer, and would hide a result that is close.
		<-r.done
	}
	return r.err
}

// lead writes batches until r is written, and gives up the turn. It is bounded,
// as nothing that arrives later goes before r.
func (q *queue) lead(r *request, write func([]*request)) {
	defer func() { <-q.turn }()
	for {
		select {
		case <-r.done:
			return
		default:
		}
		batch := q.take()
		write(batch)
		for _, w := range batch {
			close(w.done)
		}
	}
}

// take removes the next batch from the queue.
func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.waiting) && n < maxBatch && (n == 0 || size+q.waiting[n].size <= maxBatchBytes) {
		size += q.waiting[n].size
		n++
	}
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch
}

// withdraw removes a request that nobody began to write; false if it is too late.
func (q *queue) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}
