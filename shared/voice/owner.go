package voice

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"

	"oipnode/shared/access"
)

// Bounds of a secret in bytes, which are visible ASCII characters: a secret travels
// in a header.
const (
	MinSecret = 16
	MaxSecret = 200
)

// Owner is whom a dialogue belongs to: a hash, so that the store holds neither secrets
// nor names. The zero Owner owns nothing.
type Owner string

// Caller is who asks: everything that a request has shown.
type Caller struct {
	// Owners are the user and the secret, those of them that there are.
	Owners []Owner
	// StreamKey opens the stream of one dialogue and nothing else, for readers that
	// cannot send headers, such as a browser's EventSource.
	StreamKey string
}

// OwnerOf is the owner that a viewer is. The zero Owner stands for the anonymous
// viewer, and for a token that names nobody.
func OwnerOf(v access.Viewer) Owner {
	switch {
	case !v.Authenticated:
		return ""
	case v.UserID != "":
		return hash("user", v.UserID)
	case v.PublicKey != "":
		return hash("key", v.PublicKey)
	case v.Email != "":
		return hash("email", v.Email)
	}
	return ""
}

// SecretOwner is the owner that a secret stands for. The error is a *FieldError.
func SecretOwner(secret string) (Owner, error) {
	if len(secret) < MinSecret || len(secret) > MaxSecret || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", &FieldError{"secret", fmt.Sprintf("%d to %d visible ASCII characters without spaces", MinSecret, MaxSecret)}
	}
	return hash("secret", secret), nil
}

// hash keeps the kinds apart: no user can have the name of another's key.
func hash(kind, name string) Owner {
	sum := sha256.Sum256([]byte("oip voice " + kind + "\x00" + name))
	return Owner(hex.EncodeToString(sum[:]))
}

// owns reports whether the caller is the owner of the row. It takes the same time for
// every row, whoever asks.
func (c Caller) owns(r row) bool {
	found := 0
	for _, o := range c.Owners {
		found |= subtle.ConstantTimeCompare([]byte(o), []byte(r.Owner))
	}
	return found == 1
}

// reads reports whether the caller may follow the dialogue's stream.
func (c Caller) reads(r row) bool {
	key := subtle.ConstantTimeCompare([]byte(hash("stream", c.StreamKey)), []byte(r.Key))
	return c.owns(r) || key == 1
}
