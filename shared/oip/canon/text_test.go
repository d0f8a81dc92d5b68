package canon_test

import (
	"strings"
	"testing"

	"oipnode/shared/oip/canon"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ literal, want string }{
		{`""`, ""},
		{`"plain <>& text"`, "plain <>& text"},
		{`"é漢😀` + "\u2028\x7f" + `"`, "é漢😀\u2028\x7f"},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{`"\u0041\u00e9\u6F22\u0000"`, "Aé漢\x00"},
		{`"\ud83d\ude00"`, "😀"},
		{`"\udbff\udfff\ud800\udc00"`, "\U0010ffff\U00010000"},
		{`"\ud83d"`, "\xed\xa0\xbd"},
		{`"\ude00"`, "\xed\xb8\x80"},
		{`"\ude00\ud83d"`, "\xed\xb8\x80\xed\xa0\xbd"},
		{`"\ud83d\ud83d\ude00"`, "\xed\xa0\xbd😀"},
		{`"\ud83d \ude00"`, "\xed\xa0\xbd \xed\xb8\x80"},
		{`"\ud83d\n"`, "\xed\xa0\xbd\n"},
		{`"\ud83d\u0041"`, "\xed\xa0\xbdA"},
		{`"\ud83d\\ude00"`, "\xed\xa0\xbd\\ude00"},
		{`"\ud7ff\ue000\ufffd"`, "\ud7ff\ue000\ufffd"},
		{"\"\xff\"", "\ufffd"},
		{"\"\xed\xa0\xbd\xed\xb8\x80\"", "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"},
		{"\"\xe2\x82\"", "\ufffd"},
		{"\"\xf0\x9f\x98\xe2\x82\xac\"", "\ufffd€"},
		{"\"\xf0\x80\x80\"", "\ufffd\ufffd\ufffd"},
		{"\"\xc3\\n\xa9\"", "\ufffd\n\ufffd"},
	} {
		if got := parse(t, c.literal).Text(); got != c.want {
			t.Errorf("Text of %q = %q, want %q", c.literal, got, c.want)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, c := range []struct{ s, want string }{
		{"", `""`},
		{"plain </script> & 'text'", `"plain </script> & 'text'"`},
		{"\"\\/\b\f\n\r\t", `"\"\\/\b\f\n\r\t"`},
		{"\x00\x01\x0b\x1f\x20\x7f", "\"\\u0000\\u0001\\u000b\\u001f \x7f\""},
		{"\u2028\u2029\u0080\ufeff\uffff", "\"\u2028\u2029\u0080\ufeff\uffff\""},
		{"é漢😀\U0010ffff", `"é漢😀` + "\U0010ffff" + `"`},
		// Surrogates in WTF-8.
		{"\xed\xa0\x80", `"\ud800"`},
		{"\xed\xaf\xbf\xed\xa0\x80", `"\udbff\ud800"`},
		{"\xed\xb0\x80\xed\xa0\x80", `"\udc00\ud800"`},
		{"a\xed\xbf\xbfb", `"a\udfffb"`},
		{"\xed\xa0\xbd\xed\xb8\x80", `"😀"`},
		{"\xed\xa0\xbd\xed\xa0\xbd\xed\xb8\x80\xed\xb8\x80", `"\ud83d😀\ude00"`},
		{"\xed\xa0\xbdé", `"\ud83dé"`},
		// Invalid sequences, one U+FFFD for each maximal subpart.
		{"\xff\xfe", "\"\ufffd\ufffd\""},
		{"\xed\xa0", "\"\ufffd\ufffd\""},
		{"\xed\xa0\x80\xed\xb0", "\"\\ud800\ufffd\ufffd\""},
		{"\xed\x9f", "\"\ufffd\""},
		{"a\xe2\x82b", "\"a\ufffdb\""},
		{"\xf4\x90\x80\x80", "\"\ufffd\ufffd\ufffd\ufffd\""},
		{"\xc0\xaf\xe0\x80\xaf", "\"\ufffd\ufffd\ufffd\ufffd\ufffd\""},
	} {
		if got := string(canon.AppendString([]byte("x"), c.s)); got != "x"+c.want {
			t.Errorf("AppendString(%q) = %q, want %q", c.s, got, "x"+c.want)
		}
	}
}

// Every code unit survives the way there and back, alone and in an escape.
func TestEveryCodeUnit(t *testing.T) {
	const digits = "0123456789abcdef"
	for unit := range 0x10000 {
		hex := string([]byte{digits[unit>>12], digits[unit>>8&15], digits[unit>>4&15], digits[unit&15]})
		text := parse(t, `"\u`+hex+`"`).Text()
		written := string(canon.AppendString(nil, text))
		if again := parse(t, written).Text(); again != text {
			t.Fatalf(`\u%s: written as %q, read as %q instead of %q`, hex, written, again, text)
		}
		if unit>>11 == 0x1b && written != `"\u`+hex+`"` {
			t.Fatalf(`lone surrogate \u%s is written as %s`, hex, written)
		}
		if upper := parse(t, `"\u`+strings.ToUpper(hex)+`"`).Text(); upper != text {
			t.Fatalf(`\u%s in upper case is %q instead of %q`, hex, upper, text)
		}
	}
}
