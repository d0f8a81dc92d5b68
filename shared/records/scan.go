package records

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A stored document is projected on every write, so it is read in one pass over
// its bytes and without a tree: scan walks the members of one object and hands
// out the values as they stand. Unlike encoding/json it compares names exactly;
// "ACCESS_LEVEL" must not stand in for "access_level".

var errSyntax = errors.New("records: not a JSON object")

// scan calls visit for each member of an object, in order, with the raw value.
// It checks the structure it walks over and no more: it never reads outside of
// obj, and ends with errSyntax when braces, quotes or separators are not there.
func scan(obj []byte, visit func(name string, value []byte)) error {
	i := space(obj, 0)
	if i >= len(obj) || obj[i] != '{' {
		return errSyntax
	}
	if i = space(obj, i+1); i < len(obj) && obj[i] == '}' {
		return nil
	}
	for {
		nameEnd := stringEnd(obj, i)
		if nameEnd < 0 {
			return errSyntax
		}
		name, ok := text(obj[i:nameEnd])
		if !ok {
			return errSyntax
		}
		if i = space(obj, nameEnd); i >= len(obj) || obj[i] != ':' {
			return errSyntax
		}
		i = space(obj, i+1)
		end := valueEnd(obj, i)
		if end < 0 {
			return errSyntax
		}
		visit(name, obj[i:end])
		if i = space(obj, end); i >= len(obj) {
			return errSyntax
		}
		switch obj[i] {
		case ',':
			i = space(obj, i+1)
		case '}':
			return nil
		default:
			return errSyntax
		}
	}
}

// Parts returns the two parts of a document, {"data":…,"oip":…}, as they stand; data is
// nil when it is absent. The error is for anything that is not an object.
func Parts(doc []byte) (data, envelope []byte, err error) {
	err = scan(doc, func(name string, value []byte) {
		switch name {
		case "data":
			data = value
		case "oip":
			envelope = value
		}
	})
	return data, envelope, err
}

// elements calls visit for each element of an array until it returns false.
// What is not an array has none.
func elements(arr []byte, visit func(value []byte) bool) {
	if len(arr) == 0 || arr[0] != '[' {
		return
	}
	for i := space(arr, 1); i < len(arr) && arr[i] != ']'; {
		end := valueEnd(arr, i)
		if end < 0 || !visit(arr[i:end]) {
			return
		}
		if i = space(arr, end); i < len(arr) && arr[i] == ',' {
			i = space(arr, i+1)
		}
	}
}

// space returns the next index at or after i that is no white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// stringEnd returns the index behind the string that starts at i, or -1. Most bytes of a
// document are in long texts, so it looks for the quotes instead of going through them.
func stringEnd(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		escapes := 0
		for escapes < n && b[i+n-1-escapes] == '\\' {
			escapes++
		}
		if i += n + 1; escapes%2 == 0 {
			return i
		}
	}
}

// valueEnd returns the index behind the value that starts at i, or -1.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	if b[i] == '"' {
		return stringEnd(b, i)
	}
	depth := 0
	for start := i; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i) - 1; i < 0 {
				return -1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // the parent's: a number or literal ended here
				return notEmpty(start, i)
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return notEmpty(start, i)
			}
		}
	}
	return -1
}

// notEmpty refuses a value without any bytes.
func notEmpty(start, end int) int {
	if start == end {
		return -1
	}
	return end
}

// text decodes a raw string. What UTF-8 cannot hold (a lone surrogate, invalid
// bytes) reads as U+FFFD, as encoding/json reads it.
func text(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), true
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", false
	}
	return s, true
}

// exactInteger is the largest magnitude that every engine's numbers hold exactly.
const exactInteger = 1 << 53

// NumberText is the text of a raw JSON number, or of a string that holds one, as a
// publisher may write either: of 1 to 64 bytes. What it returns may still be no number.
func NumberText(raw []byte) (string, bool) {
	s := string(raw)
	if len(raw) > 0 && raw[0] == '"' {
		s, _ = text(raw)
	}
	return s, len(s) > 0 && len(s) <= 64 && strings.Trim(s, "+-.0123456789eE") == ""
}

// number reads a JSON number, or a string that holds one, rounded down to an
// integer. Numbers beyond 2^53 have no exact place in an order and are refused.
func number(raw []byte) (int64, bool) {
	s, ok := NumberText(raw)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.Abs(f) > exactInteger {
			return 0, false
		}
		n = int64(math.Floor(f))
	}
	return n, n >= -exactInteger && n <= exactInteger
}
