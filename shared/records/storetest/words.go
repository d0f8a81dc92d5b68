package storetest

import (
	"fmt"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// near is a word in the name, the description or the tags.
func near(word string) records.Cond {
	return records.Any{records.Near{Field: records.FieldNameWord, Word: word}, records.Near{Field: records.FieldDescriptionWord, Word: word},
		records.Near{Field: records.FieldTagWord, Word: word}}
}

// testWords asks for words with and without typing mistakes.
func testWords(t *testing.T, s *subject) {
	p := newPress()
	names := []string{
		"ca", "ac", "abc", "cab", "a", "b", "ab", "ba", "abd", "acb", "abcd", "abdc", "bacd", "badc", "hello", "hlelo", "helo", "helloo", "hellp", "olleh",
		"kitten", "sitten", "sittin", "sitting", "iktten", "ikttne", "kittenss", "banana", "bananas", "anana", "ananab", "bandana",
		"The quick brown Fox", "don't", "3.14", "C++", "foo_bar", "foo-bar", "e-mail@example.com", "naïve", "naive", "nai\u0308ve", "ÉCOLE", "école", "ecole",
		"Ελλάδα", "ελλαδα", "ΣΊΣΥΦΟΣ", "привет", "превет", "日本語", "ひらがな", "カタカナ", "한국어", "\U0001f600 smile", "x\U0001f600y", "ﬁne", "straße", "strasse",
		"İstanbul", "istanbul", "a*b", "wor?d", "w.rd", "(word)", "\"word\"", "word~1", "[word]", "word\u0000word", strings.Repeat("w", 128), strings.Repeat("w", 129), strings.Repeat("é", 64),
	}
	var docs []*oip.Document
	for i, n := range names {
		a := article{name: n, note: strings.Join([]string{"number", n, fmt.Sprint(i)}, " ")}
		if i%2 == 0 {
			a.tags = []string{n, "Some Tag"}
		}
		docs = append(docs, p.document(a))
	}
	s.put(docs...)
	asked := map[string]bool{}
	for _, n := range names {
		for _, w := range records.Words(n) {
			if !asked[w] {
				asked[w] = true
				s.check(records.Query{Where: records.Near{Field: records.FieldNameWord, Word: w}})
			}
		}
	}
	for _, w := range []string{"some", "tag", "soem", "number", "nubmer", "unmber", "numbers", "nothing", "ktiten", "sitten", "7", "12", strings.Repeat("w", 126), strings.Repeat("w", 127)} {
		s.check(records.Query{Where: near(w)})
		s.check(records.Query{Where: records.Not{Cond: near(w)}})
	}
	s.check(records.Query{Where: records.All{near("quick"), near("fox"), records.Not{Cond: near("hello")}}})
	for word, not := range map[string]string{"ca": "ac", "abc": "ca", "ab": "ba", "hello": "olleh", "kitten": "sitting"} {
		where := records.All{records.Near{Field: records.FieldNameWord, Word: word}, records.Is(records.FieldName, not)}
		if n := s.page(records.Query{Where: where}).Total; n != 0 {
			t.Errorf("%q was found near %q", not, word)
		}
	}
	for word, too := range map[string]string{"abc": "acb", "hello": "hlelo", "kitten": "ikttne", "banana": "bananas", "abcd": "abdc", "naive": "naïve"} {
		where := records.All{records.Near{Field: records.FieldNameWord, Word: word}, records.Is(records.FieldName, too)}
		if n := s.page(records.Query{Where: where}).Total; n != 1 {
			t.Errorf("%q was found %d times near %q, want once", too, n, word)
		}
	}
}

// testManyNear has a thousand different words near one: an engine's cut-off of what it
// looks for must not hide one of them, nor those that come last in its dictionary.
func testManyNear(t *testing.T, s *subject) {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	p := newPress()
	seen := map[string]bool{"nearest": true}
	var docs []*oip.Document
	for i := 0; len(docs) < 1000; i++ {
		word := []byte("nearest")
		word[i%7] = letters[i/7%26]
		word[(i+1+i/182%6)%7] = letters[(i*11+i/182)%26]
		if seen[string(word)] {
			continue
		}
		seen[string(word)] = true
		docs = append(docs, p.document(article{name: string(word), note: "the " + string(word)}))
	}
	s.put(docs...)
	for _, f := range []records.Field{records.FieldNameWord, records.FieldDescriptionWord} {
		s.check(records.Query{Where: records.Near{Field: f, Word: "nearest"}})
		if n := s.page(records.Query{Where: records.Near{Field: f, Word: "nearest"}}).Total; n != 1000 {
			t.Errorf("%d of 1000 words were found in %s", n, f)
		}
	}
	s.check(records.Query{Where: records.Near{Field: records.FieldNameWord, Word: "nearer"}, Limit: 100})
	s.check(records.Query{Where: records.Near{Field: records.FieldNameWord, Word: "zzarest"}})
	s.check(records.Query{Score: []records.Scored{{Where: records.Near{Field: records.FieldNameWord, Word: "neatest"}, Points: 3},
		{Where: records.Near{Field: records.FieldDescriptionWord, Word: "bearest"}, Points: 2}}, Sort: []records.Sort{{Field: records.FieldScore, Desc: true}}, Limit: 400})
}
