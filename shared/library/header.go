package library

import (
	"mime"
	"strings"
)

// anyType is the type of a file of which nothing is known.
const anyType = "application/octet-stream"

// inline are the types that a browser may show in the page's place: none of them runs
// anything. All others are offered for saving.
var inline = []string{
	"image/avif", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/webp", "image/x-icon", "image/vnd.microsoft.icon",
	"audio/aac", "audio/flac", "audio/midi", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/opus", "audio/wav", "audio/wave", "audio/webm",
	"audio/x-flac", "audio/x-m4a", "audio/x-wav",
	"video/mp2t", "video/mp4", "video/mpeg", "video/ogg", "video/quicktime", "video/webm", "video/x-m4v", "video/x-matroska",
	"text/plain",
}

// showable reports whether a type is one of inline.
func showable(contentType string) bool {
	base, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	for _, t := range inline {
		if t == base {
			return true
		}
	}
	return false
}

// cleanType is the first of the types that says something, in a form that can stand in a
// header: a type and perhaps a charset.
func cleanType(types ...string) string {
	for _, t := range types {
		base, params, err := mime.ParseMediaType(t)
		if err != nil || len(t) > maxType || strings.Count(base, "/") != 1 || base == anyType {
			continue
		}
		kept := map[string]string{}
		if charset := params["charset"]; charset != "" && printable(charset) {
			kept["charset"] = charset
		}
		if clean := mime.FormatMediaType(base, kept); clean != "" {
			return clean
		}
	}
	return anyType
}

// printable reports whether a text is ASCII without control characters.
func printable(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// maxShownName is how much of a name stands in a header, in bytes. Each can become three
// there, and a signed URL has room for media.MaxHeader.
const maxShownName = 90

// disposition is the header Content-Disposition of a file (RFC 6266): a name in ASCII
// for everybody, and the whole one in UTF-8 (RFC 5987, as of RFC 8187) where it differs.
func disposition(name, contentType string) string {
	kind := "attachment"
	if showable(contentType) {
		kind = "inline"
	}
	name = shorten(name, maxShownName)
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	header := kind + `; filename="` + ascii + `"`
	if ascii != name {
		header += "; filename*=UTF-8''" + encode(name)
	}
	return header
}

// encode writes the bytes of a text that are not attr-char of RFC 8187 as %XX.
func encode(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(text) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
