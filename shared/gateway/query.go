package gateway

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// selection says which fields of a transaction are asked for. anchor, owner.key
// and block.id never are: they are non-null in the schema, and one row without
// them nulls a whole page.
type selection int

const (
	// selectFull is everything in Node.
	selectFull selection = iota
	// selectTags leaves out what only some stores can resolve.
	selectTags
	// selectIDs is id and height: what every row has.
	selectIDs
)

// fields are the selections as GraphQL.
var fields = [...]string{
	selectFull: "id owner { address } tags { name value } block { height } data { size }",
	selectTags: "id tags { name value } block { height }",
	selectIDs:  "id block { height }",
}

// query is one page to be asked for.
type query struct {
	ids  []string
	tags []Filter
	// heights limits the page to min..max; without it pending transactions and
	// all heights match.
	heights  bool
	min, max int64
	after    string
	sel      selection
}

// text writes the query with its values inlined: variables are one more thing
// that proxies and caches of gateways get wrong.
func (q query) text() string {
	var b strings.Builder
	b.WriteString("query { transactions(first: ")
	b.WriteString(strconv.Itoa(PageSize))
	b.WriteString(", sort: HEIGHT_ASC")
	if q.heights {
		fmt.Fprintf(&b, ", block: { min: %d, max: %d }", q.min, q.max)
	}
	if len(q.ids) > 0 {
		b.WriteString(", ids: ")
		writeList(&b, q.ids)
	}
	if len(q.tags) > 0 {
		b.WriteString(", tags: [")
		for i, f := range q.tags {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString("{ name: ")
			writeString(&b, f.Name)
			b.WriteString(", values: ")
			writeList(&b, f.Values)
			b.WriteString(" }")
		}
		b.WriteByte(']')
	}
	if q.after != "" {
		b.WriteString(", after: ")
		writeString(&b, q.after)
	}
	b.WriteString(") { pageInfo { hasNextPage } edges { cursor node { ")
	b.WriteString(fields[q.sel])
	b.WriteString(" } } } }")
	return b.String()
}

// writeList writes a GraphQL list of strings.
func writeList(b *strings.Builder, values []string) {
	b.WriteByte('[')
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		writeString(b, v)
	}
	b.WriteByte(']')
}

// writeString writes a GraphQL string: quotes, backslashes and everything that
// is no printable source character are escaped. s is valid UTF-8.
func writeString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// Bounds of a filter, far above anything a caller needs and below what makes
// gateways refuse a query for its length.
const (
	maxFilters     = 16
	maxFilterItems = 100
	maxFilterBytes = 16 << 10
)

// checkFilters refuses filters that cannot be asked for.
func checkFilters(filters []Filter) error {
	if len(filters) > maxFilters {
		return fmt.Errorf("%w: %d tag filters", ErrInvalid, len(filters))
	}
	size := 0
	for _, f := range filters {
		size += len(f.Name)
		ok := f.Name != "" && utf8.ValidString(f.Name) && len(f.Values) > 0 && len(f.Values) <= maxFilterItems
		for _, v := range f.Values {
			size += len(v)
			ok = ok && utf8.ValidString(v)
		}
		if !ok {
			return fmt.Errorf("%w: tag filter %q needs a name and 1 to %d values in UTF-8", ErrInvalid, excerpt([]byte(f.Name)), maxFilterItems)
		}
	}
	if size > maxFilterBytes {
		return fmt.Errorf("%w: tag filters of %d bytes", ErrInvalid, size)
	}
	return nil
}

// check refuses a window that cannot be asked for.
func (s Scan) check() error {
	if s.Min < 0 || s.Max < s.Min || s.Max >= maxHeight {
		return fmt.Errorf("%w: window %d to %d", ErrInvalid, s.Min, s.Max)
	}
	return checkFilters(s.Tags)
}
