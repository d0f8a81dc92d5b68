package storetest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// subject is the store of one case, and the model of what must be in it.
type subject struct {
	*testing.T
	records.Store
	harness Harness
	model   model
}

// model maps each DID to what Project says of its document.
type model map[string]modelDocument

type modelDocument struct {
	projection records.Projection
	json       string
}

// put stores documents and fails the test unless every one is OK.
func (s *subject) put(docs ...*oip.Document) {
	s.Helper()
	for chunk := range slices.Chunk(docs, 500) {
		var ops []records.Op
		for _, d := range chunk {
			ops = append(ops, records.Op{Put: d, Fence: 1})
		}
		s.write(ops...)
	}
}

// write carries out operations, each of which must end as OK, in store and model.
func (s *subject) write(ops ...records.Op) {
	s.Helper()
	for i, r := range s.statuses(ops...) {
		if r != records.OK {
			s.Fatalf("operation %d ended as %d, want OK", i, r)
		}
	}
	for _, op := range ops {
		s.model.apply(s.T, op)
	}
}

// statuses carries out operations in the store alone and returns how they ended.
func (s *subject) statuses(ops ...records.Op) []records.Status {
	s.Helper()
	results, err := s.Write(context.Background(), ops)
	if err != nil {
		s.Fatalf("Write: %v", err)
	}
	if len(results) != len(ops) {
		s.Fatalf("Write returned %d results for %d operations", len(results), len(ops))
	}
	statuses := make([]records.Status, len(results))
	for i, r := range results {
		statuses[i] = r.Status
	}
	return statuses
}

// apply does to the model what an operation that is OK does to a store.
func (m model) apply(t *testing.T, op records.Op) {
	t.Helper()
	switch {
	case op.Put != nil:
		m.set(t, op.Put.DID(), op.Put.Kind(), op.Put.JSON())
	case op.Patch != nil:
		old := m[op.Patch.DID]
		doc, err := op.Patch.Apply([]byte(old.json))
		if err != nil {
			t.Fatalf("patch: %v", err)
		}
		m.set(t, op.Patch.DID, oip.Kind(old.projection.Text(records.FieldKind)[0]), doc)
	default:
		delete(m, op.Delete)
	}
}

func (m model) set(t *testing.T, did string, kind oip.Kind, doc []byte) {
	t.Helper()
	p, err := records.Project(kind, doc)
	if err != nil {
		t.Fatalf("project: %v", err)
	}
	m[did] = modelDocument{p, string(doc)}
}

// search returns the DIDs that match, in order.
func (m model) search(q records.Query) []string {
	var dids []string
	for did, d := range m {
		if holds(q.Where, d.projection) {
			dids = append(dids, did)
		}
	}
	slices.SortFunc(dids, func(a, b string) int {
		for _, s := range q.Order() {
			if c := compare(s, m[a].projection, m[b].projection); c != 0 {
				return c
			}
		}
		return 0
	})
	return dids
}

// count returns what a Count must answer, but for the limit on buckets.
func (m model) count(where records.Cond, by records.Field) []records.Bucket {
	counts := make(map[string]int64)
	for _, d := range m {
		if holds(where, d.projection) {
			for _, v := range d.projection.Text(by) {
				counts[v]++
			}
		}
	}
	var buckets []records.Bucket
	for v, n := range counts {
		buckets = append(buckets, records.Bucket{Value: v, Count: n})
	}
	slices.SortFunc(buckets, func(a, b records.Bucket) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return buckets
}

// holds says what each condition means.
func holds(c records.Cond, p records.Projection) bool {
	switch c := c.(type) {
	case records.All:
		for _, part := range c {
			if !holds(part, p) {
				return false
			}
		}
	case records.Any:
		return slices.ContainsFunc(c, func(part records.Cond) bool { return holds(part, p) })
	case records.Not:
		return !holds(c.Cond, p)
	case records.Term:
		return slices.ContainsFunc(c.Values, func(v string) bool {
			return slices.Contains(p.Text(c.Field), records.Key(v))
		})
	case records.Between:
		n, ok := p.Number(c.Field)
		return ok && c.Min <= n && n <= c.Max
	case records.Exists:
		return p.Has(c.Field)
	}
	return true
}

// compare says what one level of an order means.
func compare(s records.Sort, a, b records.Projection) int {
	hasA, hasB := a.Has(s.Field), b.Has(s.Field)
	if !hasA || !hasB {
		switch {
		case hasA:
			return -1
		case hasB:
			return 1
		}
		return 0
	}
	var c int
	if s.Field.Numeric() {
		x, _ := a.Number(s.Field)
		y, _ := b.Number(s.Field)
		c = cmp.Compare(x, y)
	} else {
		pick := slices.Min[[]string]
		if s.Desc {
			pick = slices.Max[[]string]
		}
		c = strings.Compare(pick(a.Text(s.Field)), pick(b.Text(s.Field)))
	}
	if s.Desc {
		return -c
	}
	return c
}

// check compares store and model on a query, page by page: DIDs, order, total
// and documents.
func (s *subject) check(q records.Query) {
	s.Helper()
	want := s.model.search(q)
	if q.Limit == 0 {
		q.Limit = records.MaxLimit
	}
	var got []string
	for {
		page := s.page(q)
		if page.Total != int64(len(want)) {
			s.Fatalf("%+v: total %d, want %d", q, page.Total, len(want))
		}
		for _, hit := range page.Hits {
			got = append(got, hit.DID)
			if doc := s.model[hit.DID]; string(hit.JSON) != doc.json {
				s.Fatalf("%+v: hit %s is %s, want %s", q, hit.DID, hit.JSON, doc.json)
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
		if len(page.Hits) != q.Limit {
			s.Fatalf("%+v: %d hits on a page that goes on, want %d", q, len(page.Hits), q.Limit)
		}
		q.Offset = 0
	}
	if !slices.Equal(got, want) {
		s.Fatalf("%+v:\n got %v\nwant %v", q, got, want)
	}
}

// page is Search that must not fail.
func (s *subject) page(q records.Query) records.Page {
	s.Helper()
	page, err := s.Search(context.Background(), q)
	if err != nil {
		s.Fatalf("Search(%+v): %v", q, err)
	}
	return page
}

// dids are the DIDs of a page.
func dids(p records.Page) []string {
	var out []string
	for _, h := range p.Hits {
		out = append(out, h.DID)
	}
	return out
}

// get is Get that must not fail, by DID.
func (s *subject) get(dids ...string) map[string]records.Stored {
	s.Helper()
	found, err := s.Get(context.Background(), dids, false)
	if err != nil {
		s.Fatalf("Get: %v", err)
	}
	by := make(map[string]records.Stored)
	for _, d := range found {
		by[d.DID] = d
	}
	return by
}
