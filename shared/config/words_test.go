package config

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// What is allowed is told to operators in words that are made from the bounds, so
// the words are tested once for each kind.
func TestAllowedWords(t *testing.T) {
	var (
		n    int64
		i    int
		d    time.Duration
		b    bool
		s    string
		list []string
		key  Secret
		lv   slog.Level
		mode IndexMode
	)
	for _, c := range []struct {
		kind kind
		want string
	}{
		{whole(&i, 1, 100), "a whole number from 1 to 100"},
		{mebibytes(&n, 64, 128), "a whole number from 64 to 128, in MiB"},
		{units(&d, time.Second, "seconds", 0, 60), "whole seconds from 0 to 60"},
		{duration(&d, 100*time.Millisecond, 90*time.Minute, false), "a duration such as 90s, 5m or 1h30m, from 100ms to 1h30m"},
		{duration(&d, 10*time.Minute, 10*time.Hour, true), "a duration such as 90s, 5m or 1h30m, from 10m to 10h, or 0 for off"},
		{size(&n, 1000, 3<<20, false), "bytes, or a whole number of KiB, MiB or GiB, from 1000 to 3 MiB"},
		{size(&n, 1<<10, 1<<40, true), "bytes, or a whole number of KiB, MiB or GiB, from 1 KiB to 1024 GiB, or 0 for off"},
		{boolean(&b, false), "true or false"},
		{choice(&mode, IndexAll, IndexWhitelist, IndexBlacklist), "all, whitelist or blacklist"},
		{level(&lv), "debug, info, warn or error"},
		{pattern(&s, "a name", "_-", 1, 9), "a name of 1 to 9 letters, digits or _ -"},
		{pattern(&s, "an id", "_", 43, 43), "an id of 43 letters, digits or _"},
		{secretKind(&key), "a key of 16 to 64 bytes"},
		{listOf(&list, 0), "up to 9 entries separated by commas, each a name of 1 to 9 letters, digits or _"},
		{listOf(&list, 2), "2 to 9 entries separated by commas, each a name of 1 to 9 letters, digits or _"},
		{orWord("none", "for nothing", &b, boolean(&b, false)), "true or false; or the single word none for nothing"},
	} {
		if c.kind.allowed != c.want {
			t.Errorf("allowed: %q, want %q", c.kind.allowed, c.want)
		}
	}
}

func secretKind(dst *Secret) kind { return secret(dst, 16, 64) }

func listOf(dst *[]string, low int) kind {
	var entry string
	return list(dst, low, 9, &entry, pattern(&entry, "a name", "_", 1, 9))
}

// What is refused must not change the setting: the default stays beside the fault.
func TestRefusedValueChangesNothing(t *testing.T) {
	n, d, s, entries := int64(7), time.Hour, "kept", []string{"kept"}
	for name, rejected := range map[string]string{
		"whole":    whole(&n, 1, 9).set("10"),
		"size":     size(&n, 1, 9, false).set("1KiB"),
		"duration": duration(&d, time.Hour, time.Hour, false).set("1s"),
		"pattern":  pattern(&s, "a name", "", 1, 9).set("a b"),
		"link":     link(&s, "http", "https").set("ftp://a.example"),
		"address":  address(&s).set("nowhere"),
		"port":     portOnly(&s).set("http"),
		"list":     listOf(&entries, 0).set("good,b!d"),
	} {
		if rejected == "" {
			t.Errorf("%s accepted what it must refuse", name)
		}
	}
	if n != 7 || d != time.Hour || s != "kept" || entries[0] != "kept" {
		t.Errorf("values %d, %v, %q, %q; want them unchanged", n, d, s, entries)
	}
}

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		"ftp://a.example/path":     "ftp://a.example/path",
		"a.example":                "a.example",
		"https://u:p@a.example":    "https://[redacted]@a.example",
		"u:p@a.example":            "[redacted]@a.example",
		"u:p@q://a.example":        "[redacted]@q://a.example",
		"https://u@v@a.example":    "https://[redacted]@a.example",
		"https://a.example/?t=1":   "https://a.example/?[redacted]",
		"https://a.example/#t":     "https://a.example/#[redacted]",
		"https://a.example/?x=u@b": "https://[redacted]@b",
		"https://user:part":        "https://[redacted]",
		"":                         "",
	} {
		if got := scrub(text); got != want {
			t.Errorf("scrub(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"LISTEN", "LISTEN", 0}, {"LISTEN", "LISTENS", 1}, {"LISTEN", "ISTEN", 1},
		{"LISTEN", "LISTAN", 1}, {"LISTEN", "LITSEN", 2}, {"LISTEN", "ILSTENS", 3}, {"LISTEN", "PORT", 9},
	} {
		if got := editDistance(c.a, c.b, 9); got != c.want && c.want < 9 {
			t.Errorf("editDistance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if ab, ba := editDistance(c.a, c.b, 3), editDistance(c.b, c.a, 3); ab != ba || ab > 3 {
			t.Errorf("editDistance(%q, %q) is %d one way and %d the other, limit 3", c.a, c.b, ab, ba)
		}
	}
	if got := editDistance(strings.Repeat("x", 1<<20), "LISTEN", 3); got != 3 {
		t.Errorf("a long name has the distance %d, want the limit", got)
	}
}
