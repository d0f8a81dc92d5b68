package guntest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/oiptest"
)

// Encryption says for whom a record is encrypted.
type Encryption string

// The ways of encryption (meta.encryptionType).
const (
	Plain           Encryption = ""
	PerUser         Encryption = "per-user"
	ForOrganization Encryption = "organization"
)

// Record is what a publisher publishes. The zero values are those of a valid,
// signed, public record.
type Record struct {
	// Signer is the creator. Without one, PublicKey is, and nothing is signed.
	Signer    *oiptest.Signer
	PublicKey string
	// LocalID is the second part of the soul. Soul, if set, is used instead of
	// what follows from the key: a record in a foreign place.
	LocalID, Soul string
	// Type is oip.recordType, and the registry index that lists it.
	Type string
	// Data is a JSON text, an object for a valid record.
	Data string
	// Ver is oip.ver, 0.8.0 if empty.
	Ver string
	// Encrypted hides the data; only the ciphertext is published.
	Encrypted Encryption
	// NodeID is who registers the record. Without one, no registry lists it.
	NodeID string
	// At is when it is registered (unix ms); 0 takes the peer's own clock, which
	// moves by a second with each record.
	At int64

	// Unsigned leaves the signature out; Forged signs other data than is published.
	Unsigned, Forged bool
	// Flattened writes the creator as creator_publicKey and creator_didAddress.
	Flattened bool
	// ArraysAsText publishes each list in the data, however deep, as its JSON text.
	ArraysAsText bool
	// Bare leaves meta out.
	Bare bool
}

// publicKey is the creator's key as the record publishes it.
func (r Record) publicKey() string {
	if r.Signer != nil {
		return r.Signer.Modulus
	}
	return r.PublicKey
}

// soul is where the record is published.
func (r Record) soul() string {
	if r.Soul != "" {
		return r.Soul
	}
	return Soul(r.publicKey(), r.LocalID)
}

// verifies reports whether the signature is there and right.
func (r Record) verifies() bool { return r.Signer != nil && !r.Unsigned && !r.Forged }

// parse reads a JSON text of the test's own making.
func parse(text string) canon.Value {
	v, err := canon.Parse([]byte(text))
	if err != nil {
		panic(fmt.Sprintf("guntest: %v: %.100s", err, text))
	}
	return v
}

// content is the data as they are published and signed: J(data).
func (r Record) content() []byte {
	v := parse(r.Data)
	if r.ArraysAsText {
		v = parse(string(appendFlat(nil, v)))
	}
	plain := canon.Append(nil, v)
	if r.Encrypted == Plain {
		return plain
	}
	return seal(r.publicKey(), r.soul(), plain)
}

// appendFlat appends a value with each list in it as its JSON text, the innermost
// first.
func appendFlat(dst []byte, v canon.Value) []byte {
	switch v.Kind() {
	case canon.Array:
		inner := []byte{'['}
		for e := range v.Elements() {
			if len(inner) > 1 {
				inner = append(inner, ',')
			}
			inner = appendFlat(inner, e)
		}
		return canon.AppendString(dst, string(append(inner, ']')))
	case canon.Object:
		dst = append(dst, '{')
		first := true
		for key, e := range v.Members() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(canon.AppendString(dst, key), ':')
			dst = appendFlat(dst, e)
		}
		return append(dst, '}')
	}
	return canon.Append(dst, v)
}

// seal encrypts with a key that follows from the owner's, so that the same record
// has the same ciphertext in every run.
func seal(owner, soul string, plain []byte) []byte {
	key := sha256.Sum256([]byte("guntest " + owner))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("guntest: " + err.Error())
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("guntest: " + err.Error())
	}
	sum := sha256.Sum256(append([]byte(soul), plain...))
	iv := sum[:gcm.NonceSize()]
	sealed := gcm.Seal(nil, iv, plain, nil)
	cut := len(sealed) - gcm.Overhead()
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `{"encrypted":%q,"iv":%q,"tag":%q}`, b64(sealed[:cut]), b64(iv), b64(sealed[cut:]))
}

// oip is the envelope as a JSON text.
func (r Record) oip(content []byte) []byte {
	ver := r.Ver
	if ver == "" {
		ver = "0.8.0"
	}
	text := `{"ver":` + quote(ver)
	if r.Type != "" {
		text += `,"recordType":` + quote(r.Type)
	}
	address := "did:arweave:" + Prefix(r.publicKey())
	if r.Signer != nil {
		address = "did:arweave:" + r.Signer.Address
	}
	key, did := quote(r.publicKey()), quote(address)
	if r.Flattened {
		text += `,"creator_publicKey":` + key + `,"creator_didAddress":` + did
	} else {
		text += `,"creator":{"publicKey":` + key + `,"didAddress":` + did + `}`
	}
	if r.Signer != nil && !r.Unsigned {
		if r.Forged {
			content = append([]byte("not "), content...)
		}
		text += `,"signature":` + quote(base64.StdEncoding.EncodeToString(r.Signer.Sign(content)))
	}
	return []byte(text + "}")
}

// meta is the description that stands beside the data.
func (r Record) meta() string {
	switch r.Encrypted {
	case PerUser:
		return `{"encrypted":true,"encryptionType":"per-user","encryptedBy":` + quote(r.publicKey()) + `}`
	case ForOrganization:
		return `{"encrypted":true,"encryptionType":"organization","encryptedForOrganization":"did:arweave:guntest-organization"}`
	}
	return `{"encrypted":false}`
}

// node is the whole record as it is put into the graph. Encrypted data are an
// object there, plain ones and the envelope are JSON text.
func (r Record) node() string {
	content := r.content()
	data := string(content)
	if r.Encrypted == Plain {
		data = quote(data)
	}
	text := `{"data":` + data + `,"oip":` + quote(string(r.oip(content)))
	if !r.Bare {
		text += `,"meta":` + r.meta()
	}
	return text + "}"
}
