package embedded

import (
	"strings"
	"unicode/utf8"

	"github.com/RoaringBitmap/roaring/v2"
	index "github.com/blevesearch/bleve_index_api"

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
		if len(m.found) < remembered {
			m.found[c] = found
		}
	}
	if base == nil {
		return found.Clone(), nil
	}
	return roaring.And(found, base), nil
}

// nearWords are the words of the field that a Near holds for. For a word in ASCII the
// dictionary is searched with an automaton, which leaves out whole branches of it and is
// some fifty times as fast; of other words vellum's automaton loses some that are near.
// records.Distance has the last word.
func (m *matcher) nearWords(c records.Near) ([]string, error) {
	most := records.Typos(c.Word)
	if most == 0 {
		return []string{c.Word}, nil
	}
	dict, err := m.around(c, most)
	if err != nil {
		return nil, err
	}
	defer dict.Close()
	letters := utf8.RuneCountInString(c.Word)
	var words []string
	for {
		word, err := dict.Next()
		if word == nil || err != nil {
			return words, err
		}
		if err := m.step(); err != nil {
			return nil, err
		}
		if n := utf8.RuneCountInString(word.Term); n-letters > most || letters-n > most {
			continue
		}
		if records.Distance(c.Word, word.Term, most) <= most {
			words = append(words, word.Term)
		}
	}
}

// around goes through the words that may be near, in the order of the dictionary.
func (m *matcher) around(c records.Near, most int) (index.FieldDict, error) {
	fuzzy, ok := m.reader.(index.IndexReaderFuzzy)
	ascii := strings.IndexFunc(c.Word, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	if ok && ascii {
		return fuzzy.FieldDictFuzzy(engineField(c.Field), c.Word, most, "")
	}
	return m.reader.FieldDict(engineField(c.Field))
}
