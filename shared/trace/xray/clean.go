package xray

import (
	"strings"
	"unicode"
)

// maxName bounds the name of a span in characters; X-Ray takes twice as much.
const maxName = 100

// cleanName makes a name one that X-Ray takes: letters, digits, spaces and a few signs.
func cleanName(name string) string {
	return clean(name, func(c rune) bool {
		return unicode.IsLetter(c) || unicode.IsDigit(c) || c == ' ' || strings.ContainsRune(`_.:/%&#=+\-@`, c)
	})
}

// cleanKey makes the key of an annotation one that X-Ray indexes.
func cleanKey(key string) string {
	return clean(key, func(c rune) bool {
		return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_'
	})
}

// clean replaces what is not allowed, and bounds the text.
func clean(text string, allowed func(rune) bool) string {
	n := 0
	text = strings.Map(func(c rune) rune {
		switch n++; {
		case n > maxName:
			return -1
		case c != unicode.ReplacementChar && allowed(c):
			return c
		default:
			return '_'
		}
	}, text)
	if text == "" {
		return "_"
	}
	return text
}
