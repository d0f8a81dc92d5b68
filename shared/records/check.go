package records

import "fmt"

// Bounds of a call that are about its shape. Every implementation refuses what
// is beyond them with ErrInvalid, by the functions of this file.
const (
	// MaxTerms is the most values of one Term.
	MaxTerms = 1000
	// MaxDepth is how deep conditions may nest; a Term alone has depth 1.
	MaxDepth = 32
	// MaxNodes is the most conditions of one Where.
	MaxNodes = 10000
	// MaxSort is the most levels of a Sort.
	MaxSort = 8
	// MaxScored is the most parts of a Score.
	MaxScored = 256
	// MaxPoints is the most points of one part, and of all parts of a Score together:
	// what every engine adds up exactly.
	MaxPoints = 1 << 22
)

// Check returns ErrInvalid, with the reason, for a query that no store answers:
// over a limit, or with an unknown field or one that cannot be sorted by.
func (q Query) Check() error {
	switch {
	case q.Limit < 0 || q.Limit > MaxLimit:
		return fmt.Errorf("%w: limit %d is not in 0..%d", ErrInvalid, q.Limit, MaxLimit)
	case q.Offset < 0 || q.Offset+q.Limit > MaxWindow || q.Offset > MaxWindow:
		return fmt.Errorf("%w: offset %d reaches beyond %d; continue with a cursor", ErrInvalid, q.Offset, MaxWindow)
	case q.After != "" && q.Offset != 0:
		return fmt.Errorf("%w: an offset and a cursor", ErrInvalid)
	case len(q.Sort) > MaxSort:
		return fmt.Errorf("%w: more than %d sort levels", ErrInvalid, MaxSort)
	}
	for _, s := range q.Sort {
		if !s.Field.Listable() && (s.Field != FieldScore || len(q.Score) == 0) {
			return fmt.Errorf("%w: cannot sort by %q", ErrInvalid, s.Field)
		}
	}
	if q.EnvelopeOnly && q.RefsOnly {
		return fmt.Errorf("%w: both the envelope only and the references only", ErrInvalid)
	}
	if err := CheckCount(q.Where, q.CountBy); err != nil {
		return err
	}
	return checkScore(q.Score)
}

func checkScore(parts []Scored) error {
	if len(parts) > MaxScored {
		return fmt.Errorf("%w: more than %d parts of a score", ErrInvalid, MaxScored)
	}
	left := int64(MaxPoints)
	for _, part := range parts {
		if part.Points < 1 || part.Points > left {
			return fmt.Errorf("%w: a score of %d points; all parts together have from 1 to %d", ErrInvalid, part.Points, MaxPoints)
		}
		left -= part.Points
		if part.Where == nil {
			return fmt.Errorf("%w: a part of a score without a condition", ErrInvalid)
		}
		if err := CheckCond(part.Where); err != nil {
			return err
		}
	}
	return nil
}

// CheckCount is Check for a Count; an empty field asks for the total only.
func CheckCount(where Cond, by Field) error {
	if by != "" && (!by.Listable() || by.Numeric()) {
		return fmt.Errorf("%w: cannot count by %q", ErrInvalid, by)
	}
	return CheckCond(where)
}

// CheckCond returns ErrInvalid for a condition that is too deep, too large, or
// asks a field for what it does not hold. Nil is fine: it matches everything.
func CheckCond(c Cond) error {
	if c == nil {
		return nil
	}
	nodes := 0
	return checkNode(c, 1, &nodes)
}

func checkNode(c Cond, depth int, nodes *int) error {
	if *nodes++; *nodes > MaxNodes {
		return fmt.Errorf("%w: more than %d conditions", ErrInvalid, MaxNodes)
	}
	if depth > MaxDepth {
		return fmt.Errorf("%w: conditions nested deeper than %d", ErrInvalid, MaxDepth)
	}
	switch c := c.(type) {
	case All:
		return checkNodes(c, depth, nodes)
	case Any:
		return checkNodes(c, depth, nodes)
	case Not:
		return checkNode(c.Cond, depth+1, nodes)
	case Term:
		if !c.Field.Known() || c.Field.Numeric() {
			return fmt.Errorf("%w: %q is not a text field", ErrInvalid, c.Field)
		}
		if len(c.Values) > MaxTerms {
			return fmt.Errorf("%w: more than %d values of %q", ErrInvalid, MaxTerms, c.Field)
		}
	case Between:
		if !c.Field.Known() || !c.Field.Numeric() {
			return fmt.Errorf("%w: %q is not a numeric field", ErrInvalid, c.Field)
		}
	case Exists:
		if !c.Field.Known() {
			return fmt.Errorf("%w: unknown field %q", ErrInvalid, c.Field)
		}
	case Prefix:
		if c.Field != FieldRef || c.Text == "" || len(c.Text) > maxRef {
			return fmt.Errorf("%w: a prefix of %q with %d bytes; it is for %s, with 1 to %d", ErrInvalid, c.Field, len(c.Text), FieldRef, maxRef)
		}
	case Near:
		if w := Words(c.Word); !c.Field.words() || len(w) != 1 || w[0] != c.Word {
			return fmt.Errorf("%w: %q in %q is no word in a field of words", ErrInvalid, c.Word, c.Field)
		}
	case Like:
		if n := len(Fold(c.Text)); n < 1 || n > MaxLike || len(c.Path) > MaxPath || c.Least < Unlike || c.Least > Same {
			return fmt.Errorf("%w: a likeness of %d bytes at a path of %d; at most %d and %d", ErrInvalid, n, len(c.Path), MaxLike, MaxPath)
		}
	default:
		return fmt.Errorf("%w: condition %T", ErrInvalid, c)
	}
	return nil
}

func checkNodes(parts []Cond, depth int, nodes *int) error {
	for _, part := range parts {
		if err := checkNode(part, depth+1, nodes); err != nil {
			return err
		}
	}
	return nil
}

// CheckWrite returns ErrInvalid for a Write that is over a limit or holds an
// operation that is not exactly one of Put, Patch and Delete, or a Put of a
// document that did not come out of package oip.
func CheckWrite(ops []Op) error {
	if len(ops) > MaxOps {
		return fmt.Errorf("%w: more than %d operations", ErrInvalid, MaxOps)
	}
	bytes := 0
	for i, op := range ops {
		set := 0
		if op.Put != nil {
			if set++; !op.Put.Valid() {
				return fmt.Errorf("%w: operation %d puts a document that was not verified", ErrInvalid, i)
			}
			bytes += len(op.Put.JSON())
		}
		if op.Patch != nil {
			set++
		}
		if op.Delete != "" {
			set++
		}
		if set != 1 {
			return fmt.Errorf("%w: operation %d is %d operations", ErrInvalid, i, set)
		}
	}
	if len(ops) > 1 && bytes > MaxWriteBytes {
		return fmt.Errorf("%w: %d bytes in one write, at most %d", ErrInvalid, bytes, MaxWriteBytes)
	}
	return nil
}
