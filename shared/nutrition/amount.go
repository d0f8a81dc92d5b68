package nutrition

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"oipnode/shared/oip/canon"
)

// maxText is the longest text, in bytes, of an amount or a unit.
const maxText = 200

// fractions are the characters that are one.
var fractions = map[rune]float64{
	'½': 1. / 2, '⅓': 1. / 3, '⅔': 2. / 3, '¼': 1. / 4, '¾': 3. / 4, '⅕': 1. / 5, '⅖': 2. / 5, '⅗': 3. / 5, '⅘': 4. / 5,
	'⅙': 1. / 6, '⅚': 5. / 6, '⅐': 1. / 7, '⅛': 1. / 8, '⅜': 3. / 8, '⅝': 5. / 8, '⅞': 7. / 8, '⅑': 1. / 9, '⅒': 1. / 10,
}

// number reads a number of 0 to most, or the text of one.
func number(v canon.Value) (float64, bool) {
	if v.Kind() == canon.String {
		n, rest, ok := readAmount(v.Text())
		return n, ok && rest == ""
	}
	n, ok := v.Float()
	return n, ok && n >= 0 && n <= most
}

// readAmount reads the amount that a text begins with, and returns what follows it,
// without space around it: "2", "0.5", "0,5", "1/2", "½", "1 1/2", "1½", "1-1/2", and
// "2-3", "2 – 3" or "2 to 3", of which the middle counts. It reports false when there
// is none, or more than most of it. "1,000" is none: it could be one or a thousand.
func readAmount(text string) (amount float64, rest string, ok bool) {
	if len(text) > maxText {
		return 0, "", false
	}
	text = strings.TrimSpace(text)
	first, rest, ok := readMixed(text)
	if !ok {
		return 0, text, false
	}
	if after, isRange := cutRange(rest); isRange {
		if second, behind, ok := readMixed(after); ok {
			switch {
			case second > first:
				return (first + second) / 2, strings.TrimSpace(behind), true
			case second < 1 && first == math.Trunc(first) && strings.HasPrefix(rest, "-"):
				return first + second, strings.TrimSpace(behind), true // 1-1/2
			}
			return 0, text, false
		}
	}
	return first, strings.TrimSpace(rest), true
}

// cutRange cuts what stands between the two ends of a range.
func cutRange(text string) (after string, ok bool) {
	trimmed := strings.TrimSpace(text)
	for _, sign := range []string{"-", "–", "—", "to "} {
		if after, ok := strings.CutPrefix(trimmed, sign); ok {
			return strings.TrimSpace(after), true
		}
	}
	return "", false
}

// readMixed reads a number, a fraction, or a number and a fraction behind it.
func readMixed(text string) (n float64, rest string, ok bool) {
	n, rest, ok = readSimple(text)
	if !ok || n != math.Trunc(n) {
		return n, rest, ok
	}
	// A fraction behind a whole number belongs to it.
	behind := strings.TrimSpace(rest)
	if part, after, ok := readSimple(behind); ok && part > 0 && part < 1 && !strings.HasPrefix(behind, "0") && !strings.HasPrefix(behind, ".") {
		return n + part, after, true
	}
	return n, rest, true
}

// readSimple reads decimal digits with at most one point or comma, two numbers with a
// slash between them, or one character that is a fraction.
func readSimple(text string) (n float64, rest string, ok bool) {
	r, size := utf8.DecodeRuneInString(text)
	if n, ok := fractions[r]; ok {
		return n, text[size:], true
	}
	n, rest, ok = readDecimal(text)
	if !ok {
		return 0, text, false
	}
	after := strings.TrimLeft(rest, " ")
	for _, slash := range []string{"/", "⁄"} { // U+2044 is the fraction slash
		below, found := strings.CutPrefix(after, slash)
		if !found {
			continue
		}
		divisor, behind, ok := readDecimal(strings.TrimLeft(below, " "))
		if !ok || divisor == 0 {
			return 0, text, false
		}
		return n / divisor, behind, n/divisor <= most
	}
	return n, rest, true
}

// readDecimal reads decimal digits with at most one point or comma among them.
func readDecimal(text string) (n float64, rest string, ok bool) {
	end, mark := 0, -1
	for end < len(text) {
		c := text[end]
		isMark := (c == '.' || c == ',') && mark < 0 && end+1 < len(text) && isDigit(text[end+1])
		if isMark {
			mark = end
		} else if !isDigit(c) {
			break
		}
		end++
	}
	digits := text[:end]
	if digits == "" {
		return 0, text, false
	}
	if mark >= 0 && text[mark] == ',' {
		if end-mark == 4 && text[0] != '0' { // a thousand, or a decimal with three places
			return 0, text, false
		}
		digits = digits[:mark] + "." + digits[mark+1:]
	}
	n, err := strconv.ParseFloat(digits, 64)
	return n, text[end:], err == nil && n <= most
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
