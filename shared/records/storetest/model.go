package storetest

import (
	"cmp"
	"context"
	"errors"
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

// model maps each DID to what its document holds: for the fields of the envelope and of
// the access rule by Project, for the others as it was read plainly.
type model map[string]modelDocument

type modelDocument struct {
	projection records.Projection
	plain      plain
	json       string
}

// text are the values under a text field.
func (d modelDocument) text(f records.Field) []string {
	switch f {
	case records.FieldDistinct:
		return []string{records.Key(d.plain.distinct)}
	case records.FieldNameWord, records.FieldDescriptionWord:
		return d.plain.words[f]
	case records.FieldTagWord:
		var list []string
		for _, tag := range d.projection.Text(records.FieldTag) {
			list = append(list, records.Words(tag)...)
		}
		return list
	case records.FieldRef:
		return d.plain.refs
	case records.FieldPath:
		return d.plain.paths
	case records.FieldCut:
		return d.plain.cut
	case records.FieldLeaf:
		panic("storetest: a leaf is only asked for by what it means")
	}
	return d.projection.Text(f)
}

// has reports whether there is a value under a field.
func (d modelDocument) has(f records.Field) bool {
	switch {
	case f.Numeric():
		return d.projection.Has(f)
	case f == records.FieldLeaf:
		return slices.ContainsFunc(d.plain.leaves, func(l leaf) bool { return l.value != nil })
	}
	return len(d.text(f)) > 0
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
	m[did] = modelDocument{p, readPlain(kind, doc), string(doc)}
}

// search returns the DIDs that match, in order.
func (m model) search(q records.Query) []string {
	var dids []string
	scores := make(map[string]int64)
	for did, d := range m {
		if !holds(q.Where, d) {
			continue
		}
		dids = append(dids, did)
		scores[did] = score(q.Score, d)
	}
	slices.SortFunc(dids, func(a, b string) int {
		for _, s := range q.Order() {
			c := 0
			if s.Field != records.FieldScore {
				c = compare(s, m[a], m[b])
			} else if c = cmp.Compare(scores[a], scores[b]); s.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	if q.Distinct {
		seen := make(map[string]bool)
		dids = slices.DeleteFunc(dids, func(did string) bool {
			again := seen[m[did].plain.distinct]
			seen[m[did].plain.distinct] = true
			return again
		})
	}
	return dids
}

// count returns what a count of these documents must answer, but for the limit on buckets.
func (m model) count(dids []string, by records.Field) []records.Bucket {
	counts := make(map[string]int64)
	for _, did := range dids {
		for _, v := range m[did].text(by) {
			counts[v]++
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
func holds(c records.Cond, d modelDocument) bool {
	switch c := c.(type) {
	case meant:
		return c.holds(d.plain)
	case records.All:
		for _, part := range c {
			if !holds(part, d) {
				return false
			}
		}
	case records.Any:
		return slices.ContainsFunc(c, func(part records.Cond) bool { return holds(part, d) })
	case records.Not:
		return !holds(c.Cond, d)
	case records.Term:
		return slices.ContainsFunc(c.Values, func(v string) bool {
			return slices.Contains(d.text(c.Field), records.Key(v))
		})
	case records.Between:
		n, ok := d.projection.Number(c.Field)
		return ok && c.Min <= n && n <= c.Max
	case records.Exists:
		return d.has(c.Field)
	case records.Prefix:
		return slices.ContainsFunc(d.text(c.Field), func(v string) bool { return strings.HasPrefix(v, c.Text) })
	case records.Near:
		return slices.ContainsFunc(d.text(c.Field), func(v string) bool { return mistakes(v, c.Word) <= allowed(c.Word) })
	case records.Like:
		return slices.ContainsFunc(d.plain.texts, func(t text) bool {
			return t.path == c.Path && closeness(t, fold(c.Text)) >= max(c.Least, records.Contains)
		})
	}
	return true
}

// compare says what one level of an order means.
func compare(s records.Sort, a, b modelDocument) int {
	hasA, hasB := a.has(s.Field), b.has(s.Field)
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
		x, _ := a.projection.Number(s.Field)
		y, _ := b.projection.Number(s.Field)
		c = cmp.Compare(x, y)
	} else {
		pick := slices.Min[[]string]
		if s.Desc {
			pick = slices.Max[[]string]
		}
		c = strings.Compare(pick(a.text(s.Field)), pick(b.text(s.Field)))
	}
	if s.Desc {
		return -c
	}
	return c
}

// check compares store and model on a query, page by page: DIDs, order, total, counts
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
		s.checkCounts(q, page, want)
		for _, hit := range page.Hits {
			got = append(got, hit.DID)
			s.checkHit(q, hit)
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

// checkHit compares what a hit shows of its document.
func (s *subject) checkHit(q records.Query, hit records.Stored) {
	s.Helper()
	doc := s.model[hit.DID]
	want, refs := doc.json, []string(nil)
	switch {
	case q.RefsOnly:
		want, refs = "", doc.plain.refs
	case q.EnvelopeOnly:
		text, err := oip.EnvelopeOnly([]byte(doc.json))
		if err != nil {
			s.Fatal(err)
		}
		want = string(text)
	}
	if string(hit.JSON) != want || q.RefsOnly && hit.JSON != nil {
		s.Fatalf("%+v: hit %s is %s, want %s", q, hit.DID, hit.JSON, want)
	}
	if !slices.Equal(hit.Refs, refs) {
		s.Fatalf("%+v: hit %s has the references %q, want %q", q, hit.DID, hit.Refs, refs)
	}
}

// checkCounts compares the counts of a page that was asked for some.
func (s *subject) checkCounts(q records.Query, page records.Page, dids []string) {
	s.Helper()
	if q.CountBy == "" {
		return
	}
	want := s.model.count(dids, q.CountBy)
	kept := want[:min(len(want), records.MaxBuckets)]
	got := page.Counts
	if got.Total != int64(len(dids)) || !slices.Equal(got.Buckets, kept) || got.Other != int64(len(want)-len(kept)) {
		s.Fatalf("%+v:\ncounted %+v\nwant %d: %v and %d more", q, got, len(dids), kept, len(want)-len(kept))
	}
}

// page is Search that must not fail.
func (s *subject) page(q records.Query) records.Page {
	s.Helper()
	page, err := s.Search(context.Background(), bareQuery(q))
	if err != nil {
		s.Fatalf("Search(%+v): %v", q, err)
	}
	return page
}

// refuses demands an error of a search.
func (s *subject) refuses(name string, q records.Query, want error) {
	s.Helper()
	if _, err := s.Search(context.Background(), bareQuery(q)); !errors.Is(err, want) {
		s.Errorf("Search with %s = %v, want %v", name, err, want)
	}
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
