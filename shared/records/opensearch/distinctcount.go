package opensearch

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"

	"oipnode/shared/records"
)

// atOnce counts the winners and makes the page out of one search that finds them all, if
// there are no more than that: a point in time, of which the engine has a few hundred,
// would be too dear. The page's documents are read behind it. It reports whether it did.
func (d *distinct) atOnce(ctx context.Context) (p records.Page, whole bool, err error) {
	q := d.in.q
	body := collapsed(d.in.body(d.window))
	body["_source"], body["docvalue_fields"] = false, d.columns()
	a, err := d.view.ask(ctx, body, 0, "")
	if errors.Is(err, errAnswerTooLarge) {
		return p, false, nil
	}
	if err != nil || len(a.Hits.Hits) == d.window {
		return p, false, err
	}
	counts := make(map[string]int64)
	all := make([]winner, len(a.Hits.Hits))
	for i, h := range a.Hits.Hits {
		for _, v := range h.Fields[engineField(q.CountBy)] {
			counts[v]++
		}
		all[i].did = h.ID
		if all[i].keys, err = sortKeys(d.in.levels, h.Sort); err != nil {
			return p, false, err
		}
	}
	rest := all[min(q.Offset, len(all)):]
	for d.in.after != nil && len(rest) > 0 && compareKeys(d.in.levels, rest[0].keys, d.in.after) <= 0 {
		rest = rest[1:]
	}
	shown := rest[:min(q.Limit, len(rest))]
	hits, err := d.fetch(ctx, shown)
	if err != nil {
		return p, false, err
	}
	if p, err = d.s.page(d.in, hits, false); err != nil {
		return p, false, err
	}
	if n := len(shown); 0 < n && n < len(rest) {
		p.Next = records.EncodeCursor(q, shown[n-1].keys)
	}
	var top records.Top
	for v, n := range counts {
		top.Add(v, n)
	}
	p.Total = int64(len(all))
	p.Counts = top.Counts(p.Total)
	return p, true, nil
}

// columns are the fields that a count of winners reads, each once, or its values would
// come twice.
func (d *distinct) columns() []string {
	return slices.Compact([]string{distinctField, engineField(d.in.q.CountBy)})
}

// maxCounted is about how many bytes of values a count of winners keeps at a time.
const maxCounted = 16 << 20

// valueRoom is what a counted value takes besides its text, in bytes.
const valueRoom = 64

// count counts the winners by the values of a field. They come by their names, so the
// values come in no order; where these are too many to be kept, the winners are read
// several times, and each time a part of the values is counted.
func (d *distinct) count(ctx context.Context) (records.Counts, error) {
	seed := maphash.MakeSeed()
	for parts := uint64(1); ; parts *= 4 {
		top, total, whole := records.Top{}, int64(0), true
		for part := range parts {
			kept, counts := 0, make(map[string]int64)
			n, err := d.each(ctx, func(h hit) bool {
				for _, v := range h.Fields[engineField(d.in.q.CountBy)] {
					if parts > 1 && maphash.String(seed, v)%parts != part {
						continue
					}
					if counts[v]++; counts[v] == 1 {
						kept += len(v) + valueRoom
					}
				}
				return kept <= d.kept
			})
			if err != nil {
				return records.Counts{}, err
			}
			if whole = kept <= d.kept; !whole {
				break
			}
			total = n
			for v, count := range counts {
				top.Add(v, count)
			}
		}
		if whole {
			return top.Counts(total), nil
		}
	}
}

// each visits the winners in the order of their names, until visit returns false, and
// returns how many it has visited. It needs no deep page: behind the last name, the next
// search begins.
func (d *distinct) each(ctx context.Context, visit func(h hit) bool) (n int64, err error) {
	levels := append([]any{object{distinctField: "asc"}}, order(d.in.levels)...)
	var behind []any
	for size := d.window; ; {
		body := collapsed(d.in.body(size, behind...))
		body["sort"], body["_source"] = levels, false
		body["docvalue_fields"] = d.columns()
		a, err := d.view.ask(ctx, body, 0, "")
		if errors.Is(err, errAnswerTooLarge) && size > 1 {
			size = max(size/4, 1)
			continue
		}
		if err != nil {
			return n, err
		}
		for _, h := range a.Hits.Hits {
			n++
			if !visit(h) {
				return n, nil
			}
		}
		if len(a.Hits.Hits) < size {
			return n, nil
		}
		last, err := a.Hits.Hits[size-1].name()
		if err != nil {
			return n, err
		}
		behind = []any{object{"range": object{distinctField: object{"gt": last}}}}
	}
}
