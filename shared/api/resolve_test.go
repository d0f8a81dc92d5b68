package api

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// TestResolve: how far references are followed, and where they end.
func TestResolve(t *testing.T) {
	w := newWorld(t)
	w.weave("a:b", "b:c", "c:d", "d:e", "e:f", "f:g", "g:h", "h:", // a chain
		"self:self", "two:other", "other:two", "r:s", "s:t", "t:r", "twice:self self",
		"top:left right", "left:bottom", "right:bottom gone", "bottom:top", "lost:gone b gone")
	for _, c := range []struct {
		id    string
		depth int
		want  string
	}{
		{"a", 0, "a(#b)"},
		{"a", 1, "a(b(#c))"},
		{"a", 2, "a(b(c(#d)))"},
		{"a", 3, "a(b(c(d(#e))))"},
		{"a", 4, "a(b(c(d(e(#f)))))"},
		{"a", 5, "a(b(c(d(e(f(#g))))))"},
		{"g", 5, "g(h)"},
		{"h", 5, "h"},
		{"self", 0, "self(#self)"},
		{"self", 1, "self(self!)"},
		{"self", 5, "self(self!)"},
		{"twice", 1, "twice(self(#self) self(#self))"},
		{"twice", 2, "twice(self(self!) self(self!))"},
		{"two", 1, "two(other(#two))"},
		{"two", 2, "two(other(two!))"},
		{"two", 5, "two(other(two!))"},
		{"r", 2, "r(s(t(#r)))"},
		{"r", 3, "r(s(t(r!)))"},
		{"r", 5, "r(s(t(r!)))"},
		{"top", 1, "top(left(#bottom) right(#bottom #gone))"},
		{"top", 2, "top(left(bottom(#top)) right(bottom(#top) #gone))"},
		{"top", 3, "top(left(bottom(top!)) right(bottom(top!) #gone))"},
		{"bottom", 5, "bottom(top(left(bottom!) right(bottom! #gone)))"},
		{"lost", 2, "lost(#gone b(c(#d)) #gone)"},
	} {
		answer := w.ok("", "/api/records", "did", gunDID(c.id), "resolveDepth", strconv.Itoa(c.depth))
		if got := pictures(t, answer); got != c.want {
			t.Errorf("%s to depth %d: %s, want %s", c.id, c.depth, got, c.want)
		}
		w.expect(answer, "searchResults", "1", "totalRecords", "20", "queryParams", fmt.Sprintf(`{"did":%q,"resolveDepth":%d}`, gunDID(c.id), c.depth))
	}
}

// TestResolveNames: at the deepest level the names, and above it records.
func TestResolveNames(t *testing.T) {
	w := newWorld(t)
	w.weave("a:b", "b:c", "c:d", "d:e", "e:", "self:self", "two:other", "other:two", "odd:nameless numbered blank away e")
	w.put(gunRecord(t, "nameless", "post", `{"links":{}}`), gunRecord(t, "numbered", "post", `{"basic":{"name":5}}`),
		gunRecord(t, "blank", "post", `{"basic":{"name":""}}`), gunRecord(t, "away", "post", `{"basic":"name"}`))
	for _, c := range []struct {
		id    string
		depth int
		want  string
	}{
		{"a", 0, "a(#b)"},
		{"a", 1, "a(b)"},
		{"a", 2, "a(b(c))"},
		{"a", 3, "a(b(c(d)))"},
		{"self", 1, "self(self)"},
		{"self", 2, "self(self!)"},
		{"two", 1, "two(other)"},
		{"two", 2, "two(other(two))"},
		{"two", 3, "two(other(two!))"},
		{"odd", 1, "odd(#nameless #numbered #blank #away e)"},
	} {
		answer := w.ok("", "/api/records", "did", gunDID(c.id), "resolveDepth", strconv.Itoa(c.depth), "resolveNamesOnly", "true")
		if got := pictures(t, answer); got != c.want {
			t.Errorf("%s to depth %d: %s, want %s", c.id, c.depth, got, c.want)
		}
	}
	// A name is a text where a record would be an object.
	answer := w.ok("", "/api/records", "did", gunDID("a"), "resolveDepth", "1", "resolveNamesOnly", "true")
	if to := at(list(t, answer, "records")[0], "data", "links", "to"); fmt.Sprintf("%q", to) != `["b"]` {
		t.Errorf("%q", to)
	}
}

// TestResolveFields: which fields are resolved, at every level alike.
func TestResolveFields(t *testing.T) {
	w := newWorld(t)
	shelf := func(id string) *oip.Document {
		next := gunDID(map[string]string{"x": "y", "y": "z", "z": "x"}[id])
		return gunRecord(t, id, "post", fmt.Sprintf(`{"basic":{"name":%q},"a":{"one":%q,"other":{"deep":[[%q]]}},"b":{"one":[%q,{"in":%q}]},"data":{"one":%q},"one":%q}`,
			id, next, next, next, next, next, next))
	}
	w.put(shelf("x"), shelf("y"), shelf("z"))
	const (
		all  = "y(#z #z #z #z #z #z)"
		none = "#y #y #y #y #y #y"
	)
	for fields, want := range map[string]string{
		"":                             all + strings.Repeat(" "+all, 5),
		"a":                            "y(#z #z #z #z #z #z) y(#z #z #z #z #z #z) #y #y #y #y",
		"data.a":                       all + " " + all + " #y #y #y #y",
		"a.one":                        all + " #y #y #y #y #y",
		"data.a.one":                   all + " #y #y #y #y #y",
		"a.other":                      "#y " + all + " #y #y #y #y",
		"a.other.deep":                 "#y " + all + " #y #y #y #y",
		"b":                            "#y #y " + all + " " + all + " #y #y",
		"data.b.one":                   "#y #y " + all + " " + all + " #y #y",
		"b.one.in":                     "#y #y #y " + all + " #y #y",
		"one":                          "#y #y #y #y #y " + all,
		"data.one":                     "#y #y #y #y #y " + all,
		"data.data.one":                "#y #y #y #y " + all + " #y",
		"a.one, data.b.one ,one,":      all + " #y " + all + " " + all + " #y " + all,
		"A":                            none,
		"a.on":                         none,
		"a.one.more":                   none,
		"on":                           none,
		"basic":                        none,
		"data.x,basic.name,oip.did,b1": none,
	} {
		got := pictures(t, w.ok("", "/api/records", "did", gunDID("x"), "resolveDepth", "1", "resolveFieldName", fields))
		if want = "x(" + want + ")"; got != want {
			t.Errorf("%q:\n got %s\nwant %s", fields, got, want)
		}
	}
	for fields, want := range map[string]string{
		"a.one":       "x(y(z(x! #x #x #x #x #x) #z #z #z #z #z) #y #y #y #y #y)",
		"data.one":    "x(#y #y #y #y #y y(#z #z #z #z #z z(#x #x #x #x #x x!)))",
		"a.one,b.one": "", // only that it is whole
	} {
		got := pictures(t, w.ok("", "/api/records", "did", gunDID("x"), "resolveDepth", "3", "resolveFieldName", fields))
		if want != "" && got != want {
			t.Errorf("%q to depth 3:\n got %s\nwant %s", fields, got, want)
		}
		if want == "" && strings.Count(got, "x!") != 27 {
			t.Errorf("%q to depth 3: %s", fields, got)
		}
	}
	names := pictures(t, w.ok("", "/api/records", "did", gunDID("x"), "resolveDepth", "2", "resolveNamesOnly", "true", "resolveFieldName", "a.one"))
	if want := "x(y(z #z #z #z #z #z) #y #y #y #y #y)"; names != want {
		t.Errorf("names:\n got %s\nwant %s", names, want)
	}
}

// TestResolveParameters: what is refused, and how it is said again.
func TestResolveParameters(t *testing.T) {
	w := newWorld(t)
	var hundred []string
	for i := range 100 {
		hundred = append(hundred, fmt.Sprint("field", i))
	}
	for _, c := range []struct{ name, value, allowed string }{
		{"resolveDepth", "6", "from 0 to 5"},
		{"resolveDepth", "-1", "from 0 to 5"},
		{"resolveDepth", "1.5", "from 0 to 5"},
		{"resolveDepth", "all", "from 0 to 5"},
		{"resolveNamesOnly", "yes", "true or false"},
		{"resolveFieldName", ",", "data.recipe.ingredient"},
		{"resolveFieldName", "a..b", "data.recipe.ingredient"},
		{"resolveFieldName", "a,.b", "data.recipe.ingredient"},
		{"resolveFieldName", "a.", "data.recipe.ingredient"},
		{"resolveFieldName", "data.", "data.recipe.ingredient"},
		{"resolveFieldName", "data..a", "data.recipe.ingredient"},
		{"resolveFieldName", strings.Join(hundred, ",") + ",one.more", "at most 100"},
		{"resolveFieldName", strings.Repeat("a", maxValue+1), "at most"},
	} {
		if m := w.refused(c.name, "/api/records", c.name, c.value); !strings.Contains(m, c.allowed) {
			t.Errorf("%s=%.30s: %q does not say %q", c.name, c.value, m, c.allowed)
		}
	}
	w.expect(w.ok("", "/api/records", "resolveDepth", "0", "resolveNamesOnly", "FALSE", "resolveFieldName", " a ,data.a,"), "queryParams",
		`{"resolveDepth":0,"resolveFieldName":["a","data.a"],"resolveNamesOnly":false}`)
	w.expect(w.ok("", "/api/records", "resolveDepth", "", "resolveFieldName", ""), "queryParams", `{}`)
}

// TestResolveText: a reference is a text that is a DID and nothing else, wherever it
// stands in the data, and everything else stays byte for byte.
func TestResolveText(t *testing.T) {
	w := newWorld(t)
	target := gunDID("target")
	quoted := `"` + target + `"`
	w.put(gunRecord(t, "target", "post", `{"basic":{"name":"<&>\u2028\ud800","date":1713484800},"n":{"big":9007199254740993,"one":1.0,"exp":1e400,"10":[ ],"2":{}}}`),
		gunRecord(t, "root", "post", `{"basic":{"name":"r\u0022","date":1713484800,"f":1.50,"x":9007199254740993},"10":{"b":[`+quoted+`,[{"in":`+quoted+`}]],"a":`+quoted+`},"2":[`+quoted+`],
			"no":["`+target+` ","see `+target+`","`+strings.ToUpper(target)+`","did:","did:web:example.com","`+target[:len(target)-1]+`",5,true,null,{"`+target+`":1}],"`+target+`":"x"}`))
	plain := rawRecords(t, w.call("/api/records", "did", gunDID("root")))
	shown := rawRecords(t, w.call("/api/records", "did", target, "hideDateReadable", "true"))
	want := strings.ReplaceAll(plain, quoted+`,[{"in":`+quoted, shown+`,[{"in":`+shown)
	want = strings.ReplaceAll(want, `"a":`+quoted, `"a":`+shown)
	want = strings.ReplaceAll(want, `"2":[`+quoted, `"2":[`+shown)
	if got := rawRecords(t, w.call("/api/records", "did", gunDID("root"), "resolveDepth", "1")); got != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
	if n := strings.Count(want, shown); n != 4 {
		t.Errorf("%d references in %s", n, want)
	}
	named := strings.ReplaceAll(want, shown, `"<&>\u2028\ud800"`)
	named = strings.ReplaceAll(named, `\u2028`, "\u2028") // as it is stored
	got := rawRecords(t, w.call("/api/records", "did", gunDID("root"), "resolveDepth", "1", "resolveNamesOnly", "true"))
	if strings.ReplaceAll(got, `\u2028`, "\u2028") != named {
		t.Errorf("names:\n got %s\nwant %s", got, named)
	}
}

// TestResolveShape: references are shown like the records of the page, but that only
// those get a readable date.
func TestResolveShape(t *testing.T) {
	w := newWorld(t)
	w.put(gunRecord(t, "in", "post", `{"basic":{"name":"in","date":1713484800,"gone":null},"links":{"to":[null,"`+gunDID("out")+`"]}}`),
		gunRecord(t, "out", "post", `{"basic":{"name":"out","date":1713484800,"gone":null},"links":{"to":[null,"`+gunDID("in")+`"]}}`))
	ask := func(params ...string) (out, in, stub object) {
		t.Helper()
		out = list(t, w.ok("", "/api/records", append(params, "did", gunDID("out"), "resolveDepth", "2")...), "records")[0]
		to := at(out, "data", "links", "to").([]any)
		in = to[len(to)-1].(object)
		to = at(in, "data", "links", "to").([]any)
		return out, in, to[len(to)-1].(object)
	}
	out, in, stub := ask()
	if at(out, "data", "basic", "dateReadable") != "Fri Apr 19 2024" || at(in, "data", "basic", "dateReadable") != nil || at(stub, "data", "basic", "dateReadable") != nil {
		t.Errorf("dates: %v", out)
	}
	for _, r := range []object{out, in, stub} {
		if at(r, "oip", "signature") == nil || at(r, "oip", "creator", "publicKey") != weaver {
			t.Errorf("oip %v", r["oip"])
		}
	}
	if len(stub) != 3 || stub["_circular"] != true || len(stub["data"].(object)) != 1 || at(stub, "data", "basic", "name") != "out" || at(stub, "oip", "did") != gunDID("out") {
		t.Errorf("a circle ends in %v", stub)
	}
	if fmt.Sprint(in["oip"]) != fmt.Sprint(list(t, w.ok("", "/api/records", "did", gunDID("in")), "records")[0]["oip"]) {
		t.Errorf("the envelope is not whole: %v", in["oip"])
	}
	out, in, stub = ask("includeSigs", "false", "includePubKeys", "false", "hideNullValues", "true", "hideDateReadable", "true")
	for _, r := range []object{out, in, stub} {
		basic := at(r, "data", "basic").(object)
		if _, null := basic["gone"]; null || len(basic) != 2 || at(r, "oip", "signature") != nil || at(r, "oip", "creator", "publicKey") != nil || at(r, "oip", "creator", "didAddress") == nil {
			t.Errorf("bare: %v", r)
		}
	}
	if to := at(out, "data", "links", "to").([]any); len(to) != 1 {
		t.Errorf("a null stayed: %v", to)
	}
}

// TestResolveInOneRead: a level costs one read for the whole page, each DID once, and
// nothing is read again that an earlier level has read.
func TestResolveInOneRead(t *testing.T) {
	store := &lookups{}
	w := newWorld(t, func(o *Options) { store.Store, o.Records = o.Records, store })
	w.weave("a:b c d", "b:c d a", "c:d e", "d:e e e", "e:f gone", "f:a", "gone2:gone")
	for depth, want := range map[int][]int{0: nil, 1: {5}, 2: {5, 2}, 3: {5, 2}, 5: {5, 2}} {
		store.searches = nil
		w.ok("", "/api/records", "resolveDepth", strconv.Itoa(depth), "limit", "4", "sortBy", "name:asc")
		var got []int
		for _, dids := range store.searches {
			got = append(got, len(dids))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("depth %d: %v, want %v", depth, store.searches, want)
		}
	}
	store.searches = nil
	w.ok("", "/api/records", "resolveDepth", "5", "resolveFieldName", "basic")
	if len(store.searches) != 0 {
		t.Errorf("nothing to resolve: %v", store.searches)
	}
}

// TestResolveFails: an engine that is away between two levels is a 503, and no half answer.
func TestResolveFails(t *testing.T) {
	store := &refusing{err: records.ErrUnavailable, did: gunDID("c")}
	w := newWorld(t, func(o *Options) { store.Store, o.Records = o.Records, store })
	w.weave("a:b", "b:c", "c:")
	if res := w.call("/api/records", "did", gunDID("a"), "resolveDepth", "2"); res.Code != 503 || res.json["records"] != nil {
		t.Errorf("%d %s", res.Code, res.Body)
	}
	if got := pictures(t, w.ok("", "/api/records", "did", gunDID("a"), "resolveDepth", "1")); got != "a(b(#c))" {
		t.Error(got)
	}
}
