package oip

import (
	"bytes"
	"crypto/sha256"

	"oipnode/shared/oip/canon"
)

// convert makes the data of the document: without GUN's own keys, and with the
// arrays that GUN can only hold as text. Numbers and everything else stay as they
// were published.
func (g *gunPart) convert(data canon.Value) error {
	if depth(data.Raw()) > maxGunDepth {
		return fault(ReasonJSON, "the data is nested deeper than %d", maxGunDepth)
	}
	c := conversion{arrays: true}
	g.data = c.value(make([]byte, 0, len(data.Raw())), data, 1)
	if len(g.data) > maxDocument(len(data.Raw())) {
		return fault(ReasonTooLarge, "the document would be over %d bytes", maxDocument(len(data.Raw())))
	}
	for _, name := range []string{"accessControl", "conversationSession"} {
		if rule, ok := data.Get(name); ok && linksAnywhere(rule) {
			g.restrict = true
		}
	}
	return nil
}

// conversion writes a value as a document has it.
type conversion struct {
	arrays bool // arrays that stand as text become arrays
}

// gunKey reports whether a key is GUN's own.
func gunKey(key string) bool { return key == "_" || key == "#" || key == ">" || key == "<" }

// value appends a value that is nested so deep.
func (c *conversion) value(dst []byte, v canon.Value, level int) []byte {
	switch v.Kind() {
	case canon.Object:
		dst = append(dst, '{')
		first := true
		for key, m := range v.Members() {
			if gunKey(key) {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = canon.AppendString(dst, key)
			dst = append(dst, ':')
			dst = c.value(dst, m, level+1)
		}
		return append(dst, '}')
	case canon.Array:
		dst = append(dst, '[')
		first := true
		for el := range v.Elements() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = c.value(dst, el, level+1)
		}
		return append(dst, ']')
	case canon.String:
		if list, ok := c.list(v, level); ok {
			return c.value(dst, list, level)
		}
	}
	return appendExact(dst, v)
}

// list reads a string that is the text of an array. One that would nest too deep
// stays text.
func (c *conversion) list(v canon.Value, level int) (canon.Value, bool) {
	raw := v.Raw()
	// The string's own brackets may be escaped, which nobody does; but its length
	// is worth a look before anything is decoded.
	if !c.arrays || len(raw) < 4 || raw[1] != '[' && raw[1] != '\\' {
		return canon.Value{}, false
	}
	text := []byte(v.Text())
	if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' || level+depth(text) > maxGunDepth {
		return canon.Value{}, false
	}
	list, err := canon.Parse(text)
	return list, err == nil && list.Kind() == canon.Array
}

// depth is how many brackets of a text are open at once, at most; for a text that is
// not JSON it is any number.
func depth(text []byte) (deepest int) {
	open := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			if open++; open > deepest {
				deepest = open
			}
		case ']', '}':
			open--
		}
	}
	return deepest
}

// linksAnywhere reports whether some object in a value is or holds a link.
func linksAnywhere(v canon.Value) bool {
	for key, m := range v.Members() {
		if key == "#" || linksAnywhere(m) {
			return true
		}
	}
	for el := range v.Elements() {
		if linksAnywhere(el) {
			return true
		}
	}
	return false
}

// expandGun makes the document of a GUN record. Everything in its envelope that is
// not the publisher's to say is ours: identity, storage, time, trust and flags. The
// handle and the registration of the creator come from the setting, and only for a
// verified record of that creator.
func (v Verified) expandGun(s Setting) (Document, error) {
	g := v.gun
	did := GunDID(g.soul)
	env := Envelope{
		DID: did, DIDTx: did, RecordType: v.head.name, RecordStatus: StatusOriginal, Storage: "gun",
		Ver: v.head.ver, Signature: v.head.sigText, SignatureStatus: g.trust,
		Encrypted: g.encrypted, Encryption: g.encryption, MayRestrict: g.restrict, Creator: g.creator,
	}
	if g.trust == TrustVerified && s.Creator.DIDAddress == g.creator.DIDAddress {
		env.Creator.CreatorHandle, env.Creator.DIDTx = s.Creator.CreatorHandle, s.Creator.DIDTx
	}
	whole, err := encodeDocument(g.data, env)
	if err != nil {
		return Document{}, err
	}
	env.IndexedAt = FormatTime(s.IndexedAt)
	env.Gun = &GunOrigin{Hash: encodeHash(sha256.Sum256(whole)), Source: s.Gun.Source, Timestamp: s.Gun.Timestamp}
	text, err := encodeDocument(bytes.Clone(g.data), env)
	if err != nil {
		return Document{}, err
	}
	return Document{kind: KindRecord, did: did, json: text}, nil
}
