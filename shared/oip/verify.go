package oip

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/rsapss"
)

// Bounds of what Verify reads. Arweave itself allows 2 KiB of tags on a
// transaction, and ANS-104 128 tags of at most 4 KiB on a data item.
const (
	// MaxTags is the most tags a transaction may have.
	MaxTags = 128
	// MaxTagBytes is the most bytes all names and values may have together.
	MaxTagBytes = 16 << 10
	// MaxTypeName is the longest record type or template name in bytes.
	MaxTypeName = 256
	// MaxObjects is the most objects (one per template) a record may have.
	MaxObjects = 256
)

// Keys knows the public keys of creators. A creator's key never changes, since
// the address is its hash; so a source may answer from a cache.
type Keys interface {
	// Key returns the key that the creator with this address has registered.
	Key(address string) (key *rsapss.PublicKey, ok bool)
}

// Subject says what a verified transaction is.
type Subject int

// The subjects of a transaction.
const (
	SubjectRecord Subject = iota
	SubjectTemplate
	SubjectRegistration
	SubjectOrganization
	SubjectDeletion
)

// Verified is a transaction whose id, structure, signature and key were checked, or
// a GUN record with its Trust. Verify and VerifyGun are the only functions that make
// one; the zero Verified becomes no Document.
type Verified struct {
	tx      Transaction
	head    head
	subject Subject
	value   canon.Value // the parsed data
	key     *rsapss.PublicKey
	// Exactly one of these is set, by subject; none for a plain record.
	template     *Template
	registration *Registration
	deletion     *Deletion
	// gun is set for a GUN record, which has no transaction.
	gun *gunPart
}

// ID is the transaction's id.
func (v Verified) ID() string { return v.tx.ID }

// Subject says what the transaction is.
func (v Verified) Subject() Subject { return v.subject }

// RecordType is the RecordType tag, or a template's name.
func (v Verified) RecordType() string { return v.head.name }

// Creator is the address that signed.
func (v Verified) Creator() string { return v.head.creator }

// Height is the block the transaction was seen in, 0 while pending.
func (v Verified) Height() int64 { return v.tx.Height }

// Key is the public key that verified the signature.
func (v Verified) Key() *rsapss.PublicKey { return v.key }

// Template is the definition, for SubjectTemplate.
func (v Verified) Template() *Template { return v.template }

// Registration is the registration, for SubjectRegistration.
func (v Verified) Registration() *Registration { return v.registration }

// Deletion is the delete message, for SubjectDeletion.
func (v Verified) Deletion() *Deletion { return v.deletion }

// Verify is the door to the record stores for transactions. It checks, in this order, the
// id, the tags, the shape of the data, the key against the address, and the
// signature (spec section 3), and never skips any. It is Waiting for the creator
// when keys does not know the signer; everything else that does not hold is
// Rejected. It reads at most the bytes it is given, in time linear in them (but
// for the sorting of an object's keys), and keeps tx.Data, which must not change.
func Verify(tx Transaction, keys Keys) Outcome {
	head, err := parseHead(tx)
	if err != nil {
		return rejected(err)
	}
	v := Verified{tx: tx, head: head}
	if err := v.parseData(); err != nil {
		return rejected(err)
	}
	if v.registration != nil {
		v.key, err = v.registration.selfKey(head.creator)
		if err != nil {
			return rejected(err)
		}
	} else {
		key, ok := keys.Key(head.creator)
		if !ok {
			return Waiting{Dependency{NeedCreator, head.creator}}
		}
		if key.Address() != head.creator {
			return rejected(fault(ReasonKey, "the known key does not hash to the Creator tag"))
		}
		v.key = key
	}
	if err := v.checkSignature(); err != nil {
		return rejected(err)
	}
	return Accepted{v}
}

// head is what the tags say.
type head struct {
	template  bool   // Type: Template, else Record
	name      string // RecordType or TemplateName
	ver       string
	creator   string
	signature []byte
	sigText   string
	signed    []Tag // the tags before CreatorSig
}

// CheckHead reports what Verify would reject for its id and tags alone, so that
// a caller need not fetch the bytes of such a transaction. It returns the type
// name (RecordType or TemplateName), and whether the transaction is a template.
func CheckHead(tx Transaction) (name string, template bool, out Outcome) {
	h, err := parseHead(tx)
	if err != nil {
		return "", false, rejected(err)
	}
	return h.name, h.template, nil
}

// parseHead reads the tags before the signature; what comes after it would be
// unsigned, so nothing may.
func parseHead(tx Transaction) (head, error) {
	if !ValidID(tx.ID) {
		return head{}, fault(ReasonID, "id is not 43 characters of base64url")
	}
	if len(tx.Tags) > MaxTags {
		return head{}, fault(ReasonTags, "%d tags, at most %d are allowed", len(tx.Tags), MaxTags)
	}
	size := 0
	for _, t := range tx.Tags {
		size += len(t.Name) + len(t.Value)
	}
	if size > MaxTagBytes {
		return head{}, fault(ReasonTags, "%d bytes of tags, at most %d are allowed", size, MaxTagBytes)
	}
	n := len(tx.Tags)
	if n == 0 || tx.Tags[n-1].Name != "CreatorSig" {
		return head{}, fault(ReasonTags, "the last tag is not CreatorSig")
	}
	h := head{signed: tx.Tags[: n-1 : n-1], sigText: restorePlus(tx.Tags[n-1].Value)}
	values, err := single(h.signed)
	if err != nil {
		return head{}, err
	}
	if values["Index-Method"] != "OIP" {
		return head{}, fault(ReasonTags, "Index-Method is not OIP")
	}
	switch values["Type"] {
	case "Record":
		h.name = values["RecordType"]
	case "Template":
		h.name, h.template = values["TemplateName"], true
	default:
		return head{}, fault(ReasonTags, "Type is neither Record nor Template")
	}
	if h.name == "" || len(h.name) > MaxTypeName {
		return head{}, fault(ReasonTags, "RecordType or TemplateName must have 1 to %d bytes", MaxTypeName)
	}
	if h.creator = values["Creator"]; !ValidID(h.creator) {
		return head{}, fault(ReasonTags, "Creator is not an address")
	}
	h.ver = values["Ver"]
	if err := h.checkVersion(); err != nil {
		return head{}, err
	}
	if h.signature, err = decodeSignature(h.sigText); err != nil {
		return head{}, fault(ReasonSignature, "CreatorSig is not base64")
	}
	return h, nil
}

// single returns the values of the tags that the protocol reads, each of which
// may appear once: with two of a name, readers could disagree on what was signed.
func single(tags []Tag) (map[string]string, error) {
	values := make(map[string]string, 8)
	for _, t := range tags {
		switch t.Name {
		case "CreatorSig", "Index-Method", "Ver", "Type", "RecordType", "TemplateName", "Creator":
			if _, twice := values[t.Name]; twice || t.Name == "CreatorSig" {
				return nil, fault(ReasonTags, "the tag %s appears twice", t.Name)
			}
			values[t.Name] = t.Value
		}
	}
	return values, nil
}

// checkVersion asks for 0.8.0 or later. A registration may be older: creators
// registered before the first 0.8.0 block (spec section 2), and a template may
// be, since records name it by its id.
func (h head) checkVersion() error {
	v, ok := parseVersion(h.ver)
	if !ok {
		return fault(ReasonVersion, "Ver is not a semantic version")
	}
	if h.template || h.name == TypeRegistration {
		return nil
	}
	if v.less(oldestVersion) {
		return fault(ReasonVersion, "Ver is below 0.8.0")
	}
	return nil
}

// restorePlus undoes what a gateway does that reads a tag as a URL's query: a
// space in a signature stands for a lost plus sign (spec section 2).
func restorePlus(s string) string { return strings.ReplaceAll(s, " ", "+") }

// decodeSignature reads standard base64, padded or not.
func decodeSignature(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line break")
	}
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}

// parseData parses the data as the type in the tags says.
func (v *Verified) parseData() error {
	value, err := canon.Parse(v.tx.Data)
	if err != nil {
		return fault(ReasonJSON, "%v", err)
	}
	v.value = value
	if v.head.template {
		v.subject = SubjectTemplate
		v.template, err = parseTemplate(v.tx.ID, v.head.name, value)
		return err
	}
	if v.deletion, err = parseDeletion(value); err != nil || v.deletion != nil {
		v.subject = SubjectDeletion
		if ver, _ := parseVersion(v.head.ver); err == nil && ver.less(oldestVersion) {
			return fault(ReasonVersion, "Ver is below 0.8.0")
		}
		return err
	}
	if err := checkObjects(value, v.head.name); err != nil {
		return err
	}
	switch v.head.name {
	case TypeRegistration:
		v.subject = SubjectRegistration
		v.registration, err = parseRegistration(value)
	case TypeOrganization:
		v.subject = SubjectOrganization
		err = checkOrganization(value)
	}
	return err
}

// checkSignature verifies CreatorSig over the signed message of section 3: the
// tags before it and the raw data; for a template its re-serialised data first.
func (v *Verified) checkSignature() error {
	h := sha256.New()
	if v.template != nil {
		h.Write(v.template.definition)
		h.Write(appendTags(nil, v.head.signed))
	} else {
		h.Write(appendTags(nil, v.head.signed))
		h.Write(v.tx.Data)
	}
	var digest [sha256.Size]byte
	h.Sum(digest[:0])
	if err := v.key.VerifyDigest(digest, v.head.signature); err != nil {
		return fault(ReasonSignature, "the signature does not verify with the creator's key")
	}
	return nil
}

// appendTags appends J(tags).
func appendTags(dst []byte, tags []Tag) []byte {
	return canon.AppendTags(dst, func(yield func(name, value string) bool) {
		for _, t := range tags {
			if !yield(t.Name, t.Value) {
				return
			}
		}
	})
}

// Refusal is a Rejected as an error, for Expand, which can find out late that a
// document would be too large.
type Refusal struct{ Rejected }

func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Detail }

func fault(reason Reason, format string, args ...any) error {
	return &Refusal{Rejected{reason, fmt.Sprintf(format, args...)}}
}

// rejected turns a refusal into its outcome.
func rejected(err error) Outcome {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Rejected
	}
	return Rejected{ReasonStructure, err.Error()}
}
