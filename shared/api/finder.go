package api

import (
	"bytes"
	"strings"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
)

// finder goes once over the bytes of a document's data, which are valid JSON, and notes
// where references stand. Nothing is decoded but the names of members and what may be a
// DID, and the document stays as it is: with the references replaced in their places,
// every other byte is the same.
type finder struct {
	*graph
	*document
	path  []byte // the names that lead to where it is, joined by dots
	names int    // how many they are
	// columns are the comments on the ingredients of a recipe, by their positions.
	columns []string
}

// value looks at the value at i and returns its end; selected tells whether references in
// it are to be replaced. It recurs at most canon.MaxDepth times.
func (f *finder) value(i int, selected bool) int {
	switch f.json[i] {
	case '{':
		for i = f.space(i + 1); f.json[i] != '}'; i = f.next(i) {
			i = f.member(i, selected)
		}
		return i + 1
	case '[':
		var comments []string
		if selected && f.names == 2 && string(f.path) == "recipe.ingredient" {
			comments, f.columns = f.columns, nil
		}
		n := 0
		for i = f.space(i + 1); f.json[i] != ']'; i = f.next(i) {
			if n < len(comments) && comments[n] != "" && f.json[i] == '"' && f.json[i+1] != '"' {
				f.comment(i, comments[n])
			}
			i = f.value(i, selected)
			n++
		}
		return i + 1
	case '"':
		end := f.text(i)
		if selected {
			f.reference(i, end)
		}
		return end
	}
	for i < len(f.json) && strings.IndexByte(",]} \t\n\r", f.json[i]) < 0 {
		i++
	}
	return i
}

// member looks at the member whose name begins at i and returns its end.
func (f *finder) member(i int, selected bool) int {
	end := f.text(i)
	before := len(f.path)
	if f.names > 0 {
		f.path = append(f.path, '.')
	}
	f.path = append(f.path, decoded(f.json[i:end])...)
	f.names++
	i = f.value(f.space(f.space(end)+1), selected || len(f.path) <= f.longest && f.fields[string(f.path)])
	f.path = f.path[:before]
	f.names--
	return i
}

// reference notes the text from i to end, if it is one or an ingredient with a comment.
func (f *finder) reference(i, end int) {
	r := ref{at: uint32(i), end: uint32(end)}
	if did := didOf(f.json[i:end]); did != nil {
		r.to = f.refer(did)
	}
	if _, commented := f.comments[r.at]; commented || r.to != nil {
		f.refs = append(f.refs, r)
	}
}

// comment notes the comment on the ingredient at i.
func (f *finder) comment(i int, text string) {
	if f.comments == nil {
		f.comments = make(map[uint32]string)
	}
	f.comments[uint32(i)] = text
}

// didOf is the DID that a string literal is, or nil. Of most literals the first character
// tells, so that long texts are not decoded.
func didOf(literal []byte) []byte {
	if c := literal[1]; c != 'd' && c != '\\' || len(literal) > 6*oip.MaxDID+2 {
		return nil
	}
	did := decoded(literal)
	if !bytes.HasPrefix(did, []byte("did:")) || !oip.ValidDID(string(did)) {
		return nil
	}
	return did
}

// decoded is the text of a string literal.
func decoded(literal []byte) []byte {
	if bytes.IndexByte(literal, '\\') < 0 {
		return literal[1 : len(literal)-1]
	}
	v, err := canon.Parse(literal)
	if err != nil {
		return nil
	}
	return []byte(v.Text())
}

// text returns the end of the string literal at i.
func (f *finder) text(i int) int {
	for i++; f.json[i] != '"'; i++ {
		if f.json[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// space returns the next place at or after i where no white space stands.
func (f *finder) space(i int) int {
	for f.json[i] == ' ' || f.json[i] == '\t' || f.json[i] == '\n' || f.json[i] == '\r' {
		i++
	}
	return i
}

// next returns the place behind a value that ends at i, and behind a comma.
func (f *finder) next(i int) int {
	if i = f.space(i); f.json[i] == ',' {
		i = f.space(i + 1)
	}
	return i
}
