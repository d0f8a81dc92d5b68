package records

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
)

// SortKey is where a document stands at one level of an order: the value of the
// level's field, or that it has none. Of several values it is the smallest for
// an ascending level and the largest for a descending one.
type SortKey struct {
	Missing bool
	Text    string // in the form of Key
	Number  int64
}

// A cursor is base64url of {"q":<hash of the query>,"k":[<key>, …]}; a key is a
// string, a number, or null for a document without the field. It holds values
// and no engine's internals, so it survives restarts, and documents that come or
// go elsewhere, and its own document's removal.
type cursorBody struct {
	Query string `json:"q"`
	Keys  []any  `json:"k"`
}

// maxCursorBytes bounds what DecodeCursor looks at: MaxSort+1 keys of somewhat
// more than MaxKeyBytes, escaped at worst by six bytes for one.
const maxCursorBytes = 128 << 10

// EncodeCursor makes the cursor behind a hit, out of its keys for q.Order().
func EncodeCursor(q Query, keys []SortKey) Cursor {
	body := cursorBody{Query: queryHash(q), Keys: make([]any, len(keys))}
	for i, s := range q.Order() {
		switch {
		case keys[i].Missing:
		case s.Field.Numeric():
			body.Keys[i] = keys[i].Number
		default:
			body.Keys[i] = keys[i].Text
		}
	}
	text, err := json.Marshal(body)
	if err != nil { // strings and integers always encode
		panic(fmt.Sprintf("records: encode cursor: %v", err))
	}
	return Cursor(base64.RawURLEncoding.EncodeToString(text))
}

// DecodeCursor returns the keys, one for each level of q.Order(), behind which
// q.After continues. ErrCursor is returned for anything that EncodeCursor did
// not make for the same Where and Sort; Limit and EnvelopeOnly may change.
func DecodeCursor(q Query) ([]SortKey, error) {
	if len(q.After) > maxCursorBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrCursor, len(q.After))
	}
	text, err := base64.RawURLEncoding.DecodeString(string(q.After))
	if err != nil {
		return nil, fmt.Errorf("%w: not base64url", ErrCursor)
	}
	var body struct {
		Query string            `json:"q"`
		Keys  []json.RawMessage `json:"k"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, fmt.Errorf("%w: malformed", ErrCursor)
	}
	order := q.Order()
	if body.Query != queryHash(q) || len(body.Keys) != len(order) {
		return nil, fmt.Errorf("%w: made for another query", ErrCursor)
	}
	keys := make([]SortKey, len(order))
	for i, raw := range body.Keys {
		var err error
		switch {
		case string(raw) == "null":
			keys[i].Missing = true
		case order[i].Field.Numeric():
			err = json.Unmarshal(raw, &keys[i].Number)
		default:
			err = json.Unmarshal(raw, &keys[i].Text)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: malformed key", ErrCursor)
		}
	}
	return keys, nil
}

// queryHash identifies Where, Score, Sort and Distinct. It is a check against mistakes, not a
// signature: a forged cursor moves its maker around in what Where shows anyway.
func queryHash(q Query) string {
	h := sha256.New()
	hashCond(h, q.Where)
	for _, part := range q.Score {
		hashNumber(h, '+', part.Points)
		hashCond(h, part.Where)
	}
	if q.Distinct {
		h.Write([]byte{'1'})
	}
	for _, s := range q.Order() {
		hashText(h, 's', string(s.Field))
		if s.Desc {
			h.Write([]byte{'d'})
		}
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// Fingerprint identifies a condition: two have the same only if they are written alike.
func Fingerprint(c Cond) [sha256.Size]byte {
	h := sha256.New()
	hashCond(h, c)
	return [sha256.Size]byte(h.Sum(nil))
}

// hashCond writes a condition so that different ones are written differently:
// every node begins with a letter and the number of what follows.
func hashCond(h hash.Hash, c Cond) {
	switch c := c.(type) {
	case nil:
		h.Write([]byte{'0'})
	case All:
		hashNumber(h, '&', int64(len(c)))
		for _, part := range c {
			hashCond(h, part)
		}
	case Any:
		hashNumber(h, '|', int64(len(c)))
		for _, part := range c {
			hashCond(h, part)
		}
	case Not:
		h.Write([]byte{'!'})
		hashCond(h, c.Cond)
	case Term:
		hashText(h, '=', string(c.Field))
		hashNumber(h, '#', int64(len(c.Values)))
		for _, v := range c.Values {
			hashText(h, 'v', v)
		}
	case Between:
		hashText(h, '~', string(c.Field))
		hashNumber(h, '<', c.Min)
		hashNumber(h, '>', c.Max)
	case Exists:
		hashText(h, '?', string(c.Field))
	case Prefix:
		hashText(h, 'p', string(c.Field))
		hashText(h, 'v', c.Text)
	case Near:
		hashText(h, 'n', string(c.Field))
		hashText(h, 'v', c.Word)
	case Like:
		hashNumber(h, 'l', int64(c.Least))
		hashText(h, 'p', c.Path)
		hashText(h, 'v', Fold(c.Text))
	}
}

func hashNumber(h hash.Hash, kind byte, n int64) {
	h.Write(binary.BigEndian.AppendUint64([]byte{kind}, uint64(n)))
}

func hashText(h hash.Hash, kind byte, s string) {
	hashNumber(h, kind, int64(len(s)))
	h.Write([]byte(s))
}
