package oip

import (
	"encoding/json"
	"math/big"
	"strings"

	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/rsapss"
)

// Record types with a meaning of their own (spec section 6).
const (
	TypeRegistration   = "creatorRegistration"
	TypeOrganization   = "organization"
	TypeDelete         = "delete"
	TypeDeleteTemplate = "deleteTemplate"
)

// MaxHandle is the longest handle of a creator or an organization in bytes.
const MaxHandle = 256

// Registration is what a creator says of itself, read by position so that the
// first registrations can be read before any template exists.
type Registration struct {
	Address string
	Modulus string // public key, base64url as published
	Handle  string // as asked for; the unique handle adds digits
	Surname string
}

// parseRegistration reads the first object: 0 address, 1 key, 2 handle, 3 surname.
func parseRegistration(data canon.Value) (*Registration, error) {
	r := &Registration{}
	for first := range data.Elements() {
		for key, v := range first.Members() {
			if v.Kind() != canon.String {
				continue
			}
			switch key {
			case "0":
				r.Address = v.Text()
			case "1":
				r.Modulus = v.Text()
			case "2":
				r.Handle = v.Text()
			case "3":
				r.Surname = v.Text()
			}
		}
		break
	}
	switch {
	case !ValidID(r.Address):
		return nil, fault(ReasonStructure, "field 0 of a registration must be an address")
	case r.Modulus == "":
		return nil, fault(ReasonStructure, "field 1 of a registration must be a public key")
	case r.Handle == "" || len(r.Handle) > MaxHandle:
		return nil, fault(ReasonStructure, "field 2 of a registration must be a handle of 1 to %d bytes", MaxHandle)
	}
	return r, nil
}

// selfKey is the key inside a registration. It must hash to both the address
// in field 0 and the Creator tag (spec section 6).
func (r *Registration) selfKey(creator string) (*rsapss.PublicKey, error) {
	key, err := rsapss.ParseModulus(r.Modulus)
	if err != nil {
		return nil, fault(ReasonKey, "%v", err)
	}
	if address := key.Address(); address != creator || address != r.Address {
		return nil, fault(ReasonKey, "the key does not hash to field 0 and the Creator tag")
	}
	return key, nil
}

// HandleDigits returns the decimal digits that make a handle unique: the number
// whose hexadecimal digits are the hex characters of the transaction id, in
// order (spec section 6). It is "0" for an id without any.
func HandleDigits(txid string) string {
	hex := strings.Map(func(c rune) rune {
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' {
			return c
		}
		return -1
	}, txid)
	n, ok := new(big.Int).SetString(hex, 16)
	if !ok {
		return "0"
	}
	return n.String()
}

// UniqueHandle returns handle followed by the fewest leading digits (at least
// one) with which taken answers false. If all digits are used up it goes on with
// "0", so that there is always an answer.
func UniqueHandle(handle, txid string, taken func(candidate string) (bool, error)) (string, error) {
	digits := HandleDigits(txid)
	for n := 1; ; n++ {
		for n > len(digits) {
			digits += "0"
		}
		candidate := handle + digits[:n]
		used, err := taken(candidate)
		if err != nil {
			return "", err
		}
		if !used {
			return candidate, nil
		}
	}
}

// checkOrganization asks for the two objects of an organization: basic, and
// organization with a handle at position 0.
func checkOrganization(data canon.Value) error {
	n := 0
	for range data.Elements() {
		n++
	}
	if n < 2 {
		return fault(ReasonStructure, "an organization has two objects, basic and organization")
	}
	handle, ok := organizationHandle(data)
	if !ok || handle == "" || len(handle) > MaxHandle {
		return fault(ReasonStructure, "field 0 of an organization must be a handle of 1 to %d bytes", MaxHandle)
	}
	return nil
}

// organizationHandle reads field 0 of the second object.
func organizationHandle(data canon.Value) (string, bool) {
	i := 0
	for object := range data.Elements() {
		if i++; i != 2 {
			continue
		}
		for key, v := range object.Members() {
			if key == "0" && v.Kind() == canon.String {
				return v.Text(), true
			}
		}
	}
	return "", false
}

// OrganizationHandle is the handle that an organization asks for; it is empty
// for other subjects.
func (v Verified) OrganizationHandle() string {
	if v.subject != SubjectOrganization {
		return ""
	}
	handle, _ := organizationHandle(v.value)
	return handle
}

// Deletion is a delete message.
type Deletion struct {
	// Target is the DID to be deleted.
	Target string
	// Template is set for deleteTemplate, which concerns templates only; a plain
	// delete concerns everything else.
	Template bool
}

// parseDeletion reads a delete message, {"delete":{…}} or {"deleteTemplate":{…}},
// or an array that begins with one. What decides is the data, not the RecordType
// (spec section 6). It returns nil for data that is none.
func parseDeletion(data canon.Value) (*Deletion, error) {
	object := data
	if data.Kind() == canon.Array {
		for first := range data.Elements() {
			object = first
			break
		}
	}
	if object.Kind() != canon.Object {
		return nil, nil
	}
	var d *Deletion
	for key, v := range object.Members() {
		if key != TypeDelete && key != TypeDeleteTemplate {
			continue
		}
		if d != nil {
			return nil, fault(ReasonStructure, "a delete message names either delete or deleteTemplate")
		}
		d = &Deletion{Template: key == TypeDeleteTemplate}
		var err error
		if d.Target, err = deletionTarget(v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// deletionTarget reads didTx or did; both may be there if they agree.
func deletionTarget(v canon.Value) (string, error) {
	target := ""
	if v.Kind() == canon.Object {
		for key, m := range v.Members() {
			if key != "didTx" && key != "did" || m.Kind() != canon.String {
				continue
			}
			if did := m.Text(); target == "" {
				target = did
			} else if did != target {
				return "", fault(ReasonStructure, "didTx and did of a delete message differ")
			}
		}
	}
	if !ValidDID(target) {
		return "", fault(ReasonStructure, "a delete message needs didTx or did, a DID")
	}
	return target, nil
}

// StoredTarget reads the target back out of a delete message's document; it is
// empty for any other document.
func StoredTarget(doc []byte) string {
	var d struct {
		Data map[string]struct {
			DIDTx string `json:"didTx"`
		} `json:"data"`
	}
	if json.Unmarshal(doc, &d) != nil {
		return ""
	}
	for _, verb := range []string{TypeDelete, TypeDeleteTemplate} {
		if m, ok := d.Data[verb]; ok {
			return m.DIDTx
		}
	}
	return ""
}

// RecordType is the type under which the message is kept.
func (d Deletion) RecordType() string {
	if d.Template {
		return TypeDeleteTemplate
	}
	return TypeDelete
}

// Effect is what a delete message does to its target.
type Effect int

// The effects of a delete message.
const (
	// EffectNone: the message has no authority over this target.
	EffectNone Effect = iota
	// EffectRemove: the document goes.
	EffectRemove
	// EffectHide: the document is hidden from answers but kept: a template,
	// because records are expanded with it (it shows again while any indexed
	// record uses it), and a registration, because its key verifies records.
	EffectHide
)

// EffectOn is the rule of authority (spec section 6): only the creator of the
// target may delete it; a plain delete never touches a template, and
// deleteTemplate nothing else. Delete messages themselves stay, for audit.
func (d Deletion) EffectOn(signer string, target Envelope, kind Kind) Effect {
	if target.DID != d.Target || target.Creator.DIDAddress != DID(signer) || target.DeleteMessage {
		return EffectNone
	}
	if d.Template != (kind == KindTemplate) {
		return EffectNone
	}
	if kind == KindTemplate || kind == KindCreator {
		return EffectHide
	}
	return EffectRemove
}
