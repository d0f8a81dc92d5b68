package records

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/words"
)

// The analysis of texts is ours and the same for every engine, which only ever compares
// whole words: the words of Unicode (UAX 29) that have a letter or a digit, in lower case,
// all of them, without stems and without stop words.

const (
	// MaxWord is the longest word that is indexed, in bytes; a longer one is left out.
	MaxWord = 128
	// maxWords is how many words of one field are indexed of a document, repeated ones
	// included.
	maxWords = 8192
)

// Words are the words of a text, in order, as often as they come.
func Words(text string) []string {
	var list []string
	eachWord(text, func(word string) bool {
		list = append(list, word)
		return true
	})
	return list
}

// eachWord calls visit for each word until it returns false.
func eachWord(text string, visit func(word string) bool) {
	for segments := words.FromString(strings.ToLower(text)); segments.Next(); {
		word := segments.Value()
		if len(word) <= MaxWord && strings.IndexFunc(word, isLetterOrDigit) >= 0 && !visit(word) {
			return
		}
	}
}

func isLetterOrDigit(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// addWords puts the words of texts under a field, each once.
func (p *Projection) addWords(f Field, texts []string) (cut bool) {
	const few = 16 // words that are compared one by one
	var (
		list  []string
		seen  map[string]bool
		count int
	)
	known := func(word string) bool {
		if len(list) < few {
			return slices.Contains(list, word)
		}
		if seen == nil {
			seen = make(map[string]bool, 2*few)
			for _, w := range list {
				seen[w] = true
			}
		}
		again := seen[word]
		seen[word] = true
		return again
	}
	for _, text := range texts {
		eachWord(text, func(word string) bool {
			if count++; count > maxWords {
				cut = true
				return false
			}
			if !known(word) {
				list = append(list, word)
			}
			return true
		})
	}
	p.take(f, list)
	return cut
}

// Typos is how many typing mistakes a word may have: none in up to 2 letters, one in up to
// 5, two in longer ones.
func Typos(word string) int {
	switch letters := utf8.RuneCountInString(word); {
	case letters <= 2:
		return 0
	case letters <= 5:
		return 1
	}
	return 2
}

// Distance is the number of typing mistakes between two words, or more than most if there
// are more than that: letters put in, left out, replaced, or two neighbours exchanged, no
// letter touched twice (the optimal string alignment distance, as Lucene has it too).
func Distance(a, b string, most int) int {
	if a == b {
		return 0
	}
	if most == 0 {
		return 1
	}
	x, y := []rune(a), []rune(b)
	if d := len(x) - len(y); d > most || -d > most {
		return most + 1
	}
	// Three rows of the table of distances between beginnings.
	rows := make([]int, 3*(len(y)+1))
	before, last, row := rows[:len(y)+1], rows[len(y)+1:2*(len(y)+1)], rows[2*(len(y)+1):]
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > most {
			return most + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(y)], most+1)
}
