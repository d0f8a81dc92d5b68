package canon

// form is what a sequence of bytes above 0x7f is.
type form int

const (
	valid     form = iota // a character in UTF-8
	invalid               // a maximal subpart: together one U+FFFD
	surrogate             // the three bytes of a surrogate in WTF-8
)

// sequence measures what starts at s[0], which must be above 0x7f. The length of
// an invalid sequence follows the rule of Unicode (section 3.9, "substitution of
// maximal subparts") and WHATWG: as many bytes as could still have started a
// character, at least one.
func sequence[T string | []byte](s T) (size int, f form) {
	// low and high bound the second byte; the rest are 0x80 to 0xbf.
	want, low, high := 0, byte(0x80), byte(0xbf)
	switch c := s[0]; {
	case 0xc2 <= c && c <= 0xdf:
		want = 2
	case c == 0xe0:
		want, low = 3, 0xa0
	case c == 0xed:
		if isSurrogate(s) {
			return 3, surrogate
		}
		want, high = 3, 0x9f
	case 0xe1 <= c && c <= 0xef:
		want = 3
	case c == 0xf0:
		want, low = 4, 0x90
	case 0xf1 <= c && c <= 0xf3:
		want = 4
	case c == 0xf4:
		want, high = 4, 0x8f
	default:
		return 1, invalid
	}
	for size = 1; size < want; size++ {
		if size >= len(s) || s[size] < low || s[size] > high {
			return size, invalid
		}
		low, high = 0x80, 0xbf
	}
	return size, valid
}

// isSurrogate reports whether s starts with a surrogate in WTF-8.
func isSurrogate[T string | []byte](s T) bool {
	return len(s) >= 3 && s[0] == 0xed && 0xa0 <= s[1] && s[1] <= 0xbf && 0x80 <= s[2] && s[2] <= 0xbf
}

// surrogateAt decodes the surrogate that s starts with.
func surrogateAt[T string | []byte](s T) rune {
	return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f)
}

func isHigh(unit rune) bool { return 0xd800 <= unit && unit <= 0xdbff }

func isLow(unit rune) bool { return 0xdc00 <= unit && unit <= 0xdfff }

// joined is the character of a surrogate pair, always above U+FFFF.
func joined(high, low rune) rune { return 0x10000 + (high-0xd800)<<10 + (low - 0xdc00) }
