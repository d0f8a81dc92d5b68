package gatewaysim_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"oipnode/shared/gatewaysim"
)

func TestRowLimit(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 103, 10)
	for seed := range uint64(3) {
		s := start(t, chain, gatewaysim.Options{Seed: seed, RowLimit: 20})
		g := transactions(t, s, `block:{min:101,max:103}`)
		if g.Data != nil || len(g.Errors) != 1 {
			t.Fatalf("seed %d: %+v", seed, g)
		}
		code := g.Errors[0].Extensions["code"]
		if code != "TOO_MANY_ROWS" && code != 158.0 && !strings.HasPrefix(g.Errors[0].Message, "Limit for rows (controlled by") {
			t.Errorf("seed %d: unknown dialect %+v", seed, g.Errors[0])
		}
		if g := transactions(t, s, `first:100 block:{min:101,max:102}`); len(g.ids()) != 20 {
			t.Errorf("seed %d: %d rows in half the window: %v", seed, len(g.ids()), g.Errors)
		}
	}
}

func TestClampLies(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 103, 50)
	s := start(t, chain, gatewaysim.Options{ClampLies: true})
	if g := transactions(t, s, `first:101`); len(g.ids()) != 100 || g.Data.Transactions.PageInfo.HasNextPage {
		t.Errorf("101 wanted: %d rows, next %v", len(g.ids()), g.Data.Transactions.PageInfo.HasNextPage)
	}
	if g := transactions(t, s, `first:100`); !g.Data.Transactions.PageInfo.HasNextPage {
		t.Error("it lies when nothing was clamped, too")
	}
}

func TestFullPageNoNext(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 103, 10)
	s := start(t, chain, gatewaysim.Options{FullPageNoNext: true})
	g := transactions(t, s, `first:20 sort:HEIGHT_ASC`)
	if len(g.ids()) != 20 || g.Data.Transactions.PageInfo.HasNextPage {
		t.Fatalf("%d rows, next %v", len(g.ids()), g.Data.Transactions.PageInfo.HasNextPage)
	}
	if g = transactions(t, s, `first:20 sort:HEIGHT_ASC after:`+strconv.Quote(g.lastCursor())); len(g.ids()) != 10 {
		t.Errorf("asked again: %d rows", len(g.ids()))
	}
}

func TestLeakPending(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 102, 2)
	add(t, chain, 0, record("pending"))
	for seed := range uint64(2) {
		s := start(t, chain, gatewaysim.Options{Seed: seed, LeakPending: true})
		const args = `first:5 sort:HEIGHT_ASC block:{min:101,max:102}`
		g := transactions(t, s, args)
		rows := g.ids()
		if len(rows) != 5 || rows[4] != gatewaysim.IDFor("pending") || g.Data.Transactions.Edges[4].Node.Block != nil {
			t.Fatalf("seed %d: %v", seed, rows)
		}
		again := transactions(t, s, args+` after:`+strconv.Quote(g.lastCursor()))
		if !slices.Equal(again.ids(), rows) {
			t.Errorf("seed %d: the pending row's cursor does not start again: %v", seed, again.ids())
		}
	}
}

func TestNoRaw(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	it := record("a")
	add(t, chain, 100, it)
	s := start(t, chain, gatewaysim.Options{NoRaw: true})
	if a := do(t, http.MethodGet, s.URL()+"/raw/"+it.ID, ""); a.status != http.StatusNotFound {
		t.Errorf("/raw: %d", a.status)
	}
	if a := do(t, http.MethodGet, s.URL()+"/"+it.ID, ""); a.status != http.StatusOK || string(a.body) != string(it.Data) {
		t.Errorf("/id: %d %q", a.status, a.body)
	}
	if s.DataReads(it.ID) != 2 {
		t.Errorf("%d reads, want 2", s.DataReads(it.ID))
	}
}

func TestRedirectSandbox(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	it := record("a")
	add(t, chain, 100, it)
	s := start(t, chain, gatewaysim.Options{RedirectSandbox: true})
	tr := &http.Transport{DialContext: s.DialContext}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL(), "http://"), ":")

	for base, want := range map[string]string{
		s.URL():                            "127.0.0.1:" + port + "/sandbox/",
		"http://gateway.localhost:" + port: ".gateway.localhost:" + port,
	} {
		resp, err := client.Get(base + "/" + it.ID)
		if err != nil {
			t.Fatal(err)
		}
		got := readAll(t, resp)
		final := resp.Request.URL
		if got != string(it.Data) || !strings.Contains(final.Host+final.Path, want) || resp.Request.Response.StatusCode != http.StatusFound {
			t.Errorf("%s: %q from %s", base, got, final)
		}
	}
	if a := do(t, http.MethodGet, s.URL()+"/raw/"+it.ID, ""); a.status != http.StatusOK {
		t.Errorf("/raw redirects, too: %d", a.status)
	}
}
