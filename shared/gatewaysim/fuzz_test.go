package gatewaysim_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
)

// serve answers one POST to /graphql without a network, and checks what holds
// for every answer: 200 or 400, and JSON.
func serve(t *testing.T, s *gatewaysim.Server, body string) []byte {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
	req.Header.Set("User-Agent", "fuzz")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
		t.Fatalf("status %d", w.Code)
	}
	if !json.Valid(w.Body.Bytes()) {
		t.Fatalf("not JSON: %q", w.Body)
	}
	return w.Body.Bytes()
}

func FuzzGraphQLBody(f *testing.F) {
	for _, query := range []string{
		`{transactions(first:100 sort:HEIGHT_ASC block:{min:1,max:9} tags:[{name:"Index-Method",values:["OIP"]}]){` + fullSelection + `}}`,
		`query($a:[TagFilter!] $b:Int=3){transactions(tags:$a first:$b after:"MCBrIDE"){edges{cursor}}}`,
		`{a:transaction(id:"x"){...f} b:block{id previous} blocks(ids:["x"] first:1){edges{node{height}}}} fragment f on Transaction{id @skip(if:true)}`,
		`{transactions(first:2147483648 block:{min:-1}){__typename}}`,
		`{__schema{types{name}}}`, `mutation{x}`, `{`, ``,
	} {
		f.Add(`{"query":` + strconv.Quote(query) + `,"variables":{"a":[{"name":"Ver","values":["0.8.0"]}],"b":null}}`)
	}
	f.Add(`{"query":1}`)
	f.Add(`[]`)
	chain := gatewaysim.NewChain(10)
	fill(f, chain, 1, 3, 5)
	add(f, chain, 0, record("pending"))
	faults := gatewaysim.NewFaults(1, gatewaysim.Mix{
		gatewaysim.DropRow: 0.5, gatewaysim.DuplicateRow: 0.5, gatewaysim.ReorderRows: 0.5, gatewaysim.CursorLoop: 0.5,
		gatewaysim.Warnings: 0.2, gatewaysim.ErrorsBesideData: 0.2, gatewaysim.NullField: 0.2, gatewaysim.StaleIndex: 0.2,
	})
	servers := []*gatewaysim.Server{
		gatewaysim.NewServer(chain, gatewaysim.Options{}),
		gatewaysim.NewServer(chain, gatewaysim.Options{Seed: 1, LeakPending: true, RowLimit: 10, Faults: faults}),
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, s := range servers {
			serve(t, s, body)
		}
	})
}

// Whatever a cursor decodes to, it is answered: by rows or by an error.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"0 k 2 " + gatewaysim.IDFor("x"), "0 k 0 ", "1 o 7 ", "1 o 99 p", "1 o -1 ", "0 k 9999999999 x", "  ", "\xff"} {
		f.Add(seed)
	}
	chain := gatewaysim.NewChain(10)
	fill(f, chain, 1, 3, 5)
	servers := []*gatewaysim.Server{
		gatewaysim.NewServer(chain, gatewaysim.Options{}),
		gatewaysim.NewServer(chain, gatewaysim.Options{Seed: 1}),
	}
	f.Fuzz(func(t *testing.T, raw string) {
		after := base64.RawURLEncoding.EncodeToString([]byte(raw))
		for _, s := range servers {
			for _, field := range []string{"transactions", "blocks"} {
				for _, order := range []string{"HEIGHT_ASC", "HEIGHT_DESC"} {
					body := serve(t, s, `{"query":"{f:`+field+`(sort:`+order+` after:\"`+after+`\"){edges{cursor}}}"}`)
					var got struct {
						Data   *struct{ F struct{ Edges []any } }
						Errors []any
					}
					if err := json.Unmarshal(body, &got); err != nil || (got.Data == nil) != (len(got.Errors) > 0) {
						t.Fatalf("%v: %s", err, body)
					}
				}
			}
		}
	})
}

// Every tag that is text comes back as it was; one that is not is still JSON.
func FuzzTagValue(f *testing.F) {
	for _, seed := range []string{"", "plain", "\"\\/\b\n\x00\x1f", "é\u2028\U0001f600", "\xff\xc3", "<&>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		chain := gatewaysim.NewChain(1)
		add(t, chain, 1, gatewaysim.Item{ID: gatewaysim.IDFor("a"), Tags: []oip.Tag{{Name: value, Value: value}}})
		body := serve(t, gatewaysim.NewServer(chain, gatewaysim.Options{}), `{"query":"{transactions{edges{node{tags{name value}}}}}"}`)
		var g gql
		if err := json.Unmarshal(body, &g); err != nil {
			t.Fatal(err)
		}
		got := g.Data.Transactions.Edges[0].Node.Tags[0]
		if utf8.ValidString(value) && (got.Name != value || got.Value != value) {
			t.Fatalf("%q came back as %q", value, got)
		}
	})
}
