package gun

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"oipnode/shared/state"
)

// The spaces of the state store that the sync uses. What is indexed, and in which
// version, is in the record store and not kept a second time.
const (
	spaceGun       = "gun"           // status, node id, batch that is being written, cursors, clearings
	spaceSeen      = "gun-seen"      // peer/soul: processed; ends after Options.MaxAge
	spaceFail      = "gun-fail"      // peer/soul: what failed, why, and when it is tried again; ends too
	spaceTomb      = "gun-tomb"      // soul: deleted, for ever
	spaceOut       = "gun-out"       // soul: a deletion that the node's own relay must be told
	spaceGone      = "gun-gone"      // soul: deleted, and its document is still to be removed
	spaceList      = "gun-list"      // peer/type: what of a registry index is settled
	spacePeer      = "gun-peer"      // peer: back-off, and the type to go on with
	spaceOwn       = "gun-own"       // soul: registered by this node
	spacePublisher = "gun-publisher" // soul prefix: has records at the node's own relay; ends after publisherLife
)

var (
	keyStatus  = state.Key{Space: spaceGun, ID: "status"}
	keyNode    = state.Key{Space: spaceGun, ID: "node"}
	keyBatch   = state.Key{Space: spaceGun, ID: "batch"}
	keyCleared = state.Key{Space: spaceGun, ID: "cleared"}
	keyOwners  = state.Key{Space: spaceGun, ID: "owners"}
)

// leaseName is the lease that makes a cycle the only writer.
const leaseName = "gunsync"

// hashed stands for a text in a key: others choose it, of any length and with any
// characters, and a key has its limits.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// peerID stands for a peer's URL in keys and in documents.
func peerID(base string) string {
	sum := sha256.Sum256([]byte(base))
	return hex.EncodeToString(sum[:6])
}

func seenKey(peer, soul string) state.Key {
	return state.Key{Space: spaceSeen, ID: peer + "/" + hashed(soul)}
}

// IsProcessed reports whether a row of the state store is that of a processed id: for
// whoever counts what has expired.
func IsProcessed(k state.Key) bool { return k.Space == spaceSeen }

func failKey(peer, soul string) state.Key {
	return state.Key{Space: spaceFail, ID: peer + "/" + hashed(soul)}
}

// tombKey needs a valid soul, which is shorter than a key may be.
func tombKey(soul string) state.Key { return state.Key{Space: spaceTomb, ID: soul} }
func outKey(soul string) state.Key  { return state.Key{Space: spaceOut, ID: soul} }
func goneKey(soul string) state.Key { return state.Key{Space: spaceGone, ID: soul} }
func ownKey(soul string) state.Key  { return state.Key{Space: spaceOwn, ID: hashed(soul)} }

func listKey(peer, what string) state.Key {
	return state.Key{Space: spaceList, ID: peer + "/" + hashed(what)}
}

func peerKey(peer string) state.Key        { return state.Key{Space: spacePeer, ID: peer} }
func publisherKey(prefix string) state.Key { return state.Key{Space: spacePublisher, ID: prefix} }

// putJSON makes the operation that stores a value unconditionally.
func putJSON(k state.Key, v any) (state.Op, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return state.Op{}, fmt.Errorf("encode state %s: %w", k.Space, err)
	}
	return state.Put(k, value), nil
}

// decode reads the JSON of an item.
func decode(item state.Item, v any) error {
	if err := json.Unmarshal(item.Value, v); err != nil {
		return fmt.Errorf("state %s/%s: %w", item.Space, item.ID, err)
	}
	return nil
}
