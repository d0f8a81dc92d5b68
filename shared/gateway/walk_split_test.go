package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// store is a gateway over sorted rows, one per entry, that answers queries in
// earnest: windows, ids, cursors (offsets) and what the selection asks for.
type store struct {
	heights  []int64 // of rows 0, 1, 2…
	rowLimit int
	poisoned map[int]int // row -> how many fields make its page fail: 1 all but id and height, 2 even id alone
	queries  int
}

var (
	windowOf = regexp.MustCompile(`min: (\d+), max: (\d+)`)
	cursorOf = regexp.MustCompile(`after: "c(\d+)"`)
	idsOf    = regexp.MustCompile(`ids: \[([^\]]*)\]`)
)

func (s *store) answer(w http.ResponseWriter, r *http.Request, query string, _ int) {
	s.queries++
	lo, hi := int64(0), int64(maxHeight)
	if m := windowOf.FindStringSubmatch(query); m != nil {
		lo, _ = strconv.ParseInt(m[1], 10, 64)
		hi, _ = strconv.ParseInt(m[2], 10, 64)
	}
	after := -1
	if m := cursorOf.FindStringSubmatch(query); m != nil {
		after, _ = strconv.Atoi(m[1])
	}
	ids := idsOf.FindStringSubmatch(query)
	var rows []line
	matches := 0
	for n, h := range s.heights {
		if h < lo || h > hi || (ids != nil && !strings.Contains(ids[1], id(n))) {
			continue
		}
		if matches++; n <= after {
			continue
		}
		if len(rows) == PageSize {
			if s.rowLimit == 0 {
				break
			}
			continue
		}
		level := s.poisoned[n]
		if level == 2 || level == 1 && strings.Contains(query, "tags {") {
			ok(`{"data":null,"errors":[{"message":"Cannot return null for non-nullable field"}]}`)(w, r)
			return
		}
		row := mined(n, h)
		if !strings.Contains(query, "tags {") {
			row.node = fmt.Sprintf(`{"id":%q,"block":{"height":%d}}`, id(n), h)
		}
		rows = append(rows, row)
	}
	if s.rowLimit > 0 && matches > s.rowLimit {
		ok(`{"errors":[{"message":"Limit for rows (controlled by 'max_rows_to_read') exceeded"}]}`)(w, r)
		return
	}
	ok(pageJSON(false, rows...))(w, r)
}

// spread makes n heights from first to last, in order.
func spread(n int, first, last int64) []int64 {
	heights := make([]int64, n)
	for i := range heights {
		heights[i] = first + int64(i)*(last-first)/int64(max(n-1, 1))
	}
	return heights
}

func TestWalkHalvesOnRowLimits(t *testing.T) {
	for _, tc := range []struct {
		name    string
		heights []int64
		limit   int
		most    int // queries
	}{
		{"even", spread(900, 1000, 1999), 120, 60},
		{"dense in one corner", append(spread(700, 1000, 1010), spread(10, 1100, 1999)...), 80, 70},
		{"wide enough", spread(900, 1000, 1999), 900, 11},
	} {
		t.Run(tc.name, func(t *testing.T) {
			st := &store{heights: tc.heights, rowLimit: tc.limit}
			h, err := walk(t, dial(t, serve(t, st.answer)), Scan{Min: 0, Max: 5000})
			if err != nil || len(h.ids) != len(tc.heights) || st.queries > tc.most {
				t.Errorf("%d of %d rows with %d queries: %v", len(h.ids), len(tc.heights), st.queries, err)
			}
		})
	}
}

// A limit that strikes in the middle of a window keeps what was delivered.
func TestWalkRowLimitAfterPages(t *testing.T) {
	limit := ok(`{"errors":[{"message":"TOO_MANY_ROWS"}]}`)
	s := script(t, ok(pageJSON(true, rising(0, 100, 10)...)), limit, ok(pageJSON(false, mined(99, 109), mined(100, 150))), ok(pageJSON(false, mined(200, 290))))
	h, err := walk(t, dial(t, s), Scan{Min: 10, Max: 300})
	if err != nil || len(h.ids) != 102 || !slices.Equal(h.through, []int64{108, 204, 300}) {
		t.Errorf("%d nodes, through %v, %v", len(h.ids), h.through, err)
	}
	for i, want := range []string{"min: 10, max: 300", `after: "c99"`, "min: 109, max: 204", "min: 205, max: 300"} {
		if q := s.requests()[i].query; !strings.Contains(q, want) {
			t.Errorf("request %d: %s lacks %s", i, q, want)
		}
	}
}

func TestWalkRowLimitOfOneBlock(t *testing.T) {
	st := &store{heights: append(spread(50, 1, 40), slices.Repeat([]int64{41}, 100)...), rowLimit: 99}
	g := dial(t, serve(t, st.answer))
	h, err := walk(t, g, Scan{Min: 0, Max: 100})
	if !errors.Is(err, ErrRowLimit) || len(h.ids) != 50 || h.through[len(h.through)-1] != 40 {
		t.Errorf("%d nodes, through %v, %v", len(h.ids), h.through, err)
	}
	if g.health.waitWalk() == 0 {
		t.Error("another gateway should be tried")
	}
}

// Long windows are read as several queries, so that the ids to remember stay few.
func TestWalkRestarts(t *testing.T) {
	n := (restartAfter + 20) * PageSize
	st := &store{heights: spread(n, 1000, 1000+int64(n)/30)}
	s := serve(t, st.answer)
	g := dial(t, s)
	w := &walker{g: g, scan: Scan{Min: 0, Max: 100_000, IDsOnly: true}, through: -1, rows: make(map[string]row)}
	got := make(map[string]bool, n)
	w.fn = func(nodes []Node, _ int64) error {
		for _, n := range nodes {
			if got[n.ID] {
				t.Fatalf("%s came twice", n.ID)
			}
			got[n.ID] = true
		}
		return nil
	}
	if err := w.run(context.Background()); err != nil || len(got) != n {
		t.Fatalf("%d of %d rows: %v", len(got), n, err)
	}
	if w.query != 2 || len(w.rows) > 21*PageSize {
		t.Errorf("%d queries, %d rows remembered", w.query, len(w.rows))
	}
}

func TestWalkTooManyPages(t *testing.T) {
	st := &store{heights: spread(1000, 10, 500)}
	g := dial(t, serve(t, st.answer), func(o *Options) { o.MaxPages = 4 })
	h, err := walk(t, g, Scan{Min: 0, Max: 1000})
	if !errors.Is(err, ErrTooManyPages) || len(h.ids) != 400 || g.health.waitWalk() != 0 {
		t.Errorf("%d nodes, %v", len(h.ids), err)
	}
}

// One bad row nulls the pages it is on; all others keep their tags.
func TestWalkBadRow(t *testing.T) {
	st := &store{heights: spread(250, 10, 200), poisoned: map[int]int{130: 1}}
	h, err := walk(t, dial(t, serve(t, st.answer)), Scan{Min: 0, Max: 300, Tags: []Filter{{"T", []string{"x"}}}})
	if err != nil || len(h.nodes) != 250 {
		t.Fatalf("%d nodes, %v", len(h.nodes), err)
	}
	for i, n := range h.nodes {
		if n.HasTags != (i != 130) || n.HasTags && n.Tags[0].Value != id(i) || n.Height != st.heights[i] {
			t.Errorf("row %d: %+v", i, n)
		}
	}
	if st.queries > 25 {
		t.Errorf("%d queries", st.queries)
	}
}

func TestWalkFailsWhenIDsFailToo(t *testing.T) {
	st := &store{heights: spread(10, 10, 20), poisoned: map[int]int{3: 2}}
	g := dial(t, serve(t, st.answer))
	if _, err := walk(t, g, Scan{Min: 0, Max: 300}); !errors.Is(err, ErrGraphQL) || g.health.waitWalk() == 0 {
		t.Errorf("%v, wait %s", err, g.health.waitWalk())
	}
	if st.queries != 2 {
		t.Errorf("%d queries, want the full one and the one with ids", st.queries)
	}
}

// A page that is too long is read with ids, and its rows by id.
func TestWalkPageTooLong(t *testing.T) {
	st := &store{heights: spread(100, 10, 20)}
	g := dial(t, serve(t, st.answer), func(o *Options) { o.MaxPageBytes = 12_000 })
	h, err := walk(t, g, Scan{Min: 0, Max: 300})
	if err != nil || len(h.nodes) != 100 || slices.ContainsFunc(h.nodes, func(n Node) bool { return !n.HasTags }) {
		t.Errorf("%d nodes, %v", len(h.nodes), err)
	}
}

func TestWalkAsksAgain(t *testing.T) {
	good := ok(pageJSON(false, mined(1, 10)))
	html := status(200, "<html>", "Content-Type", "text/html")
	for _, tc := range []struct {
		name    string
		answers []http.HandlerFunc
		want    error
	}{
		{"502 and HTML", []http.HandlerFunc{status(502, ""), html, good}, nil},
		{"502 for ever", []http.HandlerFunc{status(502, ""), status(503, ""), status(504, "")}, ErrUnavailable},
		{"HTML for ever", []http.HandlerFunc{html, html, html}, ErrUnhealthy},
		{"429", []http.HandlerFunc{status(429, "")}, ErrRateLimited},
		{"402", []http.HandlerFunc{status(402, "")}, ErrRateLimited},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := script(t, tc.answers...)
			g := dial(t, s, withClock(newClock()))
			if _, err := walk(t, g, Scan{Min: 0, Max: 300}); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if len(s.requests()) != len(tc.answers) || (g.health.waitWalk() > 0) != (tc.want != nil) {
				t.Errorf("%d requests, wait %s", len(s.requests()), g.health.waitWalk())
			}
		})
	}
}

// The pause before a page is asked for again ends with the context.
func TestWalkCancelledInPause(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) {
		w.WriteHeader(502)
		time.AfterFunc(10*time.Millisecond, cancel)
	})
	g := dial(t, s, func(o *Options) { o.RetryPause = time.Hour })
	err := g.Walk(ctx, Scan{Max: 5}, func([]Node, int64) error { return nil })
	if !errors.Is(err, context.Canceled) || g.health.waitWalk() != 0 {
		t.Errorf("%v, wait %s", err, g.health.waitWalk())
	}
}

// A rate limit while tags are read by id ends the window, for the page is not
// complete.
func TestWalkRateLimitedWhileReadingTags(t *testing.T) {
	bad := ok(`{"errors":[{"message":"boom"}]}`)
	s := script(t, bad, ok(pageJSON(false, mined(1, 10))), status(429, ""))
	if h, err := walk(t, dial(t, s), Scan{Min: 0, Max: 300}); !errors.Is(err, ErrRateLimited) || len(h.ids) != 0 {
		t.Errorf("%v, %v", h.ids, err)
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(pageJSON(false)))
	}
	s = script(t, cut, ok(pageJSON(false, mined(1, 10))))
	if h, err := walk(t, dial(t, s), Scan{Min: 0, Max: 300}); err != nil || len(h.ids) != 1 {
		t.Errorf("after a page that was cut: %v, %v", h.ids, err)
	}
}

// After an aborted window Walk waits, longer each time, until one is complete.
func TestWalkBacksOffAfterLoops(t *testing.T) {
	c := newClock()
	var loop bool
	s := serve(t, func(w http.ResponseWriter, r *http.Request, q string, _ int) {
		if loop {
			ok(pageJSON(true, rising(0, 100, 10)...))(w, r)
			return
		}
		ok(pageJSON(false))(w, r)
	})
	g := dial(t, s, withClock(c))
	scan := Scan{Min: 10, Max: 300}
	for _, step := range []struct {
		loop bool
		want time.Duration
	}{{true, time.Second}, {true, 2 * time.Second}, {false, 0}, {true, time.Second}} {
		loop = step.loop
		if _, err := walk(t, g, scan); errors.Is(err, ErrLoop) != step.loop {
			t.Fatal(err)
		}
		if got := g.health.waitWalk(); got != step.want {
			t.Errorf("wait %s, want %s", got, step.want)
		}
		if _, err := walkErr(g, scan); step.loop && !errors.Is(err, ErrBackoff) {
			t.Errorf("%v, want ErrBackoff", err)
		}
		if _, err := g.Lookup(context.Background(), []string{id(1)}); err != nil {
			t.Errorf("lookup while windows wait: %v", err)
		}
		c.advance(step.want)
	}
}

// walkErr is a Walk of which only the error matters.
func walkErr(g *Gateway, s Scan) (n int, err error) {
	err = g.Walk(context.Background(), s, func(nodes []Node, _ int64) error { n += len(nodes); return nil })
	return n, err
}
