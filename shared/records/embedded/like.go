package embedded

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/RoaringBitmap/roaring/v2"

	"oipnode/shared/records"
)

// A Like is answered by reading the documents: an index of the texts themselves would
// be larger than the documents are, and most likenesses are asked of few.

// likedKey is a path and a folded text.
type likedKey struct{ path, text string }

// liked is what was found out about one of these.
type liked struct {
	read *roaring.Bitmap // the documents that were read
	// at holds the documents by the closeness that they have at least.
	at [records.Same + 1]*roaring.Bitmap
}

// like returns the documents of base with a text that is close enough.
func (m *matcher) like(c records.Like, base *roaring.Bitmap) (*roaring.Bitmap, error) {
	// Who has a text at the path has something at its beginning.
	if head := records.PathHead(c.Path); head != "" {
		present, err := m.term(engineField(records.FieldPath), head, base)
		if err != nil {
			return nil, err
		}
		base = present
	}
	base, err := m.orEverything(base)
	if err != nil {
		return nil, err
	}
	c.Text = records.Fold(c.Text)
	key := likedKey{c.Path, c.Text}
	known := m.liked[key]
	if known == nil {
		known = &liked{read: roaring.New()}
		for i := range known.at {
			known.at[i] = roaring.New()
		}
		if len(m.liked) < rememberedLikes {
			m.liked[key] = known
		}
	}
	if err := m.readLikes(c, roaring.AndNot(base, known.read), known); err != nil {
		return nil, err
	}
	return roaring.And(base, known.at[max(c.Least, records.Contains)]), nil
}

// readLikes reads documents and notes how close each comes.
func (m *matcher) readLikes(c records.Like, docs *roaring.Bitmap, known *liked) error {
	ids := &column{reader: m.reader}
	for it := docs.Iterator(); it.HasNext(); {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		doc, did := it.Next(), ""
		if err := ids.visit(doc, func(id []byte) { did = string(id) }); err != nil {
			return err
		}
		value := m.view.document(did)
		if value == nil {
			return missing(did)
		}
		d, err := decodeStored(value)
		if err != nil {
			return err
		}
		best, err := closest(c, d.json)
		if err != nil {
			return errors.Join(ErrCorrupt, err)
		}
		known.read.Add(doc)
		for least := records.Contains; least <= best; least++ {
			known.at[least].Add(doc)
		}
	}
	return nil
}

// closest is how close the closest text of a document comes. The text of c is folded.
func closest(c records.Like, doc []byte) (records.Closeness, error) {
	if !mayContain(doc, c.Text) {
		return records.Unlike, nil
	}
	data, _, err := records.Parts(doc)
	best := records.Unlike
	for _, line := range records.Lines(data) {
		best = max(best, c.Compare(line))
	}
	return best, err
}

// mayContain reports false only if no string of a JSON text has a folded text in it. It
// looks at the bytes as they stand, which costs a fraction of reading the strings.
func mayContain(data []byte, text string) bool {
	for _, b := range data {
		if b == '\\' {
			return true // something is not written as it is
		}
		if b >= utf8.RuneSelf {
			// Lower case may be ASCII where the letter is not.
			return bytes.IndexByte(data, '\\') >= 0 || !utf8.Valid(data) || strings.Contains(strings.ToLower(string(data)), text)
		}
	}
	// In pieces, each with the end of the one before: a publisher can make data in which
	// every place looks like the text up to its last letter, and bytes.Index does not try
	// it from each of them.
	var piece [4 << 10]byte
	part, kept := []byte(text), 0
	for len(data) > 0 {
		n := kept
		for ; n < len(piece) && n-kept < len(data); n++ {
			piece[n] = lower(data[n-kept])
		}
		if bytes.Contains(piece[:n], part) {
			return true
		}
		data = data[n-kept:]
		kept = copy(piece[:], piece[n-min(n, len(part)-1):n])
	}
	return false
}

// lower is an ASCII character in lower case.
func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}
