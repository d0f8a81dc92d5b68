package gatewaysim

import (
	"errors"
	"fmt"
	"sort"
)

// Page sizes, in rows. A larger wish is cut down to maxFirst without a word.
const (
	defaultFirst = 10
	maxFirst     = 100
	faultRows    = 50 // the limit of RowLimited
)

var (
	errCursor   = errors.New("invalid cursor")
	errRowLimit = errors.New("row limit exceeded")
)

// edge is a row of a page and the position that its cursor stands for: a row,
// usually the same one, and its offset in the whole answer.
type edge struct {
	row    *entry
	cursor *entry
	offset int
}

// page is one answer to a question.
type page struct {
	edges   []edge
	hasNext bool
}

// listing is everything that answers a question, in the order asked. Pending
// rows are newer than all mined ones: last ascending, first descending.
type listing struct {
	mined, pending []*entry
	desc           bool
	seed           uint64
}

func (l listing) len() int { return len(l.mined) + len(l.pending) }

func (l listing) at(i int) *entry {
	if l.desc {
		i = l.len() - 1 - i
	}
	if i < len(l.mined) {
		return l.mined[i]
	}
	return l.pending[i-len(l.mined)]
}

// behind returns the place of the first row that comes after e's place, whether
// e itself is still there or not.
func (l listing) behind(e *entry) int {
	order := func(o *entry) int {
		switch {
		case o.Height == 0 && e.Height != 0:
			return 1
		case o.Height != 0 && e.Height == 0:
			return -1
		}
		return rowOrder(l.seed, o, e)
	}
	return sort.Search(l.len(), func(i int) bool {
		if l.desc {
			return order(l.at(i)) < 0
		}
		return order(l.at(i)) > 0
	})
}

// list finds what answers the question at this gateway now, as the draw has it.
func (x *execution) list(q question) listing {
	s := x.server
	r := s.rows(q.filter)
	hi := q.blocks.max
	if x.draw.hits(StaleIndex) {
		hi = min(hi, x.tip-int64(1+x.draw.pick(StaleIndex, 20)))
	}
	l := listing{mined: r.between(q.blocks.min, hi), desc: q.desc, seed: s.opts.Seed}
	if !q.blocks.set || s.opts.LeakPending {
		l.pending = r.pending
	}
	return l
}

// rows finds the matches of a filter. Lists are kept for as long as the chain
// does not change, which makes the pages of a long walk cheap.
func (s *Server) rows(f filter) *rowList {
	if f.ids != nil {
		return s.chain.selectRows(f, s.opts.IndexesBundles, s.opts.Seed)
	}
	key := f.key()
	_, _, version := s.chain.clocks()
	if r, ok := s.lists.Get(key); ok && r.version == version {
		return r
	}
	r := s.chain.selectRows(f, s.opts.IndexesBundles, s.opts.Seed)
	s.lists.Add(key, r)
	return r
}

// page cuts the page that was asked for out of what answers the question.
func (x *execution) page(q question) (page, error) {
	opts := x.server.opts
	l := x.list(q)
	limit := opts.RowLimit
	if x.draw.hits(RowLimited) && (limit < 1 || limit > faultRows) {
		limit = faultRows
	}
	if limit > 0 && l.len() > limit {
		return page{}, errRowLimit
	}
	first := int(min(q.first, maxFirst))
	start, err := x.start(l, q, first)
	if err != nil {
		return page{}, err
	}
	if x.draw.hits(EmptyPage) {
		return page{}, nil
	}
	end := min(start+first, l.len())
	p := page{edges: make([]edge, 0, max(0, end-start)+1), hasNext: end < l.len()}
	for i := start; i < end; i++ {
		p.edges = append(p.edges, edge{row: l.at(i), cursor: l.at(i), offset: i})
	}
	full := len(p.edges) == first
	x.draw.shuffleRows(&p, first)
	if full && (opts.FullPageNoNext || opts.ClampLies && q.first > maxFirst || x.draw.hits(NoNextOnFullPage)) {
		p.hasNext = false
	}
	return p, nil
}

// start is the place of the first row of the page, bounded by the listing.
func (x *execution) start(l listing, q question, first int) (int, error) {
	if q.after == "" {
		return 0, nil
	}
	c, err := x.server.readCursor(q.after)
	if err != nil {
		return 0, err
	}
	var start int
	switch {
	case c.entry != nil && c.entry.ID == "":
		return 0, fmt.Errorf("%w: not of a transaction", errCursor)
	case c.pending && x.server.opts.LeakPending:
		start = 0
	case c.entry != nil:
		start = l.behind(c.entry)
	default:
		start = min(c.offset+1, l.len())
	}
	if x.draw.hits(CursorLoop) {
		start = max(0, start-first)
	}
	return start, nil
}
