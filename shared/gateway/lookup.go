package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"oipnode/shared/oip"
)

// Lookup returns what the gateway knows of at most MaxLookup ids, at any height
// and protocol version, with tags, sorted by (height, id) with pending ones
// (height 0) first. Absent ids, malformed ones among them, are simply not in the
// answer; with this gateway that does not mean that they do not exist.
//
// When a batch fails for one bad row or for a row limit, it is halved; a bad row
// that is alone is read with fewer fields, at last without its tags.
func (g *Gateway) Lookup(ctx context.Context, ids []string) ([]Node, error) {
	found, err := g.Knows(ctx, ids)
	if err != nil {
		return nil, err
	}
	nodes := make([]Node, 0, len(found))
	for _, n := range found {
		nodes = append(nodes, n)
	}
	sortNodes(nodes)
	return nodes, nil
}

// Knows is Lookup by id. It is how a caller finds out whether an empty answer of
// this gateway can be trusted: by asking for ids that exist.
func (g *Gateway) Knows(ctx context.Context, ids []string) (map[string]Node, error) {
	if len(ids) > MaxLookup {
		return nil, fmt.Errorf("%w: lookup of %d ids", ErrInvalid, len(ids))
	}
	return g.byID(ctx, ids)
}

// byID reads nodes by id. With an error it returns those that it got before.
func (g *Gateway) byID(ctx context.Context, ids []string) (map[string]Node, error) {
	found := make(map[string]Node, len(ids))
	wanted := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !oip.ValidID(id) })
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	for batch := range slices.Chunk(wanted, MaxLookup) {
		if err := g.lookup(ctx, batch, found); err != nil {
			return found, err
		}
	}
	return found, nil
}

// lookup reads one batch into found.
func (g *Gateway) lookup(ctx context.Context, ids []string, found map[string]Node) error {
	p, err := g.askAgain(ctx, query{ids: ids})
	switch {
	case err == nil:
	case len(ids) > 1 && (isPageFault(err) || errors.Is(err, ErrRowLimit)):
		half := len(ids) / 2
		if err := g.lookup(ctx, ids[:half], found); err != nil {
			return err
		}
		return g.lookup(ctx, ids[half:], found)
	case !isPageFault(err):
		return err
	default:
		for _, sel := range []selection{selectTags, selectIDs} {
			if p, err = g.askAgain(ctx, query{ids: ids, sel: sel}); !isPageFault(err) {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	before := len(found)
	for _, n := range p.nodes() {
		if _, asked := slices.BinarySearch(ids, n.ID); !asked {
			continue
		}
		// Two stores behind one gateway may both have it: mined wins.
		if old, ok := found[n.ID]; !ok || old.Height == 0 {
			found[n.ID] = n
		}
	}
	// Duplicates may have pushed others off a full page.
	missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, ok := found[id]; return ok })
	if len(p.edges) >= PageSize && len(missing) > 0 && len(found) > before {
		return g.lookup(ctx, missing, found)
	}
	return nil
}

// Find returns the first nodes, at most limit (1 to MaxFind), that have the tags
// at any height and version, sorted by (height, id) with pending ones last. It
// is for answers that are few, such as the registrations of one address.
func (g *Gateway) Find(ctx context.Context, tags []Filter, limit int) ([]Node, error) {
	if limit < 1 || limit > MaxFind || len(tags) == 0 {
		return nil, fmt.Errorf("%w: find %d nodes by %d tags", ErrInvalid, limit, len(tags))
	}
	if err := checkFilters(tags); err != nil {
		return nil, err
	}
	q := query{tags: tags}
	found := make(map[string]Node)
	unknown := func(id string) bool { _, ok := found[id]; return !ok }
	for n := 0; len(found) < limit; n++ {
		if n > 2*limit/PageSize+1 {
			return nil, g.fail("query", ErrTooManyPages)
		}
		p, err := g.askAll(ctx, q, unknown)
		if err != nil {
			return nil, err
		}
		before := len(found)
		for _, n := range p.nodes() {
			if unknown(n.ID) {
				found[n.ID] = n
			}
		}
		last, stop := nextCursor(p)
		if stop || (len(p.edges) < PageSize && !p.more) {
			break
		}
		if last == q.after || len(found) == before {
			return nil, g.fail("query", ErrLoop)
		}
		q.after = last
	}
	nodes := make([]Node, 0, len(found))
	for _, n := range found {
		nodes = append(nodes, n)
	}
	sortNodes(nodes)
	pending := 0
	for pending < len(nodes) && nodes[pending].Height == 0 {
		pending++
	}
	nodes = slices.Concat(nodes[pending:], nodes[:pending])
	return nodes[:min(limit, len(nodes))], nil
}

// sortNodes puts nodes into the canonical order, by height and id: the order in
// which gateways list a block is their own.
func sortNodes(nodes []Node) {
	slices.SortFunc(nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(a.Height, b.Height), cmp.Compare(a.ID, b.ID))
	})
}
