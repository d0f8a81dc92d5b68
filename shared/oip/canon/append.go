package canon

import (
	"bytes"
	"slices"
)

// Append appends JSON.stringify of the value that JSON.parse makes of the text:
// no whitespace, keys in the order that Members gives them, numbers as
// AppendNumber and strings as AppendString write them. The zero Value is written
// as null. What is appended is at most six times as long as the value's text,
// and reading it again gives the same bytes.
//
// Time is linear in the length but for sorting the array indexes among the keys
// of one object; an object whose members must move is copied once for every
// object around it that must move too. Besides the result, memory is bounded by
// a small multiple of the text.
func Append(dst []byte, v Value) []byte {
	if v.Kind() == Invalid {
		return append(dst, "null"...)
	}
	w := newWriter(dst, v.raw)
	w.value(0)
	return w.dst
}

// writer writes in one pass: members are written as they come, and rearranged in
// the output when their object ends, which they rarely need.
type writer struct {
	raw     []byte
	dst     []byte
	base    int      // dst[base:] is what the writer appended
	members []member // of the objects that are open, the innermost last; offsets from base
	orderer orderer
	scratch []byte // a string or an object on its way
	moved   int    // bytes rearranged, for the tests of linearity
}

// newWriter reserves what one pass needs at most: a member takes a colon and, with
// quotes, a value and a comma, five bytes of the text.
func newWriter(dst, raw []byte) *writer {
	return &writer{
		raw:     raw,
		dst:     slices.Grow(dst, len(raw)),
		base:    len(dst),
		members: make([]member, 0, min(bytes.Count(raw, []byte{':'}), len(raw)/5)),
	}
}

// value writes the value at i and returns its end. It recurs at most MaxDepth
// times.
func (w *writer) value(i int) int {
	switch c := w.raw[i]; {
	case c == '{':
		return w.object(i)
	case c == '[':
		return w.array(i)
	case c == '"':
		return w.text(i)
	case c == '-' || isDigit(c):
		end := skipValue(w.raw, i)
		w.dst = appendLiteral(w.dst, w.raw[i:end])
		return end
	default: // null, true, false
		end := skipValue(w.raw, i)
		w.dst = append(w.dst, w.raw[i:end]...)
		return end
	}
}

func (w *writer) text(i int) int {
	end := skipString(w.raw, i)
	if body := w.raw[i+1 : end-1]; isPlain(body) {
		w.dst = append(w.dst, w.raw[i:end]...)
	} else {
		w.scratch = decode(w.scratch[:0], body)
		w.dst = quote(w.dst, w.scratch)
	}
	return end
}

func (w *writer) array(i int) int {
	w.dst = append(w.dst, '[')
	first := true
	for i = skipSpace(w.raw, i+1); w.raw[i] != ']'; i = skipComma(w.raw, i) {
		if !first {
			w.dst = append(w.dst, ',')
		}
		first = false
		i = w.value(i)
	}
	w.dst = append(w.dst, ']')
	return i + 1
}

func (w *writer) object(i int) int {
	outer := len(w.members)
	w.dst = append(w.dst, '{')
	body := len(w.dst)
	for i = skipSpace(w.raw, i+1); w.raw[i] != '}'; i = skipComma(w.raw, i) {
		if len(w.members) > outer {
			w.dst = append(w.dst, ',')
		}
		start := w.offset()
		i = w.text(i)
		// The member's key is its literal without the quotes: two canonical
		// literals are the same bytes if and only if they are the same text.
		m := member{key: start + 1, keyEnd: w.offset() - 1, start: start}
		w.dst = append(w.dst, ':')
		i = w.value(skipSpace(w.raw, skipSpace(w.raw, i)+1))
		m.end = w.offset()
		w.members = append(w.members, m)
	}
	w.rearrange(w.members[outer:], body)
	w.members = w.members[:outer]
	w.dst = append(w.dst, '}')
	return i + 1
}

// offset is the length of what has been written.
func (w *writer) offset() uint32 { return uint32(len(w.dst) - w.base) }

// rearrange puts an object's members, which are dst[body:], in order.
func (w *writer) rearrange(members []member, body int) {
	out := w.dst[w.base:]
	members, changed := w.orderer.order(members, out)
	if !changed {
		return
	}
	w.scratch = w.scratch[:0]
	for i, m := range members {
		if i > 0 {
			w.scratch = append(w.scratch, ',')
		}
		w.scratch = append(w.scratch, out[m.start:m.end]...)
	}
	w.moved += len(w.scratch)
	w.dst = append(w.dst[:body], w.scratch...)
}
