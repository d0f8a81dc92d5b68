package opensearch

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// repeated are articles of n names, each of which comes several times: the first of each
// name at the dates 0 to n-1, and all the others behind them.
func repeated(n, times int) []*oip.Document {
	var docs []*oip.Document
	for i := range n {
		for j := range times {
			docs = append(docs, record(map[int]any{0: fmt.Sprintf("name %05d", i), 2: i + j*n, 3: []string{fmt.Sprint("turn", j)}}))
		}
	}
	return docs
}

var byDate = []records.Sort{{Field: records.FieldDate}}

// TestDistinctBehindMany has a cursor behind which nothing comes but later documents of
// names that were shown: more than one call reads. It ends, and shows none of them.
func TestDistinctBehindMany(t *testing.T) {
	docs := append(repeated(700, 3), record(map[int]any{0: "the last", 2: 1 << 20}))
	w := newWorld(t, docs)
	for _, desc := range []bool{false, true} {
		w.check(records.Query{Distinct: true, Sort: []records.Sort{{Field: records.FieldDate, Desc: desc}}, Limit: 690})
	}
	q := records.Query{Distinct: true, Sort: byDate, Limit: 700}
	p, err := w.Search(t.Context(), q)
	if err != nil || len(p.Hits) != 700 || p.Next == "" {
		t.Fatalf("%d hits, next %q, %v", len(p.Hits), p.Next, err)
	}
	// With a bound on the readings that is too small for what lies between, pages are
	// short, and none is wrong.
	in, err := inquire(records.Query{Distinct: true, Sort: byDate, Limit: 1, After: p.Next})
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for calls := 0; ; calls++ {
		d := w.distinct(in)
		d.readings = 1
		page, err := d.fromCursor(t.Context())
		if err != nil || d.total != 701 || calls > 100 {
			t.Fatalf("call %d: total %d, %v", calls, d.total, err)
		}
		for _, h := range page.Hits {
			seen = append(seen, h.DID)
		}
		if page.Next == "" {
			if calls < 2 {
				t.Errorf("one reading was enough, so the case proves nothing")
			}
			break
		}
		in.q.After = page.Next
		if in, err = inquire(in.q); err != nil {
			t.Fatal(err)
		}
	}
	if want := w.want(q); !slices.Equal(seen, want[700:]) {
		t.Errorf("behind the cursor: %q, want %q", seen, want[700:])
	}
}

// TestDistinctAmongChanges changes which document is the first of a name between the
// requests of one page: no document comes twice, and none that is not the first.
func TestDistinctAmongChanges(t *testing.T) {
	w := newWorld(t, repeated(20, 2))
	q := records.Query{Distinct: true, Sort: byDate, Limit: 4}
	p, err := w.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	q.After = p.Next
	// After the matches are read and before the winners are: the name 5 is met at the date
	// 5, then stands at 4.5, so to say, and 6 in front of the cursor; 7 is away until 27.
	writer := w.another()
	fresh := []*oip.Document{record(map[int]any{0: "name 00005", 2: 5, 1: "another"}), record(map[int]any{0: "name 00006", 2: 0})}
	all := w.want(records.Query{Sort: byDate})
	searches := 0
	w.misbehave(func(rw http.ResponseWriter, r *http.Request, engine http.Handler) {
		w.mu.Lock()
		search := strings.HasSuffix(r.URL.Path, "/_search")
		if search {
			searches++
		}
		now := search && searches == 2
		w.mu.Unlock()
		if now {
			w.misbehave(nil)
			ops := []records.Op{{Put: fresh[0], Fence: 1}, {Put: fresh[1], Fence: 1}, {Delete: all[7], Fence: 1}}
			if _, err := writer.Write(context.Background(), ops); err != nil {
				t.Error(err)
			}
			if err := writer.refresh(context.Background()); err != nil {
				t.Error(err)
			}
		}
		engine.ServeHTTP(rw, r)
	})
	p, err = w.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	w.know(fresh)
	delete(w.of, all[7])
	want := w.want(records.Query{Distinct: true, Sort: byDate})
	from := slices.Index(want, all[4])
	got := []string(nil)
	for _, h := range p.Hits {
		got = append(got, h.DID)
	}
	if searches != 2 || !slices.Equal(got, want[from:from+4]) {
		t.Errorf("the page is %q, want %q", got, want[from:from+4])
	}
}

// TestDistinctParts counts names and their values in parts, as where there are too many
// to be counted at once.
func TestDistinctParts(t *testing.T) {
	for _, shards := range []int{1, 3} {
		w := newWorld(t, repeated(400, 2), func(o *Options) { o.Shards = shards })
		in, err := inquire(records.Query{Distinct: true, Sort: []records.Sort{{Field: records.FieldDate, Desc: true}}, CountBy: records.FieldName})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := w.distinct(in)
		d.most = 150
		for parts, want := range map[int]int64{1: -1, 2: -1, 8: 400} {
			if n, err := d.countParts(t.Context(), parts); err != nil || n != want {
				t.Errorf("in %d parts there are %d names, want %d; %v", parts, n, want, err)
			}
		}
		d.total = -1
		if a, err := d.ask(t.Context(), collapsed(in.body(3)), 0); err != nil || d.total != 400 || len(a.Hits.Hits) != 3 || d.view.pit == "" {
			t.Errorf("too many for one request: %d, %v", d.total, err)
		}
		for _, kept := range []int{1 << 20, 10000} {
			d.kept, d.window = kept, 70
			got, err := d.count(t.Context())
			if want := w.wantCounts(w.want(in.q), in.q.CountBy); err != nil || got.Total != want.Total || !slices.Equal(got.Buckets, want.Buckets) || got.Other != 0 {
				t.Errorf("with %d bytes: %d, %d values, %v", kept, got.Total, len(got.Buckets), err)
			}
		}
	}
}

// TestDistinctManyNames has more winners than one search can find.
func TestDistinctManyNames(t *testing.T) {
	if testing.Short() {
		t.Skip("12,000 documents")
	}
	w := newWorld(t, repeated(records.MaxWindow+1000, 1))
	p, err := w.Search(t.Context(), records.Query{Distinct: true, CountBy: records.FieldTag, Limit: 10, Sort: byDate, Offset: records.MaxWindow - 10})
	if err != nil || p.Total != records.MaxWindow+1000 || len(p.Hits) != 10 || len(p.Counts.Buckets) != 1 || p.Counts.Buckets[0].Count != p.Total {
		t.Fatalf("%d, %d hits, %+v, %v", p.Total, len(p.Hits), p.Counts, err)
	}
	next, err := w.Search(t.Context(), records.Query{Distinct: true, Limit: 1000, Sort: byDate, After: p.Next})
	want := w.want(records.Query{Distinct: true, Sort: byDate})
	if err != nil || len(next.Hits) != 1000 || next.Hits[0].DID != want[records.MaxWindow] || next.Hits[999].DID != want[len(want)-1] || next.Next != "" {
		t.Errorf("beyond the window: %d hits, next %q, %v", len(next.Hits), next.Next, err)
	}
	// More values than the first request of a count reads.
	counts := w.wantCounts(want, records.FieldName)
	if got, err := w.Count(t.Context(), nil, records.FieldName); err != nil || !reflect.DeepEqual(got, counts) {
		t.Errorf("Count: %d, %d values and %d more, %v", got.Total, len(got.Buckets), got.Other, err)
	}
	p, err = w.Search(t.Context(), records.Query{CountBy: records.FieldName, Limit: 3, Sort: byDate})
	if err != nil || !reflect.DeepEqual(p.Counts, counts) || p.Total != counts.Total || len(p.Hits) != 3 || p.Hits[2].DID != want[2] {
		t.Errorf("CountBy: %d of %d, %d values and %d more, %v", len(p.Hits), p.Total, len(p.Counts.Buckets), p.Counts.Other, err)
	}
}
