package gatewaysim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
)

const oipTags = `tags:[{name:"Index-Method",values:["OIP"]},{name:"Ver",values:["0.8.0"]}]`

func names(names ...string) []string {
	var out []string
	for _, n := range names {
		out = append(out, gatewaysim.IDFor(n))
	}
	slices.Sort(out)
	return out
}

func sorted(ids []string) []string {
	out := slices.Clone(ids)
	slices.Sort(out)
	return out
}

func TestFilters(t *testing.T) {
	chain := gatewaysim.NewChain(100)
	tagged := func(name, owner string, tags ...oip.Tag) gatewaysim.Item {
		return gatewaysim.Item{ID: gatewaysim.IDFor(name), Owner: owner, Tags: tags}
	}
	add(t, chain, 10, tagged("a", "alice", oip.Tag{Name: "App", Value: "x"}, oip.Tag{Name: "Kind", Value: "1"}))
	add(t, chain, 20, tagged("b", "bob", oip.Tag{Name: "App", Value: "y"}, oip.Tag{Name: "Kind", Value: "1"}))
	add(t, chain, 30, tagged("c", "alice", oip.Tag{Name: "App", Value: "X"}))
	add(t, chain, 40, tagged("d", "bob", oip.Tag{Name: "App", Value: "x"}, oip.Tag{Name: "App", Value: "y"}))
	add(t, chain, 0, tagged("p", "alice", oip.Tag{Name: "App", Value: "x"}))
	add(t, chain, 101, tagged("future", "alice", oip.Tag{Name: "App", Value: "x"}))
	bundled := tagged("bundled", "alice", oip.Tag{Name: "App", Value: "x"})
	bundled.Bundled = true
	add(t, chain, 20, bundled)
	s := start(t, chain, gatewaysim.Options{})

	for _, c := range []struct {
		args string
		want []string
	}{
		{``, names("a", "b", "c", "d", "p")},
		{`tags:[{name:"App",values:["x"]}]`, names("a", "d", "p")},
		{`tags:{name:"App",values:"x"}`, names("a", "d", "p")},
		{`tags:[{name:"app",values:["x"]}]`, nil},
		{`tags:[{name:"App",values:["x","y"]}]`, names("a", "b", "d", "p")},
		{`tags:[{name:"App",values:["y","x","y"]}]`, names("a", "b", "d", "p")},
		{`tags:[{name:"App",values:["x","y"]},{name:"Kind",values:["1"]}]`, names("a", "b")},
		{`tags:[{name:"App",values:["x"],op:NEQ}]`, names("b", "c")},
		{`tags:[{name:"App",values:[]}]`, nil},
		{`tags:[]`, names("a", "b", "c", "d", "p")},
		{`block:{min:20,max:30}`, names("b", "c")},
		{`block:{min:30}`, names("c", "d")},
		{`block:{max:10}`, names("a")},
		{`block:{min:31,max:30}`, nil},
		{`block:{}`, names("a", "b", "c", "d", "p")},
		{`block:null`, names("a", "b", "c", "d", "p")},
		{`owners:["bob"]`, names("b", "d")},
		{`recipients:["nobody"]`, nil},
		{`bundledIn:["` + gatewaysim.IDFor("x") + `"]`, nil},
		{fmt.Sprintf(`ids:[%q,%q,%q]`, gatewaysim.IDFor("c"), gatewaysim.IDFor("c"), gatewaysim.IDFor("none")), names("c")},
		{fmt.Sprintf(`ids:%q`, gatewaysim.IDFor("p")), names("p")},
		{fmt.Sprintf(`ids:%q block:{min:1}`, gatewaysim.IDFor("p")), nil},
		{fmt.Sprintf(`ids:%q owners:["bob"]`, gatewaysim.IDFor("c")), nil},
		{`ids:[]`, nil},
		{`first:0`, nil},
	} {
		for _, order := range []string{"HEIGHT_ASC", "HEIGHT_DESC"} {
			g := transactions(t, s, c.args+" sort:"+order)
			if len(g.Errors) > 0 || !slices.Equal(sorted(g.ids()), c.want) {
				t.Errorf("%s %s: %v %v, want %v", c.args, order, g.ids(), g.Errors, c.want)
			}
		}
	}
}

func TestBundlesNeedAGatewayThatIndexesThem(t *testing.T) {
	chain := gatewaysim.NewChain(100)
	b := record("bundled")
	b.Bundled = true
	add(t, chain, 50, b)
	without := start(t, chain, gatewaysim.Options{})
	with := start(t, chain, gatewaysim.Options{IndexesBundles: true})

	if got := transactions(t, without, oipTags).ids(); len(got) != 0 {
		t.Errorf("a gateway without bundles shows %v", got)
	}
	if a := do(t, http.MethodGet, without.URL()+"/raw/"+b.ID, ""); a.status != http.StatusNotFound {
		t.Errorf("a gateway without bundles serves data: %d", a.status)
	}
	if got := transactions(t, with, oipTags).ids(); !slices.Equal(got, names("bundled")) {
		t.Errorf("a gateway with bundles shows %v", got)
	}
	if a := do(t, http.MethodGet, with.URL()+"/raw/"+b.ID, ""); string(a.body) != string(b.Data) {
		t.Errorf("data %q", a.body)
	}
	var got struct {
		Data struct {
			Transaction struct{ BundledIn, Parent struct{ ID string } }
		}
	}
	a := post(t, with, fmt.Sprintf(`{transaction(id:%q){bundledIn{id} parent{id}}}`, b.ID))
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatal(err)
	}
	bundle := got.Data.Transaction.BundledIn.ID
	if len(bundle) != 43 || bundle != got.Data.Transaction.Parent.ID {
		t.Errorf("bundle %q: %s", bundle, a.body)
	}
	if got := transactions(t, with, fmt.Sprintf(`bundledIn:[%q]`, bundle)).ids(); !slices.Equal(got, names("bundled")) {
		t.Errorf("bundledIn finds %v", got)
	}
}

// Both kinds of cursors must deliver every row once, in both orders.
func TestWalk(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 130, 9)
	for i := range 30 {
		add(t, chain, 0, record(fmt.Sprint("pending ", i)))
	}
	for seed := range uint64(2) {
		s := start(t, chain, gatewaysim.Options{Seed: seed})
		for _, c := range []struct {
			args string
			want int
		}{
			{`first:100 sort:HEIGHT_ASC block:{min:1,max:200} ` + oipTags, 270},
			{`first:7 sort:HEIGHT_ASC block:{min:110,max:111} ` + oipTags, 18},
			{`first:9 sort:HEIGHT_DESC block:{min:110,max:111} ` + oipTags, 18},
			{`first:50 sort:HEIGHT_ASC ` + oipTags, 300},
			{`first:13 sort:HEIGHT_ASC ` + oipTags, 300},
			{`first:7 ` + oipTags, 300},
		} {
			got := walk(t, s, c.args)
			if unique := slices.Compact(sorted(got)); len(got) != c.want || len(unique) != c.want {
				t.Errorf("seed %d, %s: %d rows, %d different, want %d", seed, c.args, len(got), len(unique), c.want)
			}
		}
	}
}

func TestOrder(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 105, 20)
	add(t, chain, 0, record("pending"))
	height := func(g gql, i int) int64 {
		if b := g.Data.Transactions.Edges[i].Node.Block; b != nil {
			return b.Height
		}
		return 1 << 40
	}
	var orders [][]string
	for seed := range uint64(2) {
		s := start(t, chain, gatewaysim.Options{Seed: seed})
		up, down := transactions(t, s, `first:100 sort:HEIGHT_ASC`), transactions(t, s, `first:100`)
		for i := 1; i < 100; i++ {
			if height(up, i-1) > height(up, i) || height(down, i-1) < height(down, i) {
				t.Fatalf("seed %d: row %d is out of order", seed, i)
			}
		}
		if down.ids()[0] != gatewaysim.IDFor("pending") {
			t.Errorf("seed %d: the pending row does not come first, newest first", seed)
		}
		block := up.ids()[:20]
		if slices.IsSorted(block) {
			t.Errorf("seed %d: the order inside a block is canonical", seed)
		}
		if again := transactions(t, s, `first:100 sort:HEIGHT_ASC`); !slices.Equal(again.ids(), up.ids()) {
			t.Errorf("seed %d: the order changes", seed)
		}
		orders = append(orders, block)
	}
	if slices.Equal(orders[0], orders[1]) {
		t.Error("two gateways have the same order inside a block")
	}
}

func TestPageSizes(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 103, 50)
	s := start(t, chain, gatewaysim.Options{})
	for args, want := range map[string]int{`sort:HEIGHT_DESC`: 10, `first:null`: 10, `first:100`: 100, `first:1000`: 100, `first:3`: 3} {
		g := transactions(t, s, args)
		if len(g.ids()) != want || !g.Data.Transactions.PageInfo.HasNextPage {
			t.Errorf("%q: %d rows, want %d, next %v", args, len(g.ids()), want, g.Data.Transactions.PageInfo.HasNextPage)
		}
	}
}

func TestCursorsBelongToOneGateway(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 103, 10)
	for _, seeds := range [][2]uint64{{0, 2}, {0, 1}, {1, 3}} {
		one, other := start(t, chain, gatewaysim.Options{Seed: seeds[0]}), start(t, chain, gatewaysim.Options{Seed: seeds[1]})
		cursor := transactions(t, one, `first:5`).lastCursor()
		for _, c := range []string{cursor, "nonsense", "????", "MA"} {
			if g := transactions(t, other, `first:5 after:`+strconv.Quote(c)); g.Data != nil || len(g.Errors) != 1 {
				t.Errorf("seeds %v: cursor %q is accepted", seeds, c)
			}
		}
		if g := transactions(t, one, `first:5 after:`+strconv.Quote(cursor)); len(g.ids()) != 5 {
			t.Errorf("seeds %v: its own cursor brings %d rows", seeds, len(g.ids()))
		}
	}
}

// A keyset cursor keeps its place when rows appear or vanish before it, an
// offset cursor does not: the difference that clients must survive.
func TestCursorsOverAChangingChain(t *testing.T) {
	for seed, repeated := range map[uint64]int{0: 0, 1: 1} {
		chain := gatewaysim.NewChain(200)
		fill(t, chain, 101, 104, 5)
		s := start(t, chain, gatewaysim.Options{Seed: seed})
		args := `first:10 sort:HEIGHT_ASC block:{min:1,max:200}`
		first := transactions(t, s, args)
		add(t, chain, 50, record("late"))
		second := transactions(t, s, args+` after:`+strconv.Quote(first.lastCursor()))
		n := 0
		for _, id := range second.ids() {
			if slices.Contains(first.ids(), id) {
				n++
			}
		}
		if n != repeated {
			t.Errorf("seed %d: %d rows come twice, want %d", seed, n, repeated)
		}
	}
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 104, 5)
	s := start(t, chain, gatewaysim.Options{})
	first := transactions(t, s, `first:10 sort:HEIGHT_ASC`)
	chain.Remove(first.ids()[9])
	second := transactions(t, s, `first:10 sort:HEIGHT_ASC after:`+strconv.Quote(first.lastCursor()))
	if len(second.ids()) != 10 {
		t.Errorf("after its row vanished, a keyset cursor brings %d rows", len(second.ids()))
	}
}

func TestFieldsFragmentsAliasesVariables(t *testing.T) {
	chain := gatewaysim.NewChain(100)
	it := record("a")
	it.Tags = append(it.Tags, oip.Tag{Name: "Odd", Value: "\"\\\n\x01é\xff\xed\xa0\xbd<&>"})
	add(t, chain, 90, it)
	s := start(t, chain, gatewaysim.Options{})
	query := `query Q($id: ID!, $first: Int = 3, $more: Boolean = true) {
		found: transactions(ids: [$id], first: $first) { __typename pageInfo { __typename hasNextPage }
			edges { __typename cursor node { ...row } } }
		one: transaction(id: $id) { ...row ...row data { type } fee @skip(if: $more) { ar } }
		none: transaction(id: "x") { id }
		block { height }
		__typename
	}
	fragment row on Transaction {
		__typename id anchor signature recipient owner { address key __typename } quantity { winston ar __typename }
		fee @include(if: $more) { winston }
		data { size __typename } ... on Transaction { tags { name value __typename } } block { height timestamp id previous __typename }
		parent { id } bundledIn { id }
	}
	query Other { __typename }`
	body, err := json.Marshal(map[string]any{"query": query, "operationName": "Q", "variables": map[string]any{"id": it.ID}})
	if err != nil {
		t.Fatal(err)
	}
	a := do(t, http.MethodPost, s.URL()+"/graphql", string(body))
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	type row struct {
		Typename, ID, Signature string
		Anchor, Recipient       *string
		Owner                   struct{ Address, Key string }
		Fee, Quantity           map[string]string
		Data                    struct{ Size, Type string }
		Tags                    []oip.Tag
		Block                   struct {
			ID, Previous      string
			Height, Timestamp int64
		}
	}
	var got struct {
		Data struct {
			Found struct{ Edges []struct{ Node row } }
			One   row
			None  *row
			Block struct{ Height int64 }
		}
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	one := got.Data.One
	if len(got.Data.Found.Edges) != 1 || got.Data.Found.Edges[0].Node.ID != it.ID || one.ID != it.ID || got.Data.None != nil {
		t.Errorf("found %s", a.body)
	}
	if one.Owner.Address != it.Owner || len(one.Owner.Key) != 683 || len(one.Signature) != 683 || one.Anchor == nil || one.Recipient == nil {
		t.Errorf("row %+v", one)
	}
	if one.Data.Size != strconv.Itoa(len(it.Data)) || one.Data.Type != "application/json" || len(one.Quantity) != 3 || len(one.Fee) != 1 || one.Fee["winston"] != "0" {
		t.Errorf("data %+v, quantity %v, fee %v", one.Data, one.Quantity, one.Fee)
	}
	if one.Block.Height != 90 || len(one.Block.ID) != 64 || one.Block.Previous == one.Block.ID || one.Block.Timestamp == 0 {
		t.Errorf("block %+v", one.Block)
	}
	if got.Data.Block.Height != 100 {
		t.Errorf("newest block %d", got.Data.Block.Height)
	}
	// A lone surrogate survives as its escape, other broken bytes do not.
	odd := `"\"\\\n\u0001é` + "\ufffd" + `\ud83d<&>"`
	if len(one.Tags) != 5 || !strings.Contains(string(a.body), odd) {
		t.Errorf("tags lack %s: %s", odd, a.body)
	}
}

// A fragment counts once wherever it is spread, so that fragments of fragments
// cannot multiply the work.
func TestFragmentsDoNotMultiply(t *testing.T) {
	var b strings.Builder
	b.WriteString("{...f0 ...f0}")
	for i := range 16 {
		fmt.Fprintf(&b, " fragment f%d on Query{...f%d ...f%d}", i, i+1, i+1)
	}
	b.WriteString(" fragment f16 on Query{block{height}}")
	s := start(t, gatewaysim.NewChain(7), gatewaysim.Options{})
	if a := post(t, s, b.String()); string(a.body) != `{"data":{"block":{"height":7}}}` {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Lists of matches are kept between queries; every change has to show at once.
func TestChangesShowAtOnce(t *testing.T) {
	chain := gatewaysim.NewChain(100)
	late := record("late")
	late.VisibleAt = 1
	add(t, chain, 40, late)
	add(t, chain, 101, record("future"))
	s := start(t, chain, gatewaysim.Options{})
	shows := func(when string, want ...string) {
		t.Helper()
		if got := sorted(transactions(t, s, oipTags+` block:{min:1}`).ids()); !slices.Equal(got, names(want...)) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	shows("at first")
	add(t, chain, 100, record("new"))
	shows("added", "new")
	chain.Step()
	shows("step", "new", "late")
	chain.SetTip(101)
	shows("tip", "new", "late", "future")
	if _, err := chain.Reorg(1, nil); err != nil {
		t.Fatal(err)
	}
	shows("reorganised", "new", "late")
	if err := chain.Mine(gatewaysim.IDFor("future"), 101); err != nil {
		t.Fatal(err)
	}
	shows("mined", "new", "late", "future")
	chain.Remove(late.ID)
	shows("removed", "new", "future")
}

func TestVariables(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 110, 2)
	add(t, chain, 0, record("pending"))
	s := start(t, chain, gatewaysim.Options{})
	const query = `query($ids:[ID!] $tags:[TagFilter!] $block:BlockFilter $first:Int $sort:SortOrder){
		transactions(ids:$ids tags:$tags block:$block first:$first sort:$sort){` + fullSelection + `}}`
	for _, c := range []struct {
		variables string
		rows      int
		first     int64 // height of the first row, 0 for pending
	}{
		{`{}`, 10, 0},
		{`{"first":null,"ids":null,"tags":null,"block":null}`, 10, 0},
		{`{"first":3,"block":{"min":102,"max":109},"sort":"HEIGHT_ASC"}`, 3, 102},
		{`{"first":100,"block":{"min":102},"sort":"height_asc"}`, 18, 102},
		{`{"block":{"max":101},"tags":[{"name":"Ver","values":["0.8.0","0.9.0"]}]}`, 2, 101},
		{`{"block":{"max":101},"tags":[{"name":"Ver","values":["0.8.0"],"op":"NEQ"}]}`, 0, 0},
		{`{"block":{"max":101},"tags":[{"name":"Ver","values":["0.9.0"],"op":"neq"}]}`, 2, 101},
		{`{"ids":["` + gatewaysim.IDFor("104/1") + `",17]}`, 1, 104},
	} {
		a := do(t, http.MethodPost, s.URL()+"/graphql", `{"query":`+strconv.Quote(query)+`,"variables":`+c.variables+`}`)
		var g gql
		if err := json.Unmarshal(a.body, &g); err != nil || g.Data == nil {
			t.Errorf("%s: %v %s", c.variables, err, a.body)
			continue
		}
		if len(g.ids()) != c.rows {
			t.Errorf("%s: %d rows, want %d", c.variables, len(g.ids()), c.rows)
		} else if c.rows > 0 {
			var height int64
			if b := g.Data.Transactions.Edges[0].Node.Block; b != nil {
				height = b.Height
			}
			if height != c.first {
				t.Errorf("%s: begins at %d, want %d", c.variables, height, c.first)
			}
		}
	}
	pending := fmt.Sprintf(`{transaction(id:%q){id block{height}}}`, gatewaysim.IDFor("pending"))
	if a := post(t, s, pending); !strings.Contains(string(a.body), `"block":null`) {
		t.Errorf("pending by id: %s", a.body)
	}
}

func TestBlocks(t *testing.T) {
	chain := gatewaysim.NewChain(30)
	s := start(t, chain, gatewaysim.Options{Seed: 1})
	type answer struct {
		Data struct {
			Block  *struct{ Height int64 }
			Blocks struct {
				PageInfo struct{ HasNextPage bool }
				Edges    []struct {
					Cursor string
					Node   struct {
						ID     string
						Height int64
					}
				}
			}
		}
	}
	blocks := func(args string) (a answer, heights []int64) {
		t.Helper()
		r := post(t, s, `{blocks(`+args+`){pageInfo{hasNextPage} edges{cursor node{id height}}}}`)
		if err := json.Unmarshal(r.body, &a); err != nil || r.status != http.StatusOK {
			t.Fatalf("%d %v %s", r.status, err, r.body)
		}
		for _, e := range a.Data.Blocks.Edges {
			heights = append(heights, e.Node.Height)
		}
		return a, heights
	}
	first, heights := blocks(`first:3 sort:HEIGHT_ASC height:{min:5,max:9}`)
	if !slices.Equal(heights, []int64{5, 6, 7}) || !first.Data.Blocks.PageInfo.HasNextPage {
		t.Errorf("first page %v", heights)
	}
	edges := first.Data.Blocks.Edges
	second, heights := blocks(`first:3 sort:HEIGHT_ASC height:{min:5,max:9} after:` + strconv.Quote(edges[2].Cursor))
	if !slices.Equal(heights, []int64{8, 9}) || second.Data.Blocks.PageInfo.HasNextPage {
		t.Errorf("second page %v", heights)
	}
	if _, heights = blocks(`first:2`); !slices.Equal(heights, []int64{30, 29}) {
		t.Errorf("newest %v", heights)
	}
	if _, heights = blocks(`after:` + strconv.Quote(edges[1].Cursor)); !slices.Equal(heights, []int64{5, 4, 3, 2, 1, 0}) {
		t.Errorf("older than 6: %v", heights)
	}
	byID := fmt.Sprintf(`ids:[%q,%q,"x"]`, edges[0].Node.ID, edges[2].Node.ID)
	if _, heights = blocks(byID); !slices.Equal(heights, []int64{7, 5}) {
		t.Errorf("by id: %v", heights)
	}
	if _, heights = blocks(byID + ` first:1 sort:HEIGHT_ASC`); !slices.Equal(heights, []int64{5}) {
		t.Errorf("by id, one: %v", heights)
	}
	find := func(id string) *struct{ Height int64 } {
		t.Helper()
		var a answer
		if err := json.Unmarshal(post(t, s, `{block(id:`+strconv.Quote(id)+`){height}}`).body, &a); err != nil {
			t.Fatal(err)
		}
		return a.Data.Block
	}
	newest, _ := blocks(`first:1`)
	id := newest.Data.Blocks.Edges[0].Node.ID
	if b := find(id); b == nil || b.Height != 30 {
		t.Errorf("newest block by id: %v", b)
	}
	if _, err := chain.Reorg(1, nil); err != nil {
		t.Fatal(err)
	}
	if b := find(id); b != nil {
		t.Errorf("an orphaned block is still there: %v", b)
	}
	add(t, chain, 3, record("some row"))
	row := transactions(t, s, `first:1`).lastCursor()
	if g := ask(t, s, `{blocks(after:`+strconv.Quote(row)+`){edges{cursor}}}`); len(g.Errors) != 1 {
		t.Errorf("a row's cursor among blocks: %v", g.Errors)
	}
	if g := transactions(t, s, `after:`+strconv.Quote(edges[0].Cursor)); len(g.Errors) != 1 {
		t.Errorf("a block's cursor among rows: %v", g.Errors)
	}
}

func TestQueriesThatGatewaysRefuse(t *testing.T) {
	s := start(t, gatewaysim.NewChain(10), gatewaysim.Options{})
	body := func(query string) string { return `{"query":` + strconv.Quote(query) + `}` }
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"not JSON", `{`, 400},
		{"wrong types", `{"query":1}`, 400},
		{"nothing", ``, 400},
		{"no query", `{}`, 400},
		{"syntax", body(`{transactions`), 400},
		{"unknown field", body(`{transactions{edges{node{nope}}}}`), 400},
		{"endCursor", body(`{transactions{pageInfo{endCursor}}}`), 400},
		{"unknown argument", body(`{transactions(last:3){edges{cursor}}}`), 400},
		{"wrong enum", body(`{transactions(sort:UP){edges{cursor}}}`), 400},
		{"value without a name", body(`{transactions(tags:[{values:["a"]}]){edges{cursor}}}`), 400},
		{"mutation", body(`mutation{transactions{edges{cursor}}}`), 400},
		{"unknown operation", `{"query":"query A{__typename}","operationName":"B"}`, 400},
		{"missing variable", body(`query($i:ID!){transaction(id:$i){id}}`), 400},
		{"wrong variable", `{"query":"query($i:Int){transactions(first:$i){edges{cursor}}}","variables":{"i":"x"}}`, 400},
		{"too large", body(strings.Repeat("#", 1<<20)), 400},
		{"first too large", body(`{transactions(first:99999999999999999999){edges{cursor}}}`), 400},
		{"id too large", body(`{transaction(id:99999999999999999999){id}}`), 400},
		{"first beyond 32 bits", body(`{transactions(first:3000000000){edges{cursor}}}`), 200},
		{"negative first", body(`{transactions(first:-1){edges{cursor}}}`), 200},
		{"height beyond 32 bits", body(`{transactions(block:{max:3000000000}){edges{cursor}}}`), 200},
		{"too many fields", body(manyFields()), 200},
		{"introspection", body(`{__schema{types{name}}}`), 200},
		{"type", body(`{__type(name:"Query"){name}}`), 200},
	} {
		a := do(t, http.MethodPost, s.URL()+"/graphql", c.body)
		var g gql
		if err := json.Unmarshal(a.body, &g); err != nil || a.status != c.status || len(g.Errors) == 0 || g.Errors[0].Message == "" {
			t.Errorf("%s: %d %v %s", c.name, a.status, err, a.body)
		}
	}
	if a := do(t, http.MethodGet, s.URL()+"/graphql", ""); a.status != http.StatusNotFound {
		// /graphql is not an id of the chain either.
		t.Errorf("GET: %d", a.status)
	}
}

// manyFields asks for 3,000 rows' fields by way of fragments.
func manyFields() string {
	var b strings.Builder
	b.WriteString("{")
	for i := range 30 {
		fmt.Fprintf(&b, "f%d:transactions{edges{node{...row}}} ", i)
	}
	return b.String() + "} fragment row on Transaction{id signature anchor data{size} block{height}}"
}
