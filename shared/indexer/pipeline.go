package indexer

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"oipnode/shared/gateway"
	"oipnode/shared/oip"
)

// item is one transaction on its way through the pipeline. Exactly one of
// verified, rejected and waiting is set when it reaches the writer.
type item struct {
	node gateway.Node
	data []byte

	verified *oip.Verified
	rejected *oip.Rejected
	gateways []string        // whose bytes were judged
	waiting  *oip.Dependency // what it waits for
	why      string          // one line about waiting
}

// plain reports whether the item is a record or an organization: what a delete
// message removes, and nothing else needs.
func (it *item) plain() bool {
	s := it.verified.Subject()
	return s == oip.SubjectRecord || s == oip.SubjectOrganization
}

// order sorts items as the chain does.
func order(a, b *item) int {
	return cmp.Or(cmp.Compare(a.node.Height, b.node.Height), cmp.Compare(a.node.ID, b.node.ID))
}

// group is what goes through the pipeline together: at most GroupSize
// transactions and about GroupBytes of data, and as much again of what is looked
// up for them. Invariant 8: at most four groups are in memory at a time, one being
// filled, one being fetched and verified, one waiting, one being written.
type group struct {
	items []*item
	bytes int64

	mu         sync.Mutex
	extra      []*item // templates and registrations that were looked up for the items
	extraBytes int64
}

// add puts in what was looked up on the way; it is written with the group. It
// reports false when that would be more than limit bytes: then it is looked up
// again another time.
func (g *group) add(it *item, limit int64) bool {
	size := int64(len(it.data))
	if t := it.verified.Template(); t != nil {
		size += int64(t.Size())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.extraBytes > 0 && g.extraBytes+size > limit {
		return false
	}
	g.extra, g.extraBytes = append(g.extra, it), g.extraBytes+size
	return true
}

// sorted returns everything of the group in the order in which it is settled:
// by rank, and within it by (height, id).
func (g *group) sorted() []*item {
	all := append(slices.Clone(g.items), g.extra...)
	slices.SortFunc(all, func(a, b *item) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), order(a, b))
	})
	return slices.CompactFunc(all, func(a, b *item) bool { return a.node.ID == b.node.ID })
}

// ranks is how many ranks there are.
const ranks = 3

// rank orders by who needs whom: registrations, templates, the rest. It goes by
// the tags, since the data comes later.
func (it *item) rank() int {
	rank := 2
	for _, t := range it.node.Tags {
		switch {
		case t.Name == "Type" && t.Value == "Template":
			return 1
		case t.Name == "RecordType" && t.Value == oip.TypeRegistration:
			rank = 0
		}
	}
	return rank
}

// pipeline runs two stages beside the reader of pages: fetch and verify, write.
type pipeline struct {
	c      *cycle
	ctx    context.Context
	cancel context.CancelFunc
	fetch  chan *group
	write  chan *group
	done   sync.WaitGroup

	current *group
	// seen counts transactions of the current window that are indexed at the
	// height at which they were seen; used by findVanished.
	seen          int64
	indexedBefore int64

	mu      sync.Mutex
	idle    *sync.Cond
	pending int             // groups submitted and not yet written
	under   map[string]bool // ids in the pipeline
	err     error           // the first failure; everything after it is dropped
}

func newPipeline(ctx context.Context, c *cycle) *pipeline {
	p := &pipeline{c: c, fetch: make(chan *group), write: make(chan *group), current: &group{}, under: make(map[string]bool)}
	p.idle = sync.NewCond(&p.mu)
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.done.Add(2)
	go p.stage(p.fetch, p.write, c.judge)
	go p.stage(p.write, nil, c.settle)
	return p
}

// stage works groups one after the other and passes them on. After a failure it
// only drains, so that nobody waits for ever.
func (p *pipeline) stage(in <-chan *group, out chan<- *group, work func(context.Context, *group) error) {
	defer p.done.Done()
	if out != nil {
		defer close(out)
	}
	for g := range in {
		if p.failed() == nil {
			if err := work(p.ctx, g); err != nil {
				p.fail(err)
			}
		}
		if out != nil {
			out <- g
			continue
		}
		p.finished(g)
	}
}

func (p *pipeline) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *pipeline) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// finished marks a group as written.
func (p *pipeline) finished(g *group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, it := range g.items {
		delete(p.under, it.node.ID)
	}
	p.pending--
	p.idle.Broadcast()
}

// submit takes up a transaction; it blocks while two groups are under way.
func (p *pipeline) submit(n gateway.Node) error {
	if n.Size > p.c.opt.MaxRecordBytes {
		n.Size = p.c.opt.MaxRecordBytes + 1 // it will be rejected, not fetched
	}
	size := n.Size
	switch {
	case size > p.c.opt.MaxRecordBytes:
		size = 0
	case size < 0:
		size = p.c.opt.GroupBytes / 8 // unknown: a careful guess
	}
	if len(p.current.items) > 0 && p.current.bytes+size > p.c.opt.GroupBytes {
		if err := p.send(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	again := p.under[n.ID]
	p.under[n.ID] = true
	p.mu.Unlock()
	if again {
		return nil // already on its way
	}
	p.c.taken++
	p.current.items = append(p.current.items, &item{node: n})
	p.current.bytes += size
	if len(p.current.items) >= p.c.opt.GroupSize {
		return p.send()
	}
	return p.failed()
}

// send hands the current group to the first stage.
func (p *pipeline) send() error {
	if len(p.current.items) == 0 {
		return p.failed()
	}
	g := p.current
	p.current = &group{}
	p.mu.Lock()
	p.pending++
	p.mu.Unlock()
	p.fetch <- g
	return p.failed()
}

// flush waits until everything submitted is durable, and returns the first
// failure. After it the checkpoint may move (invariant 2).
func (p *pipeline) flush() error {
	if err := p.send(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.pending > 0 {
		p.idle.Wait()
	}
	return p.err
}

// stop ends the stages; what was not written is found again by the next cycle.
func (p *pipeline) stop() {
	p.cancel()
	close(p.fetch)
	p.done.Wait()
}

// beginWindow starts counting anew.
func (p *pipeline) beginWindow() {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.seen, p.indexedBefore = 0, int64(p.c.counts.Indexed)
}

// confirmed is how many transactions of the window are indexed where they were
// seen, counting those that this cycle has just written.
func (p *pipeline) confirmed() int64 {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	return p.seen + int64(p.c.counts.Indexed) - p.indexedBefore
}
