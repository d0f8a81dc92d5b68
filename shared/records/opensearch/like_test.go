package opensearch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

var everyCloseness = []records.Closeness{records.Unlike, records.Contains, records.WholeWord, records.EndsWith, records.StartsWith, records.Same}

// checkLike compares what a Like finds, and how close each document is to it, with what
// records.Holds says.
func (w *world) checkLike(path, text string) {
	w.t.Helper()
	q := records.Query{Where: records.Like{Path: path, Text: text}, Sort: []records.Sort{{Field: records.FieldScore, Desc: true}}, Limit: records.MaxLimit}
	for i, least := range everyCloseness {
		q.Score = append(q.Score, records.Scored{Where: records.Like{Path: path, Text: text, Least: least}, Points: 1 << i})
	}
	w.check(q)
}

// TestLikeSigns asks for every sign that has a meaning in some pattern of the engine,
// beside words and in them: each means itself.
func TestLikeSigns(t *testing.T) {
	const signs = "*?\\.+|{}[]()\"#@&<>~^$-_/:,;=!%'` \t\n\x01\x02\x03\x04\x1f\x7f\u0080é\u2028\U0001f600aZ09"
	var docs []*oip.Document
	for _, sign := range signs {
		docs = append(docs, article("n"+string(sign), "one"+string(sign)+"two", map[string]any{"p" + string(sign) + "q": "text" + string(sign)}))
		docs = append(docs, article("m", string(sign)+"one two"+string(sign)+" three"))
	}
	docs = append(docs, article("plain", "onetwo"), article("plain", "oneXtwo"), article("plain", "one two"), article(`\d\w\s`, `[^a] {1,3} <1-5> "a"`))
	w := newWorld(t, docs)
	for _, sign := range signs {
		for _, text := range []string{string(sign), "one" + string(sign), string(sign) + "two"} {
			w.checkLike("basic.description", text)
		}
		w.checkLike("basic.date.p"+string(sign)+"q", "ext"+string(sign))
	}
	w.checkLike("basic.description", "ONE")
	w.checkLike("basic.description", "two")
	for _, text := range []string{`\d`, `\w\s`, `[^a]`, `{1,3}`, `<1-5>`, `"a"`, `.*`, `.`, `()`, `a|b`} {
		w.checkLike("basic.name", text)
		w.checkLike("basic.description", text)
	}
	for _, path := range []string{"", "*", "basic.*", "basic.d?te", "basic", "basic.name\x00", "basic.description\x00\x02one", "\xff", "basic.name\xff"} {
		w.checkLike(path, "one")
	}
}

// TestLikeExtremes asks for the longest texts at the longest paths, of what costs the
// engine most: repetitions, which make its automata large, and signs, each of which is
// two in a pattern.
func TestLikeExtremes(t *testing.T) {
	long := func(part string, n int) string { return strings.Repeat(part, n/len(part)+1)[:n] }
	const begin = "basic.date."
	var docs []*oip.Document
	var paths, texts []string
	for _, part := range []string{"a", "ab", ".", "\"", "-", "[*", "é", "\U0001f600", "- ", " "} {
		text := strings.ToValidUTF8(long(part, records.MaxLike), "")
		path := begin + strings.ToValidUTF8(long(strings.ReplaceAll(part, ".", ","), records.MaxPath-len(begin)), "")
		paths, texts = append(paths, path), append(texts, text)
		for i, value := range []string{text, "x" + text, text + "x", "x" + text + "x", " " + text + " ", "x " + text + "-x", text + text + text, text[4:], text[4:] + "xxxx"} {
			docs = append(docs, article(fmt.Sprint(i), value, map[string]any{path[len(begin):]: value}))
		}
	}
	w := newWorld(t, docs)
	for i, text := range texts {
		w.checkLike("basic.description", text)
		w.checkLike(paths[i], text)
	}
	if n := len(w.found(records.Like{Path: paths[3], Text: texts[3], Least: records.WholeWord})); n < 6 {
		t.Errorf("a text of quotes is found %d times, so the case proves nothing", n)
	}
}

// TestLikeAcrossLines asks for what lies on the border of two lines of one text.
func TestLikeAcrossLines(t *testing.T) {
	words := make([]string, 1000)
	for i := range words {
		words[i] = fmt.Sprintf("word%04d", i)
	}
	text := strings.Join(words, " ")
	w := newWorld(t, []*oip.Document{article("long", text), article("other", text[:4000])})
	for at := 0; at+records.MaxLike < len(text); at += 331 {
		w.checkLike("basic.description", text[at:at+records.MaxLike])
	}
	w.checkLike("basic.description", text[len(text)-100:])
	w.checkLike("basic.description", text[:100])
}

// TestPrefixInCharacter asks for beginnings that end within a character, as bytes have it.
func TestPrefixInCharacter(t *testing.T) {
	const signs = "aé߿\u0800小\u7000\ud7ff\ue000\ufffd\uffff\U00010000\U0001f600\U0002f600\U0010ffff.[*"
	var docs []*oip.Document
	for i, sign := range signs {
		docs = append(docs, article(fmt.Sprint(i), "did:x"+string(sign)+"z", 0, []string{"did:" + string(sign) + string(sign)}))
	}
	w := newWorld(t, docs)
	beginnings := map[string]bool{"did:\xff": true, "did:\x80": true, "did:\xc3\xc3": true, "did:\xed\xa0": true, "did:\xe0\x80": true, "did:\xf4\x90": true,
		"did:\xf0\x80": true, "did:\xc0": true, "did:\xf8": true, "did:\xff\ufffd": true, "did:\ufffd\xef": true, "did:\ufffd\xef\xbf": true, "did:\xed": true, "did:\xf4": true}
	for _, p := range w.of {
		for _, ref := range p.Text(records.FieldRef) {
			for end := range ref[:min(len(ref), 16)] {
				beginnings[ref[:end+1]], beginnings[ref[:end+2]], beginnings[ref[:end+3]] = true, true, true
			}
		}
	}
	for text := range beginnings {
		w.check(records.Query{Where: records.Prefix{Field: records.FieldRef, Text: text}, Limit: 100})
	}
}

// TestCharactersOf cuts every character within its bytes: what is said to begin like it is
// what does.
func TestCharactersOf(t *testing.T) {
	begins := func(r rune, bytes string) bool { return utf8.ValidRune(r) && strings.HasPrefix(string(r), bytes) }
	seen := make(map[string]bool)
	for r := rune(0x80); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		whole := string(r)
		for end := 1; end < len(whole); end++ {
			bytes := whole[:end]
			low, high, ok := charactersOf(bytes)
			if !ok || r < low || high < r {
				t.Fatalf("%q of %q: %U to %U, %v", bytes, whole, low, high, ok)
			}
			if !seen[bytes] && (!begins(low, bytes) || !begins(high, bytes) || begins(low-1, bytes) || begins(high+1, bytes)) {
				t.Fatalf("%q: %U to %U", bytes, low, high)
			}
			seen[bytes] = true
		}
	}
	for _, bytes := range []string{"", "a", "\x80", "\xc0", "\xc1", "\xe0\x80", "\xed\xa0", "\xf0\x80", "\xf4\x90", "\xf5", "\xff", "\xc3\xa9", "\xe5\xe5", "\xe5\xb0\x8f"} {
		if low, high, ok := charactersOf(bytes); ok {
			t.Errorf("%q: %U to %U", bytes, low, high)
		}
	}
}

// TestNearEveryWord has more words near one word than the engine would look at by itself:
// all of them are found, each in a document of its own.
func TestNearEveryWord(t *testing.T) {
	const word, n = "sourdoughs", 1200
	var docs []*oip.Document
	for i := 0; len(docs) < n; i++ {
		a, b := i%len(word), i/len(word)%len(word)
		x, y := rune('a'+i/100%26), rune('a'+i/2600%26)
		near := []rune(word)
		near[a], near[b] = x, y
		docs = append(docs, article(fmt.Sprint(i), "bread", 0, []string{string(near)}))
	}
	for _, shards := range []int{1, 3} {
		w := newWorld(t, docs, func(o *Options) { o.Shards = shards })
		different := make(map[string]bool)
		for _, p := range w.of {
			different[p.Text(records.FieldTag)[0]] = true
		}
		if len(different) < 1000 {
			t.Fatalf("only %d different words", len(different))
		}
		where := records.Near{Field: records.FieldTagWord, Word: word}
		if p, err := w.Search(t.Context(), records.Query{Where: where, Score: []records.Scored{{Where: where, Points: 3}},
			Sort: []records.Sort{{Field: records.FieldScore, Desc: true}}}); err != nil || p.Total != int64(len(docs)) {
			t.Errorf("%d documents of %d, %v", p.Total, len(docs), err)
		}
	}
}

// TestNearEdges compares the engine's distance with records.Distance, where the two could
// differ: short words, exchanged and doubled letters, signs of several bytes.
func TestNearEdges(t *testing.T) {
	words := strings.Fields("a ab abc acb bac cab abcd abdc badc abcde abced bacde abcdef bacdef badcef abcdfe abcfde bcdefa fabcde aabcdef abcdeff abcd12 ab12ef " +
		"é éa éab éba ébac éabcd über uber ubre 小麦 小麦粉 麦小 小麦粉团面包 小粉麦团包面 \U0001d7d8\U0001d7d9\U0001d7da ca abc1 cabd")
	var docs []*oip.Document
	for _, w := range words {
		docs = append(docs, article("x", w, 0, []string{w}))
	}
	w := newWorld(t, docs)
	asked := 0
	for _, word := range words {
		for _, one := range records.Words(word) {
			for _, f := range []records.Field{records.FieldDescriptionWord, records.FieldTagWord} {
				asked++
				near := records.Near{Field: f, Word: one}
				if got, want := w.found(near), w.want(records.Query{Where: near}); !slices.Equal(got, want) {
					t.Errorf("near %q: %d documents, want %d", one, len(got), len(want))
				}
			}
		}
	}
	if asked < 2*len(words) {
		t.Errorf("%d questions", asked)
	}
}
