package opensearch

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

// source is a document as the index holds it.
type source struct {
	Kind  oip.Kind `json:"k"`
	Fence uint64   `json:"w"`
	// Data and Envelope are the two parts of the document, as text.
	Data     string `json:"d"`
	Envelope string `json:"e"`
}

// isDocument reports whether source.document makes of the parts what they came from.
func isDocument(doc, data, envelope []byte) bool {
	for _, part := range [][]byte{[]byte("{"), []byte(`"data":`), data, []byte(","), []byte(`"oip":`), envelope, []byte("}")} {
		if data == nil && (string(part) == `"data":` || string(part) == ",") {
			continue
		}
		if !bytes.HasPrefix(doc, part) {
			return false
		}
		doc = doc[len(part):]
	}
	return len(doc) == 0
}

// document puts the parts together as they were.
func (d source) document() []byte {
	b := make([]byte, 0, len(d.Data)+len(d.Envelope)+20)
	b = append(b, '{')
	if d.Data != "" {
		b = append(append(append(b, `"data":`...), d.Data...), ',')
	}
	return append(append(append(b, `"oip":`...), d.Envelope...), '}')
}

// appendDocument appends the index's document that is made of a record's. What it appends
// before an error has to be taken away again.
func (s *Store) appendDocument(b []byte, kind oip.Kind, fence uint64, doc []byte) ([]byte, error) {
	p, err := records.Project(kind, doc)
	if err != nil {
		return b, err
	}
	data, envelope, err := records.Parts(doc)
	if err != nil {
		return b, fmt.Errorf("opensearch: document: %w", err)
	}
	if !isDocument(doc, data, envelope) {
		return b, errors.New("opensearch: a document of another form than {\"data\":…,\"oip\":…}")
	}
	b = slices.Grow(b, len(doc)*5/4+lineRoom)
	b = fmt.Appendf(b, `{"k":%q,"w":%d,"d":`, kind, fence)
	b = canon.AppendString(b, string(data))
	b = append(b, `,"e":`...)
	b = canon.AppendString(b, string(envelope))
	b = append(b, `,"f":{`...)
	for i, t := range p.Texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(canon.AppendString(b, string(t.Field)), ":["...)
		for j, v := range t.Values {
			if j > 0 {
				b = append(b, ',')
			}
			b = canon.AppendString(b, v)
		}
		b = append(b, ']')
	}
	for _, n := range p.Numbers { // there is always a text before them: the DID
		b = append(canon.AppendString(append(b, ','), string(n.Field)), ':')
		b = fmt.Appendf(b, "%d", n.Value)
	}
	b = append(b, `},"t":`...)
	b = appendTyped(b, kind, data)
	return append(b, '}'), nil
}
