package embedded

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	"oipnode/shared/records"
)

// matcher evaluates conditions over one snapshot of the index, to bitmaps of
// document numbers: one bit per document whatever the condition, and set
// operations that mean exactly what All, Any and Not say.
type matcher struct {
	ctx    context.Context
	reader index.IndexReader
	view   *view
	steps  int
	// What was found already, for conditions that come again, as those of a Score mostly
	// stand in the Where as well.
	found map[records.Near]*roaring.Bitmap
	liked map[likedKey]*liked
}

// How many conditions of a kind a matcher remembers: one bitmap of each word, and six of
// each text that is compared.
const (
	rememberedWords = 64
	rememberedLikes = 16
)

func newMatcher(ctx context.Context, v *view) *matcher {
	return &matcher{ctx: ctx, reader: v.reader, view: v,
		found: make(map[records.Near]*roaring.Bitmap), liked: make(map[likedKey]*liked)}
}

// narrow is up to how many numbers of a Between are looked up one by one.
const narrow = 64

// step is called for every document visited; it honours the context.
func (m *matcher) step() error {
	if m.steps++; m.steps%4096 == 0 {
		return m.ctx.Err()
	}
	return nil
}

// match returns the documents of base for which c holds. A nil base stands for
// every document, so that it need not be made where a term finds few.
func (m *matcher) match(c records.Cond, base *roaring.Bitmap) (*roaring.Bitmap, error) {
	switch c := c.(type) {
	case nil:
		return m.orEverything(base)
	case records.All:
		return m.all(c, base)
	case records.Any:
		found := roaring.New()
		for _, part := range c {
			some, err := m.match(part, base)
			if err != nil {
				return nil, err
			}
			found.Or(some)
		}
		return found, nil
	case records.Not:
		base, err := m.orEverything(base)
		if err != nil {
			return nil, err
		}
		found, err := m.match(c.Cond, base)
		if err != nil {
			return nil, err
		}
		return roaring.AndNot(base, found), nil
	case records.Term:
		values := make([]string, len(c.Values))
		for i, v := range c.Values {
			values[i] = records.Key(v)
		}
		return m.terms(engineField(c.Field), values, base)
	case records.Exists:
		return m.terms(fieldHas, []string{string(c.Field)}, base)
	case records.Between:
		return m.between(c, base)
	case records.Prefix:
		return m.prefix(c, base)
	case records.Near:
		return m.near(c, base)
	case records.Like:
		return m.like(c, base)
	}
	return nil, fmt.Errorf("%w: condition %T", records.ErrInvalid, c)
}

// all narrows the base part by part, the cheapest first: terms that few documents
// have, then what is looked up word by word or nested, then ranges, because they go
// through every document that is left, and at last likenesses, which read them.
func (m *matcher) all(parts records.All, base *roaring.Bitmap) (*roaring.Bitmap, error) {
	type ranked struct {
		part records.Cond
		cost uint64
	}
	order := make([]ranked, len(parts))
	for i, part := range parts {
		cost, err := m.cost(part)
		if err != nil {
			return nil, err
		}
		order[i] = ranked{part, cost}
	}
	slices.SortStableFunc(order, func(a, b ranked) int { return cmp.Compare(a.cost, b.cost) })
	var err error
	for _, r := range order {
		if base, err = m.match(r.part, base); err != nil {
			return nil, err
		}
		if base.IsEmpty() {
			return base, nil
		}
	}
	return m.orEverything(base)
}

// The costs of parts that are no terms; a nested part costs what its dearest part does.
const (
	costWords = 1 << (40 + iota)
	costNested
	costScan
	costRead
)

// cost ranks a part of an All; for terms it is how many documents they have.
func (m *matcher) cost(c records.Cond) (uint64, error) {
	term, ok := c.(records.Term)
	if !ok {
		return dearest(c), nil
	}
	var sum uint64
	for _, v := range term.Values {
		postings, err := m.postings(engineField(term.Field), records.Key(v))
		if err != nil {
			return 0, err
		}
		sum += postings.Count()
		if err := postings.Close(); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// dearest is the cost of the dearest condition within one that is no term.
func dearest(c records.Cond) uint64 {
	cost := uint64(costNested)
	switch c := c.(type) {
	case records.All:
		for _, part := range c {
			cost = max(cost, dearest(part))
		}
	case records.Any:
		for _, part := range c {
			cost = max(cost, dearest(part))
		}
	case records.Not:
		return max(cost, dearest(c.Cond))
	case records.Between:
		if low, high := limits(c); high-low >= narrow {
			return costScan
		}
	case records.Prefix, records.Near:
		return costWords
	case records.Like:
		return costRead
	}
	return cost
}

// limits are the bounds of a range, within the numbers that are indexed.
func limits(c records.Between) (low, high int64) {
	return max(c.Min, -maxNumber), min(c.Max, maxNumber)
}

// orEverything returns the base, or every document in its place.
func (m *matcher) orEverything(base *roaring.Bitmap) (*roaring.Bitmap, error) {
	if base != nil {
		return base, nil
	}
	segments, err := m.segments()
	if err != nil {
		return nil, err
	}
	all, first := roaring.New(), uint64(0)
	for _, part := range segments {
		all.Or(roaring.AddOffset64(part.DocNumbersLive(), int64(first)))
		first += part.Segment().Count()
	}
	return all, nil
}

// segments are the parts of the index. Their documents are numbered one behind the
// other, in this order, the removed ones too.
func (m *matcher) segments() ([]*scorch.SegmentSnapshot, error) {
	snapshot, ok := m.reader.(*scorch.IndexSnapshot)
	if !ok {
		return nil, fmt.Errorf("the index reads as %T", m.reader)
	}
	return snapshot.Segments(), nil
}

// terms returns the documents of base that have one of the terms.
func (m *matcher) terms(field string, values []string, base *roaring.Bitmap) (*roaring.Bitmap, error) {
	found := roaring.New()
	for _, v := range values {
		some, err := m.term(field, v, base)
		if err != nil {
			return nil, err
		}
		found.Or(some)
	}
	return found, nil
}

// postings opens the list of the documents that have a term.
func (m *matcher) postings(field, value string) (index.TermFieldReader, error) {
	return m.reader.TermFieldReader(m.ctx, []byte(value), field, false, false, false)
}

// term returns the documents of base that have a term. It reads the whole list
// of the term, unless the base is so much shorter that its documents are better
// looked up in the list.
func (m *matcher) term(field, value string, base *roaring.Bitmap) (*roaring.Bitmap, error) {
	if base == nil {
		return m.whole(field, value)
	}
	postings, err := m.postings(field, value)
	if err != nil {
		return nil, err
	}
	defer postings.Close()
	if base.GetCardinality()*8 < postings.Count() {
		return m.lookup(postings, base)
	}
	found, err := m.whole(field, value)
	if err == nil {
		found.And(base)
	}
	return found, err
}

// whole returns the documents that have a term. Each segment has a list of them, which
// is a bitmap already.
func (m *matcher) whole(field, value string) (*roaring.Bitmap, error) {
	segments, err := m.segments()
	if err != nil {
		return nil, err
	}
	found, first := roaring.New(), uint64(0)
	for _, part := range segments {
		if err := m.ctx.Err(); err != nil {
			return nil, err
		}
		dict, err := part.Segment().Dictionary(field)
		if err != nil {
			return nil, err
		}
		list, err := dict.PostingsList([]byte(value), part.Deleted(), nil)
		if err != nil {
			return nil, err
		}
		docs := list.Iterator(false, false, false, nil)
		if set, ok := docs.(segment.OptimizablePostingsIterator); ok && set.ActualBitmap() != nil {
			// The bitmap may lie in the file; what is added is a copy.
			found.Or(roaring.AddOffset64(set.ActualBitmap(), int64(first)))
		} else {
			for {
				doc, err := docs.Next()
				if err != nil {
					return nil, err
				}
				if doc == nil {
					break
				}
				found.Add(uint32(doc.Number() + first))
			}
		}
		first += part.Segment().Count()
	}
	return found, nil
}

// lookup returns the documents of base that are in the list. Both are gone
// through in ascending order, each skipping what the other lacks.
func (m *matcher) lookup(postings index.TermFieldReader, base *roaring.Bitmap) (*roaring.Bitmap, error) {
	found := roaring.New()
	var (
		doc  index.TermFieldDoc
		want index.IndexInternalID
	)
	for docs := base.Iterator(); docs.HasNext(); {
		if err := m.step(); err != nil {
			return nil, err
		}
		want = index.NewIndexInternalID(want, uint64(docs.PeekNext()))
		next, err := postings.Advance(want, &doc)
		if next == nil || err != nil {
			return found, err
		}
		at := uint32(next.ID.Value())
		docs.AdvanceIfNeeded(at)
		if docs.HasNext() && docs.PeekNext() == at {
			found.Add(docs.Next())
		}
	}
	return found, nil
}

// between returns the documents of base with a number in the range: by looking
// up each number of a short range, else by reading the column.
func (m *matcher) between(c records.Between, base *roaring.Bitmap) (*roaring.Bitmap, error) {
	low, high := limits(c)
	if low > high {
		return roaring.New(), nil
	}
	if high-low < narrow {
		var values []string
		for n := low; n <= high; n++ {
			values = append(values, encodeNumber(n))
		}
		return m.terms(engineField(c.Field), values, base)
	}
	base, err := m.orEverything(base)
	if err != nil {
		return nil, err
	}
	col, err := newColumn(m.reader, c.Field)
	if err != nil {
		return nil, err
	}
	found := roaring.New()
	from, to := encodeNumber(low), encodeNumber(high)
	for docs := base.Iterator(); docs.HasNext(); {
		doc := docs.Next()
		if err := m.step(); err != nil {
			return nil, err
		}
		inside := false
		if err := col.visit(doc, func(term []byte) {
			inside = inside || string(term) >= from && string(term) <= to
		}); err != nil {
			return nil, err
		}
		if inside {
			found.Add(doc)
		}
	}
	return found, nil
}
