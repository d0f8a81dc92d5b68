package records

import (
	"crypto/sha256"
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a publisher put anywhere into a document's data can be asked for by its path: the
// names of the members that lead to it, joined by dots, without "data" and without
// positions in lists, such as basic.name or recipe.ingredient. A leaf is a text, a number
// or a truth value; null and empty texts are no leaves.

// Bounds of what is indexed of one document's leaves, in the order of the document. What
// is beyond them cannot be found by its path and is whole in the document; FieldCut says
// that there is something.
const (
	// MaxLeaves is the most leaves of one document.
	MaxLeaves = 1024
	// MaxPath is the longest path, in bytes.
	MaxPath = 256
	// MaxPathDepth is how many names a path may have.
	MaxPathDepth = 16
	// MaxLines is the most Lines of one document: with texts in the shortest form that is
	// as many texts, with the longest about 760 KiB.
	MaxLines = 1024
)

// Equal holds when there is exactly this text at the path.
func Equal(path, text string) Cond { return Is(FieldLeaf, leafTerm('s', path, text)) }

// EqualFold holds when there is one of the texts at the path, in any case.
func EqualFold(path string, texts ...string) Cond {
	terms := make([]string, len(texts))
	for i, t := range texts {
		terms[i] = leafTerm('f', path, Fold(t))
	}
	return Is(FieldLeaf, terms...)
}

// EqualNumber holds when there is this number at the path. Numbers are those of
// JavaScript: 4, 4.0 and 4e0 are one.
func EqualNumber(path string, n float64) Cond {
	return Is(FieldLeaf, leafTerm('n', path, numberText(n)))
}

// EqualBool holds when there is this truth value at the path.
func EqualBool(path string, b bool) Cond {
	return Is(FieldLeaf, leafTerm('b', path, strconv.FormatBool(b)))
}

// Refers holds when there is one of the DIDs at the path.
func Refers(path string, dids ...string) Cond {
	terms := make([]string, len(dids))
	for i, did := range dids {
		terms[i] = refTerm(path, did)
	}
	return Is(FieldRef, terms...)
}

// Present holds when there is some leaf at the path or below it. The path has one name or
// two: a template and its field.
func Present(path string) Cond { return Is(FieldPath, path) }

// leafTerm is a leaf as FieldLeaf holds it. Whatever the leaf, it has 16 bytes: 96 bits of
// a hash, of which nobody can find two leaves with the same.
func leafTerm(kind byte, path, value string) string {
	var (
		h    = sha256.New()
		b    = make([]byte, 0, 512)
		sum  [sha256.Size]byte
		text [16]byte
	)
	b = append(append(append(b, kind), path...), 0)
	for len(b)+len(value) > cap(b) { // a long value piece by piece, so that it is not copied
		n := cap(b) - len(b)
		h.Write(append(b, value[:n]...))
		b, value = b[:0], value[n:]
	}
	h.Write(append(b, value...))
	h.Sum(sum[:0])
	base64.RawURLEncoding.Encode(text[:], sum[:12])
	return string(text[:])
}

// refTerm is a DID at a path as FieldRef holds it: the DID in front, so that all that
// begin with one lie together.
func refTerm(path, did string) string { return did + "\x00" + path }

// maxRef is the longest text, in bytes, that is taken for a DID.
const maxRef = 512

// numberText is the one text of a number.
func numberText(n float64) string {
	if n == 0 {
		n = 0 // also of -0
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

// Fold is the form of a text in which case does not matter: lower case, with the control
// characters that Lines need replaced by spaces.
func Fold(text string) string {
	text = strings.ToLower(text)
	if strings.IndexFunc(text, lineSign) < 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		if lineSign(r) {
			return ' '
		}
		return r
	}, text)
}

func lineSign(r rune) bool { return r <= textEnd }

// leaves visits the leaves of data one by one.
type leaves struct {
	path  []byte
	names int
	left  int
	// last is the path of the last leaf: all of a list have the same.
	last string
	// visit takes a leaf as it stands.
	visit func(path string, raw []byte)
	// cut is set when something lay beyond the bounds.
	cut bool
}

func (l *leaves) value(raw []byte) {
	switch {
	case len(raw) == 0 || raw[0] == 'n' || string(raw) == `""`:
	case raw[0] == '{':
		// What has no end there is left out, as everywhere in a projection.
		_ = scan(raw, func(name string, value []byte) {
			before := len(l.path)
			if before > 0 {
				l.path = append(l.path, '.')
			}
			l.path = append(l.path, name...)
			if l.names++; len(l.path) > MaxPath || l.names > MaxPathDepth {
				l.cut = true
			} else {
				l.value(value)
			}
			l.names--
			l.path = l.path[:before]
		})
	case raw[0] == '[':
		elements(raw, func(value []byte) bool {
			l.value(value)
			return l.left > 0 || !l.cut
		})
	case l.left == 0:
		l.cut = true
	default:
		l.left--
		if string(l.path) != l.last {
			l.last = string(l.path)
		}
		l.visit(l.last, raw)
	}
}

// projectLeaves fills FieldLeaf, FieldRef, FieldPath and the Lines.
func (p *Projection) projectLeaves(data []byte) (cut bool) {
	var refs []string
	terms, paths := make([]string, 0, 32), make([]string, 0, 16)
	p.Lines = make([]string, 0, 16)
	l := &leaves{left: MaxLeaves, path: make([]byte, 0, 64)}
	l.visit = func(path string, raw []byte) {
		head := PathHead(path)
		if one, _, two := strings.Cut(head, "."); two {
			paths = addPath(paths, one)
		}
		paths = addPath(paths, head)
		switch raw[0] {
		case '"':
			value := plain(raw)
			folded := Fold(value)
			terms = append(terms, leafTerm('s', path, value), leafTerm('f', path, folded))
			refs = addRef(refs, path, value)
			p.addLines(path, folded, &l.cut)
		case 't', 'f':
			terms = append(terms, leafTerm('b', path, string(raw)))
		default:
			if n, err := strconv.ParseFloat(string(raw), 64); err == nil && !math.IsInf(n, 0) {
				terms = append(terms, leafTerm('n', path, numberText(n)))
			}
		}
	}
	l.value(data)
	slices.Sort(terms)
	p.take(FieldLeaf, slices.Compact(terms))
	p.take(FieldRef, distinct(refs))
	p.take(FieldPath, paths)
	return l.cut
}

// addPath adds a path once; one of no name, which odd members make, is none.
func addPath(paths []string, path string) []string {
	if path == "" || slices.Contains(paths, path) {
		return paths
	}
	return append(paths, path)
}

// PathHead is the beginning of a path as FieldPath has it: at most two names.
func PathHead(path string) string {
	one := strings.IndexByte(path, '.')
	if one < 0 {
		return path
	}
	if two := strings.IndexByte(path[one+1:], '.'); two >= 0 {
		return path[:one+1+two]
	}
	return path
}

// distinct leaves out what came before; the order stays.
func distinct(values []string) []string {
	if len(values) < 2 {
		return values
	}
	seen := make(map[string]bool, len(values))
	return slices.DeleteFunc(values, func(v string) bool {
		again := seen[v]
		seen[v] = true
		return again
	})
}

// A line is a folded text with its path, as a Like is compared with it:
// <path> 0x00 0x02 <text> 0x03. A text of more than lineBytes is several lines, of which
// only the first has the 0x02 and only the last the 0x03, and which overlap by so much
// that whatever a Like may ask for lies in one of them whole, with its neighbours.
const (
	textBegin = '\x02'
	textEnd   = '\x03'
	lineBytes = 1024
	// MaxLike is the longest text of a Like, folded, in bytes.
	MaxLike = 256
	overlap = MaxLike + 2*utf8.UTFMax
)

// addLines adds the lines of a folded text.
func (p *Projection) addLines(path, text string, cut *bool) {
	if len(p.Lines) < MaxLines && len(text)+2 <= lineBytes { // as nearly all are
		p.Lines = append(p.Lines, path+"\x00\x02"+text+"\x03")
		return
	}
	// More than all lines hold need not be copied.
	body := string(textBegin) + text[:boundary(text, min(len(text), MaxLines*lineBytes))] + string(textEnd)
	for {
		if len(p.Lines) == MaxLines {
			*cut = true
			return
		}
		if len(body) <= lineBytes {
			p.Lines = append(p.Lines, path+"\x00"+body)
			return
		}
		end := boundary(body, lineBytes)
		p.Lines = append(p.Lines, path+"\x00"+body[:end])
		body = body[boundary(body, end-overlap):]
	}
}

// boundary is the last beginning of a character at or before i.
func boundary(s string, i int) int {
	for i > 0 && i < len(s) && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}

// Refs returns the values of FieldRef of a document's data, as Project would.
func Refs(data []byte) []string {
	var refs []string
	l := &leaves{left: MaxLeaves}
	l.visit = func(path string, raw []byte) {
		if raw[0] == '"' {
			refs = addRef(refs, path, plain(raw))
		}
	}
	l.value(data)
	return distinct(refs)
}

// addRef adds a text that is a reference.
func addRef(refs []string, path, value string) []string {
	if strings.HasPrefix(value, "did:") && len(value) <= maxRef {
		return append(refs, refTerm(path, value))
	}
	return refs
}

// Lines returns the lines of a document's data, as Project would.
func Lines(data []byte) []string {
	var p Projection
	l := &leaves{left: MaxLeaves}
	l.visit = func(path string, raw []byte) {
		if raw[0] == '"' {
			p.addLines(path, Fold(plain(raw)), &l.cut)
		}
	}
	l.value(data)
	return p.Lines
}
