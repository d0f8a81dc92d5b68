package storetest

import (
	"fmt"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// every asks for each closeness of a text at a path.
func (s *subject) every(path, text string) {
	s.Helper()
	for least := records.Unlike; least <= records.Same; least++ {
		s.check(records.Query{Where: records.Like{Path: path, Text: text, Least: least}})
	}
}

// testLike compares texts with parts of themselves.
func testLike(t *testing.T, s *subject) {
	p := newPress()
	texts := []string{
		"Chicken Soup", "chicken", "CHICKEN", "soup of chicken", "chickens", "a chicken-soup", "chicken_soup", "über chicken", "chickenü", "üchicken", "chicken chickens",
		"chickenchicken chicken x", "x chickenchicken", "chicken\u0000", "\u0001chicken", "\u0002chicken\u0003", "\nchicken\n", "\tchicken", "chicken\u2028", "chick", "sou",
	}
	for _, v := range signs {
		texts = append(texts, v, "x"+v+"x", "before "+v+" behind")
	}
	var docs []*oip.Document
	seen := map[string]bool{}
	for i, v := range texts {
		if !seen[v] {
			seen[v] = true
			docs = append(docs, p.shaped(map[int]any{shapeText: v, shapeTexts: []any{"first", v, i}, shapeAny: map[string]any{"*": v}}))
		}
	}
	s.put(docs...)
	for _, text := range []string{"chicken", "CHICKEN", "soup", "chicken soup", "n s", " ", "c", "chicken\u0000", "\u0003chicken"} {
		s.every("shape.text", text)
	}
	for _, v := range signs {
		for _, least := range []records.Closeness{records.Contains, records.WholeWord, records.Same} {
			s.check(records.Query{Where: records.Like{Path: "shape.text", Text: v, Least: least}})
		}
		s.check(records.Query{Where: records.All{records.Like{Path: "shape.texts", Text: v, Least: records.EndsWith}, records.Like{Path: "shape.any.*", Text: v, Least: records.StartsWith}}})
	}
	for _, path := range []string{"", "shape", "shape.tex", "shape.text.", "shape.texts", "shape.any", "shape.any.x", "shape.*", ".*", "shape.any.*", "shape.any.?", "shape\x00text"} {
		s.check(records.Query{Where: records.Like{Path: path, Text: "chicken", Least: records.Contains}})
	}
	like := func(text string, least records.Closeness) records.Cond {
		return records.Like{Path: "shape.text", Text: text, Least: least}
	}
	s.check(records.Query{Where: records.Not{Cond: like("chicken", records.WholeWord)}, Limit: 50})
	s.check(records.Query{Where: records.Any{like("chicken", records.WholeWord), like("x", records.StartsWith), records.Not{Cond: records.Present("shape")}}})
	s.check(records.Query{Where: records.All{like("chicken", records.Contains), records.Not{Cond: like("chicken", records.StartsWith)}, equal("shape.texts", "first")}})
	score := []records.Scored{}
	for least := records.Contains; least <= records.Same; least++ {
		score = append(score, records.Scored{Where: like("chicken", least), Points: 1 << least})
	}
	s.check(records.Query{Where: like("chicken", records.Contains), Score: score, Sort: []records.Sort{{Field: records.FieldScore, Desc: true}}, Limit: 4})
	s.check(records.Query{Score: score, Sort: []records.Sort{{Field: records.FieldScore}}, Limit: 90})
	if n := s.page(records.Query{Where: like("chicken", records.Same)}).Total; n != 2 {
		t.Errorf("%d texts are the same, want 2", n)
	}
}

// testLongLike has texts that are longer than a line, with characters of several bytes
// wherever a line may end, and asks for pieces all along them.
func testLongLike(t *testing.T, s *subject) {
	p := newPress()
	var long strings.Builder
	for i := 0; long.Len() < 3500; i++ {
		fmt.Fprintf(&long, "W%dé%s\U0001f600.", i, []string{"日", "x", "ü"}[i%3])
	}
	var docs []*oip.Document
	var texts []string
	for shift := range 5 {
		text := strings.Repeat("-", shift) + long.String()
		texts = append(texts, text)
		docs = append(docs, p.shaped(map[int]any{shapeText: text}))
	}
	for _, n := range []int{1021, 1022, 1023, 1024, 1025, 1782, 1783, 1784} { // around the ends of the first two lines
		docs = append(docs, p.shaped(map[int]any{shapeText: strings.Repeat("y", n-4) + " end"}))
		docs = append(docs, p.shaped(map[int]any{shapeText: strings.Repeat("\U0001f600", n/4) + " end"}))
	}
	docs = append(docs, p.shaped(map[int]any{shapeTexts: []string{strings.Repeat("z", 255), strings.Repeat("z", 256), strings.Repeat("z", 257), strings.Repeat("z", 3000)}}))
	s.put(docs...)
	letters := []rune(texts[2])
	for at := 0; at < len(letters); at += 37 {
		for _, n := range []int{1, 9, 70} {
			piece := letters[at:min(at+n, len(letters))]
			for len(string(piece)) > records.MaxLike {
				piece = piece[1:]
			}
			s.check(records.Query{Where: records.Like{Path: "shape.text", Text: string(piece), Least: []records.Closeness{records.Contains, records.WholeWord}[at/37%2]}})
		}
	}
	for i := range 60 { // whole words, and what is no more than a part of one
		word := fmt.Sprintf("%s\U0001f600.w%dé", []string{"日", "x", "ü"}[(i*5+2)%3], i*5+3)
		s.check(records.Query{Where: records.Like{Path: "shape.text", Text: word, Least: records.WholeWord}})
		s.check(records.Query{Where: records.Like{Path: "shape.text", Text: fmt.Sprintf("w%dé", i*5+3), Least: records.Contains}})
	}
	for _, text := range []string{" end", "end", "d", "\U0001f600 end", strings.Repeat("y", 252) + " end", strings.Repeat("y", 256), strings.Repeat("\U0001f600", 60), texts[0][:200], "-----w", "----w"} {
		s.every("shape.text", text)
	}
	for _, n := range []int{255, 256} {
		s.every("shape.texts", strings.Repeat("z", n))
	}
	if n := s.page(records.Query{Where: records.Like{Path: "shape.text", Text: "w99é", Least: records.Contains}}).Total; n != 5 {
		t.Errorf("%d of 5 long texts were found", n)
	}
}
