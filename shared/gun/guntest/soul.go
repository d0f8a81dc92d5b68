package guntest

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// DefaultRoot is the root of the registry where Options name no other.
const DefaultRoot = "oip:registry"

// The souls of the deletion registry (spec gun.md, section 2).
const (
	DeletedIndex  = "oip:deleted:records:index"
	deletedPrefix = "oip:deleted:records:"
)

// Prefix is the first part of the souls that belong to a public key.
func Prefix(publicKey string) string {
	sum := sha256.Sum256([]byte(publicKey))
	return hex.EncodeToString(sum[:])[:12]
}

// Soul is the soul of a record by its creator's public key and its local id.
func Soul(publicKey, localID string) string { return Prefix(publicKey) + ":" + localID }

// DID is the DID of a record by its soul.
func DID(soul string) string { return "did:gun:" + soul }

// DeletedSoul is where the deletion registry holds the deletion of a DID.
func DeletedSoul(did string) string { return deletedPrefix + did }

// IndexSoul is where a registry lists the records of a type.
func IndexSoul(root, recordType string) string { return root + ":index:" + recordType }

// NodeSoul is where a registry holds a node's entry for a record.
func NodeSoul(root, nodeID, soul string) string { return root + ":nodes:" + nodeID + ":" + soul }

// ofRecord reports whether a soul is one of a record, or of a part of one.
func ofRecord(soul string) bool {
	prefix, _, found := strings.Cut(soul, ":")
	return found && len(prefix) == 12 && strings.Trim(prefix, "0123456789abcdef") == ""
}
