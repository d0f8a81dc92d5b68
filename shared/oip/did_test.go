package oip_test

import (
	"regexp"
	"testing"

	"oipnode/shared/oip"
)

// TestDIDPattern: the pattern for descriptions says the same as ValidDID.
func TestDIDPattern(t *testing.T) {
	pattern := regexp.MustCompile(oip.DIDPattern)
	for _, did := range []string{
		"", "did:", "did:arweave:", "did:arweave:x", "did:arweave:a_b-c.d", "did:arweave:a:b", "did:gun:a:b.c", "did:gun::", "did:gun:", "did:irys:x", "did:ipfs:x",
		"did:arfleet:x", "did:bittorrent:x", "did:web:x", "DID:arweave:x", " did:arweave:x", "did:arweave:x ", "did:arweave:x\n", "did:arweave:ü", "did:arweave:x/y",
	} {
		if got := pattern.MatchString(did); got != oip.ValidDID(did) {
			t.Errorf("%q: the pattern matches: %t", did, got)
		}
	}
}
