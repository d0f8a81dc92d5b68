package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func ids(from, to int) []string {
	var all []string
	for n := from; n < to; n++ {
		all = append(all, id(n))
	}
	return all
}

func TestLookup(t *testing.T) {
	s := script(t, ok(pageJSON(false, mined(3, 900), mined(1, 5), pending(2), mined(9, 5))))
	nodes, err := dial(t, s).Lookup(context.Background(), []string{id(3), id(2), "../x", id(1), id(1), id(4)})
	if err != nil || len(nodes) != 3 {
		t.Fatalf("%+v, %v", nodes, err)
	}
	for i, want := range []struct {
		n      int
		height int64
	}{{2, 0}, {1, 5}, {3, 900}} {
		if nodes[i].ID != id(want.n) || nodes[i].Height != want.height || !nodes[i].HasTags {
			t.Errorf("node %d: %+v", i, nodes[i])
		}
	}
	want := fmt.Sprintf(`ids: ["%s", "%s", "%s", "%s"])`, id(1), id(2), id(3), id(4))
	if q := s.requests()[0].query; !strings.Contains(q, want) || strings.Contains(q, "block: {") {
		t.Errorf("asked %s", q)
	}
}

func TestLookupBounds(t *testing.T) {
	g := dial(t, script(t))
	if _, err := g.Lookup(context.Background(), ids(0, MaxLookup+1)); !errors.Is(err, ErrInvalid) {
		t.Errorf("%v, want ErrInvalid", err)
	}
	for _, none := range [][]string{nil, {"malformed"}} {
		if nodes, err := g.Lookup(context.Background(), none); err != nil || len(nodes) != 0 {
			t.Errorf("%v: %v, %v", none, nodes, err)
		}
	}
}

// Two stores behind one gateway may both have a transaction.
func TestLookupMinedWins(t *testing.T) {
	for _, rows := range [][]line{{mined(1, 5), pending(1)}, {pending(1), mined(1, 5)}} {
		nodes, err := dial(t, script(t, ok(pageJSON(false, rows...)))).Lookup(context.Background(), ids(1, 2))
		if err != nil || len(nodes) != 1 || nodes[0].Height != 5 {
			t.Errorf("%+v, %v", nodes, err)
		}
	}
}

func TestLookupDuplicatesHideOthers(t *testing.T) {
	var doubled []line
	for n := range 50 {
		doubled = append(doubled, mined(n, 5), mined(n, 5))
	}
	s := script(t, ok(pageJSON(false, doubled...)), ok(pageJSON(false, block(50, 50, 5)...)))
	nodes, err := dial(t, s).Lookup(context.Background(), ids(0, 100))
	if err != nil || len(nodes) != 100 {
		t.Errorf("%d nodes, %v", len(nodes), err)
	}
	if q := s.requests()[1].query; strings.Contains(q, id(49)) || !strings.Contains(q, id(50)) {
		t.Errorf("asked again with %s", q)
	}
}

func TestLookupIsolatesBadRows(t *testing.T) {
	st := &store{heights: spread(100, 1, 100), poisoned: map[int]int{17: 1, 80: 1}}
	known, err := dial(t, serve(t, st.answer)).Knows(context.Background(), ids(0, 101))
	if !errors.Is(err, ErrInvalid) || known != nil {
		t.Fatalf("101 ids: %v", err)
	}
	known, err = dial(t, serve(t, st.answer)).Knows(context.Background(), ids(0, 100))
	if err != nil || len(known) != 100 {
		t.Fatalf("%d nodes, %v", len(known), err)
	}
	for n := range 100 {
		if got := known[id(n)]; got.HasTags != (n != 17 && n != 80) || got.Height != st.heights[n] {
			t.Errorf("row %d: %+v", n, got)
		}
	}
	if st.queries > 40 {
		t.Errorf("%d queries", st.queries)
	}
}

// A gateway whose GraphQL fails altogether is found out quickly.
func TestLookupBroken(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ int) {
		ok(`{"errors":[{"message":"boom"}]}`)(w, r)
	})
	if _, err := dial(t, s).Lookup(context.Background(), ids(0, 100)); !errors.Is(err, ErrGraphQL) {
		t.Errorf("%v, want ErrGraphQL", err)
	}
	if n := len(s.requests()); n > 10 {
		t.Errorf("%d requests", n)
	}
}

func TestFind(t *testing.T) {
	tags := []Filter{{"Creator", []string{"x"}}, {"RecordType", []string{"creatorRegistration"}}}
	s := script(t, ok(pageJSON(false, mined(5, 9), mined(4, 9), pending(1), line{"c", `{"id":"malformed"}`})))
	nodes, err := dial(t, s).Find(context.Background(), tags, 100)
	if err != nil || len(nodes) != 3 || nodes[0].ID != id(4) || nodes[1].ID != id(5) || nodes[2].ID != id(1) || nodes[2].Height != 0 {
		t.Errorf("%+v, %v", nodes, err)
	}
	if q := s.requests()[0].query; !strings.Contains(q, `tags: [{ name: "Creator", values: ["x"] }, { name: "RecordType"`) || strings.Contains(q, "block: {") {
		t.Errorf("asked %s", q)
	}
}

func TestFindPages(t *testing.T) {
	for _, tc := range []struct {
		limit, want, requests int
	}{{1, 1, 1}, {100, 100, 1}, {101, 101, 2}, {1000, 250, 3}} {
		st := &store{heights: spread(250, 1, 100)}
		nodes, err := dial(t, serve(t, st.answer)).Find(context.Background(), []Filter{{"A", []string{"b"}}}, tc.limit)
		if err != nil || len(nodes) != tc.want || st.queries != tc.requests {
			t.Errorf("limit %d: %d nodes with %d queries, %v", tc.limit, len(nodes), st.queries, err)
		}
	}
}

func TestFindFaults(t *testing.T) {
	g := dial(t, script(t))
	for _, tc := range []struct {
		tags  []Filter
		limit int
	}{{nil, 5}, {[]Filter{{"A", []string{"b"}}}, 0}, {[]Filter{{"A", []string{"b"}}}, MaxFind + 1}, {[]Filter{{"A", nil}}, 5}} {
		if _, err := g.Find(context.Background(), tc.tags, tc.limit); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
	full := pageJSON(true, block(0, 100, 5)...)
	tags := []Filter{{"A", []string{"b"}}}
	if _, err := dial(t, script(t, ok(full), ok(full))).Find(context.Background(), tags, 500); !errors.Is(err, ErrLoop) {
		t.Errorf("a loop: %v", err)
	}
	// Each page repeats all rows of the one before but for one.
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, n int) {
		ok(pageJSON(true, block(n, 100, 5)...))(w, r)
	})
	if _, err := dial(t, s).Find(context.Background(), tags, 500); !errors.Is(err, ErrTooManyPages) || len(s.requests()) > 12 {
		t.Errorf("crawling pages: %d requests, %v", len(s.requests()), err)
	}
	s = script(t, ok(pageJSON(true, append(block(0, 99, 5), pending(500))...)))
	if nodes, err := dial(t, s).Find(context.Background(), tags, 500); err != nil || len(nodes) != 100 {
		t.Errorf("pending at the end: %d nodes, %v", len(nodes), err)
	}
	st := &store{heights: spread(20, 1, 20), poisoned: map[int]int{7: 1}}
	nodes, err := dial(t, serve(t, st.answer)).Find(context.Background(), tags, 500)
	if err != nil || len(nodes) != 20 || nodes[7].HasTags || !nodes[8].HasTags {
		t.Errorf("a bad row: %d nodes, %v", len(nodes), err)
	}
}
