package remote

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is taken over from the head of an answer; what is longer is left
// out, or cut in the case of a name.
const (
	maxType = 127
	maxETag = 256
	maxName = 200
)

// errRange is a Content-Range that is absent or no range of bytes.
var errRange = errors.New("no Content-Range")

// contentType reads a Content-Type: the media type alone, in lower case, and the
// charset if it names one. Both are "" when they make no sense.
func contentType(header http.Header) (kind, charset string) {
	kind, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || len(kind) > maxType || strings.Count(kind, "/") != 1 {
		return "", ""
	}
	charset = strings.ToLower(parameters["charset"])
	odd := func(r rune) bool { return r > 'z' || !alphanumeric(byte(r)) && !strings.ContainsRune("-_.:", r) }
	if len(charset) > 40 || strings.ContainsFunc(charset, odd) {
		charset = ""
	}
	return kind, charset
}

// strongETag is the ETag of an answer if it promises the same bytes, else "".
func strongETag(header http.Header) string {
	tag := header.Get("ETag")
	inside := strings.TrimSuffix(strings.TrimPrefix(tag, `"`), `"`)
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }
	if len(tag) != len(inside)+2 || len(tag) > maxETag || strings.ContainsFunc(inside, odd) {
		return ""
	}
	return tag
}

// takesRanges reports whether a source said that it serves ranges of bytes.
func takesRanges(header http.Header) bool {
	for unit := range strings.SplitSeq(header.Get("Accept-Ranges"), ",") {
		if strings.EqualFold(strings.TrimSpace(unit), "bytes") {
			return true
		}
	}
	return false
}

// plain reports whether a body is the file's own bytes.
func plain(header http.Header) bool {
	for _, line := range header.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return false
			}
		}
	}
	return true
}

// contentRange reads a Content-Range (RFC 9110, section 14.4): the first and the
// last byte, and how long the file is, -1 when that is not known.
func contentRange(header http.Header) (first, last, total int64, err error) {
	unit, rest, _ := strings.Cut(header.Get("Content-Range"), " ")
	span, size, sized := strings.Cut(rest, "/")
	from, to, ranged := strings.Cut(span, "-")
	if !strings.EqualFold(unit, "bytes") || !sized || !ranged {
		return 0, 0, 0, errRange
	}
	first, okFirst := offset(from)
	last, okLast := offset(to)
	total, okTotal := offset(size)
	if size == "*" {
		total, okTotal = -1, true
	}
	if !okFirst || !okLast || !okTotal || first > last || total >= 0 && last >= total {
		return 0, 0, 0, errRange
	}
	return first, last, total, nil
}

// offset reads a number of bytes: digits and nothing else.
func offset(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && digits(text)
}

// fileName is what the file is called: by Content-Disposition, else by the path of
// the URL, else "".
func fileName(header http.Header, u *url.URL) string {
	// An error of a parameter may leave others that are good.
	_, parameters, _ := mime.ParseMediaType(header.Get("Content-Disposition"))
	if name := CleanName(parameters["filename"]); name != "" {
		return name
	}
	if strings.HasSuffix(u.Path, "/") {
		return ""
	}
	return CleanName(path.Base(u.Path))
}

// CleanName makes a name for a file out of a stranger's text, "" when nothing is
// left: the last element of a path, of at most 200 bytes of UTF-8, without control
// and formatting characters (some reverse the direction in which the rest is read),
// without those that some file system or header gives a meaning, and with neither
// dots nor blanks at its ends. What is cut off is not the extension.
func CleanName(text string) string {
	text = text[strings.LastIndexAny(text, `/\`)+1:]
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
			return -1
		case unicode.IsSpace(r):
			return ' '
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		}
		return r
	}, text)
	text = strings.Trim(text, ". ")
	if len(text) <= maxName {
		return text
	}
	extension := path.Ext(text)
	if len(extension) > 16 {
		extension = ""
	}
	stem := text[:maxName-len(extension)]
	for !utf8.ValidString(stem) {
		stem = stem[:len(stem)-1]
	}
	return strings.TrimRight(stem, ". ") + extension
}
