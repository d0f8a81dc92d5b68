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
	// Fields is what is read of the projection.
	Fields struct {
		Refs []string `json:"ref"`
	} `json:"f"`
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
	b = slices.Grow(b, expected(len(doc)))
	b = fmt.Appendf(b, `{"k":%q,"w":%d,"d":`, kind, fence)
	b = canon.AppendString(b, string(data))
	b = append(b, `,"e":`...)
	b = canon.AppendString(b, string(envelope))
	b = append(b, `,"f":{`...)
	for i, t := range p.Texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendList(append(canon.AppendString(b, string(t.Field)), ':'), t.Values)
	}
	if len(p.Lines) > 0 {
		b = appendList(append(b, `,"line":`...), p.Lines)
	}
	for _, n := range p.Numbers { // there is always a text before them: the DID
		b = append(canon.AppendString(append(b, ','), string(n.Field)), ':')
		b = fmt.Appendf(b, "%d", n.Value)
	}
	b = append(b, `},"t":`...)
	b = appendTyped(b, kind, data)
	return append(b, '}'), nil
}

// expected is about how many bytes a document of the index has that is made of a record
// of so many: the record with its quotes escaped, and its texts as lines and as words.
func expected(document int) int { return 3*document + lineRoom }

func appendList(b []byte, values []string) []byte {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = canon.AppendString(b, v)
	}
	return append(b, ']')
}
