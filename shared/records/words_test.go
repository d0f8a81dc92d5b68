package records_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                                                   "",
		"The quick brown FOX.":                               "the|quick|brown|fox",
		"to be, or not to be":                                "to|be|or|not|to|be",
		"don't can’t rock'n'roll 'quoted'":                   "don't|can’t|rock'n'roll|quoted",
		"3.14 1,000 v2.0 c++ a_b a-b":                        "3.14|1,000|v2.0|c|a_b|a|b",
		"me@example.com https://a.org/b?c":                   "me|example.com|https|a.org|b|c",
		"-- !? … \U0001f600 \u200b":                          "",
		"x\U0001f600y":                                       "x|y",
		"naïve nai\u0308ve Ærø":                              "naïve|nai\u0308ve|ærø",
		"日本語 한국어 カタカナ ไทย":                                   "日|本|語|한국어|カタカナ|ไ|ท|ย",
		"ΣΊΣΥΦΟΣ Привет İ":                                   "σίσυφοσ|привет|i",
		"½ ² ٣ x²":                                           "٣|x",
		strings.Repeat("w", records.MaxWord):                 strings.Repeat("w", records.MaxWord),
		"a " + strings.Repeat("w", records.MaxWord+1) + " b": "a|b",
		"a\x00b\nc\td\u2028e":                                "a|b|c|d|e",
	} {
		if got := strings.Join(records.Words(text), "|"); got != want {
			t.Errorf("the words of %q are %q, want %q", text, got, want)
		}
	}
}

// naiveDistance is the optimal string alignment distance out of its whole table.
func naiveDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	table := make([][]int, len(x)+1)
	for i := range table {
		table[i] = make([]int, len(y)+1)
		for j := range table[i] {
			switch {
			case i == 0 || j == 0:
				table[i][j] = i + j
				continue
			case x[i-1] == y[j-1]:
				table[i][j] = table[i-1][j-1]
			default:
				table[i][j] = table[i-1][j-1] + 1
			}
			table[i][j] = min(table[i][j], table[i-1][j]+1, table[i][j-1]+1)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				table[i][j] = min(table[i][j], table[i-2][j-2]+1)
			}
		}
	}
	return table[len(x)][len(y)]
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"a", "a", 0}, {"a", "b", 1}, {"ab", "ba", 1}, {"ca", "abc", 3}, {"abc", "acb", 1}, {"abcd", "badc", 2},
		{"kitten", "sitting", 3}, {"é", "e", 1}, {"日本", "本日", 1}, {"\U0001f600", "", 1}, {"hello", "helo", 1}, {"hello", "hlelo", 1}, {"abcdef", "fedcba", 5},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			for most := range 5 {
				want := c.want
				if want > most {
					want = most + 1
				}
				if got := records.Distance(pair[0], pair[1], most); got != want {
					t.Errorf("Distance(%q, %q, %d) = %d, want %d", pair[0], pair[1], most, got, want)
				}
			}
			if got := naiveDistance(pair[0], pair[1]); got != c.want {
				t.Errorf("the table has %d for %q and %q", got, pair[0], pair[1])
			}
		}
	}
}

// TestDistanceAgrees compares random words of few letters, which have every mistake.
func TestDistanceAgrees(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	word := func() string {
		letters := make([]rune, rng.IntN(9))
		for i := range letters {
			letters[i] = []rune("abé")[rng.IntN(3)]
		}
		return string(letters)
	}
	for range 20000 {
		a, b, most := word(), word(), rng.IntN(4)
		if got, want := records.Distance(a, b, most), min(naiveDistance(a, b), most+1); got != want {
			t.Fatalf("Distance(%q, %q, %d) = %d, want %d", a, b, most, got, want)
		}
	}
}

func FuzzDistance(f *testing.F) {
	f.Add("ca", "abc", 2)
	f.Add("日本", "本日x", 1)
	f.Fuzz(func(t *testing.T, a, b string, most int) {
		if len(a) > 200 || len(b) > 200 || most < 0 || most > 300 || !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		if got, want := records.Distance(a, b, most), min(naiveDistance(a, b), most+1); got != want {
			t.Fatalf("Distance(%q, %q, %d) = %d, want %d", a, b, most, got, want)
		}
	})
}

func TestTypos(t *testing.T) {
	for word, want := range map[string]int{"": 0, "a": 0, "ab": 0, "日本": 0, "abc": 1, "日本語": 1, "abcde": 1, "éééééé": 2, "abcdef": 2, strings.Repeat("w", 100): 2} {
		if got := records.Typos(word); got != want {
			t.Errorf("Typos(%q) = %d, want %d", word, got, want)
		}
	}
}

// FuzzWords: every word of a text is one that a Near takes, and is found in the text.
func FuzzWords(f *testing.F) {
	for _, seed := range []string{"The quick brown fox", "don't 3.14 a_b", "İ ΣΣ ǅ ß", "日本 ไทย \U0001f468\u200d\U0001f469", "a\xff\xfeb", "e\u0301\u200dx", "\u0000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := records.Words(text)
		lower := strings.ToLower(text)
		for _, w := range words {
			if w == "" || len(w) > records.MaxWord || !utf8.ValidString(w) {
				t.Fatalf("%q has the word %q", text, w)
			}
			if err := records.CheckCond(records.Near{Field: records.FieldNameWord, Word: w}); err != nil {
				t.Fatalf("%q has the word %q, which cannot be asked for: %v", text, w, err)
			}
			_, rest, ok := strings.Cut(lower, w)
			if !ok {
				t.Fatalf("%q has not %q, or not in this order", text, w)
			}
			lower = rest
		}
		if again := records.Words(strings.Join(words, " ")); !slices.Equal(again, words) {
			t.Fatalf("%q has the words %q, and these %q", text, words, again)
		}
	})
}

// TestProjectWords: words are whatever the kind of document has as its name.
func TestProjectWords(t *testing.T) {
	many := strings.Repeat("word ", 8191) + "first second"
	for _, c := range []struct {
		kind                           oip.Kind
		data, name, description, words string
		cut                            bool
	}{
		{kind: oip.KindRecord, data: `{"basic":{"name":"One two ONE","description":"Two, three","tagItems":["Four five","four",6]}}`, name: "one|two", description: "two|three", words: "four|five"},
		{kind: oip.KindRecord, data: `{"basic":{"name":["x"],"description":7,"tagItems":"one Tag"}}`, words: "one|tag"},
		{kind: oip.KindTemplate, data: `{"template":"workoutSchedule","basic":{"name":"no"}}`, name: "workoutschedule"},
		{kind: oip.KindCreator, data: `{"creatorHandle":"Ann07","handle":"Ann"}`, name: "ann07|ann"},
		{kind: oip.KindOrganization, data: `{"orgHandle":"The Guild","handle":"guild"}`, name: "the|guild"},
		{kind: oip.KindRecord, data: `{"basic":{"name":"` + many + `","description":"x"}}`, name: "word|first", description: "x", cut: true},
		{kind: oip.KindRecord, data: `{"basic":{"name":"` + strings.Repeat("w", 129) + `"}}`},
	} {
		p := project(t, c.kind, c.data, someEnvelope)
		got := values(p)
		if got[records.FieldNameWord] != c.name || got[records.FieldDescriptionWord] != c.description || got[records.FieldTagWord] != c.words {
			t.Errorf("%.80s has the words %q, %q and %q", c.data, got[records.FieldNameWord], got[records.FieldDescriptionWord], got[records.FieldTagWord])
		}
		if cut := got[records.FieldCut] == "words"; cut != c.cut {
			t.Errorf("%.80s is cut: %q", c.data, got[records.FieldCut])
		}
	}
}
