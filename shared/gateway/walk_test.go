package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// heard is what a Walk delivered: the ids of all pages and the through of each.
type heard struct {
	ids     []string
	through []int64
	nodes   []Node
}

// walk collects a Walk and checks what holds of every one: pages are bounded and
// sorted, through never falls, nothing comes twice or from outside.
func walk(t *testing.T, g *Gateway, s Scan) (heard, error) {
	t.Helper()
	var h heard
	known := make(map[string]bool)
	last := s.Min - 1
	err := g.Walk(context.Background(), s, func(nodes []Node, through int64) error {
		if len(nodes) > PageSize || through < last || through > s.Max {
			t.Errorf("a page of %d nodes through %d after %d", len(nodes), through, last)
		}
		last = through
		for i, n := range nodes {
			if n.Height < s.Min || n.Height > s.Max || known[n.ID] {
				t.Errorf("node %s at %d does not belong here", n.ID, n.Height)
			}
			if i > 0 && (nodes[i-1].Height > n.Height || nodes[i-1].Height == n.Height && nodes[i-1].ID >= n.ID) {
				t.Errorf("page is not in order at %d", i)
			}
			known[n.ID] = true
			h.ids = append(h.ids, n.ID)
		}
		h.nodes = append(h.nodes, nodes...)
		h.through = append(h.through, through)
		return nil
	})
	if err == nil && last != s.Max {
		t.Errorf("ended through %d", last)
	}
	return h, err
}

func TestWalk(t *testing.T) {
	shuffled := rising(0, 100, 10) // heights 10 to 109
	slices.Reverse(shuffled[20:60])
	descending := rising(0, 100, 10)
	slices.Reverse(descending)
	for _, tc := range []struct {
		name    string
		scan    Scan
		answers []string
		count   int
		through []int64
		err     error
	}{
		{"empty", Scan{Min: 5, Max: 9}, []string{pageJSON(false)}, 0, []int64{9}, nil},
		{"one short page", Scan{Min: 5, Max: 9}, []string{pageJSON(false, mined(2, 6), mined(1, 6))}, 2, []int64{9}, nil},
		{"full page that is the end", Scan{Min: 10, Max: 200}, []string{pageJSON(false, rising(0, 100, 10)...), pageJSON(false)}, 100, []int64{108, 200}, nil},
		{"full page that lies", Scan{Min: 10, Max: 300}, []string{pageJSON(false, rising(0, 100, 10)...), pageJSON(false, mined(500, 109), mined(501, 300))}, 102, []int64{108, 300}, nil},
		{"short page that goes on", Scan{Min: 10, Max: 300}, []string{pageJSON(true, rising(0, 9, 10)...), pageJSON(false, mined(500, 20))}, 10, []int64{17, 300}, nil},
		{"empty after a full page is asked twice", Scan{Min: 10, Max: 300},
			[]string{pageJSON(true, rising(0, 100, 10)...), pageJSON(false), pageJSON(false, mined(500, 300))}, 101, []int64{108, 300}, nil},
		{"empty after a full page, truly", Scan{Min: 10, Max: 300},
			[]string{pageJSON(true, rising(0, 100, 10)...), pageJSON(false), pageJSON(false)}, 100, []int64{108, 300}, nil},
		{"empty and not the last", Scan{Min: 10, Max: 300}, []string{pageJSON(true), pageJSON(true)}, 0, nil, ErrProtocol},
		{"one block over two pages", Scan{Min: 10, Max: 300}, []string{pageJSON(true, block(0, 100, 50)...), pageJSON(false, block(100, 7, 50)...)}, 107, []int64{9, 300}, nil},
		{"block begun on a later page", Scan{Min: 10, Max: 300},
			[]string{pageJSON(true, rising(0, 100, 10)...), pageJSON(true, block(100, 100, 200)...), pageJSON(true, block(200, 100, 200)...), pageJSON(false, mined(300, 250))},
			301, []int64{108, 108, 199, 300}, nil},
		{"rows shuffled within pages", Scan{Min: 10, Max: 300},
			[]string{pageJSON(true, shuffled...), pageJSON(false, rising(100, 100, 110)...), pageJSON(false)}, 200, []int64{9, 208, 300}, nil},
		{"shuffled pages confirm each other", Scan{Min: 10, Max: 300},
			[]string{pageJSON(true, shuffled...), pageJSON(false, append(rising(101, 99, 120), mined(100, 110))...), pageJSON(false)}, 200, []int64{9, 108, 300}, nil},
		{"duplicates", Scan{Min: 10, Max: 300},
			[]string{pageJSON(true, append(rising(0, 99, 10), mined(98, 108))...), pageJSON(false, mined(98, 108), mined(99, 109))}, 100, []int64{107, 300}, nil},
		{"cursor that includes its row", Scan{Min: 10, Max: 300}, []string{pageJSON(true, rising(0, 100, 10)...), pageJSON(false, mined(99, 109))}, 100, []int64{108, 300}, nil},
		{"more rows than asked for", Scan{Min: 10, Max: 500}, []string{pageJSON(false, rising(0, 250, 10)...), pageJSON(false)}, 250, []int64{9, 9, 258, 500}, nil},
		{"pending at the end of a full page", Scan{Min: 10, Max: 300}, []string{pageJSON(true, append(rising(0, 97, 10), pending(997), pending(998), pending(999))...)}, 97, []int64{300}, nil},
		{"pending in a short page", Scan{Min: 10, Max: 300}, []string{pageJSON(false, mined(1, 10), pending(2), mined(3, 12))}, 2, []int64{300}, nil},
		{"only pending", Scan{Min: 10, Max: 300}, []string{pageJSON(true, pending(1))}, 0, []int64{300}, nil},
		{"malformed ids", Scan{Min: 10, Max: 300}, []string{pageJSON(false, mined(1, 10), line{"c", `{"id":"../x","block":{"height":10}}`})}, 1, []int64{300}, nil},
		{"some rows outside", Scan{Min: 10, Max: 20}, []string{pageJSON(false, mined(1, 9), mined(2, 10), mined(3, 20), mined(4, 21))}, 2, []int64{20}, nil},
		{"all rows outside", Scan{Min: 10, Max: 20}, []string{pageJSON(false, mined(1, 9), mined(4, 21))}, 0, nil, ErrProtocol},
		{"same page again", Scan{Min: 10, Max: 300}, []string{pageJSON(true, rising(0, 100, 10)...), pageJSON(true, rising(0, 100, 10)...)}, 100, []int64{108}, ErrLoop},
		{"same page again, short", Scan{Min: 10, Max: 300}, []string{pageJSON(true, rising(0, 99, 10)...), pageJSON(false, rising(0, 99, 10)...)}, 99, []int64{107}, ErrLoop},
		{"first page again, later", Scan{Min: 10, Max: 900},
			[]string{pageJSON(true, rising(0, 100, 10)...), pageJSON(true, rising(100, 100, 110)...), pageJSON(true, rising(200, 100, 210)...), pageJSON(true, rising(0, 100, 10)...)},
			300, []int64{108, 208, 308}, ErrLoop},
		{"cursor does not move", Scan{Min: 10, Max: 300},
			[]string{pageJSON(true, rising(0, 100, 10)...), pageJSON(true, append(rising(100, 99, 110), line{"c99", mined(199, 209).node})...)}, 100, []int64{108}, ErrLoop},
		{"no cursor", Scan{Min: 10, Max: 300}, []string{pageJSON(true, append(rising(0, 99, 10), line{"", mined(99, 109).node})...)}, 0, nil, ErrProtocol},
		// A gateway that ignores the order delivers all the same, but proves
		// nothing before its end, and less when it contradicts itself.
		{"descending", Scan{Min: 10, Max: 300}, []string{pageJSON(false, descending...), pageJSON(false)}, 100, []int64{9, 300}, nil},
		{"new row below through", Scan{Min: 5, Max: 300}, []string{pageJSON(true, rising(0, 100, 10)...), pageJSON(false, mined(500, 40))}, 101, []int64{108, 108}, ErrProtocol},
	} {
		t.Run(tc.name, func(t *testing.T) {
			answers := make([]http.HandlerFunc, len(tc.answers))
			for i, a := range tc.answers {
				answers[i] = ok(a)
			}
			s := script(t, answers...)
			h, err := walk(t, dial(t, s), tc.scan)
			if !errors.Is(err, tc.err) || len(h.ids) != tc.count || !slices.Equal(h.through, tc.through) {
				t.Errorf("%d nodes, through %v, %v; want %d, %v, %v", len(h.ids), h.through, err, tc.count, tc.through, tc.err)
			}
			if n := len(s.requests()); n != len(answers) {
				t.Errorf("%d requests, want %d", n, len(answers))
			}
		})
	}
}

func TestWalkQueries(t *testing.T) {
	s := script(t, ok(pageJSON(true, rising(0, 100, 10)...)), ok(pageJSON(false)), ok(pageJSON(false)), ok(pageJSON(false)))
	g := dial(t, s)
	tags := []Filter{{"Index-Method", []string{"OIP"}}}
	for _, ids := range []bool{false, true} {
		if _, err := walk(t, g, Scan{Min: 10, Max: 200, Tags: tags, IDsOnly: ids}); err != nil {
			t.Fatal(err)
		}
	}
	full := "id owner { address } tags { name value } block { height } data { size } }"
	for i, want := range [][]string{
		{"first: 100, sort: HEIGHT_ASC, block: { min: 10, max: 200 }, tags: [{ name: \"Index-Method\", values: [\"OIP\"] }])", full},
		{"after: \"c99\"", "min: 10, max: 200", full},
		{"after: \"c99\"", full},
		{"min: 10, max: 200", "node { id block { height } }"},
	} {
		for _, w := range want {
			if q := s.requests()[i].query; !strings.Contains(q, w) {
				t.Errorf("request %d: %s lacks %s", i, q, w)
			}
		}
	}
}

// The cursor is never that of a pending row.
func TestWalkNeverPagesPastPending(t *testing.T) {
	mixed := append([]line{pending(900)}, rising(0, 98, 10)...)
	s := script(t, ok(pageJSON(true, append(mixed, pending(901))...)), ok(pageJSON(false, mined(500, 200))))
	h, err := walk(t, dial(t, s), Scan{Min: 10, Max: 300})
	if err != nil || len(h.ids) != 99 {
		t.Errorf("%d nodes, %v", len(h.ids), err)
	}
	if q := s.requests()[1].query; !strings.Contains(q, `after: "c97"`) {
		t.Errorf("went on with %s", q)
	}
}

func TestWalkRowWithoutTags(t *testing.T) {
	s := script(t, ok(pageJSON(false, line{"c", fmt.Sprintf(`{"id":%q,"tags":[],"block":{"height":5}}`, id(1))}, mined(2, 5))))
	h, err := walk(t, dial(t, s), Scan{Max: 9, Tags: []Filter{{"T", []string{"x"}}}})
	if err != nil || h.nodes[0].HasTags || h.nodes[0].Tags != nil || !h.nodes[1].HasTags || h.nodes[1].Size != 7 || h.nodes[1].Owner != id(7) {
		t.Errorf("%+v, %v", h.nodes, err)
	}
}

func TestWalkRefusals(t *testing.T) {
	g := dial(t, script(t))
	for _, s := range []Scan{{Min: 5, Max: 4}, {Tags: []Filter{{}}}} {
		if _, err := walk(t, g, s); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if g.health.waitWalk() != 0 {
		t.Error("an invalid call counts against the gateway")
	}
}

func TestWalkStopsWithTheCallback(t *testing.T) {
	enough := errors.New("enough")
	s := script(t, ok(pageJSON(true, rising(0, 100, 10)...)))
	g := dial(t, s)
	err := g.Walk(context.Background(), Scan{Min: 10, Max: 300}, func([]Node, int64) error { return enough })
	if !errors.Is(err, enough) || err.Error() != "enough" {
		t.Errorf("%v, want the callback's own error", err)
	}
	if g.health.waitWalk() != 0 {
		t.Error("the callback's error counts against the gateway")
	}
}

// The callback may refuse any part of a page that is longer than allowed.
func TestWalkStopsWithinALongPage(t *testing.T) {
	enough := errors.New("enough")
	for stop := range 3 {
		calls := 0
		err := dial(t, script(t, ok(pageJSON(true, rising(0, 250, 10)...)))).Walk(context.Background(), Scan{Min: 10, Max: 300}, func([]Node, int64) error {
			if calls++; calls > stop {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || calls != stop+1 {
			t.Errorf("%d calls, %v", calls, err)
		}
	}
}

func TestWalkStopsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := script(t, ok(pageJSON(true, rising(0, 100, 10)...)))
	g := dial(t, s)
	err := g.Walk(ctx, Scan{Min: 10, Max: 300}, func([]Node, int64) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) || g.health.waitWalk() != 0 {
		t.Errorf("%v, wait %s", err, g.health.waitWalk())
	}
}

func TestOrdering(t *testing.T) {
	o := ordering{high: 10}
	for i, tc := range []struct {
		heights []int64
		want    int64
	}{
		{nil, -1},
		{[]int64{10, 10, 12}, 11},
		{[]int64{12, 12}, 11},     // one height: only what was before is sure
		{[]int64{14, 13, 15}, 11}, // shuffled: the same
		{[]int64{15, 16}, 15},
		{[]int64{12, 20}, -1}, // reaches back: nothing is sure
		{[]int64{20}, 19},
	} {
		for _, h := range tc.heights {
			o.add(h)
		}
		if got := o.page(); got != tc.want {
			t.Errorf("page %d %v: through %d, want %d", i, tc.heights, got, tc.want)
		}
	}
	if !reflect.DeepEqual(o, ordering{high: 20}) {
		t.Errorf("%+v", o)
	}
}
