package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"oipnode/shared/records"
)

// inView runs a test on one state of the store.
func inView(t *testing.T, s *Store, run func(v *view, all *roaring.Bitmap)) {
	t.Helper()
	v, err := s.snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	all, err := newMatcher(context.Background(), v).orEverything(nil)
	if err != nil {
		t.Fatal(err)
	}
	run(v, all)
}

// TestDistinctInParts compares documents in one part and in many: the same are first.
func TestDistinctInParts(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	for from := 0; from < 600; from += 150 { // several segments
		var batch []change
		for i := from; i < from+150; i++ {
			name := ""
			if i%5 > 0 {
				name = fmt.Sprint("name ", i*i%97)
			}
			batch = append(batch, named(i, name))
		}
		mustWrite(t, s, batch...)
	}
	order := []records.Sort{{Field: records.FieldName, Desc: true}, {Field: records.FieldDID}}
	inView(t, s, func(v *view, all *roaring.Bitmap) {
		m := newMatcher(context.Background(), v)
		parts, err := m.repeated(all, 10)
		if err != nil || len(parts) < 10 {
			t.Fatalf("there are %d parts (%v), so the test proves nothing", len(parts), err)
		}
		want, err := m.distinct(all, order, nil, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		names := make(map[int]bool)
		for i := range 600 {
			if i%5 > 0 {
				names[i*i%97] = true
			}
		}
		if n := want.GetCardinality(); n != uint64(120+len(names)) {
			t.Errorf("%d are distinct, want 120 without a name and %d with one", n, len(names))
		}
		for _, size := range []int{1, 10, 100} {
			got, err := m.distinct(all, order, nil, size)
			if err != nil || !got.Equals(want) {
				t.Errorf("in parts of %d documents %d are first, want %d (%v)", size, got.GetCardinality(), want.GetCardinality(), err)
			}
		}
	})
}

// TestScoresAnyOrder asks for the scores of documents in ascending, descending and mixed
// order of blocks.
func TestScoresAnyOrder(t *testing.T) {
	docs := []uint32{0, 1, scoreBlock - 1, scoreBlock, scoreBlock + 5, 3*scoreBlock - 1, 3 * scoreBlock, 7*scoreBlock + 9}
	s := &scores{block: 1 << 31, parts: []scoredPart{{roaring.BitmapOf(docs...), 4}, {roaring.BitmapOf(1, scoreBlock, 7*scoreBlock+9), 2}, {roaring.BitmapOf(scoreBlock + 5), 1 << 21}}}
	want := map[uint32]int64{1: 6, scoreBlock: 6, 7*scoreBlock + 9: 6, scoreBlock + 5: 4 + 1<<21}
	descending := slices.Clone(docs)
	slices.Reverse(descending)
	for _, order := range [][]uint32{docs, descending, {1, 7*scoreBlock + 9, scoreBlock, 0}} {
		for _, doc := range order {
			expected := int64(4)
			if w, ok := want[doc]; ok {
				expected = w
			}
			if got := s.of(doc); got != expected {
				t.Errorf("document %d has %d points, want %d", doc, got, expected)
			}
		}
	}
}

// TestLikeReadsOnce asks for every closeness of a text, and counts what is read.
func TestLikeReadsOnce(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	var batch []change
	for i := range 50 {
		batch = append(batch, named(i, fmt.Sprintf("the name %d", i)))
	}
	mustWrite(t, s, append(batch, small(50, 1))...)
	inView(t, s, func(v *view, all *roaring.Bitmap) {
		m := newMatcher(context.Background(), v)
		for least := records.Same; least >= records.Unlike; least-- {
			if _, err := m.like(records.Like{Path: "basic.name", Text: "NAME", Least: least}, nil); err != nil {
				t.Fatal(err)
			}
		}
		known := m.liked[likedKey{"basic.name", "name"}]
		if len(m.liked) != 1 || known.read.GetCardinality() != 51 || known.at[records.WholeWord].GetCardinality() != 51 || known.at[records.StartsWith].GetCardinality() != 1 {
			t.Errorf("remembered is %+v", m.liked)
		}
		v.tx.Rollback() // from here on a read would fail
		again, err := m.like(records.Like{Path: "basic.name", Text: "name", Least: records.WholeWord}, all)
		if err != nil || again.GetCardinality() != 51 {
			t.Errorf("the second time it found %d (%v)", again.GetCardinality(), err)
		}
	})
	inView(t, s, func(v *view, _ *roaring.Bitmap) {
		m := newMatcher(context.Background(), v)
		for i := range 2 * rememberedWords {
			if _, err := m.match(records.Any{records.Like{Path: "basic.name", Text: fmt.Sprint("name ", i)}, records.Near{Field: records.FieldNameWord, Word: fmt.Sprint("name", i)}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if len(m.liked) != rememberedLikes || len(m.found) != rememberedWords {
			t.Errorf("%d likenesses and %d words are remembered, want %d and %d", len(m.liked), len(m.found), rememberedLikes, rememberedWords)
		}
	})
}

// TestLikeIsLast evaluates a Like only for what the other parts leave.
func TestLikeIsLast(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	mustWrite(t, s, smalls(60, 1)...)
	like := records.Like{Path: "basic.name", Text: "name", Least: records.Contains}
	for name, where := range map[string]records.All{
		"a term":           {like, records.Is(records.FieldTag, "m3")},
		"a negation":       {records.Not{Cond: records.Any{like, records.Is(records.FieldTag, "v2")}}, records.Is(records.FieldTag, "m3")},
		"a wide range":     {like, records.Between{Field: records.FieldDate, Min: 0, Max: 80}},
		"a negated choice": {like, records.Not{Cond: records.Is(records.FieldTag, "m0", "m1", "m2", "m4", "m5", "m6")}},
		"a word":           {like, records.Near{Field: records.FieldNameWord, Word: "7"}},
	} {
		inView(t, s, func(v *view, _ *roaring.Bitmap) {
			m := newMatcher(context.Background(), v)
			if _, err := m.match(where, nil); err != nil {
				t.Fatal(err)
			}
			if n := m.liked[likedKey{"basic.name", "name"}].read.GetCardinality(); n == 0 || n > 9 {
				t.Errorf("beside %s %d documents were read, want at most 9", name, n)
			}
		})
	}
}

// TestLikeCancelled ends while documents are read.
func TestLikeCancelled(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	mustWrite(t, s, smalls(60, 1)...)
	inView(t, s, func(v *view, _ *roaring.Bitmap) {
		ctx, cancel := context.WithCancel(context.Background())
		m := newMatcher(ctx, v)
		cancel()
		if _, err := m.like(records.Like{Path: "basic.name", Text: "name"}, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled search ended with %v", err)
		}
	})
}

// TestLikeBetweenTheSteps reads texts while the documents are ahead of the index: they
// are compared as they were.
func TestLikeBetweenTheSteps(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	mustWrite(t, s, smalls(4, 1)...)
	renamed := small(0, 2)
	renamed.json = []byte(strings.Replace(string(renamed.json), "name 0", "other", 1))
	looked := false
	s.onStep = func(step string) {
		if step != "committed" {
			return
		}
		looked = true
		for text, want := range map[string]int64{"name": 4, "other": 0} {
			if n := total(t, s, records.Like{Path: "basic.name", Text: text}); n != want {
				t.Errorf("between the steps %q is in %d names, want %d", text, n, want)
			}
		}
		page, err := s.Search(context.Background(), records.Query{RefsOnly: true, Limit: 5})
		if err != nil || len(page.Hits) != 4 {
			t.Errorf("RefsOnly = %+v, %v", page, err)
		}
	}
	mustWrite(t, s, renamed, change{did: small(1, 1).did, fence: 1})
	if !looked {
		t.Fatal("there was no look between the steps")
	}
	if n := total(t, s, records.Like{Path: "basic.name", Text: "name"}); n != 2 {
		t.Errorf("after the write it is in %d names, want 2", n)
	}
}
