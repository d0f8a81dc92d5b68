package remote

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/errs"
)

func TestCheckURL(t *testing.T) {
	c := New(Options{Ports: []int{80, 443, 8443}})
	for text, canonical := range map[string]string{
		"https://Example.ORG":                         "https://example.org/",
		"HTTPS://example.org:443/a":                   "https://example.org/a",
		"http://example.org:443/a":                    "http://example.org:443/a",
		"http://example.org:0080/a":                   "http://example.org/a",
		"https://example.org:8443/a/../b":             "https://example.org:8443/a/../b",
		"https://example.org:/":                       "https://example.org/",
		"https://example.org/a b?c d#e":               "https://example.org/a%20b?c%20d",
		"https://example.org/ü?ü=\"x\"":               "https://example.org/%C3%BC?%C3%BC=%22x%22",
		"https://example.org?a=b&c=%20+":              "https://example.org/?a=b&c=%20+",
		"https://example.org/?":                       "https://example.org/",
		"https://xn--bcher-kva.example.org/":          "https://xn--bcher-kva.example.org/",
		"https://a_b.example.org/":                    "https://a_b.example.org/",
		"https://8.8.8.8/x":                           "https://8.8.8.8/x",
		"http://[2606:4700:4700::1111]/":              "http://[2606:4700:4700::1111]/",
		"http://[2606:4700:4700::1111]:8443/":         "http://[2606:4700:4700::1111]:8443/",
		"https://1.example.org/%2e%2e/%00":            "https://1.example.org/%2e%2e/%00",
		"https://0x1.example.org/":                    "https://0x1.example.org/",
		"https://dead.beef/":                          "https://dead.beef/",
		"https://" + strings.Repeat("a.", 125) + "io": "https://" + strings.Repeat("a.", 125) + "io/",
	} {
		u, err := c.CheckURL(text)
		if err != nil || u.String() != canonical {
			t.Errorf("%q is %v, %v, want %s", text, u, err, canonical)
		}
	}
	for text, mention := range map[string]string{
		"": "missing", "https://example.org/" + strings.Repeat("a", MaxURL): "2048", "https://example.org/\xff": "UTF-8",
		"example.org/a": "http://", "//example.org/": "http://", "/etc/passwd": "http://", "file:///etc/passwd": "http://",
		"ftp://example.org/": "http://", "gopher://example.org/": "http://", "data:text/plain,x": "http://", "javascript:alert(1)": "http://", "unix:///run/x": "http://",
		"https:example.org": "no host", "https:///a": "no host", "https://": "no host", "https://:443/": "host",
		"https://user@example.org/": "credentials", "https://user:secret@example.org/": "credentials", "https://@example.org/": "credentials",
		"https://example.org\\@evil.org/": "valid", "https://exa\tmple.org/": "valid", "https://example.org:x/": "valid", "https://[::1/": "valid", "https://[8.8.8.8]/": "valid",
		"https://example.org:22/": "80, 443, 8443", "https://example.org:65536/": "80, 443, 8443", "https://example.org:0/": "80, 443, 8443",
		"https://8.8.8/": "usual form", "https://0x8.8.8.8/": "usual form", "https://example.0xff/": "usual form", "https://example.1/": "usual form", "https://08.8.8.8/": "usual form",
		"https://example.0x/":   "usual form",
		"https://example.org./": "none at the end", "https://bücher.de/": "xn--", "https://" + strings.Repeat("a", 64) + ".org/": "host",
		"https://" + strings.Repeat("a.", 126) + "io": "253", "https://intranet/": "whole name", "https://x.internal/": `"internal"`,
	} {
		_, err := c.CheckURL(text)
		want(t, err, ErrURL, errs.Permanent)
		if !strings.Contains(errs.Public(err), mention) {
			t.Errorf("%q: %q does not say %q", text, errs.Public(err), mention)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("a secret in %q", err)
		}
	}
}

// With AllowPrivate a test may name its own servers; spellings stay refused.
func TestCheckURLPrivate(t *testing.T) {
	c := New(Options{AllowPrivate: true, Ports: []int{8080}})
	for _, text := range []string{"http://localhost:8080/", "http://127.0.0.1:8080/", "http://[::1]:8080/", "http://x.internal:8080/"} {
		if _, err := c.CheckURL(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"http://localhost/", "http://2130706433:8080/", "http://localhost.:8080/", "file:///x"} {
		if u, err := c.CheckURL(text); err == nil {
			t.Errorf("%s is taken for %s", text, u)
		}
	}
}

// FuzzCheckURL: whatever is accepted is canonical, names a host that may be dialled,
// and can stand in a request as it is.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range append([]string{
		"https://example.org/a?b#c", "http://[2606:4700:4700::1111]:443/", "http://8.8.8.8:80", "https://a_b.example.org/\"<>?\"<>^`{|}", "https://h.org/%", "https://h.org?\x80",
	}, refusedTexts...) {
		f.Add(seed)
	}
	c := New(Options{})
	f.Fuzz(func(t *testing.T, text string) {
		u, err := c.CheckURL(text)
		if err != nil {
			if errs.Status(err) != 400 || errs.Public(err) == "" || len(err.Error()) > 500 {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		canonical := u.String()
		if len(canonical) <= MaxURL {
			if again, err := c.CheckURL(canonical); err != nil || again.String() != canonical {
				t.Errorf("%q is %q, and that is %v, %v", text, canonical, again, err)
			}
		}
		line := u.RequestURI() + u.Host
		if strings.ContainsFunc(line, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q makes the request line %q", text, line)
		}
		if u.User != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host != strings.ToLower(u.Host) || !slices.Contains([]string{"", "80", "443"}, u.Port()) {
			t.Errorf("%q is accepted as %q", text, canonical)
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && Address(a) != "" {
			t.Errorf("%q leads to %s", text, a)
		}
		if ip := net.ParseIP(u.Hostname()); ip != nil && !ip.IsGlobalUnicast() {
			t.Errorf("%q leads to %s", text, ip)
		}
	})
}
