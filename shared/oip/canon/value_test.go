package canon_test

import (
	"slices"
	"testing"

	"oipnode/shared/oip/canon"
)

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		text string
		kind canon.Kind
		name string
	}{
		{"null", canon.Null, "null"},
		{"true", canon.Bool, "boolean"},
		{"false", canon.Bool, "boolean"},
		{"-1.5", canon.Number, "number"},
		{`"null"`, canon.String, "string"},
		{"[]", canon.Array, "array"},
		{"{}", canon.Object, "object"},
	} {
		v := parse(t, "\r\n\t "+c.text+" ")
		if v.Kind() != c.kind || v.Kind().String() != c.name {
			t.Errorf("%s is a %v, want %v", c.text, v.Kind(), c.kind)
		}
		if string(v.Raw()) != c.text {
			t.Errorf("Raw() = %q, want %q", v.Raw(), c.text)
		}
		if b, ok := v.Bool(); ok != (c.kind == canon.Bool) || b != (c.text == "true") {
			t.Errorf("%s: Bool() = %v, %v", c.text, b, ok)
		}
	}
	if got := canon.Kind(99).String(); got != "invalid" {
		t.Errorf("an unknown kind is called %q", got)
	}
}

// Each method answers for the wrong kind of value instead of failing.
func TestOtherKinds(t *testing.T) {
	values := []canon.Value{{}}
	for _, text := range []string{"null", "true", "1", `"a"`, "[1]", `{"a":1}`} {
		values = append(values, parse(t, text))
	}
	for _, v := range values {
		kind := v.Kind()
		if _, ok := v.Bool(); ok != (kind == canon.Bool) {
			t.Errorf("Bool of %v: ok = %v", kind, ok)
		}
		if _, ok := v.Float(); ok != (kind == canon.Number) {
			t.Errorf("Float of %v: ok = %v", kind, ok)
		}
		if _, ok := v.Integer(); ok != (kind == canon.Number) {
			t.Errorf("Integer of %v: ok = %v", kind, ok)
		}
		if text := v.Text(); (text != "") != (kind == canon.String) {
			t.Errorf("Text of %v = %q", kind, text)
		}
		if n := len(slices.Collect(v.Elements())); (n > 0) != (kind == canon.Array) {
			t.Errorf("%v has %d elements", kind, n)
		}
		if _, ok := v.Get("a"); ok != (kind == canon.Object) {
			t.Errorf("Get of %v: ok = %v", kind, ok)
		}
		for range v.Members() {
			if kind != canon.Object {
				t.Errorf("%v has members", kind)
			}
		}
	}
	if got := string(canon.Append(nil, canon.Value{})); got != "null" {
		t.Errorf("the zero Value is written as %s", got)
	}
}

func TestElements(t *testing.T) {
	v := parse(t, " [ 1 ,\"],[\\\"\" ,\t[ [ ] , \"}\" ],{\"]\":[1,2]},null\r\n,-1e3,\"\\\\\"] ")
	var got []string
	for e := range v.Elements() {
		got = append(got, string(e.Raw()))
	}
	want := []string{"1", `"],[\""`, `[ [ ] , "}" ]`, `{"]":[1,2]}`, "null", "-1e3", `"\\"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	for range v.Elements() {
		break // stopping early is allowed
	}
}
