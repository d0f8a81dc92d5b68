package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"oipnode/shared/errs"
	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

// expanded resolves the references of a page, out of documents by their DIDs.
func expanded(r resolving, shown shape, most int, documents map[string]string, page ...string) ([]string, error) {
	g := newGraph(r, shown, most)
	hits, texts := make([]records.Stored, len(page)), make([][]byte, len(page))
	for i, did := range page {
		hits[i] = records.Stored{DID: did, JSON: []byte(documents[did])}
		text, err := shown.apply(hits[i].JSON, nil)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	if err := g.begin(hits, texts); err != nil {
		return nil, err
	}
	err := g.load(func(dids []string, visit func(records.Stored) error) error {
		for _, did := range dids {
			if doc, ok := documents[did]; ok {
				if err := visit(records.Stored{DID: did, JSON: []byte(doc)}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all, err := g.expand()
	var out []string
	for _, d := range all {
		out = append(out, string(d))
	}
	return out, err
}

// model is the plainest way to resolve: documents are decoded, and references replaced
// where they are met.
type model struct {
	resolving
	shape     shape
	documents map[string]string
}

func decodeJSON(t testing.TB, text string) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %.500s", err, text)
	}
	return v
}

// record is a record as it is shown so far from the page.
func (m model) record(t testing.TB, did string, way []string) object {
	r := decodeJSON(t, m.documents[did]).(object)
	if data, ok := r["data"].(object); ok && len(way) < m.depth {
		if m.namesOnly && len(way) == m.depth-1 && m.selects("recipe.ingredient") {
			defer m.merge(t, data)()
		}
		r["data"] = m.value(t, data, "", append(slices.Clone(way), did))
	}
	return r
}

// merge notes the comments on a recipe's ingredients, and returns what puts them behind
// their names.
func (m model) merge(t testing.TB, data object) func() {
	before, ok1 := at(data, "recipe", "ingredient").([]any)
	comments, ok2 := at(data, "recipe", "ingredient_comment").([]any)
	if !ok1 || !ok2 {
		return func() {}
	}
	before, comments = slices.Clone(before), slices.Clone(comments)
	return func() {
		after := at(data, "recipe", "ingredient").([]any)
		for i, v := range after {
			name, isText := v.(string)
			if i >= len(comments) || !isText || name == "" || name == before[i] && oip.ValidDID(name) {
				continue
			}
			if comment, ok := comments[i].(string); ok {
				after[i] = withComment(name, comment)
			}
		}
	}
}

func (m model) selects(path string) bool {
	for field := range m.fields {
		if path == field || strings.HasPrefix(path, field+".") {
			return true
		}
	}
	return m.fields == nil
}

// value replaces the references in a value, in place where it can.
func (m model) value(t testing.TB, v any, path string, way []string) any {
	switch v := v.(type) {
	case object:
		for name, value := range v {
			v[name] = m.value(t, value, strings.TrimPrefix(path+"."+name, "."), way)
		}
	case []any:
		for i := range v {
			v[i] = m.value(t, v[i], path, way)
		}
	case string:
		if _, ok := m.documents[v]; ok && m.selects(path) {
			return m.target(t, v, way)
		}
	}
	return v
}

// target is what stands for a DID.
func (m model) target(t testing.TB, did string, way []string) any {
	if m.namesOnly && len(way) == m.depth {
		if name, ok := at(decodeJSON(t, m.documents[did]), "data", "basic", "name").(string); ok && name != "" {
			return name
		}
		return did
	}
	if slices.Contains(way, did) {
		r := decodeJSON(t, m.documents[did]).(object)
		basic := at(r, "data", "basic")
		if _, ok := at(r, "data").(object)["basic"]; !ok || basic == nil && m.shape.hideNulls {
			basic = object{}
		}
		return object{"oip": r["oip"], "data": object{"basic": basic}, "_circular": true}
	}
	return m.record(t, did, way)
}

// bare takes away what the shape hides, in records at any depth.
func (m model) bare(v any) any {
	switch v := v.(type) {
	case object:
		envelope, _ := v["oip"].(object)
		if _, isRecord := v["data"]; isRecord && envelope["did"] != nil && !m.shape.sigs {
			delete(envelope, "signature")
		}
		for name, value := range v {
			if value == nil && m.shape.hideNulls {
				delete(v, name)
			} else {
				v[name] = m.bare(value)
			}
		}
	case []any:
		list := make([]any, 0, len(v))
		for _, element := range v {
			if element != nil || !m.shape.hideNulls {
				list = append(list, m.bare(element))
			}
		}
		return list
	}
	return v
}

// weaving makes random records that name each other.
type weaving struct {
	*rand.Rand
	dids []string
}

func (w weaving) pick(list ...string) string { return list[w.IntN(len(list))] }

// did is one of the records, or one that there is not, or what only looks like one.
func (w weaving) did() string {
	switch w.IntN(12) {
	case 0:
		return w.pick("did:gun:gone:1", "did:arweave:gone", "did:irys:x")
	case 1:
		return w.pick("did:", "did:web:x", w.dids[0]+" ", " "+w.dids[0], "DID"+w.dids[0][3:], "")
	}
	return w.pick(w.dids...)
}

func (w weaving) quoted(s string) string {
	text := string(canon.AppendString(nil, s))
	if s != "" && w.IntN(8) == 0 {
		text = fmt.Sprintf(`"\u%04x%s`, s[0], text[2:]) // the same, in other words
	}
	return text
}

func (w weaving) value(depth int, more string) string {
	switch kind := w.IntN(10); {
	case kind < 4:
		return w.quoted(w.did())
	case kind < 6 && depth > 0:
		return w.list(w.IntN(4), func() string { return w.value(depth-1, more) })
	case kind < 8 && depth > 0:
		var parts []string
		for _, name := range []string{"a", "b", "data", "oip", "name", "ingredient", "basic", "10", "é"} {
			if w.IntN(4) == 0 {
				parts = append(parts, w.quoted(name)+w.space()+":"+w.space()+w.value(depth-1, more))
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return w.pick("null", "true", "1.50", "-0", "1e400", "9007199254740993", `"text"`, `""`, more)
}

func (w weaving) space() string { return w.pick("", "", "", " ", "\n\t") }

func (w weaving) list(n int, element func() string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = w.space() + element() + w.space()
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func (w weaving) document(did, more string) string {
	data := make(map[string]string)
	data["basic"] = w.pick(`{"name":"<one>"}`, `{"name":"two\u0022\ud83c\udf36"}`, `{"name":""}`, `{"name":null,"x":null}`, `{}`, `"basic"`, "null", `{"name":"ground beef","see":`+w.quoted(w.did())+`}`)
	data["recipe"] = `{"ingredient":` + w.list(w.IntN(6), func() string { return w.value(1, more) }) + `,"ingredient_comment":` +
		w.list(w.IntN(6), func() string {
			return w.pick(`"ground"`, `"minced"`, `""`, "null", `"extra virgin, hot"`, "5", w.quoted(w.did()))
		}) + `}`
	for _, name := range []string{"a", "b", "data"} {
		data[name] = w.value(3, more)
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if w.IntN(3) > 0 {
			parts = append(parts, w.quoted(name)+":"+w.space()+data[name])
		}
	}
	w.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return `{"data":{` + strings.Join(parts, ",") + `},"oip":{"did":"` + did + `","signature":"s","to":"` + w.dids[0] + `","n":null}}`
}

// FuzzResolve: whatever records hold and however they name each other, the answer is
// that of the model; it is as large as it was counted, and what was not replaced is as it
// was.
func FuzzResolve(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed, uint8(seed), uint8(seed>>1), `{"a":[1.0]}`)
	}
	f.Add(uint64(1), uint8(3), uint8(0), `"did:gun:aaaaaaaaaaaa:1"`)
	f.Add(uint64(2), uint8(5), uint8(1), `{"a":"did:gun:aaaaaaaaaaaa:1","a":"did:gun:aaaaaaaaaaaa:0"}`)
	f.Fuzz(func(t *testing.T, seed uint64, depth, flags uint8, more string) {
		if canon.Valid([]byte(more)) != nil || canon.Valid([]byte(strings.Repeat("[", 10)+more+strings.Repeat("]", 10))) != nil || len(more) > 500 || !utf8.ValidString(more) ||
			strings.Contains(strings.ToLower(more), `\ud`) { // of which encoding/json makes something else
			more = "7"
		}
		w := weaving{Rand: rand.New(rand.NewPCG(seed, 1))}
		for i := range 1 + w.IntN(6) {
			w.dids = append(w.dids, fmt.Sprintf("did:gun:aaaaaaaaaaaa:%d", i))
		}
		m := model{resolving{depth: 1 + int(depth%maxResolveDepth), namesOnly: flags&1 != 0}, shape{sigs: flags&2 == 0, pubKeys: true, hideNulls: flags&4 != 0, hideDateReadable: true}, make(map[string]string)}
		if flags&8 != 0 {
			m.fields = fieldPaths{w.pick("a", "b", "data", "recipe", "recipe.ingredient", "a.a", "data.a", "basic.see"): true, w.pick("a.b", "recipe", "b"): true}
		}
		for _, did := range w.dids {
			m.documents[did] = w.document(did, more)
		}
		const most = 1 << 20
		got, err := expanded(m.resolving, m.shape, most, m.documents, w.dids...)
		if err != nil {
			if !errors.Is(err, errs.TooLarge) {
				t.Fatal(err)
			}
			return
		}
		size := 0
		for i, text := range got {
			size += len(text)
			if !json.Valid([]byte(text)) {
				t.Fatalf("no JSON: %s", text)
			}
			want := m.bare(m.record(t, w.dids[i], nil))
			if have := decodeJSON(t, text); !reflect.DeepEqual(have, want) {
				a, _ := encode(have)
				b, _ := encode(want)
				t.Fatalf("%+v: %s\n got %s\nwant %s", m.resolving, m.documents[w.dids[i]], a, b)
			}
		}
		if again, err := expanded(m.resolving, m.shape, size, m.documents, w.dids...); err != nil || !slices.Equal(again, got) {
			t.Fatalf("%d bytes into as many: %v", size, err)
		}
		if _, err := expanded(m.resolving, m.shape, size-1, m.documents, w.dids...); !errors.Is(err, errs.TooLarge) {
			t.Fatalf("%d bytes into one less: %v", size, err)
		}
		const alone = "did:gun:bbbbbbbbbbbb:0"
		first := m.documents[w.dids[0]]
		shown, err := m.shape.apply([]byte(first), nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := expanded(resolving{depth: 5}, m.shape, most, map[string]string{alone: first}, alone); err != nil || text[0] != string(shown) {
			t.Fatalf("with nothing to replace: %v\n got %s\nwant %s", err, text, shown)
		}
	})
}
