package opensearch

import (
	"encoding/json"
	"fmt"

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

// document puts the parts together as they were.
func (d source) document() []byte {
	b := make([]byte, 0, len(d.Data)+len(d.Envelope)+20)
	b = append(b, '{')
	if d.Data != "" {
		b = append(append(append(b, `"data":`...), d.Data...), ',')
	}
	return append(append(append(b, `"oip":`...), d.Envelope...), '}')
}

// encode makes the index's document out of a record's.
func (s *Store) encode(kind oip.Kind, fence uint64, doc []byte) ([]byte, error) {
	p, err := records.Project(kind, doc)
	if err != nil {
		return nil, err
	}
	var parts struct {
		Data json.RawMessage `json:"data"`
		OIP  json.RawMessage `json:"oip"`
	}
	if err := json.Unmarshal(doc, &parts); err != nil {
		return nil, fmt.Errorf("opensearch: document: %w", err)
	}
	if got := (source{Data: string(parts.Data), Envelope: string(parts.OIP)}).document(); string(got) != string(doc) {
		return nil, fmt.Errorf("opensearch: a document of another form than {\"data\":…,\"oip\":…}")
	}
	b := make([]byte, 0, len(doc)*5/4+1024)
	b = fmt.Appendf(b, `{"k":%q,"w":%d,"d":`, kind, fence)
	b = canon.AppendString(b, string(parts.Data))
	b = append(b, `,"e":`...)
	b = canon.AppendString(b, string(parts.OIP))
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
	b = appendTyped(b, kind, parts.Data)
	return append(b, '}'), nil
}
