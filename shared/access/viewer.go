// Package access knows who is asking and what they may read.
//
// An Authenticator turns a request's bearer token into a Viewer. Rule turns a
// Viewer into a condition of package records, and that condition is the only
// form in which the access rule exists: it is put into every query, so that
// totals, pages, counts and references are made of what the caller may read and
// of nothing else. There is deliberately no function that judges one document,
// since it could come to disagree with the query.
//
// What a document says about its readers is decided when it is written, by
// records.Project. Here only the other side is added: the keys, organizations
// and powers of the caller (spec records-api section 3).
package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Viewer is whoever asks. The zero Viewer is anonymous. It is a plain value that
// belongs to one request.
type Viewer struct {
	// Authenticated is true for the bearer of a valid token; everything below is
	// only set then.
	Authenticated bool
	UserID        string
	Email         string
	// PublicKey is the user's key as records name it; empty when the token has none.
	PublicKey string
	// Admin allows operations. It never makes a record readable.
	Admin     bool
	Scope     string
	TokenType string
	// Expires is when the token ends.
	Expires time.Time

	// signerDID is the creator DID of the server's own wallet, for a user whose
	// e-mail belongs to the server's domain. A record of GUN that is not verified may
	// name it falsely: that shows these users what its author has put there, and nothing
	// else.
	signerDID string
}

// owners are the values of records.FieldOwner that are this viewer's: the public
// key, and the prefix that the key gives to the GUN souls of its owner (spec gun
// section 2).
//
// A key with a colon in it is none. The field holds soul prefixes and, among
// readers, DIDs, both with a colon; a token must not be able to name those.
func (v Viewer) owners() []string {
	key := v.key()
	if key == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(key))
	return []string{key, "soul:" + hex.EncodeToString(sum[:6])}
}

// Class is the same text for two viewers only if every answer is the same for both, given
// the organizations that they belong to.
func (v Viewer) Class(organizations []string) string {
	if !v.Authenticated {
		return ""
	}
	return fmt.Sprintf("%q %q %q %t %q %q", v.UserID, v.Email, v.PublicKey, v.Admin, v.signerDID, organizations)
}

// key is the public key if it can own or read anything.
func (v Viewer) key() string {
	if !v.Authenticated || strings.Contains(v.PublicKey, ":") {
		return ""
	}
	return v.PublicKey
}
