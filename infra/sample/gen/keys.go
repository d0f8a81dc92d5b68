package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"oipnode/shared/oip/oiptest"
)

// keyBits is the size of the keys of Arweave wallets.
const keyBits = 4096

// salts are the salt lengths of signatures in bytes, by creator. Signers differ in
// this (spec section 3): Node takes as many as fit, which are 478 for a key of
// 4096 bits, and browsers take 32.
var salts = map[string]int{
	"mara":   478,
	"kofi":   32,
	"tobias": rsa.PSSSaltLengthAuto,
	"ines":   32,
	"noor":   rsa.PSSSaltLengthEqualsHash,
}

// newKey makes a key for a creator, which only the returned signer knows.
func newKey(handle string) (*oiptest.Signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("a key for %s: %w", handle, err)
	}
	opts := &rsa.PSSOptions{SaltLength: salts[handle], Hash: crypto.SHA256}
	return oiptest.FromKey(key.N, func(digest []byte) []byte {
		sig, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest, opts)
		if err != nil {
			// Only a salt that does not fit the key can fail here.
			panic(fmt.Sprintf("sign for %s: %v", handle, err))
		}
		return sig
	}), nil
}
