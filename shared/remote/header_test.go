package remote

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func head(name, value string) http.Header { return http.Header{name: {value}} }

func TestContentRange(t *testing.T) {
	for text, good := range map[string][3]int64{
		"bytes 0-0/1": {0, 0, 1}, "bytes 5-9/10": {5, 9, 10}, "Bytes 5-9/*": {5, 9, -1}, "bytes 007-9/10": {7, 9, 10},
		"bytes 0-9223372036854775806/9223372036854775807": {0, 1<<63 - 2, 1<<63 - 1},
	} {
		first, last, total, err := contentRange(head("Content-Range", text))
		if got := [3]int64{first, last, total}; err != nil || got != good {
			t.Errorf("%q is %v, %v, want %v", text, got, err, good)
		}
	}
	for _, text := range []string{
		"", "bytes", "bytes */10", "bytes 5-9", "bytes 5/10", "bytes -9/10", "bytes 5-/10", "bytes 9-5/10", "bytes 5-10/10", "bytes 5-9/5", "octets 5-9/10",
		"bytes=5-9/10", "bytes  5-9/10", "bytes 5-9/10 ", "bytes +5-9/10", "bytes 5--9/10", "bytes 5-9/-1", "bytes 0x5-9/10", "bytes 5-9/10/11", "bytes 5-9/**",
		"bytes 0-9223372036854775808/*", "bytes 99999999999999999999-5/10",
	} {
		if first, last, total, err := contentRange(head("Content-Range", text)); err == nil {
			t.Errorf("%q is %d-%d/%d", text, first, last, total)
		}
	}
}

// FuzzContentRange: what is accepted is a range inside of a file.
func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"bytes 5-9/10", "bytes 0-0/*", "bytes */10", "bytes 9223372036854775807-9223372036854775807/*", "bytes 1-2/-3", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, last, total, err := contentRange(head("Content-Range", text))
		if err == nil && (first < 0 || last < first || total != -1 && total <= last) {
			t.Errorf("%q is %d-%d/%d", text, first, last, total)
		}
	})
}

func TestFileName(t *testing.T) {
	for _, c := range []struct{ disposition, path, want string }{
		{"", "/a/b.png", "b.png"},
		{"", "/a/b%20c.png", "b c.png"},
		{"", "/a/b%2F..%2Fc.png", "c.png"},
		{"", "/a/", ""},
		{"", "/", ""},
		{"", "/..", ""},
		{`attachment; filename="x.mp4"`, "/a.png", "x.mp4"},
		{`inline; filename=x.mp4`, "/a.png", "x.mp4"},
		{`attachment; filename*=UTF-8''%e2%82%ac%20rates.txt; filename="x"`, "/a.png", "€ rates.txt"},
		{`attachment; filename="../../etc/passwd"`, "/a.png", "passwd"},
		{`attachment; filename="C:\\Windows\\win.ini"`, "/a.png", "win.ini"},
		{`attachment; filename="..."`, "/a.png", "a.png"},
		{`attachment`, "/a.png", "a.png"},
		{`filename="x.mp4`, "/a.png", "a.png"},
		{`;;;`, "/a.png", "a.png"},
	} {
		u, err := url.Parse("https://example.org" + c.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := fileName(head("Content-Disposition", c.disposition), u); got != c.want {
			t.Errorf("%q and %q give %q, want %q", c.disposition, c.path, got, c.want)
		}
	}
}

func TestCleanName(t *testing.T) {
	for text, good := range map[string]string{
		"a.png": "a.png", " a.png. ": "a.png", ".htaccess": "htaccess", "a\x00b\r\nc.png": "abc.png", "a\u202egnp.exe": "agnp.exe", "a\u200b\ufeffb": "ab",
		"a<b>c:d\"e|f?g*h": "a_b_c_d_e_f_g_h", "é\xff.png": "é.png", "日本語.jpg": "日本語.jpg", "a\u00a0b": "a b", "/": "", "..": "", "a/": "", `a\b`: "b",
		strings.Repeat("a", 300) + ".tar.gz":            strings.Repeat("a", 197) + ".gz",
		strings.Repeat("é", 150) + ".png":               strings.Repeat("é", 98) + ".png",
		"a." + strings.Repeat("b", 300):                 "a." + strings.Repeat("b", 198),
		strings.Repeat("a", 190) + "      . " + "b.png": strings.Repeat("a", 190) + ".png",
	} {
		if got := CleanName(text); got != good {
			t.Errorf("%q is %q, want %q", text, got, good)
		}
	}
}

// FuzzFileName: the name is short, whole, in no other folder, and stays as it is.
func FuzzFileName(f *testing.F) {
	for _, seed := range []string{`attachment; filename="a.png"`, `a; filename*=UTF-8''%00%2e%2e%2fx`, `a; filename*0="a"; filename*1="b"`, "a; filename=\xff", `a; filename="` + strings.Repeat("é", 200) + `.mp4"`} {
		f.Add(seed, "/x/y.png")
	}
	f.Fuzz(func(t *testing.T, disposition, where string) {
		got := fileName(head("Content-Disposition", disposition), &url.URL{Path: where})
		if got == "" {
			return
		}
		if len(got) > maxName || !utf8.ValidString(got) || path.Base(got) != got || got == ".." || CleanName(got) != got || strings.ContainsAny(got, "/\\\"\r\n\x00") {
			t.Errorf("%q and %q give %q", disposition, where, got)
		}
	})
}

func TestContentType(t *testing.T) {
	for text, good := range map[string][2]string{
		"image/png": {"image/png", ""}, "Text/HTML; Charset=UTF-8": {"text/html", "utf-8"}, `text/plain; charset="a b"`: {"text/plain", ""},
		"text/plain; charset=\"\u017f\"": {"text/plain", ""}, "image": {"", ""}, "": {"", ""}, "a/b/c": {"", ""}, "text/plain; x": {"", ""},
		"a/" + strings.Repeat("b", 126): {"", ""}, "text/plain; charset=" + strings.Repeat("x", 41): {"text/plain", ""},
	} {
		kind, charset := contentType(head("Content-Type", text))
		if got := [2]string{kind, charset}; got != good {
			t.Errorf("%q is %q, want %q", text, got, good)
		}
	}
}

func TestStrongETag(t *testing.T) {
	for _, text := range []string{`"a"`, `""`, `"W/a"`, `"` + strings.Repeat("x", maxETag-2) + `"`} {
		if strongETag(head("Etag", text)) != text {
			t.Errorf("%q is not strong", text)
		}
	}
	for _, text := range []string{"", `"`, "a", `W/"a"`, `"a`, `a"`, `"a"b"`, `"a b"`, `"a", "b"`, "\"\u00e9\"", `"` + strings.Repeat("x", maxETag) + `"`} {
		if got := strongETag(head("Etag", text)); got != "" {
			t.Errorf("%q is strong: %q", text, got)
		}
	}
}

func TestPlainAndRanges(t *testing.T) {
	for _, text := range []string{"", "identity", " Identity , ", ","} {
		if !plain(head("Content-Encoding", text)) {
			t.Errorf("%q is an encoding", text)
		}
	}
	for _, text := range []string{"gzip", "identity, br", "x"} {
		if plain(head("Content-Encoding", text)) {
			t.Errorf("%q is none", text)
		}
	}
	if plain(http.Header{"Content-Encoding": {"identity", "gzip"}}) {
		t.Error("the second line is not read")
	}
	for text, good := range map[string]bool{"bytes": true, "Bytes": true, "items, bytes": true, "none": false, "": false, "bytesx": false} {
		if takesRanges(head("Accept-Ranges", text)) != good {
			t.Errorf("%q: want %v", text, good)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, good := range map[string]time.Duration{
		"": 0, "0": 0, "5": 5 * time.Second, " 5 ": 5 * time.Second, "-5": 0, "x": 0, "1.5": 0, "7200": time.Hour, "99999999999999999999": time.Hour,
		"Sat, 01 Mar 2025 12:00:30 GMT": 30 * time.Second, "Sat, 01 Mar 2025 11:00:00 GMT": 0, "Sun, 02 Mar 2025 12:00:00 GMT": time.Hour,
	} {
		if got := retryAfter(head("Retry-After", text), now); got != good {
			t.Errorf("%q is %v, want %v", text, got, good)
		}
	}
}
