package indexer

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/state"
)

// The spaces of the state store that the pipeline uses. Everything it must
// remember between two runs is here; what can be found in the record store
// (that an id is indexed, and at which height) is not kept a second time.
const (
	spaceChain    = "chain"    // checkpoint, times of warm and cold passes, a rescan, last cycle, gateways' back-off
	spaceTx       = "tx"       // id -> Entry: every outcome but "indexed and complete"
	spaceDue      = "due"      // time/id: when an Entry is tried again
	spaceNeed     = "need"     // dependency/id: which entries a dependency wakes
	spaceRejected = "rejected" // reason/id: the list of rejections
	spaceCount    = "count"    // counters of the entries by state
	spaceTomb     = "tomb"     // target/signer: a delete message that was accepted
	spaceRemoval  = "removal"  // id: a removal by its owner that no cycle has settled yet
	spaceCreator  = "creator"  // address -> the current registration
	spaceClaim    = "claim-"   // + namespace: order -> a claim on a handle
	spaceClaimOf  = "claimof-" // + namespace: transaction -> the order of its claim
	spaceClaimBy  = "claimby-" // + namespace: address/order -> the claims of an address
	spaceHolder   = "holder-"  // + namespace: handle/order -> who holds a handle
	spaceRelabel  = "relabel"  // address: documents carry an older handle
	spaceAudit    = "audit"    // time-id: what was removed, and why
)

var (
	keyCheckpoint = state.Key{Space: spaceChain, ID: "checkpoint"}
	keyTimes      = state.Key{Space: spaceChain, ID: "times"}
	keyStatus     = state.Key{Space: spaceChain, ID: "status"}
	keyGateways   = state.Key{Space: spaceChain, ID: "gateways"}
	keyBootstrap  = state.Key{Space: spaceChain, ID: "bootstrap"}
	keyGrounds    = state.Key{Space: spaceChain, ID: "grounds"}
	keyRescan     = state.Key{Space: spaceChain, ID: "rescan"}
	keyRemovals   = state.Key{Space: spaceChain, ID: "removals"} // there are some in spaceRemoval
)

// checkKey is where a check, or the remapping of a type, has come to.
func checkKey(kind string) state.Key { return state.Key{Space: spaceChain, ID: "check-" + kind} }

// startKeys are read together, in one call, at the start of each cycle.
var startKeys = []state.Key{keyCheckpoint, keyTimes, keyStatus, keyGateways, keyBootstrap, keyGrounds, keyRescan, keyRemovals,
	sweepKey(creators), sweepKey(organizations)}

// leaseName is the lease that makes a cycle the only writer.
const leaseName = "keepdb"

func txKey(id string) state.Key { return state.Key{Space: spaceTx, ID: id} }

// dueKey orders entries by the second at which they are due.
func dueKey(at time.Time, id string) state.Key {
	return state.Key{Space: spaceDue, ID: fmt.Sprintf("%012d/%s", at.Unix(), id)}
}

func needKey(d oip.Dependency, id string) state.Key {
	return state.Key{Space: spaceNeed, ID: string(d.Need) + ":" + d.ID + "/" + id}
}

func rejectedKey(reason oip.Reason, id string) state.Key {
	return state.Key{Space: spaceRejected, ID: string(reason) + "/" + id}
}

func countKey(name string) state.Key { return state.Key{Space: spaceCount, ID: name} }

func removalKey(id string) state.Key { return state.Key{Space: spaceRemoval, ID: id} }

// tombKey names the tombstone of a target by one signer. Anybody may send a
// delete message for anything, so the signer is part of the key: when the target
// comes, only the tombstone of its own creator is looked up.
func tombKey(target, signer string, template bool) state.Key {
	verb := "d"
	if template {
		verb = "t"
	}
	return state.Key{Space: spaceTomb, ID: hashed(target) + "/" + signer + "/" + verb}
}

// hashed stands for a text in a key: others choose it, of any length and with any
// characters, and a key has its limits.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func creatorKey(address string) state.Key { return state.Key{Space: spaceCreator, ID: address} }

func relabelKey(address string) state.Key { return state.Key{Space: spaceRelabel, ID: address} }

// orderOf is the position of a transaction on the chain, (height, id), as text
// whose byte order is the order of the chain.
func orderOf(height int64, id string) string { return fmt.Sprintf("%012d-%s", height, id) }
