package main

import (
	"math/rand/v2"
	"strings"
)

const (
	// vocabularySize is how many words there are, tagCount how many of them are tags.
	vocabularySize = 3000
	tagCount       = 400
	// wordSkew and tagSkew are the exponents by which the use of words and tags falls
	// with their rank: natural texts are near 1.
	wordSkew = 1.07
	tagSkew  = 1.1
)

// vocabulary are the words of all texts, the most frequent first. They are made of
// syllables, so that they are like words in length and in how many are alike.
func vocabulary() []string {
	const consonants, vowels = "bdfgklmnprstvwz", "aeiou"
	rng := rand.New(rand.NewPCG(1, 7))
	words := make([]string, 0, vocabularySize)
	known := make(map[string]bool, vocabularySize)
	for len(words) < vocabularySize {
		var b strings.Builder
		for range 1 + min(rng.IntN(4), 1+len(words)/20) { // frequent words are short
			b.WriteByte(consonants[rng.IntN(len(consonants))])
			b.WriteByte(vowels[rng.IntN(len(vowels))])
		}
		if rng.IntN(2) == 0 {
			b.WriteByte(consonants[rng.IntN(len(consonants))])
		}
		if word := b.String(); !known[word] {
			known[word] = true
			words = append(words, word)
		}
	}
	return words
}

// writer chooses words for one record.
type writer struct {
	*rand.Rand
	words      []string
	word, tags *rand.Zipf
}

// newWriter makes the writer of record i; the same i always writes the same.
func newWriter(words []string, i int) *writer {
	rng := rand.New(rand.NewPCG(2, uint64(i)))
	return &writer{rng, words, rand.NewZipf(rng, wordSkew, 8, vocabularySize-1), rand.NewZipf(rng, tagSkew, 4, tagCount-1)}
}

// text is a text of so many words.
func (w *writer) text(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.words[w.word.Uint64()])
	}
	return b.String()
}

// name is a title. One in eight is taken from a short list, so that records have the same
// name as others here and there.
func (w *writer) name() string {
	if w.IntN(8) == 0 {
		n := w.IntN(2000)
		return w.words[n] + " " + w.words[(n*7)%vocabularySize]
	}
	return w.text(2 + w.IntN(4))
}

// tagItems are up to six tags, each once.
func (w *writer) tagItems() []string {
	var list []string
	has := make(map[uint64]bool)
	for range w.IntN(7) {
		if n := w.tags.Uint64(); !has[n] {
			has[n] = true
			list = append(list, tag(n))
		}
	}
	return list
}

// tag is a tag by its rank.
func tag(rank uint64) string { return "tag" + string(rune('a'+rank%26)) + string(rune('a'+rank/26)) }
