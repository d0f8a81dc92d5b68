package records

import "strings"

// Closeness is how a text at a path is like the text of a Like. Of several kinds that
// hold the closest counts.
type Closeness int

// The kinds of closeness, from none to the closest.
const (
	Unlike     Closeness = iota
	Contains             // it is somewhere in it
	WholeWord            // it is in it as a whole word, or as several
	EndsWith             // it is the end
	StartsWith           // it is the beginning
	Same                 // it is the whole text
)

// Compare tells how close a line (Projection.Lines) is to the text.
func (l Like) Compare(line string) Closeness {
	body, ok := strings.CutPrefix(line, l.Path)
	if !ok || body == "" || body[0] != 0 {
		return Unlike
	}
	body = body[1:]
	text := Fold(l.Text)
	at := strings.Index(body, text)
	if at < 0 {
		return Unlike
	}
	begins := strings.HasPrefix(body, string(textBegin)+text)
	ends := strings.HasSuffix(body, text+string(textEnd))
	switch {
	case begins && ends && len(body) == len(text)+2:
		return Same
	case begins:
		return StartsWith
	case ends:
		return EndsWith
	}
	// Only behind a sign that ends words can another one begin: in "aaaa…" the text "aa…"
	// comes at every place, and need not be looked for at each.
	for i := max(at, 1); i+len(text) < len(body); i++ {
		if limitsWord(body[i-1]) && strings.HasPrefix(body[i:], text) && limitsWord(body[i+len(text)]) {
			return WholeWord
		}
	}
	return Contains
}

// limitsWord reports whether a byte can stand beside a whole word: an ASCII character
// that is no letter, digit or underscore. All others are taken for letters, so that every
// engine can say the same of them.
func limitsWord(b byte) bool {
	return b < 0x80 && b != '_' && (b < '0' || b > '9') && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z')
}

// holds reports whether a document has a text that is close enough.
func (l Like) holds(lines []string) bool {
	for _, line := range lines {
		if l.Compare(line) >= max(l.Least, Contains) {
			return true
		}
	}
	return false
}
