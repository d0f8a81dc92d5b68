// Package oip is the Open Index Protocol 0.8: what the bytes of a transaction
// mean, whether they are what they claim to be, and the document they become.
// It uses the standard library only, does no input or output, and bounds every
// input.
//
// Verify is the only door to the record store. It takes a transaction as a
// gateway delivered it and answers with an Outcome: Accepted with a Verified,
// Rejected with a Reason from a closed list, or Waiting for a named Dependency.
// VerifyGun is the same door for a GUN record as a peer delivered it; its Verified
// also says how far the record can be trusted. Expand turns a Verified into the
// Document that stores accept.
//
// Subpackages: canon (JavaScript's JSON, byte for byte) and rsapss (RSA-PSS
// verification). Package oiptest signs transactions for tests.
package oip

// Tag is one name and value of a transaction, in the transaction's order.
type Tag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Transaction is an Arweave transaction or ANS-104 data item as a gateway
// delivered it; nothing of it is trusted.
type Transaction struct {
	ID   string
	Tags []Tag
	Data []byte
	// Height is the block it was seen in; 0 while it is pending.
	Height int64
}
