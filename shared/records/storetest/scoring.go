package storetest

import (
	"fmt"
	"slices"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// testScore orders by scores of which many are equal, page by page.
func testScore(t *testing.T, s *subject) {
	tied(s, 53)
	score := []records.Scored{
		{Where: records.Is(records.FieldTag, "t1"), Points: 2},
		{Where: records.Between{Field: records.FieldHeight, Min: 2, Max: 3}, Points: 3},
		{Where: records.Not{Cond: records.Exists{Field: records.FieldHeight}}, Points: 1},
		{Where: records.Is(records.FieldTag, "nothing"), Points: 7},
		{Where: records.Any{}, Points: 9},
	}
	byScore := func(desc bool, more ...records.Sort) []records.Sort {
		return append([]records.Sort{{Field: records.FieldScore, Desc: desc}}, more...)
	}
	for _, where := range []records.Cond{nil, records.Not{Cond: records.Is(records.FieldTag, "t2")}, records.Any{}} {
		for _, limit := range []int{1, 7, 60} {
			for _, desc := range []bool{true, false} {
				s.check(records.Query{Where: where, Score: score, Sort: byScore(desc), Limit: limit})
			}
		}
		s.check(records.Query{Where: where, Score: score, Sort: byScore(true, records.Sort{Field: records.FieldHeight}, records.Sort{Field: records.FieldDID, Desc: true}), Limit: 5})
		s.check(records.Query{Where: where, Score: score, Sort: []records.Sort{{Field: records.FieldHeight}, {Field: records.FieldScore, Desc: true}}, Limit: 5})
		s.check(records.Query{Where: where, Score: score, Limit: 20}) // nothing sorts by it
	}
	q := records.Query{Score: score, Sort: byScore(true), Limit: 5, Offset: 12}
	if got, want := dids(s.page(q)), s.model.search(q)[12:17]; !slices.Equal(got, want) {
		t.Errorf("%+v:\n got %v\nwant %v", q, got, want)
	}
	large := append(points(1, records.MaxPoints-1), records.Scored{Where: records.Is(records.FieldTag, "t0"), Points: 1})
	s.check(records.Query{Score: large, Sort: byScore(true), Limit: 9})
	var parts []records.Scored
	for i := range records.MaxScored {
		parts = append(parts, records.Scored{Where: records.Is(records.FieldTag, fmt.Sprint("t", i%5)), Points: int64(1 + i%3)})
	}
	s.check(records.Query{Score: parts, Sort: byScore(false), Limit: 25})
}

// testScoreCursors takes cursors of scored queries to other ones.
func testScoreCursors(t *testing.T, s *subject) {
	tied(s, 20)
	q := records.Query{Score: points(2, 1), Sort: []records.Sort{{Field: records.FieldScore, Desc: true}}, Distinct: true, Limit: 3}
	next := s.page(q).Next
	for name, change := range map[string]func(q *records.Query){
		"other points":  func(q *records.Query) { q.Score = points(2, 2) },
		"fewer parts":   func(q *records.Query) { q.Score = points(1, 1) },
		"another part":  func(q *records.Query) { q.Score = []records.Scored{{Where: records.Any{}, Points: 1}, q.Score[1]} },
		"not distinct":  func(q *records.Query) { q.Distinct = false },
		"another order": func(q *records.Query) { q.Sort = []records.Sort{{Field: records.FieldScore}} },
	} {
		other := q
		other.After = next
		change(&other)
		s.refuses(name, other, records.ErrCursor)
	}
	q.After, q.CountBy, q.RefsOnly, q.Limit = next, records.FieldTag, true, 9
	if page := s.page(q); len(page.Hits) != 9 || page.Counts.Total != 20 {
		t.Errorf("with other wishes the cursor found %+v", page)
	}
}

// testDistinct leaves one record of each name, in every order.
func testDistinct(t *testing.T, s *subject) {
	fill(s)
	for _, f := range everyField() {
		if !f.Listable() {
			continue
		}
		for _, desc := range []bool{false, true} {
			s.check(records.Query{Distinct: true, Sort: []records.Sort{{Field: f, Desc: desc}}, Limit: 5, CountBy: records.FieldRecordType})
		}
	}
	for _, by := range []records.Field{records.FieldTag, records.FieldName, records.FieldRecordTypeExact, records.FieldDistinct, records.FieldDID, records.FieldCreatorHandle} {
		for _, where := range []records.Cond{nil, records.Is(records.FieldRecordType, "post"), records.Exists{Field: records.FieldName}, records.Any{}} {
			q := records.Query{Where: where, Distinct: true, Sort: []records.Sort{{Field: records.FieldHeight, Desc: true}}, CountBy: by}
			s.check(q)
			q.Score, q.Sort = points(1, 3), []records.Sort{{Field: records.FieldScore}, {Field: records.FieldIndexedAt, Desc: true}}
			q.Score = append(q.Score, records.Scored{Where: records.Is(records.FieldTag, "even"), Points: 2})
			q.Limit = 4
			s.check(q)
			q.Limit, q.Offset = 6, 3
			page := s.page(q)
			if want := s.model.search(q); page.Total != int64(len(want)) || fmt.Sprint(dids(page)) != fmt.Sprint(want[min(3, len(want)):min(9, len(want))]) {
				t.Errorf("%+v found %v of %d, want 6 of %v", q, dids(page), page.Total, want)
			}
		}
	}
	all, one := s.page(records.Query{}).Total, s.page(records.Query{Distinct: true}).Total
	if one == 0 || one >= all {
		t.Errorf("%d of %d are distinct, so the case proves nothing", one, all)
	}
}

// testDistinctMany has many groups of all sizes, long names, and names that look like
// the mark of a record without one.
func testDistinctMany(_ *testing.T, s *subject) {
	p := newPress()
	long := fmt.Sprintf("%2000d", 7)
	var docs []*oip.Document
	for i := range 300 {
		a := article{note: i, height: int64(i % 9), date: i % 23, tags: []string{fmt.Sprint("t", i%3)}}
		switch {
		case i%10 == 0:
		case i%10 == 1:
			a.name = long + fmt.Sprint(i%4)
		case i%10 == 2 && i > 2:
			a.name = docs[i-2].DID() // of one that has no name
		default:
			a.name = fmt.Sprint("name ", i%37*i%11)
		}
		docs = append(docs, p.document(a))
	}
	s.put(docs...)
	for _, f := range []records.Field{records.FieldHeight, records.FieldDate, records.FieldName, records.FieldTag, records.FieldDID, records.FieldDistinct} {
		for _, desc := range []bool{false, true} {
			s.check(records.Query{Distinct: true, Sort: []records.Sort{{Field: f, Desc: desc}}, Limit: 40})
			s.check(records.Query{Where: records.Is(records.FieldTag, "t1", "t2"), Distinct: true, Sort: []records.Sort{{Field: f, Desc: desc}, {Field: records.FieldHeight}}, CountBy: records.FieldTag})
		}
	}
}

// testCountBy counts what a page's query matches.
func testCountBy(_ *testing.T, s *subject) {
	fill(s)
	for _, f := range everyField() {
		if !f.Listable() || f.Numeric() {
			continue
		}
		for _, where := range []records.Cond{nil, records.Any{}, records.Is(records.FieldRecordType, "post")} {
			s.check(records.Query{Where: where, CountBy: f, Limit: 9, EnvelopeOnly: f == records.FieldTag})
		}
	}
	q := records.Query{Where: records.Exists{Field: records.FieldTag}, CountBy: records.FieldTag, Limit: 1}
	want := s.model.search(q)
	q.Limit, q.Offset = 0, 0
	s.checkCounts(q, s.page(q), want) // counts alone
}

// testRefsOnly asks for nothing but references.
func testRefsOnly(_ *testing.T, s *subject) {
	fill(s)
	p := newPress()
	var docs []*oip.Document
	for i := range 12 {
		var refs []string
		for n := range i {
			refs = append(refs, fmt.Sprintf("did:arweave:%d", (n*5+i)%7))
		}
		docs = append(docs, p.shaped(map[int]any{shapeRefs: refs, shapeText: "did:gun:text", shapeNumber: i}))
	}
	s.put(docs...)
	s.check(records.Query{RefsOnly: true})
	s.check(records.Query{RefsOnly: true, Limit: 5, Distinct: true, CountBy: records.FieldRecordType, Sort: []records.Sort{{Field: records.FieldRecordType}}})
	s.check(records.Query{RefsOnly: true, Where: records.Refers("shape.refs", "did:arweave:3"), Limit: 2})
	s.check(records.Query{EnvelopeOnly: true, Limit: 7})
}
