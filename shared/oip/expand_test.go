package oip_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

// templateOf publishes a definition and returns the verified template.
func templateOf(t *testing.T, name, definition string) *oip.Template {
	t.Helper()
	return alice.Verified(alice.Template(name, []byte(definition))).Template()
}

// data expands a record and returns the data and the envelope of its document.
func data(t *testing.T, tx oip.Transaction, templates ...*oip.Template) (string, oip.Envelope) {
	t.Helper()
	doc := alice.Document(tx, 1600000, templates...)
	var d struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(doc.JSON(), &d); err != nil {
		t.Fatalf("%v in %s", err, doc.JSON())
	}
	env, err := oip.ParseEnvelope(doc.JSON())
	if err != nil {
		t.Fatal(err)
	}
	return string(d.Data), env
}

// TestExpandValues converts one value of each kind by each type.
func TestExpandValues(t *testing.T) {
	tpl := templateOf(t, "t", `{
		"s":"string","index_s":0,"l":"long","index_l":1,"u":"uint64","index_u":2,"f":"float","index_f":3,
		"b":"bool","index_b":4,"e":"enum","eValues":[{"code":"a","name":"First"},{"code":"b"},"plain",{}],"index_e":5,
		"d":"dref","index_d":6,"rs":"repeated string","index_rs":7,"ru":"repeated uint64","index_ru":8,
		"rf":"repeated float","index_rf":9,"x":"tensor","index_x":10,"odd":"enum","otherValues":["a"],"index_odd":11}`)
	for _, c := range []struct{ index, in, want string }{
		{"0", `"text"`, `"s":"text"`},
		{"0", `7`, `"s":7`},
		{"0", `null`, `"s":null`},
		{"0", `"\ud800 <&>\u2028"`, "\"s\":\"\\ud800 <&>\u2028\""},
		{"0", `{ "deep" : [ 1 , 2.50 ] }`, `"s":{"deep":[1,2.50]}`},
		{"1", `9007199254740993`, `"l":9007199254740993`},
		{"1", `"9007199254740993"`, `"l":9007199254740993`},
		{"1", `1e3`, `"l":1000`},
		{"1", `-0`, `"l":0`},
		{"1", `1.5`, `"l":1.5`},
		{"1", `"1_000"`, `"l":"1_000"`},
		{"1", `" 12 "`, `"l":12`},
		{"1", `"soon"`, `"l":"soon"`},
		{"2", `18446744073709551615`, `"u":18446744073709551615`},
		{"3", `0.1`, `"f":0.1`},
		{"3", `"-2.5e3"`, `"f":-2.5e3`},
		{"3", `"0x10"`, `"f":"0x10"`},
		{"3", `1e999`, `"f":null`},
		{"4", `true`, `"b":true`},
		{"5", `0`, `"e":"First"`},
		{"5", `1`, `"e":"b"`},
		{"5", `2`, `"e":"plain"`},
		{"5", `3`, `"e":null`},
		{"5", `4`, `"e":null`},
		{"5", `-1`, `"e":null`},
		{"5", `0.5`, `"e":null`},
		{"5", `"a"`, `"e":"a"`},
		{"6", `"did:arweave:x"`, `"d":"did:arweave:x"`},
		{"7", `["a","b"]`, `"rs":["a","b"]`},
		{"7", `[]`, `"rs":[]`},
		{"7", `null`, `"rs":null`},
		{"8", `["18446744073709551616",2,2.5]`, `"ru":[18446744073709551616,2,2.5]`},
		{"9", `["1.25",3]`, `"rf":[1.25,3]`},
		{"10", `{"any":1}`, `"x":{"any":1}`},
		{"11", `0`, `"odd":0`},
	} {
		tx := alice.RawRecord("post", []byte(`[{"`+c.index+`":`+c.in+`,"t":"`+tpl.ID+`"}]`))
		if got, _ := data(t, tx, tpl); got != `{"t":{`+c.want+`}}` {
			t.Errorf("%s as field %s: got %s, want %s", c.in, c.index, got, c.want)
		}
	}
}

// TestExpandRecord checks a whole document against spec section 5.
func TestExpandRecord(t *testing.T) {
	b := templateOf(t, "basic", `{"name":"string","index_name":0,"date":"long","index_date":2}`)
	p := templateOf(t, "post", `{"webUrl":"string","index_webUrl":0}`)
	tx := alice.RawRecord("post", []byte(`[{"0":"My article","2":1713783811,"40":"?","t":"`+b.ID+`"},{"0":"https://example.com","t":"`+p.ID+`"}]`))
	doc := alice.Document(tx, 1600000, b, p)
	if doc.Kind() != oip.KindRecord || doc.DID() != "did:arweave:"+tx.ID || !doc.Valid() {
		t.Errorf("kind %s did %s", doc.Kind(), doc.DID())
	}
	var got map[string]any
	if err := json.Unmarshal(doc.JSON(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"data": map[string]any{
			"basic": map[string]any{"name": "My article", "date": 1713783811.0},
			"post":  map[string]any{"webUrl": "https://example.com"},
		},
		"oip": map[string]any{
			"did": "did:arweave:" + tx.ID, "didTx": "did:arweave:" + tx.ID, "recordType": "post", "recordStatus": "original",
			"storage": "arweave", "inArweaveBlock": 1600000.0, "indexedAt": "2023-11-14T22:13:20.000Z", "ver": "0.8.0",
			"signature": tag(tx.Tags, "CreatorSig"), "templates": map[string]any{"basic": b.ID, "post": p.ID}, "unknownFields": 1.0,
			"creator": map[string]any{"creatorHandle": "handle1", "didAddress": "did:arweave:" + alice.Address,
				"didTx": "did:arweave:" + tx.ID, "publicKey": alice.Modulus},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestExpandMissing covers partial documents and those with nothing to expand.
func TestExpandMissing(t *testing.T) {
	b := templateOf(t, "basic", `{"name":"string","index_name":0}`)
	other := strings.Repeat("x", 43)
	tx := alice.RawRecord("post", []byte(`[{"0":"n","t":"`+b.ID+`"},{"0":1,"t":"`+other+`"},{"1":1,"t":"`+other+`"}]`))
	got, env := data(t, tx, b)
	if got != `{"basic":{"name":"n"}}` || !reflect.DeepEqual(env.MissingTemplates, []string{other}) {
		t.Errorf("got %s, missing %v", got, env.MissingTemplates)
	}
	v := alice.Verified(tx)
	if ids := v.TemplateIDs(); !reflect.DeepEqual(ids, []string{b.ID, other}) {
		t.Errorf("template ids %v", ids)
	}
	if _, err := oip.Expand(v, oip.Setting{}); !errors.Is(err, oip.ErrNothing) {
		t.Errorf("got %v, want ErrNothing", err)
	}
	if _, err := oip.Expand(oip.Verified{}, oip.Setting{}); err == nil {
		t.Error("a zero Verified became a document")
	}
	if (oip.Document{}).Valid() {
		t.Error("the zero Document is valid")
	}
}

// TestExpandMayRestrict marks partial records whose missing part may be an
// access rule.
func TestExpandMayRestrict(t *testing.T) {
	b := templateOf(t, "basic", `{"name":"string","index_name":0}`)
	other := strings.Repeat("x", 43)
	for object, want := range map[string]bool{
		`{"0":1,"1":"key","t":"` + other + `"}`:               true,
		`{"0":"private","t":"` + other + `"}`:                 true,
		`{"0":"Shared Access","t":"` + other + `"}`:           true,
		`{"0":true,"t":"` + other + `"}`:                      true,
		`{"0":99,"t":"` + other + `"}`:                        true,
		`{"0":"2","t":"` + other + `"}`:                       true,
		`{"19":"true","t":"` + other + `"}`:                   true,
		`{"5":"` + alice.Modulus + `","t":"` + other + `"}`:   true,
		`{"19":true,"t":"` + other + `"}`:                     true,
		`{"t":"aaZpleo8blkm72kL96UYjTyBPp4F4Wux-Yo3Lu6luvQ"}`: true,
		`{"0":0,"t":"` + other + `"}`:                         false,
		`{"0":"https://example.com","t":"` + other + `"}`:     false,
		`{"0":1713783811,"19":false,"t":"` + other + `"}`:     false,
	} {
		_, env := data(t, alice.RawRecord("post", []byte(`[{"0":"n","t":"`+b.ID+`"},`+object+`]`)), b)
		if env.MayRestrict != want {
			t.Errorf("%s: %v, want %v", object, env.MayRestrict, want)
		}
	}
}

// TestExpandSameName unites two objects whose templates have the same name.
func TestExpandSameName(t *testing.T) {
	one := templateOf(t, "post", `{"a":"string","index_a":0,"b":"string","index_b":1}`)
	two := templateOf(t, "post", `{"b":"string","index_b":0,"c":"repeated string","index_c":1}`)
	tx := alice.RawRecord("post", []byte(`[{"0":"a1","1":"b1","t":"`+one.ID+`"},{"0":"b2","1":"not a list","t":"`+two.ID+`"}]`))
	got, env := data(t, tx, one, two)
	if got != `{"post":{"a":"a1","b":"b2"}}` || env.Templates["post"] != two.ID || len(env.Warnings) != 1 {
		t.Errorf("got %s, templates %v, warnings %v", got, env.Templates, env.Warnings)
	}
}

// TestExpandBound refuses a document that its templates blow up.
func TestExpandBound(t *testing.T) {
	tpl := templateOf(t, "t", `{"e":"repeated enum","index_e":0,"n":"string","index_n":1,"x":"enum","xValues":["`+strings.Repeat("y", 500)+`"],"index_x":2}`)
	if tpl.Fields[0].Enum != nil {
		t.Fatal("repeated enum without values of its own")
	}
	long := templateOf(t, "t", `{"e":"enum","eValues":["`+strings.Repeat("z", 300<<10)+`"],"index_e":0}`)
	tx := alice.RawRecord("post", []byte(`[{"0":0,"t":"`+long.ID+`"}]`))
	_, err := oip.Expand(alice.Verified(tx), oip.Setting{Templates: func(string) *oip.Template { return long }})
	var refused *oip.Refusal
	if !errors.As(err, &refused) || refused.Reason != oip.ReasonTooLarge {
		t.Errorf("got %v, want too_large", err)
	}
}

// TestRealTemplates reads the 32 published definitions.
func TestRealTemplates(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "templates.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 32 {
		t.Fatalf("%d templates, want 32", len(all))
	}
	for name, def := range all {
		tpl := templateOf(t, name, string(def))
		var raw map[string]json.RawMessage
		if err := json.Unmarshal(def, &raw); err != nil {
			t.Fatal(err)
		}
		fields := 0
		for key := range raw {
			if strings.HasPrefix(key, "index_") {
				fields++
			}
		}
		if len(tpl.Fields) != fields {
			t.Errorf("%s: %d fields, want %d", name, len(tpl.Fields), fields)
		}
		if wantWarnings := map[string]int{"conversationSession": 2}[name]; len(tpl.Warnings) != wantWarnings {
			t.Errorf("%s: warnings %q", name, tpl.Warnings)
		}
		if size := tpl.Size(); size < len(def)/2 {
			t.Errorf("%s: size %d for %d bytes", name, size, len(def))
		}
	}
}

// TestTemplateRules applies the rules of section 4 one by one.
func TestTemplateRules(t *testing.T) {
	for _, c := range []struct {
		what, def string
		fields    int // -1: rejected
		warnings  int
	}{
		{"empty", `{}`, 0, 0},
		{"index as text", `{"a":"string","index_a":"3"}`, 1, 0},
		{"index 0", `{"a":"string","index_a":0}`, 1, 0},
		{"no index", `{"a":"string"}`, -1, 0},
		{"negative index", `{"a":"string","index_a":-1}`, -1, 0},
		{"fraction", `{"a":"string","index_a":1.5}`, -1, 0},
		{"index that is no number", `{"a":"string","index_a":"x"}`, -1, 0},
		{"index without field", `{"index_a":1}`, 0, 0},
		{"values after their enum", `{"a":"enum","index_a":0,"aValues":["x"]}`, 1, 0},
		{"values of another name", `{"a":"enum","bValues":["x"],"index_a":0}`, 1, 1},
		{"a second list of values", `{"a":"enum","aValues":["x"],"index_a":0,"bValues":["x"]}`, -1, 0},
		{"values after a plain field", `{"a":"string","index_a":0,"aValues":["x"]}`, -1, 0},
		{"values after another field", `{"a":"enum","index_a":0,"b":"string","index_b":1,"aValues":["x"]}`, -1, 0},
		{"a field whose name ends so", `{"aValues":"string","index_aValues":0}`, 1, 0},
		{"two of an index", `{"a":"string","index_a":0,"b":"string","index_b":0}`, 2, 1},
		{"unknown type", `{"a":"tensor","index_a":0}`, 1, 1},
		{"type that is no text", `{"a":5,"index_a":0}`, 1, 1},
		{"long field name", `{"` + strings.Repeat("a", 600) + `":"string"}`, -1, 0},
		{"too large", `{"a":"string","index_a":0,"index_x":"` + strings.Repeat("a", oip.MaxTemplateBytes) + `"}`, -1, 0},
	} {
		out := oip.Verify(alice.Template("t", []byte(c.def)), oiptest.KeysOf(alice))
		accepted, ok := out.(oip.Accepted)
		if !ok {
			if c.fields >= 0 {
				t.Errorf("%s: %#v", c.what, out)
			}
			continue
		}
		tpl := accepted.Verified.Template()
		if len(tpl.Fields) != c.fields || len(tpl.Warnings) != c.warnings {
			t.Errorf("%s: %d fields, warnings %q", c.what, len(tpl.Fields), tpl.Warnings)
		}
	}
	later := templateOf(t, "t", `{"a":"string","index_a":0,"b":"string","index_b":0}`)
	if got, _ := data(t, alice.RawRecord("post", []byte(`[{"0":"v","t":"`+later.ID+`"}]`)), later); got != `{"t":{"b":"v"}}` {
		t.Errorf("the later field of an index does not count: %s", got)
	}
}

// TestTemplateDocument checks section 4's document, and that a template can be
// read back out of it.
func TestTemplateDocument(t *testing.T) {
	def := `{ "b":"enum", "bValues":[{"code":"x","name":"X"},"y"],"index_b":1,"a":"repeated string","index_a":"0","5":"string","index_5":5 }`
	tx := alice.Template("thing", []byte(def))
	doc := alice.Document(tx, 1600000)
	var d struct {
		Data struct {
			TxID     string                    `json:"TxId"`
			Template string                    `json:"template"`
			Fields   string                    `json:"fields"`
			ByName   map[string]map[string]any `json:"fieldsInTemplate"`
			Count    int                       `json:"fieldsInTemplateCount"`
		} `json:"data"`
	}
	if err := json.Unmarshal(doc.JSON(), &d); err != nil {
		t.Fatal(err)
	}
	wantFields := `{"5":"string","b":"enum","bValues":[{"code":"x","name":"X"},"y"],"index_b":1,"a":"repeated string","index_a":"0","index_5":5}`
	if d.Data.TxID != tx.ID || d.Data.Template != "thing" || d.Data.Fields != wantFields || d.Data.Count != 3 || doc.Kind() != oip.KindTemplate {
		t.Errorf("got %+v", d.Data)
	}
	wantB := map[string]any{"type": "enum", "index": 1.0, "enumValues": []any{map[string]any{"code": "x", "name": "X"}, "y"}}
	if !reflect.DeepEqual(d.Data.ByName["b"], wantB) {
		t.Errorf("field b: %v, want %v", d.Data.ByName["b"], wantB)
	}
	back, err := oip.ParseStoredTemplate(doc.JSON())
	if err != nil {
		t.Fatal(err)
	}
	if want := alice.Verified(tx).Template(); !reflect.DeepEqual(back, want) {
		t.Errorf("read back %+v, want %+v", back, want)
	}
	for _, bad := range []string{`nothing`, `{"data":{"fields":"["}}`, `{"data":{"fields":"[]"}}`} {
		if _, err := oip.ParseStoredTemplate([]byte(bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

// TestExpandPending shows that a transaction without a block has no height.
func TestExpandPending(t *testing.T) {
	b := templateOf(t, "basic", `{"name":"string","index_name":0}`)
	tx := alice.RawRecord("post", []byte(`[{"0":"n","t":"`+b.ID+`"}]`))
	doc, err := oip.Expand(alice.Verified(tx), oip.Setting{IndexedAt: time.Unix(0, 0), Templates: func(string) *oip.Template { return b }})
	if err != nil {
		t.Fatal(err)
	}
	if env, _ := oip.ParseEnvelope(doc.JSON()); env.InArweaveBlock != nil || env.RecordStatus != oip.StatusPending {
		t.Errorf("got %+v", env)
	}
}
