package gateway

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// parsed reads a query with an independent GraphQL parser and returns the field
// transactions.
func parsed(t *testing.T, text string) *ast.Field {
	t.Helper()
	doc, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	field, ok := doc.Operations[0].SelectionSet[0].(*ast.Field)
	if !ok || field.Name != "transactions" {
		t.Fatalf("%s: no transactions", text)
	}
	return field
}

func TestQueryText(t *testing.T) {
	for _, tc := range []struct {
		q    query
		want string
	}{
		{
			query{heights: true, min: 5, max: 9, tags: []Filter{{"Index-Method", []string{"OIP"}}, {"Ver", []string{"0.8.0", "0.9.0"}}}},
			`query { transactions(first: 100, sort: HEIGHT_ASC, block: { min: 5, max: 9 }, tags: [{ name: "Index-Method", values: ["OIP"] }, { name: "Ver", values: ["0.8.0", "0.9.0"] }]) { pageInfo { hasNextPage } edges { cursor node { id owner { address } tags { name value } block { height } data { size } } } } }`,
		},
		{
			query{ids: []string{"a", "b"}, sel: selectTags, after: `x"y`},
			`query { transactions(first: 100, sort: HEIGHT_ASC, ids: ["a", "b"], after: "x\"y") { pageInfo { hasNextPage } edges { cursor node { id tags { name value } block { height } } } } }`,
		},
		{
			query{heights: true, sel: selectIDs},
			`query { transactions(first: 100, sort: HEIGHT_ASC, block: { min: 0, max: 0 }) { pageInfo { hasNextPage } edges { cursor node { id block { height } } } } }`,
		},
	} {
		if got := tc.q.text(); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
		parsed(t, tc.q.text())
	}
}

func FuzzQueryString(f *testing.F) {
	for _, s := range []string{"", "OIP", `"`, `\`, `\"`, "\n\r\t\x00\x1f\x7f", "ünï 😀", "\u2028\u2029\ufeff", `"}) { x }`, `"""`, "#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return // checkFilters refuses it, cursors are decoded by encoding/json
		}
		q := query{tags: []Filter{{s, []string{s, "x"}}}, after: "c" + s, ids: []string{s}}
		field := parsed(t, q.text())
		tag := field.Arguments.ForName("tags").Value.Children[0].Value
		for what, v := range map[string]*ast.Value{
			"name":   tag.Children.ForName("name"),
			"value":  tag.Children.ForName("values").Children[0].Value,
			"id":     field.Arguments.ForName("ids").Value.Children[0].Value,
			"cursor": {Raw: strings.TrimPrefix(field.Arguments.ForName("after").Value.Raw, "c")},
		} {
			if v.Raw != s {
				t.Errorf("%s %q was read as %q", what, s, v.Raw)
			}
		}
	})
}

func TestScanCheck(t *testing.T) {
	good := Scan{Min: 0, Max: maxHeight - 1, Tags: []Filter{{"A", []string{""}}}}
	if err := good.check(); err != nil {
		t.Errorf("%+v: %v", good, err)
	}
	many := make([]Filter, maxFilters+1)
	for i := range many {
		many[i] = Filter{"A", []string{"b"}}
	}
	for name, s := range map[string]Scan{
		"negative":   {Min: -1, Max: 3},
		"reversed":   {Min: 4, Max: 3},
		"too high":   {Min: 4, Max: maxHeight},
		"no name":    {Tags: []Filter{{"", []string{"b"}}}},
		"no value":   {Tags: []Filter{{"A", nil}}},
		"not utf-8":  {Tags: []Filter{{"A", []string{"\xff"}}}},
		"name bytes": {Tags: []Filter{{"A\xff", []string{"b"}}}},
		"values":     {Tags: []Filter{{"A", make([]string, maxFilterItems+1)}}},
		"filters":    {Tags: many},
		"long":       {Tags: []Filter{{"A", []string{strings.Repeat("b", maxFilterBytes)}}}},
	} {
		if err := s.check(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}
