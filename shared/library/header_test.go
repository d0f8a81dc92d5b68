package library

import (
	"mime"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"oipnode/shared/media"
)

func TestDisposition(t *testing.T) {
	for _, c := range []struct{ name, contentType, want string }{
		{"a.png", "image/png", `inline; filename="a.png"`},
		{"a b.mp3", "audio/mpeg", `inline; filename="a b.mp3"`},
		{"notes.txt", "text/plain; charset=utf-8", `inline; filename="notes.txt"`},
		{"page.html", "text/html", `attachment; filename="page.html"`},
		{"drawing.svg", "image/svg+xml", `attachment; filename="drawing.svg"`},
		{"code.js", "text/javascript", `attachment; filename="code.js"`},
		{"feed", "application/xhtml+xml", `attachment; filename="feed"`},
		{"x", "application/pdf", `attachment; filename="x"`},
		{"x", "image/png, text/html", `attachment; filename="x"`},
		{"x", "IMAGE/PNG", `inline; filename="x"`},
		{"König.png", "image/png", `inline; filename="K_nig.png"; filename*=UTF-8''K%C3%B6nig.png`},
		{`a"b\c%d`, "", `attachment; filename="a_b_c_d"; filename*=UTF-8''a%22b%5Cc%25d`},
		{"a\r\nSet-Cookie: x", "", `attachment; filename="a__Set-Cookie: x"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x`},
	} {
		if got := disposition(c.name, c.contentType); got != c.want {
			t.Errorf("%q, %q: %s, want %s", c.name, c.contentType, got, c.want)
		}
	}
}

// FuzzDisposition: a name never breaks out of its header, which is always one that can
// be read, short enough for a signed URL, and names the same file.
func FuzzDisposition(f *testing.F) {
	for _, seed := range []string{"a.png", "König", `"; filename="x`, "a\r\nb", strings.Repeat("ä", 300) + ".jpeg", "\xff", "../../x", "𝄞", ".", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean := cleanName(name, "", "http://a.example/b")
		if clean == "" || len(clean) > maxName || !utf8.ValidString(clean) || strings.ContainsAny(clean, "/\\\r\n\x00") || clean == "." || clean == ".." {
			t.Fatalf("%q became the name %q", name, clean)
		}
		header := disposition(clean, "image/png")
		if len(header) > media.MaxHeader || !printable(header) {
			t.Fatalf("%q: %d bytes: %s", name, len(header), header)
		}
		kind, params, err := mime.ParseMediaType(header)
		if err != nil || kind != "inline" || len(params) != 1 || params["filename"] != shorten(clean, maxShownName) {
			t.Errorf("%q: %s: %q %q, %v", name, header, kind, params, err)
		}
		if _, star, ok := strings.Cut(header, "filename*=UTF-8''"); ok {
			if back, err := url.PathUnescape(star); err != nil || back != shorten(clean, maxShownName) {
				t.Errorf("%q: %s", name, star)
			}
		}
	})
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ record, remote, source, want string }{
		{"of the record.png", "remote.png", "http://a.example/source.png", "of the record.png"},
		{"", "remote.png", "http://a.example/source.png", "remote.png"},
		{"  ", "\x01", "http://a.example/deep/source.png?x=/y", "source.png"},
		{"", "", "http://a.example/", "file"},
		{"", "", "http://a.example/..", "file"},
		{"../../etc/passwd", "", "", "passwd"},
		{`C:\x\y.txt`, "", "", "y.txt"},
		{"a\u202egnp.exe", "", "", "agnp.exe"},
		{strings.Repeat("x", 300) + ".jpeg", "", "", strings.Repeat("x", 195) + ".jpeg"},
		{"", "", "ar://" + strings.Repeat("A", 43), strings.Repeat("A", 43)},
	} {
		if got := cleanName(c.record, c.remote, c.source); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	for _, c := range []struct {
		types []string
		want  string
	}{
		{[]string{"image/png", "text/html"}, "image/png"},
		{[]string{"", "Image/PNG; q=1"}, "image/png"},
		{[]string{"application/octet-stream", "audio/mpeg"}, "audio/mpeg"},
		{[]string{"text/plain;charset=UTF-8"}, "text/plain; charset=UTF-8"},
		{[]string{"text/plain; charset=\"a\x01b\""}, "text/plain"},
		{[]string{"nonsense", "a/b/c", "x\r\ny/z", "image/" + strings.Repeat("x", 200)}, anyType},
		{nil, anyType},
	} {
		if got := cleanType(c.types...); got != c.want {
			t.Errorf("%q: %q, want %q", c.types, got, c.want)
		}
	}
}
