package canon

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
)

const (
	// maxIntegerDigits bounds Integer: a short literal such as 1e999999999 must
	// not become a gigabyte.
	maxIntegerDigits = 400
	// maxFloatDigits is how many digits of a decimal can decide to which double it
	// is nearest, since neither a double nor the middle between two has more than
	// 767. Of all later digits it only matters whether any is not zero.
	maxFloatDigits = 768
	// maxLiteral is the longest literal that strconv is trusted with. Longer ones
	// can hold more digits or a larger exponent than it keeps, and then it answers
	// wrongly: 9007199254740993, 884 zeros and e-884 give it 9.0e-85.
	maxLiteral = 800
)

// Float returns a number as JavaScript holds it, the nearest double; a literal
// that is too large, such as 1e999, is infinite. ok is false for other kinds.
func (v Value) Float() (f float64, ok bool) {
	if v.Kind() != Number {
		return 0, false
	}
	return parseFloat(v.raw), true
}

// Integer returns a number exactly as the literal says, beyond 2^53 too, if that
// is an integer: 1e3, 1.0 and -0 are. ok is false for a fraction, for more than
// 400 digits, and for other kinds.
func (v Value) Integer() (n *big.Int, ok bool) {
	if v.Kind() != Number {
		return nil, false
	}
	d := parseDecimal(v.raw)
	if d.exp < 0 || len(d.digits)+d.exp > maxIntegerDigits {
		return nil, false
	}
	for range d.exp {
		d.digits = append(d.digits, '0')
	}
	if len(d.digits) == 0 {
		return new(big.Int), true
	}
	n, ok = new(big.Int).SetString(string(d.digits), 10)
	if ok && d.neg {
		n.Neg(n)
	}
	return n, ok
}

// AppendNumber appends a number as JSON.stringify does: the shortest digits that
// mean the same double, an exponent from 1e21 up and below 1e-6, 0 for minus
// zero, and null for what is not finite.
func AppendNumber(dst []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return append(dst, "null"...)
	case f == 0:
		return append(dst, '0')
	case 1e-6 <= abs && abs < 1e21:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// Go pads the exponent to two digits (1e-07), JavaScript does not.
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// appendLiteral appends the canonical form of a number literal.
func appendLiteral(dst, raw []byte) []byte {
	if isShortInteger(raw) {
		return append(dst, raw...)
	}
	return AppendNumber(dst, parseFloat(raw))
}

// isShortInteger reports whether the literal is its own canonical form because
// it is an integer that a double holds exactly.
func isShortInteger(raw []byte) bool {
	if raw[0] == '-' {
		raw = raw[1:]
		if raw[0] == '0' {
			return false
		}
	}
	if len(raw) > 15 {
		return false
	}
	for _, c := range raw {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

func parseFloat(raw []byte) float64 {
	if len(raw) > maxLiteral {
		raw = parseDecimal(raw).literal()
	}
	// The error is about the range only, and the value then zero or infinite.
	f, _ := strconv.ParseFloat(string(raw), 64)
	return f
}

// decimal is the value digits * 10^exp. The digits neither start nor end with a
// zero, and zero has none. Of more than maxFloatDigits digits the later ones are
// replaced by a single 1, which rounds to the same double.
type decimal struct {
	neg    bool
	digits []byte
	exp    int
}

// maxExponent bounds an exponent: any that is larger, whatever digits a text of
// MaxLength puts before it, means zero or infinity as well.
const maxExponent = 1 << 40

// parseDecimal reads a number literal in linear time and constant memory.
func parseDecimal(raw []byte) decimal {
	var d decimal
	if raw[0] == '-' {
		d.neg = true
		raw = raw[1:]
	}
	mantissa := raw
	if i := bytes.IndexAny(raw, "eE"); i >= 0 {
		mantissa = raw[:i]
		d.exp = parseExponent(raw[i+1:])
	}
	point, lost := false, false
	for _, c := range mantissa {
		if c == '.' {
			point = true
			continue
		}
		if point {
			d.exp--
		}
		switch {
		case c == '0' && len(d.digits) == 0: // a leading zero
		case len(d.digits) < maxFloatDigits:
			d.digits = append(d.digits, c)
		default:
			d.exp++
			lost = lost || c != '0'
		}
	}
	if lost {
		d.digits = append(d.digits, '1')
		d.exp--
	}
	kept := bytes.TrimRight(d.digits, "0")
	d.exp += len(d.digits) - len(kept)
	d.digits = kept
	if len(kept) == 0 {
		d.exp = 0
	}
	return d
}

// parseExponent reads a sign, if there is one, and digits.
func parseExponent(raw []byte) int {
	sign, exp := 1, 0
	for _, c := range raw {
		switch {
		case c == '-':
			sign = -1
		case c != '+' && exp < maxExponent:
			exp = exp*10 + int(c-'0')
		}
	}
	return sign * exp
}

// literal writes the decimal in a form that strconv reads rightly: it has few
// digits, and an exponent that is at once beyond every double where it is bounded.
func (d decimal) literal() []byte {
	var dst []byte
	if d.neg {
		dst = append(dst, '-')
	}
	if len(d.digits) == 0 {
		return append(dst, '0')
	}
	dst = append(append(dst, d.digits...), 'e')
	return strconv.AppendInt(dst, int64(min(max(d.exp, -9999), 9999)), 10)
}
