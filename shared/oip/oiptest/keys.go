package oiptest

import (
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/rsapss"
)

// Keys is a source of keys for oip.Verify: the signers it is made of.
type Keys map[string]*rsapss.PublicKey

// KeysOf returns the keys of these signers.
func KeysOf(signers ...*Signer) Keys {
	keys := make(Keys, len(signers))
	for _, s := range signers {
		key, err := rsapss.ParseModulus(s.Modulus)
		if err != nil {
			panic("oiptest: " + err.Error())
		}
		keys[s.Address] = key
	}
	return keys
}

// Key implements oip.Keys.
func (k Keys) Key(address string) (*rsapss.PublicKey, bool) {
	key, ok := k[address]
	return key, ok
}

// Ref is the creator reference of a signer with this unique handle.
func (s *Signer) Ref(handle string, registration oip.Transaction) oip.CreatorRef {
	return oip.CreatorRef{CreatorHandle: handle, DIDAddress: oip.DID(s.Address), DIDTx: oip.DID(registration.ID), PublicKey: s.Modulus}
}

// Verified verifies a transaction of a signer and panics if that fails.
func (s *Signer) Verified(tx oip.Transaction) oip.Verified {
	out := oip.Verify(tx, KeysOf(s))
	accepted, ok := out.(oip.Accepted)
	if !ok {
		panic("oiptest: the transaction was not accepted")
	}
	return accepted.Verified
}

// Templates are the templates of a Setting: those given, by their ids.
func Templates(list ...*oip.Template) func(id string) *oip.Template {
	return func(id string) *oip.Template {
		for _, t := range list {
			if t.ID == id {
				return t
			}
		}
		return nil
	}
}

// Document verifies and expands a transaction of a signer, as the pipeline would.
func (s *Signer) Document(tx oip.Transaction, height int64, templates ...*oip.Template) oip.Document {
	tx.Height = height
	v := s.Verified(tx)
	doc, err := oip.Expand(v, oip.Setting{
		Creator:   s.Ref("handle1", tx),
		OwnHandle: "handle1",
		IndexedAt: time.Unix(1700000000, 0),
		Templates: Templates(templates...),
	})
	if err != nil {
		panic("oiptest: " + err.Error())
	}
	return doc
}
