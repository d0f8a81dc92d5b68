package canon_test

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip/canon"
)

// parse is Parse for texts that are valid.
func parse(t testing.TB, text string) canon.Value {
	t.Helper()
	v, err := canon.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%.80q): %v", text, err)
	}
	return v
}

func TestValidNamesTheOffset(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "canon: not JSON: unexpected end at byte 0"},
		{" \t", "canon: not JSON: unexpected end at byte 2"},
		{`{"a":1,}`, "canon: not JSON: no key at byte 7"},
		{`{"a" 1}`, "canon: not JSON: no colon after a key at byte 5"},
		{`[1 2]`, "canon: not JSON: no comma or end of array or object at byte 3"},
		{`[1,]`, "canon: not JSON: no value at byte 3"},
		{`[1}`, "canon: not JSON: no comma or end of array or object at byte 2"},
		{`trux`, "canon: not JSON: no value at byte 3"},
		{"\"a\nb\"", "canon: not JSON: control character in a string at byte 2"},
		{`"\x"`, "canon: not JSON: unknown escape at byte 2"},
		{`"\u12`, "canon: not JSON: unexpected end at byte 5"},
		{`"\u12g4"`, "canon: not JSON: no hexadecimal digit in an escape at byte 5"},
		{`01`, "canon: not JSON: digit after a leading zero at byte 1"},
		{`-x`, "canon: not JSON: no digit in a number at byte 1"},
		{`1e`, "canon: not JSON: unexpected end at byte 2"},
		{`1 2`, "canon: not JSON: data after the value at byte 2"},
		{"\ufeff1", "canon: not JSON: no value at byte 0"},
	} {
		err := canon.Valid([]byte(c.text))
		if !errors.Is(err, canon.ErrSyntax) || err.Error() != c.want {
			t.Errorf("Valid(%q) = %v, want %s", c.text, err, c.want)
		}
		if _, err := canon.Parse([]byte(c.text)); !errors.Is(err, canon.ErrSyntax) {
			t.Errorf("Parse(%q): error %v, want ErrSyntax", c.text, err)
		}
	}
}

func TestMaxDepth(t *testing.T) {
	nest := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	for _, c := range []struct {
		open, end string
		levels    int
	}{{"[", "]", 1}, {`{"a":`, "}", 1}, {`[{"b":0,"a":`, "}]", 2}} {
		n := canon.MaxDepth / c.levels
		text := nest(c.open, "1", c.end, n)
		if got := string(canon.Append(nil, parse(t, text))); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
		if err := canon.Valid([]byte(nest(c.open, "[]", c.end, n))); !errors.Is(err, canon.ErrTooDeep) {
			t.Errorf("one level more than %d of %s: error %v, want ErrTooDeep", n, c.open, err)
		}
	}
	// Depth is what is open, not what was opened.
	flat := "[" + strings.Repeat("[],{},", 1000) + "0]"
	if got := string(canon.Append(nil, parse(t, flat))); got != flat {
		t.Error("a flat text came back different")
	}
}

func TestAppendTags(t *testing.T) {
	list := func(pairs ...string) iter.Seq2[string, string] {
		return func(yield func(string, string) bool) {
			for pair := range slices.Chunk(pairs, 2) {
				if !yield(pair[0], pair[1]) {
					return
				}
			}
		}
	}
	for _, c := range []struct {
		tags iter.Seq2[string, string]
		want string
	}{
		{list(), `[]`},
		{maps.All(map[string]string{"": ""}), `[{"name":"","value":""}]`},
		{list("Index-Method", "OIP", "Ver", "0.8.0"), `[{"name":"Index-Method","value":"OIP"},{"name":"Ver","value":"0.8.0"}]`},
		{list("a", "1", "a", "1"), `[{"name":"a","value":"1"},{"name":"a","value":"1"}]`},
		{list("<\u2028&", "\"\\\x01\xff\xed\xa0\x80"), "[{\"name\":\"<\u2028&\",\"value\":\"\\\"\\\\\\u0001\ufffd\\ud800\"}]"},
	} {
		if got := string(canon.AppendTags([]byte("x"), c.tags)); got != "x"+c.want {
			t.Errorf("got %s, want x%s", got, c.want)
		}
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	// Offsets of members are relative to what is appended, and the buffers that
	// one object leaves behind must not show in the next.
	got := []byte("{prefix")
	for range 3 {
		got = canon.Append(got, parse(t, `[{"b":"é\u00e9","1":{"z":1,"0":2,"z":3},"b":[]},{"a":1,"a":2}]`))
	}
	const one = `[{"1":{"0":2,"z":3},"b":[]},{"a":2}]`
	if want := "{prefix" + one + one + one; string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
