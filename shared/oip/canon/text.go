package canon

import (
	"bytes"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends JSON.stringify of a string in WTF-8: quotes, backslashes
// and control characters are escaped, a lone surrogate becomes \udxxx, and all
// else stands as it is, also <, >, &, DEL, U+2028 and U+2029. Bytes that are
// neither UTF-8 nor a surrogate become U+FFFD. Two halves of a surrogate pair
// that meet, as when texts were joined, are written as the one character that
// they are in JavaScript.
func AppendString(dst []byte, s string) []byte { return quote(dst, s) }

// quote is AppendString for both forms of text.
func quote[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	done := 0 // s[:done] is written
	for i := 0; i < len(s); {
		c := s[i]
		if ' ' <= c && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = appendEscape(append(dst, s[done:i]...), c)
			i++
			done = i
			continue
		}
		size, form := sequence(s[i:])
		switch form {
		case invalid:
			dst = utf8.AppendRune(append(dst, s[done:i]...), utf8.RuneError)
			done = i + size
		case surrogate:
			dst, size = appendSurrogate(append(dst, s[done:i]...), s[i:])
			done = i + size
		}
		i += size
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}

// appendSurrogate appends the surrogate that s starts with, together with the
// one after it if they are a pair, and returns how many bytes of s that were.
func appendSurrogate[T string | []byte](dst []byte, s T) ([]byte, int) {
	unit, rest := surrogateAt(s), s[3:]
	if isHigh(unit) && isSurrogate(rest) {
		if low := surrogateAt(rest); isLow(low) {
			return utf8.AppendRune(dst, joined(unit, low)), 6
		}
	}
	return append(dst, '\\', 'u', 'd', hexDigits[unit>>8&15], hexDigits[unit>>4&15], hexDigits[unit&15]), 3
}

// appendEscape appends a quote, a backslash or a control character.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\t':
		return append(dst, '\\', 't')
	case '\n':
		return append(dst, '\\', 'n')
	case '\f':
		return append(dst, '\\', 'f')
	case '\r':
		return append(dst, '\\', 'r')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// isPlain reports whether the body of a string literal is its own text.
func isPlain(body []byte) bool {
	for i, c := range body {
		if c == '\\' {
			return false
		}
		if c >= utf8.RuneSelf {
			return bytes.IndexByte(body[i:], '\\') < 0 && utf8.Valid(body[i:])
		}
	}
	return true
}

// decode appends the text of a valid string literal's body, in WTF-8. The text
// is at most three times as long as the body.
func decode(dst, body []byte) []byte {
	for i := 0; i < len(body); {
		switch c := body[i]; {
		case c == '\\':
			var n int
			dst, n = decodeEscape(dst, body[i:])
			i += n
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			size, form := sequence(body[i:])
			if form == valid {
				dst = append(dst, body[i:i+size]...)
				i += size
				break
			}
			// A surrogate's bytes are invalid in a text, each for itself.
			if form == surrogate {
				size = 1
			}
			dst = utf8.AppendRune(dst, utf8.RuneError)
			i += size
		}
	}
	return dst
}

// decodeEscape appends what the escape at the start of body means, and returns
// the escape's length: 12 when two of them make a surrogate pair.
func decodeEscape(dst, body []byte) ([]byte, int) {
	switch c := body[1]; c {
	case 'b':
		return append(dst, '\b'), 2
	case 't':
		return append(dst, '\t'), 2
	case 'n':
		return append(dst, '\n'), 2
	case 'f':
		return append(dst, '\f'), 2
	case 'r':
		return append(dst, '\r'), 2
	case 'u':
		unit := codeUnit(body)
		switch {
		case isHigh(unit) && len(body) >= 12 && body[6] == '\\' && body[7] == 'u' && isLow(codeUnit(body[6:])):
			return utf8.AppendRune(dst, joined(unit, codeUnit(body[6:]))), 12
		case isHigh(unit) || isLow(unit):
			return append(dst, 0xed, byte(0x80|unit>>6&0x3f), byte(0x80|unit&0x3f)), 6
		}
		return utf8.AppendRune(dst, unit), 6
	default: // a quote, a backslash or a slash
		return append(dst, c), 2
	}
}

// codeUnit reads an escape of the form \uXXXX.
func codeUnit(escape []byte) (unit rune) {
	for _, c := range escape[2:6] {
		digit, _ := hexDigit(c)
		unit = unit<<4 | digit
	}
	return unit
}
