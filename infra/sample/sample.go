// Package sample is the chain that comes with the local node, so that it can be
// tried without a gateway: half a year of a made-up community kitchen, some three
// hundred transactions signed with 4096-bit keys that were made for it and thrown
// away.
//
// chain.ndjson holds the transactions, one per line, as they were signed;
// manifest.json says which of them are out of the ordinary (a forged signature, a
// late bundle, ...) and why. Both are written by the program in the folder gen and
// are data from then on: with other keys, every id is another one.
//
// Load makes a gatewaysim.Chain of it, which is served over HTTP like any other
// gateway. Nothing of the node knows that it reads a sample.
package sample

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"oipnode/shared/gatewaysim"
)

// The heights of the sample chain.
const (
	// FirstHeight is the block of the first templates: the network's first block
	// of version 0.8.0 (spec section 2), the default of START_HEIGHT.
	FirstHeight = 1579570
	// Tip is the newest block. It does not grow.
	Tip = 1700000
)

//go:embed chain.ndjson
var chain []byte

//go:embed manifest.json
var manifest []byte

// Manifest names the transactions that are there for a reason. All are ids.
type Manifest struct {
	// Bootstrap registered before FirstHeight under an older version, so that it
	// is found by its id only (spec section 2).
	Bootstrap string `json:"bootstrap"`
	// Forged carries one creator's name and another one's signature.
	Forged string `json:"forged"`
	// Tampered was signed rightly and changed afterwards.
	Tampered string `json:"tampered"`
	// Waits is a record whose creator registers in Late only.
	Waits string `json:"waits"`
	// Late are the data items of a bundle that gateways unpack late: they are
	// visible from the chain's step 1 on. The registration comes first.
	Late []string `json:"late"`
	// Deleted was published and then deleted by its creator with Deletion.
	Deleted  string `json:"deleted"`
	Deletion string `json:"deletion"`
	// NoAuthority is a delete message for Kept, by somebody else: it is stored,
	// and without effect.
	NoAuthority string `json:"noAuthority"`
	Kept        string `json:"kept"`
	// Templates are the two templates of one name, the older one first.
	Templates [2]string `json:"templates"`
	// Private, Shared and Members are records that not everybody may read.
	Private []string `json:"private"`
	Shared  []string `json:"shared"`
	Members []string `json:"members"`
}

// Load returns a new chain at step 0 with everything in it. Its gateway must be
// one that indexes bundles. Load fails only if the embedded data is damaged.
func Load() (*gatewaysim.Chain, error) {
	items, err := Decode(bytes.NewReader(chain))
	if err != nil {
		return nil, err
	}
	c := gatewaysim.NewChain(Tip)
	for _, it := range items {
		if err := c.Add(it.Height, it); err != nil {
			return nil, fmt.Errorf("sample: %w", err)
		}
	}
	return c, nil
}

// ReadManifest returns the manifest.
func ReadManifest() (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return Manifest{}, fmt.Errorf("sample: manifest: %w", err)
	}
	return m, nil
}

// Digest tells one edition of the sample from another: a store that was filled
// with one must not go on with another.
func Digest() string {
	sum := sha256.Sum256(chain)
	return hex.EncodeToString(sum[:8])
}
