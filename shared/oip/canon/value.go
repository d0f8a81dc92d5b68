package canon

import "iter"

// Kind is the type of a JSON value.
type Kind int

// The kinds of value. Invalid is the kind of the zero Value only.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// String names the kind as the JSON standard does, for messages.
func (k Kind) String() string {
	names := [...]string{"invalid", "null", "boolean", "number", "string", "array", "object"}
	if k < 0 || int(k) >= len(names) {
		k = Invalid
	}
	return names[k]
}

// Value is one value of a text that Parse accepted. It is a cursor: small,
// copied freely, and without any decoded state, so each call reads the bytes
// again. Walking a whole text through Elements and Members reads each byte once
// for every array and object around it, MaxDepth times at most. The zero Value
// is Invalid: it has no elements, no members and no text.
type Value struct {
	raw []byte // one value of a checked text, without space around it
}

// Kind is the type of the value.
func (v Value) Kind() Kind {
	if len(v.raw) == 0 {
		return Invalid
	}
	switch v.raw[0] {
	case 'n':
		return Null
	case 't', 'f':
		return Bool
	case '"':
		return String
	case '[':
		return Array
	case '{':
		return Object
	}
	return Number
}

// Raw is the value as it stands in the text, without space around it. It must
// not be changed.
func (v Value) Raw() []byte { return v.raw }

// Bool returns a boolean; ok is false for other kinds.
func (v Value) Bool() (b, ok bool) {
	if v.Kind() != Bool {
		return false, false
	}
	return v.raw[0] == 't', true
}

// Text returns a string decoded to WTF-8, and "" for other kinds. Two escapes
// that make a surrogate pair are one character; a lone surrogate survives; an
// invalid byte sequence is U+FFFD, one for each maximal subpart, as in Node.
func (v Value) Text() string {
	if v.Kind() != String {
		return ""
	}
	body := v.raw[1 : len(v.raw)-1]
	if isPlain(body) {
		return string(body)
	}
	return string(decode(make([]byte, 0, len(body)), body))
}

// Elements are the values of an array in order; other kinds have none.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		for i := skipSpace(v.raw, 1); v.raw[i] != ']'; i = skipComma(v.raw, i) {
			end := skipValue(v.raw, i)
			if !yield(Value{v.raw[i:end]}) {
				return
			}
			i = end
		}
	}
}

// skipSpace returns the first position at or after i that is not whitespace.
func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\r' || raw[i] == '\t') {
		i++
	}
	return i
}

// skipComma returns the position of what follows a value that ends at i: the
// next value or key, or the closing bracket. The text must be valid here and in
// the other skip functions.
func skipComma(raw []byte, i int) int {
	i = skipSpace(raw, i)
	if raw[i] == ',' {
		i = skipSpace(raw, i+1)
	}
	return i
}

// skipValue returns the end of the value that starts at i.
func skipValue(raw []byte, i int) int {
	switch raw[i] {
	case '"':
		return skipString(raw, i)
	case '[', '{':
		return skipNested(raw, i)
	}
	for ; i < len(raw); i++ {
		switch raw[i] {
		case ',', ']', '}', ' ', '\t', '\n', '\r':
			return i
		}
	}
	return i
}

func skipNested(raw []byte, i int) int {
	for depth := 0; ; i++ {
		switch raw[i] {
		case '"':
			i = skipString(raw, i) - 1
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

func skipString(raw []byte, i int) int {
	for i++; raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i + 1
}
