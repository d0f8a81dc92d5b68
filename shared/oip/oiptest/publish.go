package oiptest

import (
	"encoding/json"
	"fmt"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
)

// Object is one object of a record: the values by index, and the template's id.
type Object struct {
	Template string
	Values   map[int]any
}

// MarshalJSON writes {"0":…,"t":"…"}.
func (o Object) MarshalJSON() ([]byte, error) {
	m := make(map[string]any, len(o.Values)+1)
	for i, v := range o.Values {
		m[fmt.Sprint(i)] = v
	}
	m["t"] = o.Template
	return json.Marshal(m)
}

// tags are the tags before the signature, in the order of spec section 2.
func (s *Signer) tags(kind, nameTag, name string) []oip.Tag {
	return []oip.Tag{
		{Name: "Content-Type", Value: "application/json"},
		{Name: "Index-Method", Value: "OIP"},
		{Name: "Ver", Value: "0.8.0"},
		{Name: "Type", Value: kind},
		{Name: nameTag, Value: name},
		{Name: "Creator", Value: s.Address},
	}
}

// Record publishes a record of these objects.
func (s *Signer) Record(recordType string, objects ...Object) oip.Transaction {
	return s.RawRecord(recordType, mustJSON(objects))
}

// RawRecord publishes data that need not be a record at all, rightly signed.
func (s *Signer) RawRecord(recordType string, data []byte) oip.Transaction {
	return s.transaction(s.tags("Record", "RecordType", recordType), data)
}

// WithTags publishes data under tags of one's own choice, rightly signed.
func (s *Signer) WithTags(tags []oip.Tag, data []byte) oip.Transaction {
	return s.transaction(tags, data)
}

// Tags returns the tags before the signature of a record, to be changed and
// given to WithTags.
func (s *Signer) Tags(recordType string) []oip.Tag {
	return s.tags("Record", "RecordType", recordType)
}

// Template publishes a template. The definition is JSON; a template's signature
// covers its re-serialised form.
func (s *Signer) Template(name string, definition []byte) oip.Transaction {
	tags := s.tags("Template", "TemplateName", name)
	v, err := canon.Parse(definition)
	if err != nil {
		return s.transaction(tags, definition, definition, canonTags(tags))
	}
	return s.transaction(tags, definition, canon.Append(nil, v), canonTags(tags))
}

// Registration registers the creator under a handle. More objects, such as a
// basic one, may follow.
func (s *Signer) Registration(handle, surname string, more ...Object) oip.Transaction {
	first := Object{oip.TypeRegistration, map[int]any{0: s.Address, 1: s.Modulus, 2: handle, 3: surname}}
	return s.Record(oip.TypeRegistration, append([]Object{first}, more...)...)
}

// Delete publishes a delete message for a record, an organization or a registration.
func (s *Signer) Delete(did string) oip.Transaction {
	return s.RawRecord("deleteMessage", mustJSON(map[string]any{"delete": map[string]any{"didTx": did}}))
}

// DeleteTemplate publishes a delete message for a template.
func (s *Signer) DeleteTemplate(did string) oip.Transaction {
	return s.RawRecord("deleteTemplate", mustJSON(map[string]any{"deleteTemplate": map[string]any{"didTx": did}}))
}

// mustJSON encodes values of the test's own making.
func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("oiptest: %v", err))
	}
	return text
}
