package gateway

import (
	"context"
	"errors"
	"fmt"
)

// restartAfter is after how many pages of one query Walk begins a new one behind
// what is delivered. It bounds the ids that are remembered; only a single block
// with more rows than that makes a query longer.
const restartAfter = 100

// errRestart asks Walk for a new query behind what is delivered.
var errRestart = errors.New("restart")

// Walk reads a window and hands it to fn in pages of at most PageSize nodes, in
// the order of (height, id). through is the height up to which, inclusive,
// everything of the window that the gateway has is delivered once fn has handled
// this page; it never falls, is Min-1 as long as that is nothing, and Max with
// the last page of a Walk that returns nil. A page may be empty.
//
// Pending rows and rows with malformed ids or of other heights are left out, and
// so are duplicates, except that a row at a height above through may come again
// in a later Walk.
//
// An error means that the window is not complete; pages handled before stay
// right. An error of fn ends the Walk and is returned as it is. Row limits are
// dealt with here by halving the window, pages that fail for one bad row by
// asking for ids only, and pages that do not come by asking again (3 times in
// all). A window that was aborted for what the gateway did puts Walk, and not
// the reads by id, into back-off, so that Pool.Choose takes the next gateway.
func (g *Gateway) Walk(ctx context.Context, s Scan, fn func(nodes []Node, through int64) error) error {
	if err := s.check(); err != nil {
		return err
	}
	if wait := g.health.waitWalk(); wait > 0 {
		return &Error{Gateway: g.name, Op: "query", RetryAfter: wait, Err: ErrBackoff}
	}
	w := &walker{g: g, scan: s, fn: fn, through: s.Min - 1, rows: make(map[string]row)}
	err := w.run(ctx)
	switch {
	case w.fnErr != nil:
		return w.fnErr
	case err == nil:
		g.health.noteWalk(true)
		return nil
	case ctx.Err() != nil, errors.Is(err, ErrRateLimited), errors.Is(err, ErrBackoff), errors.Is(err, ErrTooManyPages):
		return err
	}
	g.health.noteWalk(false)
	return err
}

// walker is one Walk.
//
// Memory: rows holds the ids of the current query (at most restartAfter pages,
// or MaxPages within a single block) and those delivered above through.
//
// Loops: within a query every id is remembered, so a page without a new one is
// noticed wherever the gateway began again. Across queries there is no loop to
// be had: each begins above everything that is delivered. And MaxPages bounds
// the requests in any case.
type walker struct {
	g       *Gateway
	scan    Scan
	fn      func([]Node, int64) error
	fnErr   error
	through int64
	pages   int
	query   int            // number of the current query, from 1
	last    string         // id of the last row of the page before
	rows    map[string]row // by id
}

// row is what is remembered of an id.
type row struct {
	height int64 // 0: not delivered (pending, or outside of the window)
	query  int   // where it was seen last
}

// run goes through the window in queries that the gateway's row limit allows.
func (w *walker) run(ctx context.Context) error {
	width := w.scan.Max - w.scan.Min + 1
	for next := w.scan.Min; next <= w.scan.Max; {
		last := min(w.scan.Max, next+width-1)
		err := w.window(ctx, next, last)
		switch {
		case err == nil:
			next = last + 1
			width = min(2*width, w.scan.Max-w.scan.Min+1)
		case errors.Is(err, errRestart):
			next = w.through + 1
		case errors.Is(err, ErrRowLimit) && last > next:
			next = max(next, w.through+1)
			width = max((last-next+1)/2, 1)
			w.g.opts.Logger.Debug("row limit, window halved", "gateway", w.g.name, "min", next, "blocks", width)
		default:
			return err
		}
	}
	return nil
}

// window is one query with all its pages.
func (w *walker) window(ctx context.Context, first, last int64) error {
	w.query++
	w.last = ""
	for id, r := range w.rows {
		if r.height <= w.through {
			delete(w.rows, id)
		}
	}
	q := query{tags: w.scan.Tags, heights: true, min: first, max: last}
	if w.scan.IDsOnly {
		q.sel = selectIDs
	}
	order := ordering{high: first}
	start, more, repeated := w.through, false, false
	for n := 0; ; n++ {
		if n >= restartAfter && w.through > start {
			return errRestart
		}
		if w.pages++; w.pages > w.g.opts.MaxPages {
			return w.fault(ErrTooManyPages, "%d pages for blocks %d to %d", w.g.opts.MaxPages, w.scan.Min, w.scan.Max)
		}
		p, err := w.g.askAll(ctx, q, w.unknown)
		if err != nil {
			return err
		}
		if len(p.edges) == 0 && (p.more || more) && !repeated {
			// Empty pages come at random from some gateways. This one
			// contradicts hasNextPage, so it has to be said twice.
			repeated = true
			continue
		}
		cursor, end, err := w.progress(p, q.after)
		if err != nil {
			return err
		}
		if err := w.deliver(p, first, last, end, &order); err != nil {
			return err
		}
		if end {
			return nil
		}
		q.after, more, repeated = cursor, p.more, false
	}
}

// progress decides whether the window ends with this page, and where the next
// one begins if not.
func (w *walker) progress(p page, after string) (cursor string, end bool, err error) {
	short := len(p.edges) < PageSize && !p.more
	if len(p.edges) == 0 && p.more {
		return "", false, w.fault(ErrProtocol, "an empty page that says it is not the last")
	}
	known, fresh := 0, 0
	for _, e := range p.edges {
		if !e.valid {
			continue
		}
		if w.rows[e.node.ID].query == w.query {
			known++
		} else {
			fresh++
		}
	}
	// A cursor may include its own row, which is then all of the last page.
	inclusive := short && len(p.edges) == 1 && p.edges[0].node.ID == w.last
	if known > 0 && fresh == 0 && !inclusive {
		return "", false, w.fault(ErrLoop, "a page of rows that were all seen before")
	}
	if n := len(p.edges); n > 0 {
		w.last = p.edges[n-1].node.ID
	}
	cursor, end = nextCursor(p)
	switch {
	case end || short:
		return "", true, nil
	case cursor == "":
		return "", false, w.fault(ErrProtocol, "a full page without a cursor")
	case cursor == after:
		return "", false, w.fault(ErrLoop, "the cursor does not move")
	}
	return cursor, false, nil
}

// nextCursor returns the cursor of the last mined row: from a pending one some
// gateways begin again at the oldest row. end says that pending rows close the
// page, behind which there are no mined ones in ascending order.
func nextCursor(p page) (cursor string, end bool) {
	pendingSeen, mixed := false, false
	for _, e := range p.edges {
		if e.pending {
			pendingSeen = true
			continue
		}
		cursor = e.cursor
		mixed = mixed || pendingSeen
	}
	if n := len(p.edges); n > 0 && p.edges[n-1].pending && !mixed {
		return "", true
	}
	return cursor, false
}

// unknown reports whether a row has not been delivered yet.
func (w *walker) unknown(id string) bool {
	r, ok := w.rows[id]
	return !ok || r.height == 0
}

// deliver hands the new rows of a page to fn.
func (w *walker) deliver(p page, first, last int64, end bool, order *ordering) error {
	var nodes []Node
	var invalid, outside, mined int
	late := int64(0)
	for _, e := range p.edges {
		in := e.node.Height >= first && e.node.Height <= last
		switch {
		case !e.valid:
			invalid++
			continue
		case !e.pending && !in:
			outside++
		case !e.pending:
			mined++
		}
		r := w.rows[e.node.ID]
		if !e.pending && in && r.query != w.query {
			// Repeated rows say nothing of where the page stands.
			order.add(e.node.Height)
		}
		if !e.pending && in && r.height == 0 {
			nodes = append(nodes, w.tagged(e.node))
			r.height = e.node.Height
			if r.height <= w.through {
				late = r.height
			}
		}
		r.query = w.query
		w.rows[e.node.ID] = r
	}
	if invalid+outside > 0 {
		w.g.opts.Logger.Warn("rows left out", "gateway", w.g.name, "min", first, "max", last, "malformed", invalid, "outside", outside)
	}
	if outside > 0 && mined == 0 {
		return w.fault(ErrProtocol, "no row of blocks %d to %d on a page of them", first, last)
	}
	sortNodes(nodes)
	before := w.through
	w.through = max(w.through, order.page())
	if end {
		w.through = last
	}
	if late != 0 {
		w.through = before
	}
	if err := w.hand(nodes, before); err != nil {
		return err
	}
	if late != 0 {
		// It is delivered, so nothing is lost, but this gateway's order is not
		// one that a checkpoint can rest on.
		return w.fault(ErrProtocol, "a new row at height %d after everything up to %d", late, before)
	}
	return nil
}

// hand calls fn with at most PageSize nodes at a time; only with the last of
// them the page as a whole is delivered.
func (w *walker) hand(nodes []Node, before int64) error {
	for len(nodes) > PageSize {
		if w.fnErr = w.fn(nodes[:PageSize:PageSize], before); w.fnErr != nil {
			return w.fnErr
		}
		nodes = nodes[PageSize:]
	}
	w.fnErr = w.fn(nodes, w.through)
	return w.fnErr
}

// tagged marks tags as unknown that contradict the window's own filter: a row
// that was found by a tag has one.
func (w *walker) tagged(n Node) Node {
	if len(n.Tags) == 0 && len(w.scan.Tags) > 0 {
		n.Tags, n.HasTags = nil, false
	}
	return n
}

// fault is an error of the gateway's paging.
func (w *walker) fault(err error, format string, args ...any) error {
	e := w.g.fail("query", err)
	e.Detail = fmt.Sprintf(format, args...)
	return e
}

// ordering tells up to which height the pages of one query are complete, from
// nothing but the heights in the order in which they came.
//
// A page that rises shows that the gateway sorts: everything below its last
// height is delivered (that block itself may go on in the next page). A page
// whose rows are shuffled, or all of one height, shows nothing by itself, but
// one that lies wholly at or above the pages before shows that those were
// complete below their highest row. A gateway that does not sort, or sorts
// downwards, so never confirms anything before its window ends.
type ordering struct {
	high     int64 // highest height of the pages before
	low, top int64 // of the current page; low 0: no rows yet
	last     int64
	shuffled bool
}

// add takes the next row of the current page.
func (o *ordering) add(height int64) {
	if o.low == 0 {
		o.low, o.top = height, height
	}
	o.shuffled = o.shuffled || height < o.last
	o.low, o.top, o.last = min(o.low, height), max(o.top, height), height
}

// page ends the current page and returns the height up to which everything is
// delivered.
func (o *ordering) page() int64 {
	through := int64(-1)
	switch {
	case o.low == 0 || o.low < o.high:
	case !o.shuffled && o.top > o.low:
		through = o.top - 1
	default:
		through = o.high - 1
	}
	*o = ordering{high: max(o.high, o.top)}
	return through
}
