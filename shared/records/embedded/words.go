package embedded

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"oipnode/shared/records"
)

// prefix returns the documents of base with a value that begins with a text.
func (m *matcher) prefix(c records.Prefix, base *roaring.Bitmap) (*roaring.Bitmap, error) {
	dict, err := m.reader.FieldDictPrefix(engineField(c.Field), []byte(c.Text))
	if err != nil {
		return nil, err
	}
	defer dict.Close()
	found := roaring.New()
	for {
		value, err := dict.Next()
		if value == nil || err != nil {
			return found, err
		}
		if err := m.addTerm(found, c.Field, value.Term, base); err != nil {
			return nil, err
		}
	}
}

// addTerm adds the documents of base that have a term.
func (m *matcher) addTerm(to *roaring.Bitmap, f records.Field, term string, base *roaring.Bitmap) error {
	if err := m.step(); err != nil {
		return err
	}
	some, err := m.term(engineField(f), term, base)
	if err == nil {
		to.Or(some)
	}
	return err
}

// near returns the documents of base that have the word, or one like it.
func (m *matcher) near(c records.Near, base *roaring.Bitmap) (*roaring.Bitmap, error) {
	found := m.found[c]
	if found == nil {
		words, err := m.nearWords(c)
		if err != nil {
			return nil, err
		}
		found = roaring.New()
		for _, word := range words {
			if err := m.addTerm(found, c.Field, word, nil); err != nil {
				return nil, err
			}
		}
		if len(m.found) < rememberedWords {
			m.found[c] = found
		}
	}
	if base == nil {
		return found.Clone(), nil
	}
	return roaring.And(found, base), nil
}

// nearWords are the words of the field that a Near holds for.
func (m *matcher) nearWords(c records.Near) ([]string, error) {
	most := records.Typos(c.Word)
	if most == 0 {
		return []string{c.Word}, nil
	}
	segments, err := m.segments()
	if err != nil {
		return nil, err
	}
	near := newNearAutomaton(c.Word, most)
	var words []string
	for _, part := range segments {
		dict, err := part.Segment().Dictionary(engineField(c.Field))
		if err != nil {
			return nil, err
		}
		found := dict.AutomatonIterator(near, nil, nil)
		for {
			word, err := found.Next()
			if err == nil {
				err = m.step()
			}
			if err != nil {
				return nil, err
			}
			if word == nil {
				break
			}
			words = append(words, word.Term)
		}
	}
	slices.Sort(words)
	return slices.Compact(words), nil
}
