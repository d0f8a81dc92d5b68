package gatewaysim

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"oipnode/shared/oip"
	"oipnode/shared/upstream"
)

// tagFilter is one of the tag conditions of a query: some tag of that name has
// one of the values, exactly; not turns it round.
type tagFilter struct {
	name   string
	values []string
	not    bool
}

func (f tagFilter) matches(tags []oip.Tag) bool {
	for _, t := range tags {
		if t.Name == f.name && slices.Contains(f.values, t.Value) {
			return !f.not
		}
	}
	return f.not
}

// filter is what a transactions query asks of a row, its block apart. Nil lists
// ask nothing; conditions of different kinds must all hold. ids is sorted and
// without duplicates.
type filter struct {
	ids, owners, recipients, bundledIn []string
	tags                               []tagFilter
}

// key is a text that two filters share only if they match the same rows.
func (f filter) key() string { return fmt.Sprintf("%#v", f) }

// matches decides everything but ids, which selectRows has looked up.
func (f filter) matches(e *entry) bool {
	if f.owners != nil && !slices.Contains(f.owners, e.Owner) ||
		f.recipients != nil && !slices.Contains(f.recipients, "") ||
		f.bundledIn != nil && (!e.Bundled || !slices.Contains(f.bundledIn, bundleID(e.Height))) {
		return false
	}
	for _, t := range f.tags {
		if !t.matches(e.Tags) {
			return false
		}
	}
	return true
}

// rowList is the matches of one filter in the order of one gateway: ascending by
// height, inside a block by the gateway's own order. Immutable.
type rowList struct {
	version uint64 // of the chain
	mined   []*entry
	pending []*entry
}

// rank is the place of an entry inside its block at the gateway with this seed:
// not canonical, but always the same.
func rank(seed uint64, e *entry) uint64 { return upstream.Scatter(e.hash ^ seed) }

// rowOrder compares two places of the wire order.
func rowOrder(seed uint64, a, b *entry) int {
	return cmp.Or(cmp.Compare(a.Height, b.Height),
		cmp.Compare(rank(seed, a), rank(seed, b)), strings.Compare(a.ID, b.ID))
}

// selectRows finds the rows that match now. Its cost is that of the rarest of
// the tags asked for, not of the chain.
func (c *Chain) selectRows(f filter, bundles bool, seed uint64) *rowList {
	c.mu.RLock()
	r := &rowList{version: c.version}
	consider := func(s *slot) {
		if !c.visible(s.entry) || s.Bundled && !bundles || !f.matches(s.entry) {
			return
		}
		if s.Height == 0 {
			r.pending = append(r.pending, s.entry)
		} else {
			r.mined = append(r.mined, s.entry)
		}
	}
	rarest := c.rarest(f.tags)
	switch {
	case f.ids != nil:
		for _, id := range f.ids {
			if s, ok := c.slots[id]; ok {
				consider(s)
			}
		}
	case rarest != nil:
		for i, v := range rarest.values {
			for _, s := range c.byTag[oip.Tag{Name: rarest.name, Value: v}] {
				if !rarest.metBefore(s.Tags, i) {
					consider(s)
				}
			}
		}
	default:
		for _, s := range c.slots {
			consider(s)
		}
	}
	c.mu.RUnlock()
	byWire := func(a, b *entry) int { return rowOrder(seed, a, b) }
	slices.SortFunc(r.mined, byWire)
	slices.SortFunc(r.pending, byWire)
	return r
}

// rarest is the positive tag condition with the fewest candidates, nil without
// one. c.mu is held.
func (c *Chain) rarest(filters []tagFilter) *tagFilter {
	var best *tagFilter
	fewest := 0
	for i, f := range filters {
		if f.not {
			continue
		}
		n := 0
		for _, v := range f.values {
			n += len(c.byTag[oip.Tag{Name: f.name, Value: v}])
		}
		if best == nil || n < fewest {
			best, fewest = &filters[i], n
		}
	}
	return best
}

// metBefore reports whether an item with these tags was a candidate already
// under one of the first n values.
func (f tagFilter) metBefore(tags []oip.Tag, n int) bool {
	return n > 0 && tagFilter{name: f.name, values: f.values[:n]}.matches(tags)
}

// between cuts the mined rows to the heights min to max, both included.
func (r *rowList) between(lo, hi int64) []*entry {
	from := sort.Search(len(r.mined), func(i int) bool { return r.mined[i].Height >= lo })
	to := sort.Search(len(r.mined), func(i int) bool { return r.mined[i].Height > hi })
	return r.mined[from:max(from, to)]
}
