package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// checkCount compares a Count with the model.
func (s *subject) checkCount(where records.Cond, by records.Field) {
	s.Helper()
	got, err := s.Count(context.Background(), bare(where), by)
	if err != nil {
		s.Fatalf("Count(%+v, %q): %v", where, by, err)
	}
	matches := s.model.search(records.Query{Where: where})
	if got.Total != int64(len(matches)) {
		s.Fatalf("Count(%+v, %q): total %d, want %d", where, by, got.Total, len(matches))
	}
	want := s.model.count(matches, by)
	kept := want[:min(len(want), records.MaxBuckets)]
	if !slices.Equal(got.Buckets, kept) || got.Other != int64(len(want)-len(kept)) {
		s.Fatalf("Count(%+v, %q):\n got %v and %d more\nwant %v and %d more", where, by, got.Buckets, got.Other, kept, len(want)-len(kept))
	}
}

func testCount(t *testing.T, s *subject) {
	fill(s)
	for _, where := range []records.Cond{nil, records.Any{}, records.Is(records.FieldRecordType, "post"),
		records.Not{Cond: records.Is(records.FieldRecordType, "post")}, records.Exists{Field: records.FieldTag}} {
		s.checkCount(where, "")
		for _, f := range everyField() {
			if f.Listable() && !f.Numeric() {
				s.checkCount(where, f)
			}
		}
	}
	var gone []records.Op
	for _, did := range s.model.search(records.Query{Where: records.Is(records.FieldTag, "mod2")}) {
		gone = append(gone, records.Op{Delete: did, Fence: 1})
	}
	s.write(gone...)
	s.checkCount(nil, records.FieldTag)
	s.checkCount(nil, records.FieldRecordTypeExact)
}

// testCountManyValues has more values than there are buckets, some of them long.
func testCountManyValues(t *testing.T, s *subject) {
	p := newPress()
	var docs []*oip.Document
	for i := range 30 {
		var tags []string
		for n := range 60 {
			tags = append(tags, fmt.Sprintf("tag%d", i*40+n))
		}
		tags = append(tags, "common", strings.Repeat("long", 400), "common")
		docs = append(docs, p.document(article{note: i, tags: tags}))
	}
	s.put(docs...)
	if n := len(s.model.count(s.model.search(records.Query{}), records.FieldTag)); n <= records.MaxBuckets {
		t.Fatalf("only %d values", n)
	}
	s.checkCount(nil, records.FieldTag)
	s.checkCount(records.Is(records.FieldTag, "tag1", "tag2"), records.FieldTag)
	s.checkCount(nil, records.FieldDID)
}
