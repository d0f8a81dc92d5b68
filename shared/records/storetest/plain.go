package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// plain is a document read in the plainest way: by encoding/json, without any of what
// the stores use. It says what the document holds under the fields of words, leaves and
// references.
type plain struct {
	did      string
	leaves   []leaf
	texts    []text
	paths    []string
	refs     []string
	distinct string
	words    map[records.Field][]string
	cut      []string
}

// leaf is a string, a float64 or a bool at a path; a number beyond every float64 is nil.
type leaf struct {
	path  string
	value any
}

// text is a folded text of which a Like can see something; whole says that it can see
// all of it.
type text struct {
	path, folded string
	whole        bool
}

// readPlain reads a document.
func readPlain(kind oip.Kind, doc []byte) plain {
	var members, envelope, data, basic map[string]json.RawMessage
	object := func(raw json.RawMessage, into *map[string]json.RawMessage) {
		if len(raw) > 0 && raw[0] == '{' {
			if err := json.Unmarshal(raw, into); err != nil {
				panic(fmt.Sprintf("storetest: %v", err))
			}
		}
	}
	object(doc, &members)
	object(members["oip"], &envelope)
	object(members["data"], &data)
	object(data["basic"], &basic)
	p := plain{did: plainText(envelope["did"]), words: make(map[records.Field][]string)}
	if len(members["data"]) > 0 {
		dec := json.NewDecoder(bytes.NewReader(members["data"]))
		dec.UseNumber()
		w := walk{Decoder: dec, p: &p}
		w.value("", 0)
		if w.cut {
			p.cut = append(p.cut, "leaves")
		}
	}
	p.distinct = "d" + p.did
	if name := plainText(basic["name"]); name != "" {
		p.distinct = "n" + name
	}
	names := []string{plainText(basic["name"])}
	switch kind {
	case oip.KindTemplate:
		names = []string{plainText(data["template"])}
	case oip.KindCreator:
		names = []string{plainText(data["creatorHandle"]), plainText(data["handle"])}
	case oip.KindOrganization:
		names = []string{plainText(data["orgHandle"]), plainText(data["handle"])}
	}
	cut := p.takeWords(records.FieldNameWord, names...)
	cut = p.takeWords(records.FieldDescriptionWord, plainText(basic["description"])) || cut
	if cut {
		p.cut = append(p.cut, "words")
	}
	return p
}

// plainText is a raw string's text, empty for anything else.
func plainText(raw json.RawMessage) string {
	var s string
	if len(raw) > 0 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &s); err != nil {
			panic(fmt.Sprintf("storetest: %v", err))
		}
	}
	return s
}

// mostWords is how many words of one field are indexed of a document.
const mostWords = 8192

// takeWords puts the words of texts under a field.
func (p *plain) takeWords(f records.Field, texts ...string) (cut bool) {
	var list []string
	for _, t := range texts {
		list = append(list, records.Words(t)...)
	}
	if cut = len(list) > mostWords; cut {
		list = list[:mostWords]
	}
	p.words[f] = list
	return cut
}

// walk goes through the data of a document.
type walk struct {
	*json.Decoder
	p     *plain
	lines int
	cut   bool
}

func (w *walk) next() json.Token {
	t, err := w.Token()
	if err != nil {
		panic(fmt.Sprintf("storetest: %v", err))
	}
	return t
}

// value reads a value at a path of so many names.
func (w *walk) value(path string, names int) {
	switch t := w.next().(type) {
	case json.Delim:
		for w.More() {
			if t == '[' {
				w.value(path, names)
				continue
			}
			sub := w.next().(string)
			if path != "" {
				sub = path + "." + sub
			}
			if len(sub) > records.MaxPath || names+1 > records.MaxPathDepth {
				w.cut = true
				var skipped json.RawMessage
				if err := w.Decode(&skipped); err != nil {
					panic(fmt.Sprintf("storetest: %v", err))
				}
				continue
			}
			w.value(sub, names+1)
		}
		w.next()
	case string:
		if t != "" {
			w.leaf(leaf{path, t})
		}
	case json.Number:
		if n, err := strconv.ParseFloat(t.String(), 64); err == nil {
			w.leaf(leaf{path, n})
		} else {
			w.leaf(leaf{path, nil})
		}
	case bool:
		w.leaf(leaf{path, t})
	}
}

func (w *walk) leaf(l leaf) {
	p := w.p
	if len(p.leaves) == records.MaxLeaves {
		w.cut = true
		return
	}
	p.leaves = append(p.leaves, l)
	names := strings.SplitN(l.path, ".", 3)
	for n := range min(len(names), 2) {
		if head := strings.Join(names[:n+1], "."); head != "" {
			p.paths = addOnce(p.paths, head)
		}
	}
	value, ok := l.value.(string)
	if !ok {
		return
	}
	if strings.HasPrefix(value, "did:") && len(value) <= 512 {
		p.refs = addOnce(p.refs, value+"\x00"+l.path)
	}
	w.text(l.path, fold(value))
}

// text counts the lines that a text takes (see records.Projection), which is exact for
// ASCII; the suite comes near the bound with nothing else.
func (w *walk) text(path, folded string) {
	const first, further = 1024, 760 // bytes
	seen := text{path, folded, true}
	left := records.MaxLines - w.lines
	need := 1 + max(0, len(folded)+2-first+further-1)/further
	switch {
	case left == 0:
		w.cut = true
		return
	case need > left:
		w.cut = true
		need = left
		seen.folded, seen.whole = folded[:first+(left-1)*further-1], false
	}
	w.lines += need
	w.p.texts = append(w.p.texts, seen)
}

func addOnce(list []string, v string) []string {
	for _, known := range list {
		if known == v {
			return list
		}
	}
	return append(list, v)
}

// fold is a text without case and without the characters that stand for its ends.
func fold(s string) string { return withoutEnds.Replace(strings.ToLower(s)) }

var withoutEnds = strings.NewReplacer("\x00", " ", "\x01", " ", "\x02", " ", "\x03", " ")

// closeness tells how close a text is to what a Like asks for.
func closeness(t text, asked string) records.Closeness {
	best := records.Unlike
	for at := 0; at+len(asked) <= len(t.folded); at++ {
		end := at + len(asked)
		if t.folded[at:end] != asked {
			continue
		}
		kind := records.Contains
		switch last := end == len(t.folded) && t.whole; {
		case at == 0 && last:
			kind = records.Same
		case at == 0:
			kind = records.StartsWith
		case last:
			kind = records.EndsWith
		case end < len(t.folded) && besideWord(t.folded[at-1]) && besideWord(t.folded[end]):
			kind = records.WholeWord
		}
		best = max(best, kind)
	}
	return best
}

// besideWord reports whether a byte can stand beside a whole word.
func besideWord(b byte) bool {
	return b < 128 && !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_", rune(b))
}

// mistakes is the optimal string alignment distance, out of the whole table.
func mistakes(a, b string) int {
	x, y := []rune(a), []rune(b)
	d := make([][]int, len(x)+1)
	for i := range d {
		d[i] = make([]int, len(y)+1)
		for j := range d[i] {
			if i == 0 || j == 0 {
				d[i][j] = i + j
				continue
			}
			d[i][j] = 1 + min(d[i-1][j], d[i][j-1], d[i-1][j-1])
			if x[i-1] == y[j-1] {
				d[i][j] = min(d[i][j], d[i-1][j-1])
			}
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d[i][j] = min(d[i][j], 1+d[i-2][j-2])
			}
		}
	}
	return d[len(x)][len(y)]
}

// allowed is how many typing mistakes a word may have.
func allowed(word string) int {
	switch n := len([]rune(word)); {
	case n <= 2:
		return 0
	case n <= 5:
		return 1
	}
	return 2
}

// meant is a condition on leaves, of which a store only sees hashes, with what it means:
// one of the values is at the path.
type meant struct {
	records.Cond
	Path   string
	Values []any
	Fold   bool
}

func equal(path, text string) records.Cond {
	return meant{records.Equal(path, text), path, []any{text}, false}
}

func equalFold(path string, texts ...string) records.Cond {
	m := meant{records.EqualFold(path, texts...), path, nil, true}
	for _, t := range texts {
		m.Values = append(m.Values, fold(t))
	}
	return m
}

func equalNumber(path string, n float64) records.Cond {
	return meant{records.EqualNumber(path, n), path, []any{n}, false}
}

func equalBool(path string, b bool) records.Cond {
	return meant{records.EqualBool(path, b), path, []any{b}, false}
}

func (m meant) holds(p plain) bool {
	for _, l := range p.leaves {
		value := l.value
		if s, ok := value.(string); ok && m.Fold {
			value = fold(s)
		}
		for _, v := range m.Values {
			if l.path == m.Path && value == v {
				return true
			}
		}
	}
	return false
}

// bare is a condition as the store gets it.
func bare(c records.Cond) records.Cond {
	switch c := c.(type) {
	case meant:
		return c.Cond
	case records.All:
		parts := make(records.All, len(c))
		for i, part := range c {
			parts[i] = bare(part)
		}
		return parts
	case records.Any:
		parts := make(records.Any, len(c))
		for i, part := range c {
			parts[i] = bare(part)
		}
		return parts
	case records.Not:
		return records.Not{Cond: bare(c.Cond)}
	}
	return c
}

// bareQuery is a query as the store gets it.
func bareQuery(q records.Query) records.Query {
	q.Where = bare(q.Where)
	var score []records.Scored
	for _, part := range q.Score {
		score = append(score, records.Scored{Where: bare(part.Where), Points: part.Points})
	}
	q.Score = score
	return q
}
