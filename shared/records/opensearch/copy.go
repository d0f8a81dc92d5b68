package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

const (
	// idPage is how many documents one request of a walk tells of.
	idPage = 5000
	// copyPage is how many documents one request of a copier reads at most.
	copyPage = 200
)

// place is where a document stands: its id and the version that it has in the copy. That
// is one more than the sequence number of its last change in the old index. No two
// changes of a document have one number, so equal versions are equal documents.
type place struct {
	key, did string
	version  int64
}

// walk goes through the documents of an index in the order of their DIDs, without
// reading them.
type walk struct {
	*rebuild
	index string
	where any
	// copied is set for the copy, whose versions are its own.
	copied bool

	page  []place
	after []any
	ended bool
}

// head is the next document, nil behind the last.
func (w *walk) head(ctx context.Context) (*place, error) {
	if len(w.page) == 0 && !w.ended {
		if err := w.read(ctx); err != nil {
			return nil, err
		}
	}
	if len(w.page) == 0 {
		return nil, nil
	}
	return &w.page[0], nil
}

func (w *walk) next() { w.page = w.page[1:] }

func (w *walk) read(ctx context.Context) error {
	if err := w.between(ctx); err != nil {
		return err
	}
	body := object{"query": w.where, "size": idPage, "sort": []any{object{engineField(records.FieldDID): "asc"}},
		"track_total_hits": false, "_source": false, "version": true, "seq_no_primary_term": true}
	if w.after != nil {
		body["search_after"] = w.after
	}
	a, err := w.s.ask(ctx, "/"+w.index+"/_search", body, 0)
	if err != nil {
		return err
	}
	w.ended = len(a.Hits.Hits) < idPage
	w.page = make([]place, 0, len(a.Hits.Hits))
	for _, h := range a.Hits.Hits {
		p := place{did: h.ID, version: h.SeqNo + 1}
		if w.copied {
			p.version = h.Version
		}
		keys, err := sortKeys([]records.Sort{{Field: records.FieldDID}}, h.Sort)
		if err != nil {
			return err
		}
		p.key = keys[0].Text
		w.page = append(w.page, p)
		w.after = []any{p.key}
	}
	return nil
}

// compare goes through the old index and the copy side by side, copies what is missing
// in the copy or has changed since, and removes what is gone. It returns the number of
// documents. What it writes is never ahead of where it reads, so a copy that is empty, or
// of which a part is there, or that is behind by some writes is the same to it.
func (b *rebuild) compare(ctx context.Context) (n int64, err error) {
	b.copy.to = b.target
	from := walk{rebuild: b, index: b.old, where: everything}
	to := walk{rebuild: b, index: b.target, where: everything, copied: true}
	for {
		old, err := from.head(ctx)
		if err != nil {
			return 0, err
		}
		have, err := to.head(ctx)
		if err != nil {
			return 0, err
		}
		switch {
		case old == nil && have == nil:
			return n, b.copy.finish(ctx)
		case old == nil || have != nil && have.key < old.key:
			err = b.copy.remove(ctx, *have)
			to.next()
		default:
			n++
			there := have != nil && have.key == old.key
			if !there || have.version != old.version {
				err = b.copy.want(ctx, old.did)
			}
			from.next()
			if there {
				to.next()
			}
		}
		if err != nil {
			return 0, err
		}
	}
}

// copier reads documents of the old index and writes them into the copy in bulks, each
// with the version that its place has: an older state never replaces a newer one, and
// everything can be repeated.
type copier struct {
	s        *Store
	from, to string
	between  func(context.Context) error
	wanted   []wanted
	body     []byte
	count    int
	done     int64 // documents that were copied or removed
}

// want has a document copied.
func (c *copier) want(ctx context.Context, did string) error {
	c.wanted = append(c.wanted, wanted{did, allParts})
	if len(c.wanted) < copyPage {
		return nil
	}
	return c.fetch(ctx)
}

// remove has a document removed from the copy.
func (c *copier) remove(ctx context.Context, p place) error {
	b := canon.AppendString([]byte(`{"delete":{"_id":`), p.did)
	return c.add(ctx, fmt.Appendf(b, `,"version":%d,"version_type":"external_gte"}}`+"\n", p.version))
}

// finish copies what is left.
func (c *copier) finish(ctx context.Context) error {
	if err := c.fetch(ctx); err != nil {
		return err
	}
	return c.flush(ctx)
}

// fetch reads what is wanted, as many documents at once as can be in memory.
func (c *copier) fetch(ctx context.Context) error {
	size := len(c.wanted)
	for len(c.wanted) > 0 {
		if err := c.between(ctx); err != nil {
			return err
		}
		list := c.wanted[:min(size, len(c.wanted))]
		limit := wire(c.s.opt.MaxPage)
		if len(list) == 1 {
			limit = c.s.single()
		}
		docs, err := c.s.mgetFrom(ctx, c.from, list, limit)
		if errors.Is(err, errAnswerTooLarge) && len(list) > 1 {
			size = max(len(list)/4, 1)
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s and %d more: %w", list[0].did, len(list)-1, err)
		}
		for i, g := range docs {
			if !g.Found {
				return vanished(g.ID)
			}
			if err := c.put(ctx, g); err != nil {
				return err
			}
			docs[i].Source = nil // it is in the bulk now
		}
		c.wanted = c.wanted[len(list):]
	}
	c.wanted = nil
	return nil
}

// vanished is the error of a document that was found and is not there, in an index that
// takes no writes.
func vanished(did string) error {
	return fmt.Errorf("%w: %s vanished although its index takes no writes", records.ErrUnavailable, did)
}

// put takes up a document for the next bulk.
func (c *copier) put(ctx context.Context, g got) error {
	b := canon.AppendString([]byte(`{"index":{"_id":`), g.ID)
	b = fmt.Appendf(b, `,"version":%d,"version_type":"external_gte"}}`+"\n", g.SeqNo+1)
	b, err := c.s.appendDocument(b, g.Source.Kind, g.Source.Fence, g.Source.document())
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, g.ID, err)
	}
	return c.add(ctx, append(b, '\n'))
}

// add takes up the lines of one action.
func (c *copier) add(ctx context.Context, lines []byte) error {
	if len(c.body) > 0 && len(c.body)+len(lines) > c.s.opt.MaxBulk {
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	c.body = append(c.body, lines...)
	c.count++
	return nil
}

// flush sends what was gathered; every item must succeed, sooner or later.
func (c *copier) flush(ctx context.Context) error {
	if c.count == 0 {
		return nil
	}
	for round := 1; ; round++ {
		items, err := c.s.bulkRequest(ctx, door(c.to), c.body)
		if err != nil {
			return err
		}
		if len(items) != c.count {
			return fmt.Errorf("%w: a bulk of %d items was answered with %d", ErrEngine, c.count, len(items))
		}
		busy := false
		for _, it := range items {
			f := &failure{status: it.status, kind: it.kind, reason: it.reason}
			if it.status < 300 || it.status == http.StatusNotFound && it.kind == "" { // removed before
				continue
			}
			if !f.passes() || round == maxRounds {
				return f
			}
			busy = true
		}
		if !busy {
			c.done += int64(c.count)
			c.body, c.count = c.body[:0], 0
			return nil
		}
		if err := sleep(ctx, pauseBefore(round)); err != nil {
			return c.s.ended(ctx)
		}
	}
}

// checkCopy refuses a copy that is not whole.
func (s *Store) checkCopy(ctx context.Context, target string, want int64) error {
	if err := s.json(ctx, request{method: http.MethodPost, path: "/" + target + "/_refresh"}, nil); err != nil {
		return err
	}
	var got struct{ Count int64 }
	if err := s.json(ctx, request{method: http.MethodGet, path: "/" + target + "/_count"}, &got); err != nil {
		return err
	}
	if got.Count != want {
		return fmt.Errorf("%w: %d documents were copied, %d are there", ErrEngine, want, got.Count)
	}
	return nil
}
