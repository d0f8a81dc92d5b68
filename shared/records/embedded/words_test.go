package embedded

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// named is a document with a name.
func named(n int, name string) change {
	did := fmt.Sprintf("did:arweave:%043d", n)
	return change{did: did, kind: oip.KindRecord, fence: 1,
		json: fmt.Appendf(nil, `{"data":{"basic":{"name":%q}},"oip":{"did":%q}}`, name, did)}
}

// TestNearWords compares what the search in the dictionary finds with records.Distance to
// each word: of many lengths and few letters, so that all kinds of mistakes are there.
func TestNearWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	alphabets := [][]rune{[]rune("a"), []rune("ab"), []rune("abcdefghij"), []rune("aé日\U00010400"), []rune("日本")}
	word := func() []rune {
		letters := make([]rune, 1+rng.IntN(14))
		if rng.IntN(10) == 0 {
			letters = make([]rune, 20+rng.IntN(108))
		}
		alphabet := alphabets[rng.IntN(len(alphabets))]
		for i := range letters {
			letters[i] = alphabet[rng.IntN(len(alphabet))]
		}
		return letters
	}
	mistaken := func(w []rune) []rune {
		w = slices.Clone(w)
		for range rng.IntN(4) {
			switch at := rng.IntN(len(w)); {
			case rng.IntN(2) == 0 && at > 0:
				w[at], w[at-1] = w[at-1], w[at]
			case rng.IntN(2) == 0:
				w[at] = 'x'
			case len(w) > 1:
				w = slices.Delete(w, at, at+1)
			}
		}
		return w
	}
	s := openStore(t, t.TempDir(), Options{})
	var asked []string
	var batch []change
	for i := range 2400 {
		w := word()
		name := string(w)
		if len(asked) < 300 && len(records.Words(name)) == 1 && records.Words(name)[0] == name {
			asked = append(asked, name)
		}
		for range 3 {
			name += " " + string(mistaken(w))
		}
		if batch = append(batch, named(i, name)); len(batch) == 400 {
			mustWrite(t, s, batch...)
			batch = nil
		}
	}
	v, err := s.snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	var all []string
	dict, err := v.reader.FieldDict(engineField(records.FieldNameWord))
	if err != nil {
		t.Fatal(err)
	}
	for {
		entry, err := dict.Next()
		if err != nil {
			t.Fatal(err)
		}
		if entry == nil {
			break
		}
		all = append(all, entry.Term)
	}
	found := 0
	for _, word := range asked {
		most := records.Typos(word)
		var want []string
		for _, w := range all {
			if records.Distance(word, w, most) <= most {
				want = append(want, w)
			}
		}
		got, err := newMatcher(context.Background(), v).nearWords(records.Near{Field: records.FieldNameWord, Word: word})
		if err != nil {
			t.Fatal(err)
		}
		if found += len(got); !slices.Equal(got, want) {
			t.Errorf("near %q are\n %q, want\n %q", word, got, want)
		}
	}
	if found < 2*len(asked) {
		t.Errorf("%d words are near %d, so the test proves nothing", found, len(asked))
	}
}

// FuzzNearAutomaton compares the automaton with records.Distance.
func FuzzNearAutomaton(f *testing.F) {
	for _, pair := range [][2]string{{"ca", "abc"}, {"chicken", "hcikcen"}, {"日日本本日本本本日日日", "日日本日本本本日日"}, {"éééééé", "éé\u0301éé"}, {"abcdef", ""}, {"a", "\xff"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, word, other string) {
		if len(word) > records.MaxWord || len(other) > 2*records.MaxWord || !utf8.ValidString(word) {
			return
		}
		for most := 1; most <= 2; most++ {
			a := newNearAutomaton(word, most)
			state := a.Start()
			for i := range len(other) {
				state = a.Accept(state, other[i])
			}
			want := utf8.ValidString(other) && records.Distance(word, other, most) <= most
			if got := a.CanMatch(state) && a.IsMatch(state); got != want {
				t.Fatalf("%q is near %q within %d: %t", other, word, most, got)
			}
		}
	})
}

// TestMayContain compares the look at the bytes with what the texts are.
func TestMayContain(t *testing.T) {
	for _, c := range []struct {
		data, text string
		want       bool
	}{
		{`{"a":"Chicken Soup"}`, "chicken", true},
		{`{"a":"Chicken Soup"}`, "soup", true},
		{`{"a":"Chicken Soup"}`, "p", true},
		{`{"a":"Chicken Soup"}`, "soups", false},
		{`{"a":"Chicken Soup"}`, "chicken  soup", false},
		{`{"a":"aab"}`, "ab", true},
		{`{"a":"ÄPFEL"}`, "äpfel", true},
		{"{\"a\":\"\u212a\"}", "k", true}, // the sign for Kelvin
		{`{"a":"é"}`, "k", false},
		{`{"a":"\u006b"}`, "k", true}, // escaped: nothing is known
		{"{\"a\":\"\xff\"}", "\ufffd", true},
		{`{}`, "longer than all of it", false},
	} {
		if got := mayContain([]byte(c.data), c.text); got != c.want {
			t.Errorf("mayContain(%s, %q) = %t", c.data, c.text, got)
		}
	}
	// Long data is looked at in pieces; the text is found wherever it lies in them.
	for _, text := range []string{"b", "ab", strings.Repeat("a", 200) + "b", strings.Repeat("ab", records.MaxLike/2)} {
		for _, before := range []int{0, 1, 3839, 3840, 3841, 4095, 4096, 4097, 8192 - 255, 8192, 10_000} {
			for _, behind := range []int{0, 1, 5000} {
				data := strings.Repeat("A", before) + strings.ToUpper(text)
				if !mayContain([]byte(data+strings.Repeat("c", behind)), text) {
					t.Errorf("%.5q… of %d bytes behind %d and before %d is not found", text, len(text), before, behind)
				}
				if data = data[:len(data)-1] + "x"; mayContain([]byte(data+strings.Repeat("c", behind)), text) != strings.Contains(strings.ToLower(data), text) {
					t.Errorf("%.5q… of %d bytes without its end is found behind %d and before %d", text, len(text), before, behind)
				}
			}
		}
	}
}

// BenchmarkMayContain is about data in which every place looks like the text at first.
func BenchmarkMayContain(b *testing.B) {
	data, text := bytes.Repeat([]byte("a"), 1<<20), strings.Repeat("a", records.MaxLike-1)+"b"
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if mayContain(data, text) {
			b.Fatal("found")
		}
	}
}
