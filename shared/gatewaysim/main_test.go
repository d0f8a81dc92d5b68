package gatewaysim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves the chain until the test ends.
func start(t testing.TB, chain *gatewaysim.Chain, opts gatewaysim.Options) *gatewaysim.Server {
	t.Helper()
	s := gatewaysim.NewServer(chain, opts)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// record is an item with the tags that OIP records are found by.
func record(name string) gatewaysim.Item {
	return gatewaysim.Item{
		ID:    gatewaysim.IDFor(name),
		Owner: gatewaysim.IDFor("owner"),
		Data:  []byte("data of " + name),
		Tags: []oip.Tag{
			{Name: "Content-Type", Value: "application/json"},
			{Name: "Index-Method", Value: "OIP"},
			{Name: "Ver", Value: "0.8.0"},
			{Name: "CreatorSig", Value: "a+b/" + name + "+="},
		},
	}
}

// fill adds n records per block at the heights from to to, all visible.
func fill(t testing.TB, chain *gatewaysim.Chain, from, to int64, n int) {
	t.Helper()
	for h := from; h <= to; h++ {
		for i := range n {
			add(t, chain, h, record(fmt.Sprintf("%d/%d", h, i)))
		}
	}
}

func add(t testing.TB, chain *gatewaysim.Chain, height int64, items ...gatewaysim.Item) {
	t.Helper()
	if err := chain.Add(height, items...); err != nil {
		t.Fatal(err)
	}
}

// answer is a whole response.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // while reading the body
}

// do sends a request as a client with a name, without following redirects or
// decompressing.
func do(t testing.TB, method, url, body string) answer {
	t.Helper()
	a, err := try(t, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// try is do for requests that may fail.
func try(t testing.TB, method, url, body string) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "test")
	tr := &http.Transport{DisableCompression: true}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, data, err}, nil
}

// gql is the answer to a transactions query.
type gql struct {
	Data *struct {
		Transactions struct {
			PageInfo struct{ HasNextPage bool }
			Edges    []struct {
				Cursor string
				Node   node
			}
		}
	}
	Errors []struct {
		Message    string
		Extensions map[string]any
	}
	Warnings   []any
	Extensions map[string]any
}

type node struct {
	ID    string
	Owner struct{ Address string }
	Tags  []oip.Tag
	Block *struct{ Height int64 }
	Data  struct{ Size string }
}

func (g gql) ids() []string {
	var ids []string
	if g.Data != nil {
		for _, e := range g.Data.Transactions.Edges {
			ids = append(ids, e.Node.ID)
		}
	}
	return ids
}

func (g gql) lastCursor() string {
	edges := g.Data.Transactions.Edges
	return edges[len(edges)-1].Cursor
}

const fullSelection = `pageInfo{hasNextPage} edges{cursor node{id owner{address} tags{name value} block{height} data{size}}}`

// ask posts a query text, which has to be answered with 200 and JSON.
func ask(t testing.TB, s *gatewaysim.Server, query string) gql {
	t.Helper()
	a := post(t, s, query)
	if a.status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", query, a.status, a.body)
	}
	var g gql
	dec := json.NewDecoder(bytes.NewReader(a.body))
	if err := dec.Decode(&g); err != nil {
		t.Fatalf("%s: %v: %s", query, err, a.body)
	}
	return g
}

func post(t testing.TB, s *gatewaysim.Server, query string) answer {
	t.Helper()
	return do(t, http.MethodPost, s.URL()+"/graphql", `{"query":`+strconv.Quote(query)+`}`)
}

// transactions asks for a page of the full selection.
func transactions(t testing.TB, s *gatewaysim.Server, args string) gql {
	t.Helper()
	return ask(t, s, `{transactions(`+args+`){`+fullSelection+`}}`)
}

// walk reads all pages of a query whose arguments are given without after.
func walk(t testing.TB, s *gatewaysim.Server, args string) []string {
	t.Helper()
	var ids []string
	after := ""
	for range 1000 {
		g := transactions(t, s, args+` after:`+strconv.Quote(after))
		if len(g.Errors) > 0 {
			t.Fatalf("%s: %v", args, g.Errors)
		}
		ids = append(ids, g.ids()...)
		if !g.Data.Transactions.PageInfo.HasNextPage {
			return ids
		}
		after = g.lastCursor()
	}
	t.Fatalf("%s: no end", args)
	return nil
}
