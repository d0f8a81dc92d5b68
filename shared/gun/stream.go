package gun

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"oipnode/shared/oip/canon"
)

// A registry index can have a million entries, and whoever answers chooses its size.
// So answers with many entries are read as a stream: one member of one object at a
// time, each within a bound, and what is over it or not asked for passes by without
// being kept. encoding/json's Decoder cannot do that: it keeps every token whole,
// however long it is.

// errSyntax is an answer that is not JSON.
var errSyntax = errors.New("not JSON")

// lexer reads JSON from a stream. It holds its buffer and what it was asked to keep.
// It checks the structure of what it walks over; what is kept must be parsed, and what
// passes by need not be valid.
type lexer struct{ r *bufio.Reader }

func newLexer(r io.Reader) *lexer { return &lexer{bufio.NewReaderSize(r, 32<<10)} }

// byte returns the next byte; the end of the stream is io.ErrUnexpectedEOF.
func (l *lexer) byte() (byte, error) {
	c, err := l.r.ReadByte()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return c, err
}

// next returns the next byte that is not white space.
func (l *lexer) next() (byte, error) {
	for {
		c, err := l.byte()
		if err != nil || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c, err
		}
	}
}

// kept collects the bytes of a value up to a bound.
type kept struct {
	text []byte
	most int
	over bool
}

func (k *kept) add(c byte) {
	if len(k.text) >= k.most {
		k.over, k.text = true, k.text[:0]
		k.most = 0 // all of it passes by
		return
	}
	k.text = append(k.text, c)
}

// value is what was kept: not a value at all when it was over its bound.
func (k *kept) value() (canon.Value, error) {
	if k.over || len(k.text) == 0 {
		return canon.Value{}, nil
	}
	v, err := canon.Parse(k.text)
	if err != nil {
		return canon.Value{}, fmt.Errorf("%w: %w", errSyntax, err)
	}
	return v, nil
}

// text reads a string behind its opening quote.
func (l *lexer) text(k *kept) error {
	k.add('"')
	for {
		c, err := l.byte()
		if err != nil {
			return err
		}
		k.add(c)
		switch c {
		case '"':
			return nil
		case '\\':
			if c, err = l.byte(); err != nil {
				return err
			}
			k.add(c)
		}
	}
}

// pass reads one value and keeps it as far as the bound allows.
func (l *lexer) pass(k *kept) error {
	c, err := l.next()
	if err != nil {
		return err
	}
	depth := 0
	for {
		switch c {
		case '"':
			err = l.text(k)
		case '{', '[':
			depth++
			k.add(c)
		case '}', ']':
			if depth--; depth < 0 {
				return fmt.Errorf("%w: no value", errSyntax)
			}
			k.add(c)
		case ',', ':':
			if depth == 0 {
				return fmt.Errorf("%w: no value", errSyntax)
			}
			k.add(c)
		default:
			err = l.word(c, k)
		}
		if err != nil || depth == 0 {
			return err
		}
		if c, err = l.next(); err != nil {
			return err
		}
	}
}

// word reads a number, true, false or null, and leaves what follows it.
func (l *lexer) word(c byte, k *kept) error {
	for {
		k.add(c)
		var err error
		if c, err = l.byte(); err != nil {
			return err
		}
		switch c {
		case ',', ':', '}', ']', ' ', '\n', '\r', '\t', '"', '{', '[':
			return l.r.UnreadByte()
		}
	}
}

// keep reads one value of at most so many bytes; a longer one is not a value.
func (l *lexer) keep(most int) (canon.Value, error) {
	k := &kept{most: most}
	if err := l.pass(k); err != nil {
		return canon.Value{}, err
	}
	return k.value()
}

// skip reads one value and keeps nothing.
func (l *lexer) skip() error { return l.pass(&kept{}) }

// maxKey is the longest key that a visitor is told, in bytes of its literal.
const maxKey = 4 << 10

// object walks the members of an object behind its opening brace. The visitor must
// read the member's value. A key over maxKey is told as "".
func (l *lexer) object(visit func(key string) error) error {
	for first := true; ; first = false {
		c, err := l.next()
		if err != nil {
			return err
		}
		if c == '}' && first {
			return nil
		}
		if c != '"' {
			return fmt.Errorf("%w: no key", errSyntax)
		}
		k := &kept{most: maxKey}
		if err := l.text(k); err != nil {
			return err
		}
		key, err := k.value()
		if err != nil {
			return err
		}
		if c, err = l.next(); err != nil {
			return err
		}
		if c != ':' {
			return fmt.Errorf("%w: no colon", errSyntax)
		}
		if err := visit(key.Text()); err != nil {
			return err
		}
		if c, err = l.next(); err != nil {
			return err
		}
		switch c {
		case ',':
		case '}':
			return nil
		default:
			return fmt.Errorf("%w: no comma", errSyntax)
		}
	}
}

// array walks the elements of an array behind its opening bracket. The visitor gets
// the first byte of each, which is an object's brace; anything else is skipped.
func (l *lexer) array(visit func() error) error {
	for first := true; ; first = false {
		c, err := l.next()
		if err != nil {
			return err
		}
		if c == ']' && first {
			return nil
		}
		if c == '{' {
			err = visit()
		} else if err = l.r.UnreadByte(); err == nil {
			err = l.skip()
		}
		if err != nil {
			return err
		}
		if c, err = l.next(); err != nil {
			return err
		}
		switch c {
		case ',':
		case ']':
			return nil
		default:
			return fmt.Errorf("%w: no comma", errSyntax)
		}
	}
}

// Entries of an index are small; a larger one is told without its value.
const maxEntry = 4 << 10

// errNoData is an answer without data.
var errNoData = errors.New("no data")

// readIndex reads an answer whose data is a map, and calls visit for each of its
// entries as they come. Keys may repeat. GUN's own key _ is left out. It returns how
// many there were; errNoData when there is no map, and the visitor's error.
func readIndex(r io.Reader, visit func(key string, value canon.Value) error) (entries int, err error) {
	l := newLexer(r)
	if c, err := l.next(); err != nil {
		return 0, err
	} else if c != '{' {
		return 0, fmt.Errorf("%w: the answer is not an object", errSyntax)
	}
	found, failed := false, false
	err = l.object(func(key string) error {
		switch key {
		case "success":
			v, err := l.keep(maxEntry)
			ok, isBool := v.Bool()
			failed = failed || isBool && !ok
			return err
		case "data":
		default:
			return l.skip()
		}
		c, err := l.next()
		if err != nil {
			return err
		}
		if c != '{' {
			if err := l.r.UnreadByte(); err != nil {
				return err
			}
			return l.skip()
		}
		found = true
		return l.object(func(key string) error {
			if key == "_" || key == "" {
				return l.skip()
			}
			v, err := l.keep(maxEntry)
			if err != nil {
				return err
			}
			entries++
			return visit(key, v)
		})
	})
	if err == nil && (!found || failed) {
		err = errNoData
	}
	return entries, err
}

// readRecords reads the souls of an answer to a list, which holds the records whole,
// without keeping any of those.
func readRecords(r io.Reader, visit func(soul string, storedAt int64) error) (records int, err error) {
	l := newLexer(r)
	if c, err := l.next(); err != nil {
		return 0, err
	} else if c != '{' {
		return 0, fmt.Errorf("%w: the answer is not an object", errSyntax)
	}
	found := false
	err = l.object(func(key string) error {
		if key != "records" {
			return l.skip()
		}
		c, err := l.next()
		if err != nil {
			return err
		}
		if c != '[' {
			if err := l.r.UnreadByte(); err != nil {
				return err
			}
			return l.skip()
		}
		found = true
		return l.array(func() error {
			soul, storedAt := "", int64(0)
			err := l.object(func(key string) error {
				if key != "soul" && key != "storedAt" {
					return l.skip()
				}
				v, err := l.keep(maxEntry)
				if key == "soul" {
					soul = v.Text()
				} else {
					storedAt = moment(v)
				}
				return err
			})
			if err != nil {
				return err
			}
			records++
			return visit(soul, storedAt)
		})
	})
	if err == nil && !found {
		err = errNoData
	}
	return records, err
}
