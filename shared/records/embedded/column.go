package embedded

import (
	"strings"

	index "github.com/blevesearch/bleve_index_api"

	"oipnode/shared/records"
)

// column reads the values of one field by document number. Reading in ascending
// or descending order is fast, jumping is not.
type column struct {
	reader index.IndexReader
	values index.DocValueReader // nil for the DID, which is the identity
	id     index.IndexInternalID
	// term is what the visit under way does with a value.
	term  func(term []byte)
	relay index.DocValueVisitor
}

func newColumn(reader index.IndexReader, f records.Field) (*column, error) {
	c := &column{reader: reader}
	if f == records.FieldDID {
		return c, nil
	}
	values, err := reader.DocValueReader([]string{engineField(f)})
	if err != nil {
		return nil, err
	}
	c.values = values
	c.relay = func(_ string, term []byte) { c.term(term) }
	return c, nil
}

// visit calls term for each value of the document; the bytes are only valid
// within the call.
func (c *column) visit(doc uint32, term func(term []byte)) error {
	c.id = index.NewIndexInternalID(c.id, uint64(doc))
	if c.values == nil {
		did, err := c.reader.ExternalID(c.id)
		if err == nil {
			term([]byte(did))
		}
		return err
	}
	c.term = term
	return c.values.VisitDocValues(c.id, c.relay)
}

// sortValue is where a document stands at one level of an order.
type sortValue struct {
	missing bool
	text    string // numbers as encodeNumber writes them
}

// level is one level of an order over one snapshot.
type level struct {
	*column
	scores *scores // in place of a column, for FieldScore
	desc   bool
	best   []byte // of the visit under way
	has    bool
	pick   func(term []byte)
}

func newLevel(reader index.IndexReader, s records.Sort, given *scores) (*level, error) {
	if s.Field == records.FieldScore {
		return &level{scores: given, desc: s.Desc}, nil
	}
	c, err := newColumn(reader, s.Field)
	if err != nil {
		return nil, err
	}
	l := &level{column: c, desc: s.Desc}
	l.pick = l.choose
	return l, nil
}

// choose keeps the smallest value of an ascending level, the largest of a
// descending one.
func (l *level) choose(term []byte) {
	if !l.has || (string(term) < string(l.best)) != l.desc {
		l.best, l.has = append(l.best[:0], term...), true
	}
}

// load reads the document's value into best and has.
func (l *level) load(doc uint32) error {
	if l.scores != nil {
		l.best, l.has = appendNumber(l.best[:0], l.scores.of(doc)), true
		return nil
	}
	l.has = false
	return l.visit(doc, l.pick)
}

// value is what load has read.
func (l *level) value() sortValue {
	if !l.has {
		return sortValue{missing: true}
	}
	return sortValue{text: string(l.best)}
}

// compareLoaded orders what load has read against a value, without copying it.
func (l *level) compareLoaded(v sortValue) int {
	if !l.has || v.missing {
		return compareMissing(!l.has, v.missing)
	}
	switch {
	case string(l.best) == v.text:
		return 0
	case (string(l.best) < v.text) != l.desc:
		return -1
	}
	return 1
}

// compare orders two values of the level: negative if a comes first.
func (l *level) compare(a, b sortValue) int {
	if a.missing || b.missing {
		return compareMissing(a.missing, b.missing)
	}
	c := strings.Compare(a.text, b.text)
	if l.desc {
		return -c
	}
	return c
}

// compareMissing puts documents without a value last, in both directions.
func compareMissing(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
