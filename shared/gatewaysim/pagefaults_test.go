package gatewaysim_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
)

const asc = `first:60 sort:HEIGHT_ASC`

// rowsOfFaulty are all rows of the gateway that faulty starts, sorted.
func rowsOfFaulty() []string {
	var want []string
	for h := 101; h <= 103; h++ {
		for i := range 20 {
			want = append(want, gatewaysim.IDFor(fmt.Sprintf("%d/%d", h, i)))
		}
	}
	slices.Sort(want)
	return want
}

func TestDropRow(t *testing.T) {
	s, faults := faulty(t, gatewaysim.DropRow)
	first, second := transactions(t, s, asc).ids(), transactions(t, s, asc).ids()
	if len(first) != 59 || len(second) != 59 || slices.Equal(first, second) {
		t.Errorf("%d and %d rows, equal %v", len(first), len(second), slices.Equal(first, second))
	}
	faults.Stop()
	honest(t, s)
}

func TestDuplicateRow(t *testing.T) {
	s, faults := faulty(t, gatewaysim.DuplicateRow)
	all := rowsOfFaulty()
	full := transactions(t, s, asc)
	if n := len(slices.Compact(sorted(full.ids()))); len(full.ids()) != 60 || n != 59 || !full.Data.Transactions.PageInfo.HasNextPage {
		t.Errorf("full page: %d rows, %d different", len(full.ids()), n)
	}
	rest := transactions(t, s, asc+` after:`+strconv.Quote(full.lastCursor()))
	if got := slices.Compact(sorted(append(full.ids(), rest.ids()...))); !slices.Equal(got, all) {
		t.Errorf("the row that gave way is lost: %d of 60", len(got))
	}
	short := transactions(t, s, `first:100`)
	if n := len(slices.Compact(sorted(short.ids()))); len(short.ids()) != 61 || n != 60 {
		t.Errorf("short page: %d rows, %d different", len(short.ids()), n)
	}
	faults.Stop()
	honest(t, s)
}

func TestReorderRows(t *testing.T) {
	s, faults := faulty(t, gatewaysim.ReorderRows)
	page := transactions(t, s, `first:30 sort:HEIGHT_ASC`)
	rest := transactions(t, s, `first:30 sort:HEIGHT_ASC after:`+strconv.Quote(page.lastCursor()))
	if got := sorted(append(page.ids(), rest.ids()...)); !slices.Equal(got, rowsOfFaulty()) {
		t.Errorf("%d rows, or not each once", len(got))
	}
	faults.Stop()
	if honest := transactions(t, s, `first:30 sort:HEIGHT_ASC`); slices.Equal(page.ids(), honest.ids()) {
		t.Error("nothing is out of order")
	}
}

func TestEmptyPage(t *testing.T) {
	s, faults := faulty(t, gatewaysim.EmptyPage)
	if g := transactions(t, s, asc); g.Data == nil || len(g.ids()) != 0 || g.Data.Transactions.PageInfo.HasNextPage || len(g.Errors) > 0 {
		t.Errorf("%+v", g)
	}
	faults.Stop()
	honest(t, s)
}

func TestCursorLoop(t *testing.T) {
	for seed := range uint64(2) {
		chain := gatewaysim.NewChain(103)
		fill(t, chain, 101, 103, 20)
		faults := gatewaysim.NewFaults(5, gatewaysim.Mix{gatewaysim.CursorLoop: 1})
		s := start(t, chain, gatewaysim.Options{Seed: seed, Faults: faults})
		first := transactions(t, s, `first:10 sort:HEIGHT_ASC`)
		second := transactions(t, s, `first:10 sort:HEIGHT_ASC after:`+strconv.Quote(first.lastCursor()))
		if !slices.Equal(first.ids(), second.ids()) || first.lastCursor() != second.lastCursor() {
			t.Errorf("seed %d: it moves on", seed)
		}
		faults.Stop()
		honest(t, s)
	}
}

func TestNoNextOnFullPage(t *testing.T) {
	s, faults := faulty(t, gatewaysim.NoNextOnFullPage)
	if g := transactions(t, s, `first:10`); len(g.ids()) != 10 || g.Data.Transactions.PageInfo.HasNextPage {
		t.Errorf("%d rows, next %v", len(g.ids()), g.Data.Transactions.PageInfo.HasNextPage)
	}
	faults.Stop()
	honest(t, s)
}

func TestStaleIndex(t *testing.T) {
	chain := gatewaysim.NewChain(130)
	fill(t, chain, 101, 130, 1)
	faults := gatewaysim.NewFaults(5, gatewaysim.Mix{gatewaysim.StaleIndex: 1})
	s := start(t, chain, gatewaysim.Options{Faults: faults})
	lengths := map[int]bool{}
	for range 10 {
		g := transactions(t, s, `first:100 block:{min:101,max:130}`)
		n := len(g.ids())
		lengths[n] = true
		if n < 10 || n > 29 || g.Data.Transactions.Edges[n-1].Node.Block.Height != 101 {
			t.Errorf("%d of 30 rows", n)
		}
	}
	if len(lengths) < 3 {
		t.Errorf("little variety: %v", lengths)
	}
	faults.Stop()
	if n := len(transactions(t, s, `first:100`).ids()); n != 30 {
		t.Errorf("%d rows after the fault", n)
	}
}

func TestRowLimited(t *testing.T) {
	s, faults := faulty(t, gatewaysim.RowLimited)
	if g := transactions(t, s, asc); g.Data != nil || len(g.Errors) != 1 {
		t.Errorf("60 rows: %+v", g)
	}
	if g := transactions(t, s, asc+` block:{min:101,max:102}`); len(g.ids()) != 40 {
		t.Errorf("40 rows: %v", g.Errors)
	}
	faults.Stop()
	honest(t, s)
}

func TestErrorsAndWarnings(t *testing.T) {
	s, faults := faulty(t, gatewaysim.GraphQLErrors)
	if g := transactions(t, s, asc); g.Data != nil || len(g.Errors) != 1 {
		t.Errorf("errors without data: %+v", g)
	}
	faults.Stop()
	honest(t, s)

	s, faults = faulty(t, gatewaysim.ErrorsBesideData)
	if g := transactions(t, s, asc); len(g.ids()) != 60 || len(g.Errors) != 1 {
		t.Errorf("errors beside data: %d rows, %v", len(g.ids()), g.Errors)
	}
	faults.Stop()
	honest(t, s)

	s, faults = faulty(t, gatewaysim.Warnings)
	top, extended := 0, 0
	for range 20 {
		g := transactions(t, s, asc)
		switch {
		case len(g.ids()) != 60:
			t.Errorf("%d rows", len(g.ids()))
		case len(g.Warnings) > 0:
			top++
		case g.Extensions["warnings"] != nil:
			extended++
		}
	}
	if top == 0 || extended == 0 || top+extended != 20 {
		t.Errorf("%d warnings at the top, %d in extensions", top, extended)
	}
	faults.Stop()
	honest(t, s)
}

func TestNullField(t *testing.T) {
	s, faults := faulty(t, gatewaysim.NullField)
	for _, selection := range []string{
		`id owner{address}`, `id anchor block{height}`, `tags{name}`, `block{height id}`,
	} {
		g := ask(t, s, `{transactions(`+asc+`){edges{node{`+selection+`}}}}`)
		if g.Data != nil || len(g.Errors) != 1 || !strings.HasPrefix(g.Errors[0].Message, "Cannot return null for non-nullable field") {
			t.Errorf("%s: %+v", selection, g.Errors)
		}
	}
	for _, selection := range []string{`edges{cursor}`, `edges{node{id block{height}}}`, `edges{cursor node{__typename id}}`} {
		if g := ask(t, s, `{transactions(`+asc+`){pageInfo{hasNextPage} `+selection+`}}`); g.Data == nil || len(g.Data.Transactions.Edges) != 60 {
			t.Errorf("%s: %+v", selection, g.Errors)
		}
	}
	faults.Stop()
	honest(t, s)
}

func TestLostPlusBelongsToTheRow(t *testing.T) {
	chain := gatewaysim.NewChain(103)
	fill(t, chain, 101, 103, 20)
	s := start(t, chain, gatewaysim.Options{Faults: gatewaysim.NewFaults(5, gatewaysim.Mix{gatewaysim.LostPlus: 0.5})})
	lost := func() (ids []string) {
		for _, e := range transactions(t, s, asc).Data.Transactions.Edges {
			if strings.Contains(e.Node.Tags[3].Value, " ") {
				ids = append(ids, e.Node.ID)
			}
		}
		return ids
	}
	first, second := lost(), lost()
	if len(first) < 15 || len(first) > 45 || !slices.Equal(first, second) {
		t.Errorf("%d of 60 lost theirs, then %d", len(first), len(second))
	}
}

func TestLostPlus(t *testing.T) {
	s, faults := faulty(t, gatewaysim.LostPlus)
	signature := func(tags []oip.Tag) string { return tags[3].Value }
	for _, e := range transactions(t, s, asc).Data.Transactions.Edges {
		if got := signature(e.Node.Tags); !strings.HasPrefix(got, "a b/") || !strings.HasSuffix(got, " =") {
			t.Errorf("%q", got)
		}
	}
	faults.Stop()
	honest(t, s)
	for _, e := range transactions(t, s, asc).Data.Transactions.Edges {
		if got := signature(e.Node.Tags); !strings.HasPrefix(got, "a+b/") {
			t.Errorf("after the fault: %q", got)
		}
	}
}
