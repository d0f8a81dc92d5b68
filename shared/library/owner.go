package library

import (
	"crypto/sha256"
	"encoding/hex"

	"oipnode/shared/access"
)

// Owner is whom a job or a grant belongs to: a hash, so that keys of the store hold no
// names. The zero Owner owns nothing.
type Owner string

// repairer owns the jobs that Repair makes. No viewer is it.
var repairer = hashed("repair", "")

// OwnerOf is the owner that a viewer is: by the public key, as records know their
// owners, else by the user's id or e-mail. The zero Owner stands for the anonymous
// viewer, and for a token that names nobody.
func OwnerOf(v access.Viewer) Owner {
	switch {
	case !v.Authenticated:
		return ""
	case v.PublicKey != "":
		return hashed("key", v.PublicKey)
	case v.UserID != "":
		return hashed("user", v.UserID)
	case v.Email != "":
		return hashed("email", v.Email)
	}
	return ""
}

// hashed keeps the kinds apart: no user can have the name of another's key.
func hashed(kind, name string) Owner {
	sum := sha256.Sum256([]byte("oip media " + kind + "\x00" + name))
	return Owner(hex.EncodeToString(sum[:]))
}
