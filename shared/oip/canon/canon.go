// Package canon is JavaScript's JSON, byte for byte: it reads a text exactly as
// JSON.parse does in Node, and writes it again exactly as JSON.stringify does.
//
// The Open Index Protocol signs such texts (spec section 3), so one byte of
// difference is a signature that does not verify. encoding/json will not do: it
// escapes U+2028 and U+2029, loses lone surrogates and the order of keys, and
// counts the bytes of invalid UTF-8 differently.
//
// Parse checks a text and returns a Value, a cursor over its bytes. No tree is
// built: a Value is a slice of the text, and walking it decodes one level at a
// time, so memory stays a small multiple of the text. Append writes the value
// canonically, AppendTags the tags of a transaction.
//
// Strings are WTF-8: UTF-8 in which a lone surrogate, which JavaScript strings
// can hold and UTF-8 cannot, is the three bytes that UTF-8 would give its number
// (ED A0 80 for U+D800). Text that Node would read from the bytes of a file or a
// response cannot hold one directly, only as an escape such as \ud800; such bytes
// in a JSON text are therefore invalid, and mean U+FFFD like all invalid bytes.
package canon

import (
	"errors"
	"iter"
)

const (
	// MaxDepth is how many arrays and objects may be open at once. JSON.parse has
	// no such limit; documents of the protocol stay below ten.
	MaxDepth = 64
	// MaxLength is the longest text in bytes: as many as the longest string of
	// V8 has characters. Callers bound their input far below it.
	MaxLength = 1<<29 - 24
)

// The reasons why a text is refused. All but ErrTooDeep and ErrTooLong are also
// refused by JSON.parse.
var (
	ErrSyntax  = errors.New("canon: not JSON")
	ErrTooDeep = errors.New("canon: nested too deeply")
	ErrTooLong = errors.New("canon: text too long")
)

// Parse checks data as Valid does and returns its value. The value refers to
// data, which must not change while it is in use.
func Parse(data []byte) (Value, error) {
	if err := Valid(data); err != nil {
		return Value{}, err
	}
	start := skipSpace(data, 0)
	return Value{data[start:skipValue(data, start)]}, nil
}

// AppendTags appends JSON.stringify of a list of tag objects, each with its name
// and its value in this order: the part of a signed message that spec section 3
// calls J(tags). Invalid UTF-8 is written as AppendString does.
func AppendTags(dst []byte, tags iter.Seq2[string, string]) []byte {
	dst = append(dst, '[')
	first := true
	for name, value := range tags {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, `{"name":`...)
		dst = AppendString(dst, name)
		dst = append(dst, `,"value":`...)
		dst = AppendString(dst, value)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
