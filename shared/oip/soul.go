package oip

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const gunPrefix = "did:gun:"

// SoulPrefixLength is how many hex digits of the SHA-256 of its owner's public key
// a soul begins with (spec gun section 2).
const SoulPrefixLength = 12

// SoulPrefix is what the souls of this public key begin with, up to the colon: the
// first 12 hex digits of the SHA-256 of the key's text.
func SoulPrefix(publicKey string) string {
	sum := sha256.Sum256([]byte(publicKey))
	return hex.EncodeToString(sum[:SoulPrefixLength/2])
}

// ValidSoul reports whether s can be the soul of a record: a prefix of 12 hex
// digits in lower case, a colon, and a local id, which together make a valid DID.
func ValidSoul(s string) bool {
	prefix, local, ok := strings.Cut(s, ":")
	return ok && len(prefix) == SoulPrefixLength && strings.Trim(prefix, "0123456789abcdef") == "" &&
		local != "" && ValidDID(GunDID(s))
}

// GunDID returns did:gun:<soul>.
func GunDID(soul string) string { return gunPrefix + soul }

// Soul returns the soul of a record's did:gun DID.
func Soul(did string) (soul string, ok bool) {
	soul, ok = strings.CutPrefix(did, gunPrefix)
	return soul, ok && ValidSoul(soul)
}

// Trust says what is known of who made a record.
type Trust string

// The kinds of trust. Whatever comes from the chain is verified, or it is rejected.
// A GUN record may be unverified, because publishers there break their own
// signatures (spec gun section 3): its soul belongs to the key that it names, and
// nothing shows that the owner of that key has written it.
const (
	TrustVerified   Trust = "verified"
	TrustUnverified Trust = "unverified"
)

// Trust is what is known of who made the record; empty for the zero Verified.
func (v Verified) Trust() Trust {
	switch {
	case v.gun != nil:
		return v.gun.trust
	case v.head.creator != "":
		return TrustVerified
	}
	return ""
}

// Soul is the soul of a GUN record, and empty for a transaction.
func (v Verified) Soul() string {
	if v.gun == nil {
		return ""
	}
	return v.gun.soul
}

// Size is about how many bytes the record takes.
func (v Verified) Size() int {
	if v.gun == nil {
		return len(v.tx.Data)
	}
	return len(v.gun.data)
}

// Encrypted reports whether only the holder of a key can read the record's data.
func (v Verified) Encrypted() bool { return v.gun != nil && v.gun.encrypted }

// CreatorDID is the DID of the creator's address, as a GUN record names it.
func (v Verified) CreatorDID() string {
	if v.gun == nil {
		return DID(v.head.creator)
	}
	return v.gun.creator.DIDAddress
}

// Encryption is what the owner of an encrypted GUN record needs to know of it
// besides its data, as it was published (spec gun section 3). Nothing of it decides
// who may read the record.
type Encryption struct {
	Type            string `json:"type,omitempty"` // per-user or organization
	By              string `json:"by,omitempty"`   // a public key
	ForOrganization string `json:"forOrganization,omitempty"`
}

// GunOrigin says which of the versions of a GUN record a document is.
type GunOrigin struct {
	// Hash is of everything in the document but its origin and the time of indexing.
	Hash string `json:"hash"`
	// Source stands for the peer that served it.
	Source string `json:"source"`
	// Timestamp is when the registry of that peer says that it was registered, in
	// milliseconds since 1970; 0 is unknown.
	Timestamp int64 `json:"timestamp,omitempty"`
}
