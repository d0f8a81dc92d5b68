package oip

import (
	"strings"
)

// IDLength is the length of a transaction id or an address: base64url of 32 bytes.
const IDLength = 43

// MaxDID is the longest DID that is accepted, in bytes; GUN souls are the long ones.
const MaxDID = 512

const arweavePrefix = "did:arweave:"

// methods are the DID methods of the protocol (spec section 1).
var methods = []string{"arweave", "irys", "ipfs", "arfleet", "bittorrent", "gun"}

// ValidID reports whether s has the form of a transaction id or an address:
// 43 characters of base64url.
func ValidID(s string) bool {
	if len(s) != IDLength {
		return false
	}
	for i := range len(s) {
		if !base64url(s[i]) {
			return false
		}
	}
	return true
}

func base64url(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// DIDPattern is ValidDID as a regular expression, for descriptions; the length besides.
const DIDPattern = `^did:((arweave|irys|ipfs|arfleet|bittorrent):[A-Za-z0-9_.-]+|gun:[A-Za-z0-9_.:-]+)$`

// ValidDID reports whether s is a DID of the protocol:
// did:(arweave|irys|ipfs|arfleet|bittorrent|gun): and one or more of A-Za-z0-9_-.
// (GUN souls also hold colons). At most MaxDID bytes.
func ValidDID(s string) bool {
	rest, ok := strings.CutPrefix(s, "did:")
	if !ok || len(s) > MaxDID {
		return false
	}
	for _, m := range methods {
		id, ok := strings.CutPrefix(rest, m+":")
		if !ok {
			continue
		}
		if id == "" {
			return false
		}
		for i := range len(id) {
			if c := id[i]; !base64url(c) && c != '.' && (c != ':' || m != "gun") {
				return false
			}
		}
		return true
	}
	return false
}

// DID returns did:arweave:<id> for a transaction id or a creator's address.
func DID(id string) string { return arweavePrefix + id }

// TxID returns the transaction id or address of a did:arweave DID.
func TxID(did string) (id string, ok bool) {
	id, ok = strings.CutPrefix(did, arweavePrefix)
	return id, ok && ValidID(id)
}
