package canon_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"oipnode/shared/oip/canon"
)

// members writes an object's members as key=value.
func members(v canon.Value) []string {
	var list []string
	for key, value := range v.Members() {
		list = append(list, key+"="+string(value.Raw()))
	}
	return list
}

func TestMembers(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{`{}`, nil},
		{`{ "a" : 1 , "b" : [ 2, {"x":3} ] }`, []string{"a=1", `b=[ 2, {"x":3} ]`}},
		{`{"b":1,"a":2,"b":3}`, []string{"b=3", "a=2"}},
		{`{"a":1,"\u0061":2}`, []string{"a=2"}},
		{`{"t":1,"10":2,"9":3,"0":4,"00":5,"-1":6,"01":7}`, []string{"0=4", "9=3", "10=2", "t=1", "00=5", "-1=6", "01=7"}},
		{`{"x":1,"4294967295":2,"4294967294":3,"4294967296":4,"10000000000":5}`, []string{"4294967294=3", "x=1", "4294967295=2", "4294967296=4", "10000000000=5"}},
		{`{"b":1,"\u0031":2}`, []string{"1=2", "b=1"}},
		{`{"__proto__":1,"a":2,"__proto__":3}`, []string{"__proto__=3", "a=2"}},
		{`{"":0,"\ud800":1,"":2}`, []string{"=2", "\xed\xa0\x80=1"}},
		{"{\"\xff\":1,\"b\":2,\"\\ufffd\":3}", []string{"\ufffd=3", "b=2"}},
	} {
		if got := members(parse(t, c.text)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.text, got, c.want)
		}
	}
	for range parse(t, `{"a":1,"b":2}`).Members() {
		break // stopping early is allowed
	}
}

func TestGet(t *testing.T) {
	v := parse(t, `{"a":1,"b":{"a":2},"\u0061":3,"\ud800":4,"1":[]}`)
	for key, want := range map[string]string{"a": "3", "b": `{"a":2}`, "\xed\xa0\x80": "4", "1": "[]"} {
		if got, ok := v.Get(key); !ok || string(got.Raw()) != want {
			t.Errorf("Get(%q) = %s, %v, want %s", key, got.Raw(), ok, want)
		}
		if got, at, ok := v.Find(key); !ok || string(v.Raw()[at:at+len(got.Raw())]) != want {
			t.Errorf("Find(%q) = %s at %d, %v, want %s", key, got.Raw(), at, ok, want)
		}
	}
	if _, ok := v.Get("c"); ok {
		t.Error("Get found a key that is not there")
	}
}

// TestMembersAgainstModel compares objects of all sizes, around the one where
// the hash table comes in, with the rule put down plainly.
func TestMembersAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for size := range 200 {
		var text strings.Builder
		var order []string
		values := make(map[string]int)
		text.WriteByte('{')
		for i := range size {
			key := strconv.Itoa(random.IntN(size + 1))
			if random.IntN(2) == 0 {
				key = "k" + key
			}
			if _, known := values[key]; !known {
				order = append(order, key)
			}
			values[key] = i
			if i > 0 {
				text.WriteByte(',')
			}
			fmt.Fprintf(&text, "%q:%d", key, i)
		}
		text.WriteByte('}')
		slices.SortStableFunc(order, func(a, b string) int {
			x, errX := strconv.Atoi(a)
			y, errY := strconv.Atoi(b)
			switch {
			case errX == nil && errY == nil:
				return x - y
			case errX == nil:
				return -1
			case errY == nil:
				return 1
			}
			return 0
		})
		var want []string
		for _, key := range order {
			want = append(want, key+"="+strconv.Itoa(values[key]))
		}
		v := parse(t, text.String())
		if got := members(v); !slices.Equal(got, want) {
			t.Fatalf("%s\n got %q\nwant %q", text.String(), got, want)
		}
		if got := members(parse(t, string(canon.Append(nil, v)))); !slices.Equal(got, want) {
			t.Fatalf("%s written\n got %q\nwant %q", text.String(), got, want)
		}
	}
}
