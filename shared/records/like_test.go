package records_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// closest is how close the lines of a text at a path come to another text.
func closest(t *testing.T, value, text string) records.Closeness {
	t.Helper()
	p := project(t, oip.KindRecord, `{"p":`+quoted(value)+`}`, someEnvelope)
	best := records.Unlike
	for _, line := range p.Lines {
		best = max(best, records.Like{Path: "p", Text: text}.Compare(line))
	}
	return best
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		value, text string
		want        records.Closeness
	}{
		{"Chicken Soup", "chicken soup", records.Same},
		{"Chicken Soup", "CHICKEN", records.StartsWith},
		{"Chicken Soup", "oup", records.EndsWith},
		{"a Chicken Soup", "chicken", records.WholeWord},
		{"a Chicken Soup today", "chicken soup", records.WholeWord},
		{"a Chicken Soup", "hicken", records.Contains},
		{"a Chicken Soup", "beef", records.Unlike},
		{"a chickens chicken b", "chicken", records.WholeWord}, // the second one
		{"a chicken_b", "chicken", records.Contains},
		{"a chicken1", "chicken", records.Contains},
		{"a (chicken) b", "chicken", records.WholeWord},
		{"a üchicken b", "chicken", records.Contains},
		{"a ü chicken ü", "chicken", records.WholeWord},
		{"aaa", "aa", records.StartsWith},
		{"baaab", "aa", records.Contains},
		{"soup soup", "soup", records.StartsWith},
		{"x\x00y", "x y", records.Same},
		{"\x02x", "x", records.EndsWith},
		{"a\x03", "a", records.StartsWith},
		{"b a\x03 c", "a", records.WholeWord},
		{"x", "x\x03", records.Unlike},
		{"x", "\x02x", records.Unlike},
		{"ab", "abc", records.Unlike},
		{strings.Repeat("y", 1021), strings.Repeat("y", 256), records.StartsWith},
		{strings.Repeat("y", 5000) + "end", "yend", records.EndsWith},
		{strings.Repeat("y ", 2000) + "end", "y y", records.StartsWith},
		{"x" + strings.Repeat(" y", 2000), "y y", records.EndsWith},
	} {
		if got := closest(t, c.value, c.text); got != c.want {
			t.Errorf("%.40q is to %.40q as close as %d, want %d", c.value, c.text, got, c.want)
		}
	}
	for _, line := range []string{"", "p", "p\x00", "px\x00\x02x\x03", "q\x00\x02x\x03", "\x00\x02x\x03"} {
		if got := (records.Like{Path: "p", Text: "x"}).Compare(line); got != records.Unlike {
			t.Errorf("the line %q is as close as %d", line, got)
		}
	}
}

// naiveCloseness looks at every place of the whole text.
func naiveCloseness(value, text string) records.Closeness {
	value, text = records.Fold(value), records.Fold(text)
	edge := func(b byte) bool {
		return b < 0x80 && !strings.ContainsRune("_0123456789abcdefghijklmnopqrstuvwxyz", rune(b))
	}
	best := records.Unlike
	for at := range value {
		rest, ok := strings.CutPrefix(value[at:], text)
		kind := records.Unlike
		switch {
		case !ok:
		case at == 0 && rest == "":
			kind = records.Same
		case at == 0:
			kind = records.StartsWith
		case rest == "":
			kind = records.EndsWith
		case edge(value[at-1]) && edge(rest[0]):
			kind = records.WholeWord
		default:
			kind = records.Contains
		}
		best = max(best, kind)
	}
	return best
}

// FuzzCompare asks for a piece of a text, or for another text: the lines say what the
// whole text says, wherever they were cut.
func FuzzCompare(f *testing.F) {
	f.Add("a Chicken Soup", "chicken", uint16(1), uint16(0), uint16(0))
	f.Add("é日\U0001f600 x", "x é", uint16(200), uint16(1000), uint16(90))
	f.Add("ab ", "b a", uint16(500), uint16(1023), uint16(2))
	f.Add("\x00\x01\x02\x03", "\x02", uint16(300), uint16(760), uint16(256))
	f.Fuzz(func(t *testing.T, value, other string, times, from, length uint16) {
		if len(value) > 100 || !utf8.ValidString(value) || !utf8.ValidString(other) {
			return
		}
		value = strings.Repeat(value, int(times%600)) + "end"
		piece := other
		if length > 0 {
			at := int(from) % len(value)
			piece = value[at:min(len(value), at+int(length))]
		}
		if !utf8.ValidString(piece) || records.CheckCond(records.Like{Path: "p", Text: piece}) != nil {
			return
		}
		if got, want := closest(t, value, piece), naiveCloseness(value, piece); got != want {
			t.Fatalf("%q is to %q as close as %d, want %d", value, piece, got, want)
		}
	})
}
