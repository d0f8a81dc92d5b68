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

// hash64 is a hash of a text that is the same in every process.
func hash64(text string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return scatter(h)
}

// scatter spreads the bits of x (the finaliser of SplitMix64): close inputs give
// unrelated outputs.
func scatter(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
