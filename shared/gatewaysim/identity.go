package gatewaysim

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
)

// IDFor makes a well-formed transaction id (43 characters of base64url) out of
// any text; the same text gives the same id.
func IDFor(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// validID reports whether id is 32 bytes in canonical unpadded base64url.
func validID(id string) bool {
	if len(id) != 43 {
		return false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(id)
	return err == nil && len(raw) == sha256.Size
}

// bundleID is the id of the bundle that holds the data items of a block.
func bundleID(height int64) string { return IDFor("bundle " + strconv.FormatInt(height, 10)) }
