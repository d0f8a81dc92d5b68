package canon_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"
	"unicode/utf8"

	"oipnode/shared/oip/canon"
)

// addSeeds seeds a fuzz target with some of the vectors of each sort.
func addSeeds(f *testing.F) {
	taken := make(map[string]int)
	for _, v := range loadVectors(f) {
		if taken[v.What]++; taken[v.What] <= 12 {
			f.Add(v.input())
		}
	}
	f.Add(bytes.Repeat([]byte("["), canon.MaxDepth+1))
	f.Add([]byte(`{"9":1,"8":2,"k":3,"7":4,"6":5,"j":6,"5":7,"k":8,"4":9,"9":10,"3":11}`))
}

// depth is how many arrays and objects a valid text has open at most.
func depth(text []byte) int {
	deepest, open, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			open++
			deepest = max(deepest, open)
		case c == ']' || c == '}':
			open--
		}
	}
	return deepest
}

// FuzzValid compares with encoding/json, whose Valid asks the same of a text
// (it does not look into strings either), but for the depth.
func FuzzValid(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		err := canon.Valid(text)
		tooDeep := errors.Is(err, canon.ErrTooDeep)
		if err != nil && !tooDeep && !errors.Is(err, canon.ErrSyntax) {
			t.Fatalf("an error without a sentinel: %v", err)
		}
		if !json.Valid(text) {
			if err == nil {
				t.Fatal("accepted a text that is not JSON")
			}
			return
		}
		if tooDeep != (depth(text) > canon.MaxDepth) || !tooDeep && err != nil {
			t.Fatalf("depth %d: %v", depth(text), err)
		}
	})
}

// FuzzAppend checks that canonical text is a fixed point that means the same.
func FuzzAppend(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := canon.Parse(text)
		if err != nil {
			return
		}
		out := canon.Append(nil, v)
		if len(out) > 6*len(text) {
			t.Fatalf("%d bytes became %d", len(text), len(out))
		}
		if !utf8.Valid(out) {
			t.Fatalf("%q is not UTF-8", out)
		}
		again, err := canon.Parse(out)
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if twice := canon.Append(nil, again); !bytes.Equal(twice, out) {
			t.Fatalf("written again, %q became %q", out, twice)
		}
		if walked := appendByWalking(nil, v); !bytes.Equal(walked, out) {
			t.Fatalf("walking gives %q, Append %q", walked, out)
		}
		compareWithEncodingJSON(t, text, out)
	})
}

// compareWithEncodingJSON compares what the two texts mean to encoding/json, as
// far as it can tell: it knows neither lone surrogates nor JavaScript's way with
// invalid UTF-8, refuses numbers that are too large, and misreads long ones.
func compareWithEncodingJSON(t *testing.T, text, canonical []byte) {
	if len(text) > 800 || !utf8.Valid(text) || bytes.Contains(canonical, []byte(`\ud`)) {
		return
	}
	var want, got any
	if err := json.Unmarshal(text, &want); err != nil {
		return
	}
	if err := json.Unmarshal(canonical, &got); err != nil {
		t.Fatalf("%q: %v", canonical, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q means %v, and written as %q %v", text, want, canonical, got)
	}
}

// FuzzText checks strings from both sides: any bytes as a string to write, and
// any bytes as the body of a literal to read.
func FuzzText(f *testing.F) {
	addSeeds(f)
	for _, s := range []string{"\xed\xa0\xbd\xed\xb8\x80", "\xed\xa0\xbd", "\xf4\x8f\xbf", `\ud83d\ude00`, "\u2028<>&\x7f\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		written := canon.AppendString(nil, string(data))
		if !utf8.Valid(written) || len(written) > 6*len(data)+2 {
			t.Fatalf("%q is written as %q", data, written)
		}
		read := checkLiteral(t, written)
		if utf8.Valid(data) {
			var want string
			if err := json.Unmarshal(written, &want); err != nil || want != string(data) || read != want {
				t.Fatalf("%q is written as %q and read as %q, by encoding/json as %q, %v", data, written, read, want, err)
			}
		}
		if literal := append(append([]byte{'"'}, data...), '"'); canon.Valid(literal) == nil {
			checkLiteral(t, literal)
		}
	})
}

// checkLiteral returns the text of a valid literal, and checks that writing it
// and reading it again does not change it.
func checkLiteral(t *testing.T, literal []byte) string {
	v, err := canon.Parse(literal)
	if err != nil {
		t.Fatalf("%q: %v", literal, err)
	}
	text := v.Text()
	again, err := canon.Parse(canon.AppendString(nil, text))
	if err != nil || again.Text() != text {
		t.Fatalf("%q is %q, and written and read %q, %v", literal, text, again.Text(), err)
	}
	return text
}

// FuzzNumber checks that a double survives being written, and the shape of it.
func FuzzNumber(f *testing.F) {
	for _, n := range []float64{0, 1, 1e21, 1e-7, 0.1, math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53} {
		f.Add(math.Float64bits(n))
	}
	f.Fuzz(func(t *testing.T, bits uint64) {
		want := math.Float64frombits(bits)
		if math.IsNaN(want) || math.IsInf(want, 0) {
			return
		}
		text := canon.AppendNumber(nil, want)
		v, err := canon.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := v.Float(); !ok || got != want {
			t.Fatalf("%v is written as %s and read as %v", want, text, got)
		}
		encoded, err := json.Marshal(want)
		if err != nil || want != 0 && !bytes.Equal(encoded, text) {
			t.Fatalf("%v is written as %s, by encoding/json as %s, %v", want, text, encoded, err)
		}
	})
}
