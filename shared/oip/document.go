package oip

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Kind says which of the indexes a document belongs to (spec sections 4 to 6).
type Kind string

// The kinds of document.
const (
	KindRecord       Kind = "record"
	KindTemplate     Kind = "template"
	KindCreator      Kind = "creator"
	KindOrganization Kind = "organization"
)

// Record states of an envelope.
const (
	// StatusOriginal is a record whose transaction is mined.
	StatusOriginal = "original"
	// StatusPending is a record whose block vanished in a reorganisation and
	// that has not been mined again yet; inArweaveBlock is absent then.
	StatusPending = "pending"
)

// CreatorRef is what a document says of its creator.
type CreatorRef struct {
	CreatorHandle string `json:"creatorHandle"`
	DIDAddress    string `json:"didAddress"`
	DIDTx         string `json:"didTx"`
	PublicKey     string `json:"publicKey"`
}

// Envelope is the `oip` object of a document. Its JSON is what clients see.
type Envelope struct {
	DID          string `json:"did"`
	DIDTx        string `json:"didTx"`
	RecordType   string `json:"recordType,omitempty"`
	RecordStatus string `json:"recordStatus"`
	Storage      string `json:"storage,omitempty"`
	// InArweaveBlock is the height, or null while the transaction is pending.
	InArweaveBlock *int64 `json:"inArweaveBlock"`
	// IndexedAt is UTC with milliseconds, as JavaScript's toISOString.
	IndexedAt string `json:"indexedAt"`
	Ver       string `json:"ver"`
	Signature string `json:"signature,omitempty"`
	// Templates maps each template name used to the template's transaction id.
	Templates map[string]string `json:"templates,omitempty"`
	// MissingTemplates are ids of templates that could not be had yet.
	MissingTemplates []string `json:"missingTemplates,omitempty"`
	// MayRestrict marks a partial record whose missing part may be its access
	// rule; until it is complete only its owner may read it.
	MayRestrict bool `json:"mayRestrict,omitempty"`
	// UnknownFields is how many values had an index that their template lacks.
	UnknownFields int        `json:"unknownFields,omitempty"`
	Warnings      []string   `json:"warnings,omitempty"`
	Creator       CreatorRef `json:"creator"`
	// Hidden marks a deleted template or registration: kept for expansion and
	// for keys, left out of answers.
	Hidden bool `json:"hidden,omitempty"`
	// DeleteMessage marks a record that is a delete message.
	DeleteMessage bool `json:"deleteMessage,omitempty"`
	// SignatureStatus is the Trust of a GUN record; what comes from the chain is
	// always verified and does not say so.
	SignatureStatus Trust `json:"signatureStatus,omitempty"`
	// Encrypted marks a GUN record that only its owner may see; Encryption is what
	// its publisher says of how.
	Encrypted  bool        `json:"encrypted,omitempty"`
	Encryption *Encryption `json:"encryption,omitempty"`
	// Gun says which version of a GUN record this is.
	Gun *GunOrigin `json:"gun,omitempty"`
}

// Document is a verified (by its Trust) and expanded document, ready for a record store. Only
// this package can make one, and it only makes one out of a Verified: code that
// would store something unverified does not compile. The zero Document is not
// Valid, and stores refuse it.
type Document struct {
	kind    Kind
	did     string
	json    []byte
	missing []string
	used    []string
}

// Valid reports whether the document came out of this package.
func (d Document) Valid() bool { return d.did != "" }

// Kind says which index the document belongs to.
func (d Document) Kind() Kind { return d.kind }

// DID is the document's identity, did:arweave:<transaction id> or did:gun:<soul>.
func (d Document) DID() string { return d.did }

// Missing lists the templates without which the document is only partial.
func (d Document) Missing() []string { return d.missing }

// Templates lists the ids of the templates that the envelope names.
func (d Document) Templates() []string { return d.used }

// JSON is the document, {"data":{…},"oip":{…}}. It must not be changed.
func (d Document) JSON() []byte { return d.json }

// Patch changes the envelope of a stored document, and nothing else. Only the
// fields that are set take effect. It is idempotent.
type Patch struct {
	DID string
	// Height moves the document to a block; it becomes StatusOriginal.
	Height *int64
	// Pending takes the block away: InArweaveBlock null, StatusPending.
	Pending bool
	// Creator replaces handle and registration of the creator.
	Creator *CreatorRef
	// Hidden sets or clears Envelope.Hidden.
	Hidden *bool
	// OwnHandle sets the document's own unique handle: data.creatorHandle of a
	// registration (and its envelope), data.orgHandle of an organization.
	OwnHandle *string
}

// storedDocument is the outer shape of every document.
type storedDocument struct {
	Data json.RawMessage `json:"data"`
	OIP  Envelope        `json:"oip"`
}

// ParseEnvelope reads the envelope of a stored document.
func ParseEnvelope(doc []byte) (Envelope, error) {
	var d struct {
		OIP Envelope `json:"oip"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return Envelope{}, fmt.Errorf("oip: stored document: %w", err)
	}
	return d.OIP, nil
}

// EnvelopeOnly returns the document without its data.
func EnvelopeOnly(doc []byte) ([]byte, error) {
	var d struct {
		OIP json.RawMessage `json:"oip"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("oip: stored document: %w", err)
	}
	return appendObject(nil, nil, d.OIP), nil
}

// Apply returns the document with the patch applied. It is how a store that
// keeps whole documents carries out a Patch.
func (p Patch) Apply(doc []byte) ([]byte, error) {
	var d storedDocument
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("oip: stored document: %w", err)
	}
	switch {
	case p.Pending:
		d.OIP.InArweaveBlock, d.OIP.RecordStatus = nil, StatusPending
	case p.Height != nil:
		h := *p.Height
		d.OIP.InArweaveBlock, d.OIP.RecordStatus = &h, StatusOriginal
	}
	if p.Creator != nil {
		d.OIP.Creator = *p.Creator
	}
	if p.Hidden != nil {
		d.OIP.Hidden = *p.Hidden
	}
	if p.OwnHandle != nil {
		data, err := setOwnHandle(d.Data, *p.OwnHandle)
		if err != nil {
			return nil, err
		}
		d.Data = data
	}
	return encodeDocument(d.Data, d.OIP)
}

// setOwnHandle replaces the handle that a registration or organization carries.
func setOwnHandle(data json.RawMessage, handle string) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("oip: stored document: %w", err)
	}
	text, err := marshal(handle)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"creatorHandle", "orgHandle"} {
		if _, ok := fields[name]; ok {
			fields[name] = text
		}
	}
	return marshal(fields)
}

// encodeDocument puts data and envelope together.
func encodeDocument(data json.RawMessage, env Envelope) ([]byte, error) {
	oip, err := marshal(env)
	if err != nil {
		return nil, fmt.Errorf("oip: encode envelope: %w", err)
	}
	return appendObject(make([]byte, 0, len(data)+len(oip)+20), data, oip), nil
}

// appendObject appends {"data":…,"oip":…}, without data when it is empty.
func appendObject(dst []byte, data, oip []byte) []byte {
	dst = append(dst, '{')
	if len(data) > 0 {
		dst = append(dst, `"data":`...)
		dst = append(dst, data...)
		dst = append(dst, ',')
	}
	dst = append(dst, `"oip":`...)
	dst = append(dst, oip...)
	return append(dst, '}')
}

// marshal is json.Marshal without the escaping of <, > and &.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// FormatTime writes a moment as JavaScript's toISOString does.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
