package embedded

import (
	"container/heap"
	"slices"

	index "github.com/blevesearch/bleve_index_api"

	"oipnode/shared/records"
)

// ranking keeps the first size documents of an order, out of any number that
// are offered. It holds no more than those, and reads further levels of the
// order only where the earlier ones tie.
type ranking struct {
	order  []records.Sort
	levels []*level
	after  []sortValue // only documents behind this count; nil: all
	size   int
	passed int // how many documents counted
	// hits is a heap with the last of the kept documents on top.
	hits []ranked
}

// ranked is a kept document: its number, and its values, one for each level.
type ranked struct {
	doc    uint32
	values []sortValue
}

// newRanking makes a ranking; scores are for an order that has a level of FieldScore.
func newRanking(reader index.IndexReader, order []records.Sort, scores *scores, after []records.SortKey, size int) (*ranking, error) {
	r := &ranking{order: order, size: size}
	for _, s := range order {
		l, err := newLevel(reader, s, scores)
		if err != nil {
			return nil, err
		}
		r.levels = append(r.levels, l)
	}
	for i, k := range after {
		v := sortValue{missing: k.Missing, text: k.Text}
		if order[i].Field.Numeric() && !k.Missing {
			v.text = encodeNumber(min(max(k.Number, -maxNumber), maxNumber))
		}
		r.after = append(r.after, v)
	}
	return r, nil
}

// offer considers a document.
func (r *ranking) offer(doc uint32) error {
	loaded := 0 // levels that have this document's value
	compare := func(with []sortValue) (int, error) {
		for i, l := range r.levels {
			if i == loaded {
				if err := l.load(doc); err != nil {
					return 0, err
				}
				loaded++
			}
			if c := l.compareLoaded(with[i]); c != 0 {
				return c, nil
			}
		}
		return 0, nil
	}
	if r.after != nil {
		if c, err := compare(r.after); c <= 0 || err != nil {
			return err
		}
	}
	r.passed++
	full := len(r.hits) == r.size
	if full {
		if c, err := compare(r.hits[0].values); c >= 0 || err != nil {
			return err
		}
	}
	h := ranked{doc, make([]sortValue, len(r.levels))}
	for i, l := range r.levels {
		if i >= loaded {
			if err := l.load(doc); err != nil {
				return err
			}
		}
		h.values[i] = l.value()
	}
	if full {
		r.hits[0] = h
		heap.Fix(r, 0)
	} else {
		heap.Push(r, h)
	}
	return nil
}

// compare orders two kept documents.
func (r *ranking) compare(a, b ranked) int {
	for i, l := range r.levels {
		if c := l.compare(a.values[i], b.values[i]); c != 0 {
			return c
		}
	}
	return 0
}

// sorted ends the ranking and returns the kept documents in order.
func (r *ranking) sorted() []ranked {
	slices.SortFunc(r.hits, r.compare)
	return r.hits
}

// more reports whether documents follow behind those that were kept.
func (r *ranking) more() bool { return r.passed > len(r.hits) }

// did is the identity of a kept document; every order has it as a level.
func (r *ranking) did(h ranked) string {
	return h.values[slices.IndexFunc(r.order, func(s records.Sort) bool { return s.Field == records.FieldDID })].text
}

// keys are the values of a kept document as a cursor takes them.
func (r *ranking) keys(h ranked) []records.SortKey {
	keys := make([]records.SortKey, len(h.values))
	for i, v := range h.values {
		switch {
		case v.missing:
			keys[i].Missing = true
		case r.order[i].Field.Numeric():
			keys[i].Number = decodeNumber(v.text)
		default:
			keys[i].Text = v.text
		}
	}
	return keys
}

// Len, Less, Swap, Push and Pop make hits a heap.
func (r *ranking) Len() int           { return len(r.hits) }
func (r *ranking) Less(i, j int) bool { return r.compare(r.hits[i], r.hits[j]) > 0 }
func (r *ranking) Swap(i, j int)      { r.hits[i], r.hits[j] = r.hits[j], r.hits[i] }
func (r *ranking) Push(x any)         { r.hits = append(r.hits, x.(ranked)) }
func (r *ranking) Pop() any {
	last := r.hits[len(r.hits)-1]
	r.hits = r.hits[:len(r.hits)-1]
	return last
}
