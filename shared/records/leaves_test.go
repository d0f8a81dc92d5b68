package records_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// term is the one value of the Term that a condition is.
func term(t *testing.T, c records.Cond) string {
	t.Helper()
	is, ok := c.(records.Term)
	if !ok || len(is.Values) != 1 {
		t.Fatalf("%+v is no term of one value", c)
	}
	return is.Values[0]
}

// TestLeaves projects one document and asks for what is in it, and for what is not.
func TestLeaves(t *testing.T) {
	data := `{"a":"Text","b":{"c":4.0,"d":[true,"x",{"e":"deep"},["nested"]]},"n":null,"empty":"","no":false,"big":1e999,"":{"":"odd"},"x.y":"dot","did":"did:gun:s"}`
	p := project(t, oip.KindRecord, data, someEnvelope)
	held := p.Text(records.FieldLeaf)
	for _, c := range []struct {
		cond records.Cond
		want bool
	}{
		{records.Equal("a", "Text"), true},
		{records.Equal("a", "text"), false},
		{records.EqualFold("a", "TEXT"), true},
		{records.Equal("b.d", "x"), true},
		{records.Equal("b.d.e", "deep"), true},
		{records.Equal("b.d", "nested"), true},
		{records.Equal("x.y", "dot"), true},
		{records.Equal("", "odd"), true},
		{records.EqualNumber("b.c", 4), true},
		{records.EqualNumber("b.c", 4.5), false},
		{records.Equal("b.c", "4"), false},
		{records.EqualBool("b.d", true), true},
		{records.EqualBool("b.d", false), false},
		{records.Equal("b.d", "true"), false},
		{records.EqualBool("no", false), true},
		{records.Equal("n", "null"), false},
		{records.Equal("empty", ""), false},
		{records.Equal("a.Text", ""), false},
		{records.Equal("data.a", "Text"), false},
	} {
		if got := slices.Contains(held, term(t, c.cond)); got != c.want {
			t.Errorf("%+v is there: %t", c.cond, got)
		}
		if got := records.Holds(c.cond, p); got != c.want {
			t.Errorf("Holds(%+v) = %t", c.cond, got)
		}
	}
	if got, want := p.Text(records.FieldPath), []string{"a", "b", "b.c", "b.d", "no", "big", "x", "x.y", "did"}; !slices.Equal(got, want) {
		t.Errorf("the paths are %q, want %q", got, want)
	}
	if p.Has(records.FieldCut) {
		t.Errorf("something is cut: %q", p.Text(records.FieldCut))
	}
	// What is written into indexes: a change needs a new version of their formats.
	for c, want := range map[string]string{
		term(t, records.Equal("basic.name", "Soup")):                     "5VQeVt9hcMgxSqeA",
		term(t, records.EqualFold("basic.name", "Soup")):                 "LcNVgYUNAwpk0Snp",
		term(t, records.EqualNumber("basic.date", math.Copysign(0, -1))): "IbbowIsMTqwlopUC",
		term(t, records.EqualBool("post.paid", true)):                    "_olGWeugbL7e8NOY",
	} {
		if c != want {
			t.Errorf("a leaf is %q, want %q", c, want)
		}
	}
}

// TestEqualNumber has the ways to write a number.
func TestEqualNumber(t *testing.T) {
	for _, c := range []struct {
		raw  string
		n    float64
		want bool
	}{
		{"4", 4, true}, {"4.0", 4, true}, {"4e0", 4, true}, {"0.4E+1", 4, true}, {"-0", 0, true}, {"-0.0", 0, true}, {"1e-400", 0, true},
		{"9007199254740993", 9007199254740992, true}, {"0.1", 0.1, true}, {"0.10000000000000001", 0.1, true}, {"1e21", 1e21, true},
		{"4", 5, false}, {"-4", 4, false}, {`"4"`, 4, false}, {"true", 1, false}, {"null", 0, false}, {"1e999", 1e308, false},
	} {
		p := project(t, oip.KindRecord, `{"a":[`+c.raw+`]}`, someEnvelope)
		if got := records.Holds(records.EqualNumber("a", c.n), p); got != c.want {
			t.Errorf("%s is %v: %t", c.raw, c.n, got)
		}
	}
}

func TestRefs(t *testing.T) {
	long := "did:" + strings.Repeat("x", 509)
	data := `{"b":{"r":["did:arweave:2","did:arweave:1","did:arweave:2",7,"DID:arweave:3"," did:arweave:3","` + long + `","` + long[:512] + `"]},"a":{"r":"did:arweave:2","t":{"x":"did:"}}}`
	want := []string{"did:arweave:2\x00b.r", "did:arweave:1\x00b.r", long[:512] + "\x00b.r", "did:arweave:2\x00a.r", "did:\x00a.t.x"}
	p := project(t, oip.KindRecord, data, someEnvelope)
	if got := p.Text(records.FieldRef); !slices.Equal(got, want) {
		t.Errorf("the references are %q, want %q", got, want)
	}
	if got := records.Refs([]byte(data)); !slices.Equal(got, want) {
		t.Errorf("Refs = %q, want %q", got, want)
	}
	for _, c := range []struct {
		cond records.Cond
		want bool
	}{
		{records.Refers("a.r", "did:arweave:1"), false},
		{records.Refers("a.r", "did:arweave:1", "did:arweave:2"), true},
		{records.Refers("a", "did:arweave:2"), false},
		{records.Refers("b.r", long), false},
		{records.Prefix{Field: records.FieldRef, Text: "did:arweave:"}, true},
		{records.Prefix{Field: records.FieldRef, Text: "did:arweave:1\x00b"}, true},
		{records.Prefix{Field: records.FieldRef, Text: "did:arweave:3"}, false},
		{records.Present("b.r"), true},
		{records.Present("a.t.x"), false}, // of two names at most
	} {
		if got := records.Holds(c.cond, p); got != c.want {
			t.Errorf("Holds(%+v) = %t", c.cond, got)
		}
	}
}

// TestLeafBounds is at each bound and one beyond it.
func TestLeafBounds(t *testing.T) {
	list := func(n int) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf("%q", fmt.Sprint("v", i)))
		}
		return `{"l":[` + strings.Join(parts, ",") + `],"last":[]}`
	}
	nested := func(names int) string { return strings.Repeat(`{"n":`, names) + `"v"` + strings.Repeat("}", names) }
	long := func(n int) string { return `{"` + strings.Repeat("p", n) + `":"v"}` }
	lines := func(n int) string { return `{"t":"` + strings.Repeat("y", 1022+(n-1)*760) + `"}` }
	for _, c := range []struct {
		name, data string
		leaves     int
		lines      int
		cut        bool
	}{
		{"as many leaves", list(records.MaxLeaves), 2 * records.MaxLeaves, records.MaxLeaves, false},
		{"too many leaves", list(records.MaxLeaves + 1), 2 * records.MaxLeaves, records.MaxLeaves, true},
		{"as deep", nested(records.MaxPathDepth), 2, 1, false},
		{"too deep", nested(records.MaxPathDepth + 1), 0, 0, true},
		{"as long a path", long(records.MaxPath), 2, 1, false},
		{"too long a path", long(records.MaxPath + 1), 0, 0, true},
		{"as many lines", lines(records.MaxLines), 2, records.MaxLines, false},
		{"too many lines", lines(records.MaxLines + 1), 2, records.MaxLines, true},
	} {
		p := project(t, oip.KindRecord, c.data, someEnvelope)
		if got := len(p.Text(records.FieldLeaf)); got != c.leaves && c.leaves != 2 || c.leaves == 2 && got == 0 {
			t.Errorf("%s: %d leaves, want %d", c.name, got, c.leaves)
		}
		if len(p.Lines) != c.lines {
			t.Errorf("%s: %d lines, want %d", c.name, len(p.Lines), c.lines)
		}
		if got := slices.Equal(p.Text(records.FieldCut), []string{"leaves"}); got != c.cut {
			t.Errorf("%s: cut is %q", c.name, p.Text(records.FieldCut))
		}
		if got := records.Lines([]byte(c.data)); !slices.Equal(got, p.Lines) {
			t.Errorf("%s: Lines and the projection differ", c.name)
		}
	}
}

func TestFold(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "ABC": "abc", "Straße ÄÖ": "straße äö", "\x00A\x01b\x02c\x03d\x04": " a b c d\x04", "\u212a": "k", "日本": "日本", "a\nb\tc": "a\nb\tc",
	} {
		if got := records.Fold(text); got != want {
			t.Errorf("Fold(%q) = %q, want %q", text, got, want)
		}
	}
}

// walked is a leaf of a document as encoding/json reads it, with its path.
type walked struct {
	path  string
	value any
}

// walk reads the leaves of data, in order; ok is false when something is beyond a bound.
func walk(data []byte) (all []walked, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	ok = true
	var value func(path string, names int)
	value = func(path string, names int) {
		ok = ok && names <= records.MaxPathDepth && len(path) <= records.MaxPath
		tok, err := dec.Token()
		if err != nil {
			ok = false
			return
		}
		switch v := tok.(type) {
		case json.Delim:
			for dec.More() && ok {
				sub := path
				if v == '{' {
					name, err := dec.Token()
					if err != nil {
						ok = false
						return
					}
					if sub = name.(string); path != "" {
						sub = path + "." + sub
					}
					value(sub, names+1)
				} else {
					value(sub, names)
				}
			}
			if _, err := dec.Token(); err != nil {
				ok = false
			}
		case nil:
		case string:
			if v != "" {
				all = append(all, walked{path, v})
			}
		default:
			all = append(all, walked{path, v})
		}
	}
	value("", 0)
	return all, ok && len(all) <= records.MaxLeaves
}

// FuzzLeaves compares leaves, references, paths and lines of any data with what
// encoding/json reads.
func FuzzLeaves(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"b":["x",1,true,null,"",{"c":"did:x"}]}}`, `{"":{"":"x"}}`, `{"a.b":{"c":1e5},"a":{"b.c":-0}}`, `"did:arweave:x"`, `[[[["x"]]]]`, `{"a":"\u0002\u0000\ud800"}`,
		`{"a":"` + strings.Repeat("é", 900) + `"}`, `{"a":1,"a":2}`, `{ "a" : [ ] , "b" : { } }`, `7`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) || len(data) > 1<<16 {
			return
		}
		data = bytes.TrimSpace(data)
		p, err := records.Project(oip.KindRecord, document(string(data), someEnvelope))
		if err != nil {
			t.Fatal(err)
		}
		checkProjection(t, p)
		if lines := records.Lines(data); !slices.Equal(lines, p.Lines) {
			t.Fatalf("%s: Lines and the projection differ", data)
		}
		if refs := records.Refs(data); !slices.Equal(refs, p.Text(records.FieldRef)) {
			t.Fatalf("%s: Refs and the projection differ", data)
		}
		all, ok := walk(data)
		if !ok {
			return
		}
		if slices.Contains(p.Text(records.FieldCut), "leaves") {
			t.Fatalf("%s: cut without a reason", data)
		}
		held := make(map[string]bool)
		for _, v := range p.Text(records.FieldLeaf) {
			held[v] = true
		}
		known := make(map[string]bool)
		for _, l := range all {
			var conds []records.Cond
			switch v := l.value.(type) {
			case string:
				conds = append(conds, records.Equal(l.path, v), records.EqualFold(l.path, v))
				if strings.HasPrefix(v, "did:") && len(v) <= 512 && !slices.Contains(p.Text(records.FieldRef), v+"\x00"+l.path) {
					t.Fatalf("%s: no reference %q", data, v)
				}
				if n := len(records.Fold(v)); n <= records.MaxLike {
					if like := (records.Like{Path: l.path, Text: v, Least: records.Same}); !records.Holds(like, p) {
						t.Fatalf("%s: not %+v", data, like)
					}
				}
			case bool:
				conds = append(conds, records.EqualBool(l.path, v))
			case json.Number:
				if n, err := strconv.ParseFloat(v.String(), 64); err == nil {
					conds = append(conds, records.EqualNumber(l.path, n))
				}
			}
			for _, c := range conds {
				if key := term(t, c); !held[key] {
					t.Fatalf("%s: no leaf %+v", data, l)
				} else {
					known[key] = true
				}
			}
			names := strings.SplitN(l.path, ".", 3)
			if head := strings.Join(names[:min(2, len(names))], "."); head != "" && !records.Holds(records.Present(head), p) {
				t.Fatalf("%s: nothing at %q", data, head)
			}
		}
		if len(known) != len(held) {
			t.Fatalf("%s: %d leaves, want %d", data, len(held), len(known))
		}
	})
}
