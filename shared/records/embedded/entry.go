package embedded

import (
	"strings"

	index "github.com/blevesearch/bleve_index_api"

	"oipnode/shared/records"
)

// The index has one field per records.Field, under its name, and two more.
const (
	// fieldID is bleve's own field for the identity, here the DID.
	fieldID = "_id"
	// fieldHas holds the names of the fields that the document has.
	fieldHas = "_has"
)

// engineField is the name of a field in the index.
func engineField(f records.Field) string {
	if f == records.FieldDID {
		return fieldID
	}
	return string(f)
}

// entry is a document as the index takes it: terms by field, analysed already.
// It implements index.Document.
type entry struct {
	did    string
	fields []terms
}

// builder makes the entries of one batch. The same values come again and again
// (a kind, a creator, a template), so entries of a batch share them: most of
// what a batch allocates would be copies.
type builder struct {
	shared map[termKey]terms
}

// termKey is a field with a single value.
type termKey struct{ field, value string }

func newBuilder() *builder { return &builder{shared: make(map[termKey]terms)} }

// entry makes the index entry of a document. The DID is the identity, so it is
// no field of its own.
func (b *builder) entry(did string, p records.Projection) *entry {
	e := &entry{did: did, fields: make([]terms, 0, len(p.Texts)+len(p.Numbers)+2)}
	has := make([]string, 0, len(p.Texts)+len(p.Numbers))
	for _, t := range p.Texts {
		has = append(has, string(t.Field))
		if t.Field == records.FieldDID {
			continue
		}
		options := index.IndexField
		if t.Field.Listable() {
			// Not index.SkipDVCompression as well: it would save time, but zapx
			// 17.2 loses values of such columns when it merges segments.
			options |= index.DocValues
		}
		e.fields = append(e.fields, b.terms(string(t.Field), t.Values, options))
	}
	for _, n := range p.Numbers {
		has = append(has, string(n.Field))
		e.fields = append(e.fields, b.terms(string(n.Field), []string{encodeNumber(n.Value)}, index.IndexField|index.DocValues))
	}
	e.fields = append(e.fields, b.hasTerms(has))
	return e
}

// terms makes a field, or takes the one that an earlier document made.
func (b *builder) terms(name string, values []string, options index.FieldIndexingOptions) terms {
	if len(values) != 1 {
		return newTerms(name, values, options)
	}
	key := termKey{name, values[0]}
	t, ok := b.shared[key]
	if !ok {
		t = newTerms(name, values, options)
		b.shared[key] = t
	}
	return t
}

// hasTerms makes fieldHas; documents of one kind mostly have the same fields.
func (b *builder) hasTerms(names []string) terms {
	key := termKey{fieldHas, strings.Join(names, ",")}
	t, ok := b.shared[key]
	if !ok {
		t = newTerms(fieldHas, names, index.IndexField)
		b.shared[key] = t
	}
	return t
}

// encodeNumber writes a number from -2^53 to 2^53 as eight bytes in the order of
// the numbers. Each byte has seven bits: bleve separates terms by a byte 0xff.
func encodeNumber(n int64) string { return string(appendNumber(nil, n)) }

// appendNumber is encodeNumber behind other bytes.
func appendNumber(b []byte, n int64) []byte {
	u := uint64(n + maxNumber)
	for shift := 49; shift >= 0; shift -= 7 {
		b = append(b, byte(u>>shift)&0x7f)
	}
	return b
}

// decodeNumber reads what encodeNumber wrote.
func decodeNumber(s string) int64 {
	var u uint64
	for i := 0; i < len(s); i++ {
		u = u<<7 | uint64(s[i])
	}
	return int64(u) - maxNumber
}

// maxNumber is the largest number that a Projection holds.
const maxNumber = 1 << 53

// ID implements index.Document.
func (e *entry) ID() string { return e.did }

// AddIDField implements index.Document; bleve calls it once per batch.
func (e *entry) AddIDField() {
	if n := len(e.fields); n > 0 && e.fields[n-1].name == fieldID {
		return
	}
	id := newTerms(fieldID, []string{e.did}, index.IndexField|index.StoreField)
	id.value = []byte(e.did)
	e.fields = append(e.fields, id)
}

// VisitFields implements index.Document.
func (e *entry) VisitFields(visit index.FieldVisitor) {
	for i := range e.fields {
		visit(&e.fields[i])
	}
}

// Size implements index.Document; it is an estimate for bleve's statistics.
func (e *entry) Size() int { return len(e.did) + 256*len(e.fields) }

// StoredFieldsBytes implements index.Document.
func (e *entry) StoredFieldsBytes() uint64 { return uint64(len(e.did)) }

// NumPlainTextBytes implements index.Document.
func (e *entry) NumPlainTextBytes() uint64 { return 0 }

// VisitComposite implements index.Document: there is no field of all fields.
func (e *entry) VisitComposite(index.CompositeFieldVisitor) {}

// HasComposite implements index.Document.
func (e *entry) HasComposite() bool { return false }

// Indexed implements index.Document.
func (e *entry) Indexed() bool { return true }

// terms is one field of an entry: its values, each an exact term. It implements
// index.Field.
type terms struct {
	name    string
	value   []byte // of a stored field
	freqs   index.TokenFrequencies
	options index.FieldIndexingOptions
}

func newTerms(name string, values []string, options index.FieldIndexingOptions) terms {
	freqs := make(index.TokenFrequencies, len(values))
	tokens := make([]index.TokenFreq, len(values))
	size := 0
	for _, v := range values {
		size += len(v)
	}
	all := make([]byte, 0, size)
	for i, v := range values {
		all = append(all, v...)
		tokens[i].Term = all[len(all)-len(v):]
		tokens[i].SetFrequency(1) // a term of frequency 1 in one document takes no list in the index
		freqs[v] = &tokens[i]
	}
	return terms{name: name, freqs: freqs, options: options}
}

// Name implements index.Field.
func (t *terms) Name() string { return t.name }

// Value implements index.Field.
func (t *terms) Value() []byte { return t.value }

// ArrayPositions implements index.Field.
func (t *terms) ArrayPositions() []uint64 { return nil }

// EncodedFieldType implements index.Field; t is text.
func (t *terms) EncodedFieldType() byte { return 't' }

// Analyze implements index.Field; the terms are final.
func (t *terms) Analyze() {}

// Options implements index.Field.
func (t *terms) Options() index.FieldIndexingOptions { return t.options }

// AnalyzedLength implements index.Field. It only serves scores, and is the same
// for all so that bleve can leave it out.
func (t *terms) AnalyzedLength() int { return 1 }

// AnalyzedTokenFrequencies implements index.Field.
func (t *terms) AnalyzedTokenFrequencies() index.TokenFrequencies { return t.freqs }

// NumPlainTextBytes implements index.Field.
func (t *terms) NumPlainTextBytes() uint64 { return 0 }
