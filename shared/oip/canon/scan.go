package canon

import "fmt"

// expect says what the grammar allows at a position of the text.
type expect int

const (
	expectValue      expect = iota
	expectValueOrEnd        // after [
	expectKey               // after a comma in an object
	expectKeyOrEnd          // after {
	expectMore              // after a value: a comma or the end of what is open
)

// Valid reports whether data is one JSON text, as JSON.parse of Node sees it
// after decoding the bytes as UTF-8: the only whitespace is space, tab, CR and
// LF; a byte order mark and trailing data are refused. Invalid UTF-8 inside
// strings is accepted and means U+FFFD. The error wraps ErrSyntax and gives the
// byte offset, or is ErrTooDeep or ErrTooLong. The text is read once, from left
// to right, in constant memory.
func Valid(data []byte) error {
	if err := checkLength(len(data)); err != nil {
		return err
	}
	s := scanner{data: data}
	return s.run()
}

func checkLength(n int) error {
	if n > MaxLength {
		return ErrTooLong
	}
	return nil
}

// scanner checks the grammar. What is open is one bit per level (1 for an
// object), which is why MaxDepth is 64.
type scanner struct {
	data  []byte
	pos   int
	open  uint64
	depth int
}

// fault is a syntax error at the current position.
func (s *scanner) fault(what string) error {
	if s.pos >= len(s.data) {
		return fmt.Errorf("%w: unexpected end at byte %d", ErrSyntax, len(s.data))
	}
	return fmt.Errorf("%w: %s at byte %d", ErrSyntax, what, s.pos)
}

func (s *scanner) run() error {
	next := expectValue
	for {
		s.pos = skipSpace(s.data, s.pos)
		if next == expectMore && s.depth == 0 {
			if s.pos < len(s.data) {
				return s.fault("data after the value")
			}
			return nil
		}
		if s.pos >= len(s.data) {
			return s.fault("")
		}
		var err error
		if next, err = s.step(next); err != nil {
			return err
		}
	}
}

// step reads one token, which the position is at, and says what may follow.
func (s *scanner) step(want expect) (expect, error) {
	c := s.data[s.pos]
	inObject := s.open&1 == 1
	switch {
	case c == ']' && (want == expectValueOrEnd || want == expectMore && !inObject),
		c == '}' && (want == expectKeyOrEnd || want == expectMore && inObject):
		s.pos++
		s.depth--
		s.open >>= 1
		return expectMore, nil
	case want == expectMore:
		if c != ',' {
			return 0, s.fault("no comma or end of array or object")
		}
		s.pos++
		if inObject {
			return expectKey, nil
		}
		return expectValue, nil
	case want == expectKey || want == expectKeyOrEnd:
		return expectValue, s.key()
	case c == '[':
		return expectValueOrEnd, s.push(0)
	case c == '{':
		return expectKeyOrEnd, s.push(1)
	}
	return expectMore, s.scalar()
}

func (s *scanner) push(bit uint64) error {
	if s.depth == MaxDepth {
		return ErrTooDeep
	}
	s.depth++
	s.open = s.open<<1 | bit
	s.pos++
	return nil
}

// key reads a key and its colon.
func (s *scanner) key() error {
	if s.data[s.pos] != '"' {
		return s.fault("no key")
	}
	if err := s.text(); err != nil {
		return err
	}
	s.pos = skipSpace(s.data, s.pos)
	if s.peek() != ':' {
		return s.fault("no colon after a key")
	}
	s.pos++
	return nil
}

func (s *scanner) scalar() error {
	switch c := s.data[s.pos]; {
	case c == '"':
		return s.text()
	case c == '-' || isDigit(c):
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.fault("no value")
}

func (s *scanner) word(w string) error {
	for i := range len(w) {
		if s.peek() != w[i] {
			return s.fault("no value")
		}
		s.pos++
	}
	return nil
}

// text reads a string. Most bytes of a text are in strings, so those that need
// no attention pass in a tight loop.
func (s *scanner) text() error {
	data, i := s.data, s.pos+1
	for i < len(data) {
		c := data[i]
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		s.pos = i
		if c == '"' {
			s.pos++
			return nil
		}
		if c < ' ' {
			return s.fault("control character in a string")
		}
		if err := s.escape(); err != nil {
			return err
		}
		i = s.pos
	}
	s.pos = i
	return s.fault("")
}

// escape reads an escape. Whether \u escapes make pairs of surrogates does not
// matter here: JavaScript's strings may hold any.
func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		s.pos++
		for range 4 {
			if _, ok := hexDigit(s.peek()); !ok {
				return s.fault("no hexadecimal digit in an escape")
			}
			s.pos++
		}
		return nil
	}
	return s.fault("unknown escape")
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
		if isDigit(s.peek()) {
			return s.fault("digit after a leading zero")
		}
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.pos++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		return s.digits()
	}
	return nil
}

// digits reads one digit or more.
func (s *scanner) digits() error {
	if !isDigit(s.peek()) {
		return s.fault("no digit in a number")
	}
	for isDigit(s.peek()) {
		s.pos++
	}
	return nil
}

// peek returns the byte at the position, or 0 (which no token holds) at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func hexDigit(c byte) (rune, bool) {
	switch {
	case isDigit(c):
		return rune(c - '0'), true
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10, true
	}
	return 0, false
}
