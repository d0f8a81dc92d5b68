package gun

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/state"
)

// memory is what is kept of a peer between two cycles.
type memory struct {
	// Failures are cycles in a row in which it did not answer; until Until it is left
	// alone.
	Failures int       `json:"failures,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	// Next is the type to begin with, because the last cycle did not come that far.
	Next string `json:"next,omitempty"`
}

const (
	// maxDown is how many calls in a row fail until a peer is left alone.
	maxDown = 5
	// longestBackoff is the longest time for which it is.
	longestBackoff = 10 * time.Minute
	// listingsAtOnce is how many of a peer's indexes are read at once.
	listingsAtOnce = 4
)

// run is one peer's part of a cycle. Indexes are read by up to listingsAtOnce
// goroutines, which hand souls to the workers; the workers fetch, and one goroutine
// settles what they fetched. At most one record per worker and a batch of maxBatch
// records are in memory.
type run struct {
	*cycle
	peer    *peer
	workers int
	memory  memory
	// listings are what was kept of the peer's indexes when the cycle began.
	listings map[state.Key]state.Item

	jobs    chan job
	results chan *result
	stop    context.CancelFunc // ends the work with this peer

	mu       sync.Mutex
	counts   Counts
	complete bool
	cut      bool // the time or the number of records was used up
	failure  Reason
	taken    int
	down     int // calls in a row that found no peer
	alive    bool
}

// job is a soul to be fetched.
type job struct {
	entry
	failure *failure // the kept one, if there is one
	// deletion is set for the deletion registry's node of the soul.
	deletion bool
	// done is called exactly once: with the time until which the soul need not be
	// looked at, or with the zero time when its turn was cut off.
	done func(until time.Time)
}

const (
	maxBatch      = 100
	maxBatchBytes = 2 << 20
	// batchWait is how long a batch waits for more.
	batchWait = 20 * time.Millisecond
)

// count changes the run's counts.
func (r *run) count(change func(*Counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.counts)
}

// work does the peer's part. until is the context of its time; what has been fetched
// is still settled behind it. The error is one of our own stores.
func (r *run) work(ctx, until context.Context, types []string) error {
	item, ok, err := state.GetOne(ctx, r.opt.State, peerKey(r.peer.id))
	if err != nil {
		return err
	}
	if ok {
		if err := decode(item, &r.memory); err != nil {
			return err
		}
	}
	if r.opt.Now().Before(r.memory.Until) {
		r.complete = true
		return nil
	}
	if err := r.loadListings(ctx, types); err != nil {
		return err
	}
	until, r.stop = context.WithCancel(until)
	defer r.stop()
	r.jobs, r.results = make(chan job), make(chan *result, r.workers)
	var workers sync.WaitGroup
	for range r.workers {
		workers.Go(func() { r.fetchAll(until) })
	}
	settled := make(chan error, 1)
	go func() { settled <- r.settleAll(ctx) }()
	next, err := r.feed(ctx, until, types)
	close(r.jobs)
	workers.Wait()
	close(r.results)
	if e := <-settled; e != nil {
		err = e // what stopped the feeding, too
	}
	if err != nil {
		return err
	}
	return r.keep(ctx, next)
}

// feed reads all that the peer lists. It returns the type to begin with next time.
func (r *run) feed(ctx, until context.Context, types []string) (next string, err error) {
	if err := r.readDeletions(ctx, until); err != nil {
		return r.memory.Next, err
	}
	begin := 0
	for i, t := range types {
		if t <= r.memory.Next {
			begin = i
		}
	}
	var (
		mu    sync.Mutex
		first = -1 // the first type, in the order of this cycle, that was not done
	)
	whole := true
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(listingsAtOnce)
	for n := range types {
		recordType := types[(begin+n)%len(types)]
		g.Go(func() error {
			done, err := r.readRegistry(gctx, until, recordType)
			mu.Lock()
			defer mu.Unlock()
			whole = whole && done
			if until.Err() != nil && !done && (first < 0 || n < first) {
				first = n
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return r.memory.Next, err
	}
	if first >= 0 {
		return types[(begin+first)%len(types)], nil
	}
	if r.peer.relay && whole {
		return "", r.registerOwn(ctx, until)
	}
	return "", nil
}

// keep remembers how the peer fared.
func (r *run) keep(ctx context.Context, next string) error {
	before := r.memory
	r.memory.Next = next
	if r.alive {
		r.memory.Failures, r.memory.Until = 0, time.Time{}
	}
	if r.down > 0 && !r.alive || r.down >= maxDown {
		r.memory.Failures++
		r.memory.Until = r.opt.Now().Add(growing(r.opt.Interval, r.memory.Failures, longestBackoff)).UTC()
	}
	r.complete = !r.cut
	if r.memory == before {
		return nil
	}
	op, err := putJSON(peerKey(r.peer.id), r.memory)
	if err != nil {
		return err
	}
	return r.commit(ctx, op)
}

// answered notes how a call went. A peer that does not answer several times in a row is
// left alone for the rest of the cycle.
func (r *run) answered(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // our own end of the call says nothing of the peer
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !errors.Is(err, ErrUnavailable) {
		r.alive, r.down = true, 0
	}
	if err == nil || errors.Is(err, ErrAbsent) {
		return
	}
	r.failure = reasonOf(err)
	if errors.Is(err, ErrUnavailable) {
		if r.down++; r.down == maxDown {
			r.stop()
		}
	}
}

// failed counts a call for an index that failed.
func (r *run) failed(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		r.cutOff()
		return
	}
	r.count(func(n *Counts) { n.Errors++; n.because(reasonOf(err), 1) })
	r.log.Warn("an index of a peer could not be read", "peer", r.peer.base, "index", what, "error", err)
}

// cutOff notes that something was left for the next cycle, unless it is the peer that
// was given up.
func (r *run) cutOff() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = r.cut || r.down < maxDown
}

// push hands a soul to the workers. It reports false when the peer's turn is over; done
// has been called then.
func (r *run) push(until context.Context, j job) bool {
	r.mu.Lock()
	full := r.taken >= r.opt.MaxRecords
	if full {
		r.cut = true
	} else {
		r.taken++
	}
	r.mu.Unlock()
	if full {
		j.done(time.Time{})
		r.stop()
		return false
	}
	select {
	case r.jobs <- j:
		return true
	case <-until.Done():
		r.cutOff()
		j.done(time.Time{})
		return false
	}
}

// errUntrusted is a record that no trusted node has registered.
var errUntrusted = errors.New("gun: not registered by a trusted node")

// fetchAll is a worker.
func (r *run) fetchAll(until context.Context) {
	for j := range r.jobs {
		res := &result{job: j}
		if j.deletion {
			res.by, res.err = r.fetchDeletion(until, j.soul)
		} else if res.err = r.vouched(until, j); res.err == nil {
			res.outcome, res.err = r.peer.fetch(until, j.soul)
		}
		if until.Err() != nil && res.err != nil {
			r.cutOff()
			j.done(time.Time{}) // cut off, and no fault of anybody
			continue
		}
		if !errors.Is(res.err, errUntrusted) && !errors.Is(res.err, errPartial) {
			r.answered(until, res.err)
		}
		r.count(func(n *Counts) { n.Discovered++ })
		r.results <- res
	}
}

// vouched finds out whether a trusted node has registered a record whose entry does
// not tell who has: what each of them has registered has a soul of its own. A few of
// them are asked in each try, others in the next.
func (r *run) vouched(ctx context.Context, j job) error {
	if len(r.opt.TrustedNodes) == 0 || j.node != "" || j.own {
		return nil
	}
	const most = 16
	nodes, from := r.opt.TrustedNodes, 0
	if j.failure != nil {
		from = j.failure.Attempts * most % len(nodes)
	}
	for i := range min(most, len(nodes)) {
		node := nodes[(from+i)%len(nodes)]
		text, err := r.peer.get(ctx, NodeSoul(r.opt.Root, node, j.soul), maxEntry)
		if errors.Is(err, ErrAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		if v, err := canon.Parse(text); err == nil {
			soul, _ := v.Get("soul")
			id, _ := v.Get("nodeId")
			if soul.Text() == j.soul && id.Text() == node {
				return nil
			}
		}
	}
	return errUntrusted
}

// settleAll settles what the workers fetched, in batches. It returns when they are
// done. After an error it only empties the channel.
func (r *run) settleAll(ctx context.Context) error {
	var (
		batch  []*result
		bytes  int
		failed error
	)
	flush := func() {
		if failed == nil {
			failed = r.settleBatch(ctx, batch)
		}
		if failed != nil {
			r.stop()
			for _, res := range batch {
				res.finish(time.Time{})
			}
		}
		batch, bytes = nil, 0
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case res, ok := <-r.results:
			if !ok {
				flush()
				return failed
			}
			if len(batch) == 0 {
				timer.Reset(batchWait)
			}
			batch = append(batch, res)
			if accepted, ok := res.outcome.(oip.Accepted); ok {
				bytes += accepted.Verified.Size()
			}
			if len(batch) >= maxBatch || bytes >= maxBatchBytes {
				flush()
			}
		case <-timer.C:
			if len(batch) > 0 {
				flush()
			}
		}
	}
}

// settleBatch settles records and deletions.
func (r *run) settleBatch(ctx context.Context, batch []*result) error {
	records, deletions := make([]*result, 0, len(batch)), []*result(nil)
	for _, res := range batch {
		if res.deletion {
			deletions = append(deletions, res)
		} else {
			records = append(records, res)
		}
	}
	if err := r.settleDeletions(ctx, r, deletions); err != nil {
		return fmt.Errorf("settle deletions: %w", err)
	}
	return r.settle(ctx, r, records)
}

// finish calls done unless it was called.
func (j *job) finish(until time.Time) {
	if j.done != nil {
		j.done(until)
		j.done = nil
	}
}
