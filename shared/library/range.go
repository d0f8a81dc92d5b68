package library

import (
	"math"
	"strings"
)

// span is the part of a file that is answered.
type span struct {
	offset, length int64
	// partial is false when the whole file is answered because nothing else was asked.
	partial bool
}

// parseRange reads the header Range against a file of that size (RFC 9110 section 14). It
// reports false when none of the bytes that are asked for exist, or when what is asked
// for is no range.
//
// A header of another unit is ignored. Several ranges are answered as one that covers
// them all: RFC 9110 lets a server send other parts than those that were asked for, as
// Content-Range tells which they are, and in one piece the client has all of them.
func parseRange(header string, size int64) (span, bool) {
	whole := span{length: size}
	unit, set, _ := strings.Cut(header, "=")
	if !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return whole, true
	}
	first, last, found := int64(math.MaxInt64), int64(-1), false
	for text := range strings.SplitSeq(set, ",") {
		text = strings.Trim(text, " \t")
		if text == "" { // a list may have empty elements
			continue
		}
		from, to, ok := parseSpec(text, size)
		if !ok {
			return span{}, false
		}
		found = true
		if from < size && from <= to {
			first, last = min(first, from), max(last, to)
		}
	}
	if !found || last < 0 {
		return span{}, false
	}
	return span{offset: first, length: last - first + 1, partial: true}, true
}

// parseSpec reads one range: its first and its last byte within a file of that size. A
// range that has no byte begins at or behind the end. It reports false for what is none.
func parseSpec(text string, size int64) (from, to int64, ok bool) {
	a, b, ok := strings.Cut(text, "-")
	first, isFirst := number(a)
	last, isLast := number(b)
	switch {
	case !ok, a != "" && !isFirst, b != "" && !isLast, a == "" && b == "":
		return 0, 0, false
	case a == "": // the last so many bytes
		if last == 0 {
			return size, size, true
		}
		return max(size-last, 0), size - 1, true
	case b == "":
		return first, size - 1, true
	case last < first:
		return 0, 0, false
	}
	return first, min(last, size-1), true
}

// number reads decimal digits; a number that is too large is the largest.
func number(text string) (n int64, ok bool) {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64 // and stays there
			continue
		}
		n = 10*n + int64(c-'0')
	}
	return n, text != ""
}
