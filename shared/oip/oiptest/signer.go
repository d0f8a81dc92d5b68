// Package oiptest makes signed OIP transactions for tests, for the simulated
// chains and for the sample chain: the publisher's side of the protocol. It is
// deterministic: the same seed gives the same keys, signatures and ids.
package oiptest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"sync"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
)

// primeBits is the size of the primes of a test key. RFC 8017 allows more than
// two primes; with many small ones a 4096-bit key is made in milliseconds and
// signs thousands of times a second, while verifying costs what it always costs.
// Such a key is weak, and only good for tests.
const primeBits = 256

// Signer is a creator: a key and what follows from it.
type Signer struct {
	// Modulus is the public key as a registration publishes it.
	Modulus string
	// Address is the creator's address.
	Address string
	// Salt is the salt length of signatures in bytes; 32 as browsers sign.
	Salt int

	n      *big.Int
	primes []*big.Int
	// external, if set, signs in place of the primes.
	external func(digest []byte) []byte
	// exps and coeffs are the exponents and the coefficients of the Chinese
	// remainder theorem, by prime.
	exps, coeffs []*big.Int
}

var signers sync.Map // [2]any{seed, bits} -> *Signer

// NewSigner returns the creator of this seed, with a key of bits (a multiple of
// 256, at least 2048).
func NewSigner(seed string, bits int) *Signer {
	cacheKey := [2]any{seed, bits}
	if s, ok := signers.Load(cacheKey); ok {
		return s.(*Signer)
	}
	rng := rand.NewChaCha8(sha256.Sum256([]byte("oiptest " + seed)))
	s := newSigner(rng, bits)
	actual, _ := signers.LoadOrStore(cacheKey, s)
	return actual.(*Signer)
}

// FromKey returns the creator whose key is kept elsewhere: n is the modulus, and
// sign makes the RSA-PSS signature of a SHA-256 digest. Salt has no effect then.
func FromKey(n *big.Int, sign func(digest []byte) []byte) *Signer {
	s := &Signer{n: n, external: sign}
	s.identify()
	return s
}

// newSigner finds primes until their product has exactly the wanted size.
func newSigner(rng *rand.ChaCha8, bits int) *Signer {
	e := big.NewInt(65537)
	one := big.NewInt(1)
	s := &Signer{Salt: 32, n: big.NewInt(1)}
	for len(s.primes) < bits/primeBits {
		p := prime(rng)
		if new(big.Int).GCD(nil, nil, e, new(big.Int).Sub(p, one)).Cmp(one) != 0 {
			continue
		}
		s.primes = append(s.primes, p)
		s.n.Mul(s.n, p)
	}
	for _, p := range s.primes {
		phi := new(big.Int).Sub(p, one)
		s.exps = append(s.exps, new(big.Int).ModInverse(e, phi))
		rest := new(big.Int).Div(s.n, p)
		s.coeffs = append(s.coeffs, rest.Mul(rest, new(big.Int).ModInverse(rest, p)))
	}
	s.identify()
	return s
}

// identify derives what is published of the key: the modulus and its hash.
func (s *Signer) identify() {
	raw := s.n.Bytes()
	s.Modulus = base64.RawURLEncoding.EncodeToString(raw)
	sum := sha256.Sum256(raw)
	s.Address = base64.RawURLEncoding.EncodeToString(sum[:])
}

// prime returns a prime in the top sixteenth of its size, so that a product of
// sixteen has all its bits.
func prime(rng *rand.ChaCha8) *big.Int {
	var buf [primeBits / 8]byte
	for {
		for i := 0; i < len(buf); i += 8 {
			binary.BigEndian.PutUint64(buf[i:], rng.Uint64())
		}
		buf[0] |= 0xfc
		buf[len(buf)-1] |= 1
		if p := new(big.Int).SetBytes(buf[:]); p.ProbablyPrime(20) {
			return p
		}
	}
}

// Sign returns the RSA-PSS signature (SHA-256, MGF1-SHA-256) of the parts put
// together. The salt follows from the message, so that it is always the same.
func (s *Signer) Sign(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	digest := h.Sum(nil)
	if s.external != nil {
		return s.external(digest)
	}
	salt := mgf1(append([]byte("salt"), digest...), s.Salt)
	return s.private(encodePSS(digest, salt, s.n.BitLen()-1))
}

// private raises to the private exponent, prime by prime.
func (s *Signer) private(em []byte) []byte {
	m := new(big.Int).SetBytes(em)
	sum, t := new(big.Int), new(big.Int)
	for i, p := range s.primes {
		t.Exp(t.Mod(m, p), s.exps[i], p)
		sum.Add(sum, t.Mul(t, s.coeffs[i]))
	}
	return sum.Mod(sum, s.n).FillBytes(make([]byte, (s.n.BitLen()+7)/8))
}

// encodePSS is EMSA-PSS-ENCODE of RFC 8017, section 9.1.1.
func encodePSS(digest, salt []byte, emBits int) []byte {
	emLen := (emBits + 7) / 8
	h := sha256.New()
	h.Write(make([]byte, 8))
	h.Write(digest)
	h.Write(salt)
	hash := h.Sum(nil)
	db := make([]byte, emLen-len(hash)-1)
	db[len(db)-len(salt)-1] = 1
	copy(db[len(db)-len(salt):], salt)
	for i, m := range mgf1(hash, len(db)) {
		db[i] ^= m
	}
	db[0] &= 0xff >> (8*emLen - emBits)
	return append(append(db, hash...), 0xbc)
}

// mgf1 is the mask generation function of RFC 8017, appendix B.2.1, with SHA-256.
func mgf1(seed []byte, length int) []byte {
	var out []byte
	for i := uint32(0); len(out) < length; i++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint32(append([]byte(nil), seed...), i))
		out = append(out, sum[:]...)
	}
	return out[:length]
}

// transaction signs tags and data and gives the transaction its id, the hash of
// its signature, as on Arweave.
func (s *Signer) transaction(tags []oip.Tag, data []byte, message ...[]byte) oip.Transaction {
	if message == nil {
		message = [][]byte{canonTags(tags), data}
	}
	sig := s.Sign(message...)
	id := sha256.Sum256(sig)
	signed := append(append([]oip.Tag(nil), tags...), oip.Tag{Name: "CreatorSig", Value: base64.StdEncoding.EncodeToString(sig)})
	return oip.Transaction{ID: base64.RawURLEncoding.EncodeToString(id[:]), Tags: signed, Data: data}
}

// canonTags is J(tags).
func canonTags(tags []oip.Tag) []byte {
	return canon.AppendTags(nil, func(yield func(name, value string) bool) {
		for _, t := range tags {
			if !yield(t.Name, t.Value) {
				return
			}
		}
	})
}
