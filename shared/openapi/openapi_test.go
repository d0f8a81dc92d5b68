package openapi_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/openapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSchemas(t *testing.T) {
	for _, c := range []struct {
		schema openapi.Schema
		want   string
	}{
		{openapi.Schema{}, `{}`},
		{openapi.Text(0), `{"type":"string"}`},
		{openapi.Text(5).About("x"), `{"description":"x","type":"string","maxLength":5}`},
		{openapi.Matching("^<a>&$"), `{"type":"string","pattern":"^<a>&$"}`},
		{openapi.Whole(0, 7), `{"type":"integer","minimum":0,"maximum":7}`},
		{openapi.Truth(), `{"type":"boolean"}`},
		{openapi.Words("a", "b"), `{"type":"string","enum":["a","b"]}`},
		{openapi.Only("a"), `{"type":"string","const":"a"}`},
		{openapi.ListOf(openapi.Truth(), 3), `{"type":"array","items":{"type":"boolean"},"maxItems":3}`},
		{openapi.Either(openapi.Only("a"), openapi.Truth()), `{"anyOf":[{"type":"string","const":"a"},{"type":"boolean"}]}`},
		{openapi.Closed([]string{"a"}, openapi.With("a", openapi.Truth())), `{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"],"additionalProperties":false}`},
		{openapi.Open(nil, openapi.With("a", openapi.Truth())), `{"type":"object","properties":{"a":{"type":"boolean"}}}`},
		{openapi.Closed(nil), `{"type":"object","additionalProperties":false}`},
		{openapi.Truth().Such(true), `{"type":"boolean","examples":[true]}`},
	} {
		got, err := c.schema.MarshalJSON()
		if err != nil || string(got) != c.want {
			t.Errorf("got %s, want %s (%v)", got, c.want, err)
		}
	}
}

type inner struct {
	A int `json:"a"`
}

type level string

type answer struct {
	inner
	Name    string            `json:"name" doc:"what it is called"`
	Level   level             `json:"level"`
	State   string            `json:"state" enum:"on,off"`
	At      *time.Time        `json:"at"`
	Maybe   *inner            `json:"maybe,omitempty"`
	Many    []inner           `json:"many"`
	Counts  map[string]int64  `json:"counts,omitzero"`
	Any     any               `json:"any"`
	Raw     json.RawMessage   `json:"raw"`
	Echo    map[string]string `json:"echo" ref:"Echo"`
	Share   float64           `json:"share"`
	Untold  int               `json:"-"`
	private int
	*more
}

type more struct {
	B bool `json:"b"`
}

func TestOf(t *testing.T) {
	s := openapi.NewSchemas(map[reflect.Type]openapi.Schema{reflect.TypeFor[level](): openapi.Words("low", "high")})
	if got, want := text(t, s.Of(answer{private: 1})), `{"$ref":"#/components/schemas/Answer"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	schema, ok := s.Components().Get("Answer")
	if !ok {
		t.Fatal("no component")
	}
	want := `{"type":"object","properties":{"a":{"type":"integer"},"name":{"description":"what it is called","type":"string"},"level":{"type":"string","enum":["low","high"]},` +
		`"state":{"type":"string","enum":["on","off"]},"at":{"type":["string","null"],"format":"date-time"},"maybe":{"anyOf":[{"$ref":"#/components/schemas/Inner"},{"type":"null"}]},` +
		`"many":{"type":"array","items":{"$ref":"#/components/schemas/Inner"}},"counts":{"type":"object","additionalProperties":{"type":"integer"}},"any":{},"raw":{},` +
		`"echo":{"$ref":"#/components/schemas/Echo"},"share":{"type":"number"},"b":{"type":"boolean"}},"required":["a","name","level","state","at","many","any","raw","echo","share"],"additionalProperties":false}`
	if got := text(t, schema); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if s.Optional("Answer", "any", "share"); slices.Contains(schema.Required, "any") || len(schema.Required) != 8 {
		t.Errorf("required %v", schema.Required)
	}
	with := s.OfWith(inner{}, "Page", openapi.With("list", openapi.ListOf(openapi.Truth(), 0)))
	page, _ := s.Components().Get("Page")
	if with.Ref == "" || text(t, page.Required) != `["a","list"]` {
		t.Errorf("%+v, %+v", with, page)
	}
}

// TestMistakes: what cannot be described says so at once.
func TestMistakes(t *testing.T) {
	for name, describe := range map[string]func(*openapi.Schemas){
		"cannot be part of an answer": func(s *openapi.Schemas) { s.Of(func() {}) },
		"have one name": func(s *openapi.Schemas) {
			type Answer struct{ B int }
			s.Of(answer{})
			s.Of(Answer{})
		},
		"described twice": func(s *openapi.Schemas) {
			s.Add("A", openapi.Truth())
			s.Add("A", openapi.Truth())
		},
	} {
		func() {
			defer func() {
				if said, _ := recover().(string); !strings.Contains(said, name) {
					t.Errorf("got %q, want %q", said, name)
				}
			}()
			describe(openapi.NewSchemas(nil))
		}()
	}
}

// TestOrder: a document is written in the order in which it was made, the same each time.
func TestOrder(t *testing.T) {
	var paths openapi.Paths
	for _, path := range []string{"/z", "/a<b", "/m"} {
		paths.Set(path, openapi.Ordered[*openapi.Operation]{{Name: "post", Value: nil}, {Name: "get", Value: nil}})
	}
	d := &openapi.Document{OpenAPI: openapi.Version, Paths: paths}
	first, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var compact strings.Builder
	for line := range strings.Lines(string(first)) {
		compact.WriteString(strings.TrimSpace(line))
	}
	if want := `"paths": {"/z": {"post": null,"get": null},"/a<b": {"post": null,"get": null},"/m": {"post": null,"get": null}}`; !strings.Contains(compact.String(), want) {
		t.Errorf("%s", compact.String())
	}
}
