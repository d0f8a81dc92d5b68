package records

import (
	"slices"
	"strings"
)

// Holds reports whether a condition holds for a document, by what Project says of it. It
// is for showing what a store found a document by; what a query finds only a store says.
func Holds(c Cond, p Projection) bool {
	some := func(f Field, holds func(value string) bool) bool { return slices.ContainsFunc(p.Text(f), holds) }
	switch c := c.(type) {
	case All:
		return !slices.ContainsFunc(c, func(part Cond) bool { return !Holds(part, p) })
	case Any:
		return slices.ContainsFunc(c, func(part Cond) bool { return Holds(part, p) })
	case Not:
		return !Holds(c.Cond, p)
	case Term:
		for _, v := range c.Values {
			key := Key(v)
			if some(c.Field, func(value string) bool { return value == key }) {
				return true
			}
		}
		return false
	case Between:
		n, ok := p.Number(c.Field)
		return ok && c.Min <= n && n <= c.Max
	case Exists:
		return p.Has(c.Field)
	case Prefix:
		return some(c.Field, func(value string) bool { return strings.HasPrefix(value, c.Text) })
	case Near:
		most := Typos(c.Word)
		return some(c.Field, func(value string) bool { return Distance(c.Word, value, most) <= most })
	case Like:
		return c.holds(p.Lines)
	}
	return true // nil
}

// Score is the sum of the points of those parts that hold for a document.
func Score(parts []Scored, p Projection) int64 {
	var sum int64
	for _, part := range parts {
		if Holds(part.Where, p) {
			sum += part.Points
		}
	}
	return sum
}
