package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// signs are texts in which a query language, a regular expression, a wildcard or an
// analyzer could see more than their letters.
var signs = []string{
	"a", "A", "aa", "a a", " a", "a*", "*", "?", "a?", "a.b", ".", ".*", "[a]", "[^a]", "{1}", "a{1,2}", "(a)", "a|b", "a\\", "\\a", "\\", "~a", "a~1",
	"#", "@", "a@b", "&", "a&b", "a&&b", "<1-9>", "<a>", "\"", "\"a\"", "'", "/a/", "+a", "-a", "a+", "^a", "a$", "$", "!", "a:b", "%41", "a,b", "_", "a_b",
	"a\u0000b", "\u0001", "a\u0002", "\u0003a", "\u0004", "a\nb", "\t", "\u007f", "\u0085", "\u2028", "\u00a0", "\ufeff", "\uffff", "\U0001f600", "\U0010ffff",
	"é", "e\u0301", "É", "ß", "ẞ", "SS", "ǅ", "İ", "ı", "Σ", "ς", "σ", "Ω", "\u2126", "日本", "ａ", "null", "true", "4",
}

// testLeaves asks for texts, numbers and truth values by their paths.
func testLeaves(t *testing.T, s *subject) {
	p := newPress()
	var docs []*oip.Document
	for _, v := range signs {
		docs = append(docs, p.shaped(map[int]any{shapeText: v, shapeTexts: []string{"all", v}, shapeAny: map[string]any{"deep": []any{map[string]any{"er": v}}}}))
	}
	s.put(docs...)
	for i, v := range signs {
		got := dids(s.page(records.Query{Where: equal("shape.text", v), Limit: 10}))
		if len(got) != 1 || got[0] != docs[i].DID() {
			t.Errorf("%q found %v, want only %s", v, got, docs[i].DID())
		}
		s.check(records.Query{Where: records.All{equal("shape.any.deep.er", v), equalFold("shape.texts", v), equal("shape.texts", "all")}})
		s.check(records.Query{Where: equalFold("shape.text", v, "nothing", strings.ToUpper(v))})
	}
	for _, where := range []records.Cond{
		equal("shape.text", ""), equal("shape.tex", "a"), equal("shape", "a"), equal("text", "a"), equal("data.shape.text", "a"), equal("", "a"),
		equal("shape.any.deep", "a"), equal("shape.any.deep.0.er", "a"), equal("shape.text\x00", "a"), equalFold("Shape.Text", "a"), equal("shape.text", "aaa"),
		equalFold("shape.text", "a", "A", "aa"), records.Not{Cond: equalFold("shape.text", "a")}, equalFold("shape.text"), equal("shape.text", strings.Repeat("a", 5000)),
	} {
		s.check(records.Query{Where: where})
	}
}

// testLeafKinds has the same signs as texts, numbers and truth values.
func testLeafKinds(t *testing.T, s *subject) {
	p := newPress()
	var docs []*oip.Document
	literals := []string{
		`4`, `4.0`, `4e0`, `0.4e1`, `"4"`, `"4.0"`, `0`, `-0`, `0.0`, `-0.0`, `1e-400`, `0.1`, `0.10000000000000001`, `-4`, `1e21`, `1000000000000000000000`,
		`9007199254740992`, `9007199254740993`, `1.7976931348623157e308`, `5e-324`, `true`, `false`, `"true"`, `"false"`, `"True"`, `null`, `"null"`, `""`,
		`[]`, `{}`, `[[4]]`, `[4,"4",true]`, `{"4":4}`, `[null,"",[],{},4]`,
	}
	for i, l := range literals {
		docs = append(docs, p.shaped(map[int]any{shapeAny: json.RawMessage(l), shapeNumber: i}))
	}
	s.put(docs...)
	for _, n := range []float64{4, 0, 0.1, -4, 1e21, 9007199254740992, 1.7976931348623157e308, 5e-324, 0.2, 1, 1e300} {
		s.check(records.Query{Where: equalNumber("shape.any", n)})
	}
	for _, where := range []records.Cond{
		equalBool("shape.any", true), equalBool("shape.any", false), equal("shape.any", "4"), equal("shape.any", "true"), equalFold("shape.any", "TRUE"),
		equal("shape.any", "null"), equalNumber("shape.any.4", 4), equalNumber("shape.number", 7), equalBool("shape.number", true),
		records.Present("shape.any"), records.Not{Cond: records.Present("shape.any")}, records.Present("shape"), records.Present("shape.any.4"),
		records.Present("any"), records.Present("shap"), records.Present("shape."), records.Present(""), records.Present("SHAPE"),
	} {
		s.check(records.Query{Where: where})
	}
	if n := s.page(records.Query{Where: equalNumber("shape.any", 4)}).Total; n < 7 {
		t.Errorf("4 was found %d times", n)
	}
}

// testPaths publishes names that are hard to tell from paths or patterns.
func testPaths(_ *testing.T, s *subject) {
	p := newPress()
	names := []string{"*", "?", "a.b", "a", "b", ".", "..", "", "a b", "a\u0000b", "\u0002", "é", "É", "[a]", "a\\.b", "data", "0", strings.Repeat("n", 200)}
	var docs []*oip.Document
	for i, n := range names {
		docs = append(docs, p.shaped(map[int]any{shapeNumber: i, shapeAny: map[string]any{n: "value", "x" + n: map[string]any{n: "Inner"}}}))
	}
	s.put(docs...)
	for _, n := range names {
		s.check(records.Query{Where: equal("shape.any."+n, "value")})
		s.check(records.Query{Where: records.Any{equalFold("shape.any.x"+n+"."+n, "inner"), records.Present("shape.any." + n)}})
		s.check(records.Query{Where: records.Like{Path: "shape.any." + n, Text: "VAL", Least: records.StartsWith}})
	}
	dots := p.template(".", `{"a":"anything","index_a":0,"..":"anything","index_..":1}`)
	s.put(p.expand(article{}, p.signers[0].RawRecord("post", []byte(`[{"0":{"":{"":"x"},".":"y"},"1":["z"],"t":"`+dots.ID+`"}]`))))
	for _, path := range []string{"", ".", "..", "...", "....", "..a", "..a.", "..a..", "..a...", "a"} {
		s.check(records.Query{Where: records.Any{equal(path, "x"), equal(path, "y"), equal(path, "z")}})
		s.check(records.Query{Where: records.Present(path)})
	}
	s.check(records.Query{RefsOnly: true})
}

// testRefs asks for references, whole and by their beginning.
func testRefs(t *testing.T, s *subject) {
	p := newPress()
	long := "did:gun:" + strings.Repeat("l", 504)
	values := []string{"did:arweave:a", "did:arweave:ab", "did:arweave:A", "did:arweave:b", "did:gun:soul:a", "did:", "did", "DID:arweave:a", " did:arweave:a",
		"did:arweave:*", "did:arweave:?", "did:arweave:a.*", "did:é:ü", "did:\U0010ffff", "did:\U0010ffff\U0010ffff", "did:a\u0000b", long, long + "l", "nothing"}
	var docs []*oip.Document
	for i, v := range values {
		docs = append(docs, p.shaped(map[int]any{shapeRef: v, shapeRefs: []any{v, values[(i+1)%len(values)], v, 7, nil},
			shapeAny: map[string]any{"inner": []any{"x", v}, "number": i}}))
	}
	docs = append(docs, p.shaped(map[int]any{shapeText: "none at all"}))
	s.put(docs...)
	for _, v := range values {
		for _, path := range []string{"shape.ref", "shape.refs", "shape.any.inner", "shape.any", "ref"} {
			s.check(records.Query{Where: records.Refers(path, v)})
		}
	}
	for _, prefix := range []string{"d", "did:", "did:a", "did:arweave:a", "did:arweave:ab", "did:arweave:abc", "did:arweave:*", "did:arweave:?", "did:arweave:a.", "DID",
		"did:é", "did:\U0010ffff", "did:\U0010ffff\U0010ffff", "did:a", "did:a\u0000", "did:a\u0000b", "did:arweave:a\u0000", long, long[:511], " ", "x"} {
		s.check(records.Query{Where: records.Prefix{Field: records.FieldRef, Text: prefix}})
	}
	s.check(records.Query{Where: records.Refers("shape.ref", values...)})
	s.check(records.Query{Where: records.Not{Cond: records.Prefix{Field: records.FieldRef, Text: "did:a"}}})
	s.check(records.Query{RefsOnly: true, Limit: 5})
	s.check(records.Query{Where: records.Refers("shape.refs", "did:arweave:a"), RefsOnly: true, Sort: []records.Sort{{Field: records.FieldDID, Desc: true}}})
	if n := s.page(records.Query{Where: records.Prefix{Field: records.FieldRef, Text: "did:arweave:a"}}).Total; n < 4 {
		t.Errorf("a prefix found %d documents, so the case proves nothing", n)
	}
}

// testCut publishes what is beyond the bounds of what is indexed: it is flagged, what is
// within is found, and the document is whole.
func testCut(t *testing.T, s *subject) {
	p := newPress()
	var many []string
	for i := range records.MaxLeaves + 10 {
		many = append(many, fmt.Sprint("leaf", i))
	}
	nested := func(levels int) any {
		var v any = "bottom"
		for range levels {
			v = map[string]any{"n": v}
		}
		return v
	}
	lines := strings.Repeat("0123456789 abcdefghij ", 800<<10/22)
	words := strings.Repeat("word ", 8190) + "first second third"
	docs := map[string]*oip.Document{
		"many":       p.shaped(map[int]any{shapeTexts: many, shapeAny: "behind"}),
		"as many":    p.shaped(map[int]any{shapeTexts: many[:records.MaxLeaves]}),
		"deep":       p.shaped(map[int]any{shapeAny: nested(records.MaxPathDepth - 1)}),
		"as deep":    p.shaped(map[int]any{shapeAny: nested(records.MaxPathDepth - 2)}),
		"long path":  p.shaped(map[int]any{shapeAny: map[string]any{strings.Repeat("p", records.MaxPath-len("shape.any.")+1): "x"}}),
		"as long":    p.shaped(map[int]any{shapeAny: map[string]any{strings.Repeat("p", records.MaxPath-len("shape.any.")): "x"}}),
		"lines":      p.shaped(map[int]any{shapeText: lines + "the end", shapeTexts: []string{"behind"}}),
		"words":      p.document(article{name: words, note: "beside"}),
		"as words":   p.document(article{name: strings.TrimSuffix(words, " third")}),
		"both":       p.document(article{name: words, note: lines, tags: []string{"behind", "two words"}}),
		"within all": p.document(article{name: "name"}),
	}
	for _, d := range docs {
		s.put(d)
	}
	cut := records.Query{Where: records.Exists{Field: records.FieldCut}, CountBy: records.FieldCut, Sort: []records.Sort{{Field: records.FieldCut}}}
	s.check(cut)
	if n := s.page(cut).Total; n != 6 {
		t.Errorf("%d documents are cut, want 6", n)
	}
	deep := "shape.any" + strings.Repeat(".n", records.MaxPathDepth-2)
	for _, where := range []records.Cond{
		records.Is(records.FieldCut, "leaves"), records.Is(records.FieldCut, "words"), records.Is(records.FieldCut, "leaves", "words"),
		equal("shape.texts", many[0]), equal("shape.texts", many[records.MaxLeaves-1]), equal("shape.texts", many[records.MaxLeaves]),
		equal("shape.any", "behind"), records.Present("shape.any"), equal(deep, "bottom"), equal(deep+".n", "bottom"),
		equal("shape.any."+strings.Repeat("p", records.MaxPath-len("shape.any.")), "x"),
		equal("shape.text", lines+"the end"), equal("shape.texts", "behind"), equal("basic.tagItems", "behind"),
		records.Like{Path: "shape.text", Text: "the end", Least: records.Contains}, records.Like{Path: "shape.text", Text: "0123456789", Least: records.StartsWith},
		records.Like{Path: "shape.text", Text: "abcdefghij 0123456789", Least: records.WholeWord}, records.Like{Path: "shape.texts", Text: "behind", Least: records.Contains},
		records.Like{Path: "shape.texts", Text: many[records.MaxLeaves-1], Least: records.Same}, records.Like{Path: "shape.texts", Text: many[records.MaxLeaves], Least: records.Contains},
		records.Near{Field: records.FieldNameWord, Word: "first"}, records.Near{Field: records.FieldNameWord, Word: "second"},
		records.Near{Field: records.FieldNameWord, Word: "third"}, records.Near{Field: records.FieldTagWord, Word: "behind"},
	} {
		s.check(records.Query{Where: where})
	}
}
