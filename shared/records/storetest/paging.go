package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

func testEverySort(t *testing.T, s *subject) {
	fill(s)
	for _, f := range everyField() {
		if !f.Listable() {
			continue
		}
		for _, desc := range []bool{false, true} {
			s.check(records.Query{Sort: []records.Sort{{Field: f, Desc: desc}}})
			s.check(records.Query{Sort: []records.Sort{{Field: f, Desc: desc}}, Limit: 5})
			s.check(records.Query{Sort: []records.Sort{{Field: records.FieldRecordType}, {Field: f, Desc: desc}}, Limit: 3})
		}
	}
	s.check(records.Query{})
	s.check(records.Query{Sort: []records.Sort{{Field: records.FieldDID, Desc: true}}, Limit: 2})
	s.check(records.Query{Sort: []records.Sort{{Field: records.FieldDID, Desc: true}, {Field: records.FieldName}}, Limit: 2})
	all := []records.Sort{{Field: records.FieldKind}, {Field: records.FieldVer}, {Field: records.FieldStorage}, {Field: records.FieldHeight, Desc: true},
		{Field: records.FieldDate}, {Field: records.FieldNameFolded, Desc: true}, {Field: records.FieldTag}, {Field: records.FieldAccess, Desc: true}}
	s.check(records.Query{Sort: all, Limit: 7})
}

// tied puts documents of which many are equal in height, and many have none.
func tied(s *subject, n int) {
	p := newPress()
	var docs []*oip.Document
	for i := range n {
		docs = append(docs, p.document(article{note: i, height: int64(i % 4), tags: []string{fmt.Sprint("t", i%3)}}))
	}
	s.put(docs...)
}

func testOffsetPages(t *testing.T, s *subject) {
	tied(s, 53)
	for _, q := range []records.Query{
		{Sort: []records.Sort{{Field: records.FieldHeight, Desc: true}}, Limit: 7},
		{Sort: []records.Sort{{Field: records.FieldHeight}}, Limit: 20},
		{Where: records.Is(records.FieldTag, "t1"), Sort: []records.Sort{{Field: records.FieldTag}}, Limit: 5},
	} {
		want := s.model.search(q)
		var got []string
		for ; ; q.Offset += q.Limit {
			page := s.page(q)
			if page.Total != int64(len(want)) {
				t.Fatalf("%+v: total %d, want %d", q, page.Total, len(want))
			}
			got = append(got, dids(page)...)
			if atEnd := q.Offset+q.Limit >= len(want); atEnd != (page.Next == "") {
				t.Fatalf("%+v: next is %q at %d of %d", q, page.Next, q.Offset+q.Limit, len(want))
			}
			if page.Next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v:\n got %v\nwant %v", q, got, want)
		}
		// A cursor continues behind a page that was found by its offset.
		first := q
		first.Offset = q.Limit
		rest := q
		rest.Offset, rest.After = 0, s.page(first).Next
		if got := dids(s.page(rest)); !slices.Equal(got, want[2*q.Limit:min(3*q.Limit, len(want))]) {
			t.Fatalf("%+v: the page behind the second is %v", q, got)
		}
	}
}

func testCursorPages(t *testing.T, s *subject) {
	tied(s, 53)
	for _, limit := range []int{1, 2, 7, 52, 53, 54} {
		for _, f := range []records.Field{records.FieldHeight, records.FieldTag, records.FieldName, records.FieldIndexedAt} {
			for _, desc := range []bool{false, true} {
				s.check(records.Query{Sort: []records.Sort{{Field: f, Desc: desc}}, Limit: limit})
			}
		}
	}
	q := records.Query{Sort: []records.Sort{{Field: records.FieldHeight}}, Limit: 5}
	q.After = s.page(q).Next
	q.Limit, q.EnvelopeOnly = 0, true
	if page := s.page(q); page.Total != 53 || len(page.Hits) != 0 {
		t.Errorf("a cursor with limit 0 = %+v, want the total alone", page)
	}
}

// testCursorAmongChanges pages while documents come and go, also the one at
// which the page ended: what was there all the time is seen exactly once.
func testCursorAmongChanges(t *testing.T, s *subject) {
	p := newPress()
	tied(s, 40)
	q := records.Query{Sort: []records.Sort{{Field: records.FieldHeight, Desc: true}}, Limit: 6}
	there := s.model.search(q)
	seen := map[string]int{}
	for round := 0; ; round++ {
		page := s.page(q)
		for _, did := range dids(page) {
			seen[did]++
		}
		if page.Next == "" {
			break
		}
		var fresh []*oip.Document
		for i := range 3 {
			fresh = append(fresh, p.document(article{note: fmt.Sprintf("fresh %d %d", round, i), height: int64(i * 2)}))
		}
		s.put(fresh...)
		last := page.Hits[len(page.Hits)-1].DID
		s.write(records.Op{Delete: last, Fence: 1})
		q.After = page.Next
	}
	for _, did := range there {
		if seen[did] != 1 {
			t.Errorf("%s was seen %d times", did, seen[did])
		}
	}
}

func testForeignCursors(t *testing.T, s *subject) {
	tied(s, 9)
	q := records.Query{Where: records.Is(records.FieldTag, "t1"), Sort: []records.Sort{{Field: records.FieldHeight}}, Limit: 1}
	next := s.page(q).Next
	if next == "" {
		t.Fatal("there is no cursor")
	}
	other := func(change func(q *records.Query)) records.Query {
		o := q
		o.After = next
		change(&o)
		return o
	}
	for name, o := range map[string]records.Query{
		"another condition": other(func(o *records.Query) { o.Where = records.Is(records.FieldTag, "t2") }),
		"no condition":      other(func(o *records.Query) { o.Where = nil }),
		"a negation":        other(func(o *records.Query) { o.Where = records.Not{Cond: q.Where} }),
		"another direction": other(func(o *records.Query) { o.Sort = []records.Sort{{Field: records.FieldHeight, Desc: true}} }),
		"another sort":      other(func(o *records.Query) { o.Sort = []records.Sort{{Field: records.FieldDate}} }),
		"a longer sort":     other(func(o *records.Query) { o.Sort = append(o.Sort[:1:1], records.Sort{Field: records.FieldName}) }),
		"a cut cursor":      other(func(o *records.Query) { o.After = next[:len(next)-2] }),
		"garbage":           other(func(o *records.Query) { o.After = "garbage" }),
		"not even base64":   other(func(o *records.Query) { o.After = "\x00 %" }),
		"a list":            other(func(o *records.Query) { o.After = "W10" }),
	} {
		if _, err := s.Search(context.Background(), o); !errors.Is(err, records.ErrCursor) {
			t.Errorf("%s: %v, want ErrCursor", name, err)
		}
	}
	s.page(other(func(o *records.Query) { o.Limit, o.EnvelopeOnly = 3, true }))
}
