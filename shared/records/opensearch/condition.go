package opensearch

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"oipnode/shared/records"
)

// maxClauses is the most conditions of one query: what the engine takes by default. It
// counts those that look something up, and not what joins them.
const maxClauses = 1024

// maxTerms is the most values of one field's condition: what the engine takes by default.
const maxTerms = 65536

type object = map[string]any

var (
	everything = object{"match_all": object{}}
	nothing    = object{"match_none": object{}}
)

// query translates a condition to a filter.
func query(c records.Cond) (any, error) {
	clauses := 0
	q := translate(c, &clauses)
	return q, checkClauses(clauses)
}

func checkClauses(n int) error {
	if n > maxClauses {
		return fmt.Errorf("%w: %d conditions in one query, the engine takes %d", records.ErrInvalid, n, maxClauses)
	}
	return nil
}

// points translates a score: what each part adds for the documents that it holds for.
func points(parts []records.Scored, clauses *int) []any {
	list := make([]any, len(parts))
	for i, part := range parts {
		list[i] = object{"constant_score": object{"filter": translate(part.Where, clauses), "boost": part.Points}}
	}
	return list
}

// translate translates a condition, and adds to the clauses what it costs.
func translate(c records.Cond, clauses *int) any {
	list := func(parts []records.Cond) []any {
		all := make([]any, len(parts))
		for i, p := range parts {
			all[i] = translate(p, clauses)
		}
		return all
	}
	switch c := c.(type) {
	case records.All:
		if len(c) > 0 {
			return object{"bool": object{"filter": list(c)}}
		}
	case records.Any:
		if len(c) > 0 {
			return object{"bool": object{"should": list(fold(c)), "minimum_should_match": 1}}
		}
		*clauses++
		return nothing
	case records.Not:
		*clauses++ // the engine puts everything beside it
		return object{"bool": object{"must_not": []any{translate(c.Cond, clauses)}}}
	case records.Term:
		return term(c, clauses)
	case records.Between:
		*clauses += 2 // by the index or by the column, as the engine thinks fit
		return object{"range": object{engineField(c.Field): object{"gte": c.Min, "lte": c.Max}}}
	case records.Exists:
		*clauses++
		return object{"exists": object{"field": engineField(c.Field)}}
	case records.Prefix:
		*clauses++
		return prefix(engineField(c.Field), c.Text)
	case records.Near:
		*clauses++
		return near(c)
	case records.Like:
		return like(c, clauses)
	}
	*clauses++
	return everything
}

// everyTerm is how the engine treats a condition that many terms of a field fulfil: all
// of them count, however many there are, and equally. By default it would take the 50
// nearest of a misspelt word.
const everyTerm = "constant_score"

// prefix translates a beginning, which may end within a character.
func prefix(field, text string) any {
	whole := strings.TrimRightFunc(text, func(r rune) bool { return r == utf8.RuneError })
	for strings.HasPrefix(text[len(whole):], "\uFFFD") { // that one was a character
		whole += "\uFFFD"
	}
	low, high, ok := charactersOf(text[len(whole):])
	switch {
	case whole == text && utf8.ValidString(text):
		return object{"prefix": object{field: object{"value": text, "rewrite": everyTerm}}}
	case !ok || !utf8.ValidString(whole):
		return nothing // no document has such a text
	}
	pattern := fmt.Sprintf("%s[%c-%c].*", literalRegex(whole), low, high)
	return object{"regexp": object{field: object{"value": pattern, "flags": "NONE", "rewrite": everyTerm}}}
}

// charactersOf are the first and the last of the characters that begin with these bytes,
// which are no whole one; none may begin so.
func charactersOf(bytes string) (low, high rune, ok bool) {
	for _, form := range []struct {
		size        int
		lead        byte // its fixed bits
		bits        int  // of the first byte
		first, last rune
	}{{2, 0xc0, 5, 0x80, 0x7ff}, {3, 0xe0, 4, 0x800, 0xffff}, {4, 0xf0, 3, 0x10000, utf8.MaxRune}} {
		if bytes == "" || len(bytes) >= form.size || bytes[0]>>form.bits != form.lead>>form.bits {
			continue
		}
		low = rune(bytes[0] &^ form.lead)
		for _, b := range []byte(bytes[1:]) {
			if b&0xc0 != 0x80 {
				return 0, 0, false
			}
			low = low<<6 | rune(b&0x3f)
		}
		open := 6 * (form.size - len(bytes))
		low, high = low<<open, (low+1)<<open-1
		low, high = max(low, form.first), min(high, form.last)
		if low < surrogates && surrogates <= high {
			high = surrogates - 1
		}
		return low, high, low <= high && utf8.ValidRune(low)
	}
	return 0, 0, false
}

// surrogates is the first of the code points that are no characters.
const surrogates = 0xd800

func term(c records.Term, clauses *int) any {
	*clauses++
	keys := make([]string, 0, len(c.Values))
	for _, v := range c.Values {
		if utf8.ValidString(v) { // no document has any other
			keys = append(keys, records.Key(v))
		}
	}
	if len(keys) == 0 {
		return nothing
	}
	return object{"terms": object{engineField(c.Field): keys}}
}

func near(c records.Near) any {
	typos := records.Typos(c.Word)
	if typos == 0 {
		return object{"term": object{engineField(c.Field): c.Word}}
	}
	return object{"fuzzy": object{engineField(c.Field): object{
		"value": c.Word, "fuzziness": typos, "prefix_length": 0, "transpositions": true, "rewrite": everyTerm}}}
}

// fold unites the Terms of one field in an Any, as far as the engine takes their values
// in one, so that a long list of alternatives is one condition.
func fold(parts records.Any) []records.Cond {
	var folded []records.Cond
	at := make(map[records.Field]int)
	for _, p := range parts {
		term, ok := p.(records.Term)
		if !ok {
			folded = append(folded, p)
			continue
		}
		if i, ok := at[term.Field]; ok {
			if all := folded[i].(records.Term); len(all.Values)+len(term.Values) <= maxTerms {
				all.Values = append(slices.Clip(all.Values), term.Values...)
				folded[i] = all
				continue
			}
		}
		at[term.Field] = len(folded)
		folded = append(folded, term)
	}
	return folded
}

// lineField holds the lines of a document (records.Projection.Lines), each as one term:
// <path> 0x00 0x02 <text> 0x03. A Like is a pattern of the whole term, which begins with
// the path, so that the engine looks at the terms of that path only.
const lineField = "f.line"

// maxRegex is the longest pattern that the engine has to take, in UTF-16 units: a path
// and a text of 256 bytes each, all of them escaped, and the two signs beside the text.
const maxRegex = 2000

// maxDetermined is the effort that the engine may spend on a pattern. The default is
// enough for every text by a half; see TestLikeExtremes.
const maxDetermined = 100000

// like translates a Like: what is closer holds as well.
func like(c records.Like, clauses *int) any {
	*clauses++
	if !utf8.ValidString(c.Path) {
		return nothing
	}
	const begin, end = "\x02", "\x03"
	path, text := c.Path+"\x00", records.Fold(c.Text)
	wildcard := func(pattern string) any {
		return object{"wildcard": object{lineField: object{"value": pattern, "rewrite": everyTerm}}}
	}
	beginning := object{"prefix": object{lineField: object{"value": path + begin + text, "rewrite": everyTerm}}}
	switch c.Least {
	case records.Same:
		return object{"term": object{lineField: path + begin + text + end}}
	case records.StartsWith:
		return beginning
	case records.EndsWith, records.WholeWord:
		*clauses++
		closer := []any{beginning, wildcard(literalWildcard(path) + "*" + literalWildcard(text) + end)}
		if c.Least == records.WholeWord {
			*clauses++
			word := literalRegex(path) + ".*" + besideWord + literalRegex(text) + besideWord + ".*"
			closer = append(closer, object{"regexp": object{lineField: object{
				"value": word, "flags": "NONE", "max_determinized_states": maxDetermined, "rewrite": everyTerm}}})
		}
		return object{"bool": object{"should": closer, "minimum_should_match": 1}}
	}
	return wildcard(literalWildcard(path) + "*" + literalWildcard(text) + "*")
}

// besideWord is a character that can stand beside a whole word: the ASCII characters
// that are no letter, digit or underscore, those that begin and end a line among them.
const besideWord = "[\x00-/:-\\@\\[-\\^`\\{-\x7f]"

// literalWildcard escapes what has a meaning in a wildcard pattern.
var literalWildcard = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace

// literalRegex escapes what has a meaning in a regular expression of the engine.
func literalRegex(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if strings.IndexByte(`.?+*|{}[]()"\#@&<>~^$-`, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
