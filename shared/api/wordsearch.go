package api

import (
	"slices"

	"oipnode/shared/records"
)

// maxSearchWords is how many different words a search may have.
const maxSearchWords = 32

// The fields that a search looks into, and what a word in each is worth.
var searched = []struct {
	field  records.Field
	points int64
}{
	{records.FieldNameWord, 3},
	{records.FieldDescriptionWord, 2},
	{records.FieldTagWord, 1},
}

// search is the search for words.
type search struct {
	words []string
	given bool
	mode  string
}

func (s *search) params() []param {
	return []param{
		{"search", searchKind(s), "only records with these words in basic.name, basic.description or basic.tagItems; a word of 3 to 5 letters may differ by one typing mistake, a longer one by two; adds matchCount, how many of the words a record has"},
		{"searchMatchMode", choice(&s.mode, "AND", "OR"), "whether all the words of search are needed, or one is enough"},
	}
}

// filter is the condition of the search, with what it tells of the records: how many of
// the words one has, and, for sortBy=score, in which of the fields.
func (s *search) filter(tagged bool) (records.Cond, scores) {
	found := make([]records.Cond, len(s.words))
	var relevance []records.Scored
	for i, word := range s.words {
		somewhere := make(records.Any, len(searched))
		for j, in := range searched {
			somewhere[j] = records.Near{Field: in.field, Word: word}
			relevance = append(relevance, records.Scored{Where: somewhere[j], Points: in.points})
		}
		found[i] = somewhere
	}
	counted := scoring{names: []string{"matchCount"}, parts: one(found), show: func(points int64) []member {
		return []member{{"matchCount", number(points)}}
	}}
	all := scores{counted}
	if !tagged { // score is that of the tags then, which records are shown with
		all = append(all, scoring{names: []string{"score"}, parts: relevance})
	}
	if len(found) == 0 { // a text without any word finds nothing
		return records.Any{}, all
	}
	return combined(s.mode, found), all
}

// searchWords are the different words of a text; ok is false if they are too many.
func searchWords(text string) (list []string, ok bool) {
	for _, word := range records.Words(text) {
		if !slices.Contains(list, word) {
			list = append(list, word)
		}
		if len(list) > maxSearchWords {
			return nil, false
		}
	}
	return list, true
}
