package embedded

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// nearAutomaton accepts the words that differ from one by no more than most mistakes, as
// records.Distance counts them. It reads bytes, so that a dictionary, which is a tree of
// bytes, can leave out every branch in which no such word can be. (vellum has one of its
// own, which loses some of the words that are not ASCII.)
//
// It goes through the table of distances row by row. A state is what the next row depends
// on: the last two rows, and the letter between them; and the bytes of a letter that is
// not whole yet. States are made when they are reached.
type nearAutomaton struct {
	word   []rune
	most   int
	states []nearState
	known  map[string]int // states by what they are
	next   map[nearStep]int
}

// nearStep is a state and the byte that is read in it.
type nearStep struct {
	state int
	b     byte
}

// otherLetter stands for every letter that the word has not.
const otherLetter = utf8.MaxRune + 1

// nearState is a state; 0 is the one from which no word can be reached.
type nearState struct {
	// row has the distances of what was read to the beginnings of the word, row of one
	// letter less in before; no distance is over most+1.
	row, before []byte
	last        rune   // the letter that was read last
	part        string // the bytes of a letter that is not whole
}

func newNearAutomaton(word string, most int) *nearAutomaton {
	a := &nearAutomaton{word: []rune(word), most: most, states: make([]nearState, 1), known: make(map[string]int), next: make(map[nearStep]int)}
	row := make([]byte, len(a.word)+1)
	for i := range row {
		row[i] = byte(min(i, most+1))
	}
	a.state(nearState{row: row})
	return a
}

// state returns the number of a state, a new one if it was never reached.
func (a *nearAutomaton) state(s nearState) int {
	if int(slices.Min(s.row)) > a.most {
		return 0
	}
	key := make([]byte, 0, 2*len(s.row)+4+utf8.UTFMax)
	key = append(append(key, s.row...), s.before...)
	key = append(binary.BigEndian.AppendUint32(key, uint32(s.last)), s.part...)
	n, ok := a.known[string(key)]
	if !ok {
		n = len(a.states)
		a.states = append(a.states, s)
		a.known[string(key)] = n
	}
	return n
}

// Start implements segment.Automaton.
func (a *nearAutomaton) Start() int { return 1 }

// IsMatch implements segment.Automaton.
func (a *nearAutomaton) IsMatch(n int) bool {
	s := &a.states[n]
	return n != 0 && s.part == "" && int(s.row[len(a.word)]) <= a.most
}

// CanMatch implements segment.Automaton.
func (a *nearAutomaton) CanMatch(n int) bool { return n != 0 }

// WillAlwaysMatch implements segment.Automaton.
func (a *nearAutomaton) WillAlwaysMatch(int) bool { return false }

// Accept implements segment.Automaton.
func (a *nearAutomaton) Accept(n int, b byte) int {
	if n == 0 {
		return 0
	}
	step := nearStep{n, b}
	next, ok := a.next[step]
	if !ok {
		next = a.after(a.states[n], b)
		a.next[step] = next
	}
	return next
}

// after is the state after one more byte.
func (a *nearAutomaton) after(s nearState, b byte) int {
	s.part += string([]byte{b})
	if !utf8.FullRuneInString(s.part) {
		return a.state(s)
	}
	letter, size := utf8.DecodeRuneInString(s.part)
	if letter == utf8.RuneError && size < 2 {
		return 0 // no text at all
	}
	if !slices.Contains(a.word, letter) {
		letter = otherLetter
	}
	row := make([]byte, len(s.row))
	row[0] = s.row[0] + 1
	for j := 1; j < len(row); j++ {
		cost := byte(1)
		if a.word[j-1] == letter {
			cost = 0
		}
		row[j] = min(s.row[j]+1, row[j-1]+1, s.row[j-1]+cost)
		if s.before != nil && j > 1 && a.word[j-2] == letter && a.word[j-1] == s.last {
			row[j] = min(row[j], s.before[j-2]+1)
		}
	}
	for j := range row {
		row[j] = min(row[j], byte(a.most+1))
	}
	return a.state(nearState{row: row, before: s.row, last: letter})
}
