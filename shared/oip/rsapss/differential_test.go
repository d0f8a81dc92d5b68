package rsapss_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"testing"

	"oipnode/shared/oip/rsapss"
)

// agree reports a test error if the two implementations differ, and whether
// crypto/rsa accepts.
func (k testKey) agree(t *testing.T, digest [sha256.Size]byte, sig []byte) bool {
	t.Helper()
	theirs := rsa.VerifyPSS(&k.private.PublicKey, crypto.SHA256, digest[:], sig, nil)
	ours := k.public.VerifyDigest(digest, sig)
	if (ours == nil) != (theirs == nil) {
		t.Errorf("%d bits: ours %v, crypto/rsa %v, for signature %x", k.public.Bits(), ours, theirs, sig)
	}
	if ours != nil && !errors.Is(ours, rsapss.ErrSignature) {
		t.Errorf("the error %v is not ErrSignature", ours)
	}
	return theirs == nil
}

func TestSignaturesOfCryptoRSA(t *testing.T) {
	digest := sha256.Sum256([]byte("message"))
	for _, key := range testKeys(t) {
		longest := (key.public.Bits()-1+7)/8 - sha256.Size - 2
		for _, saltLength := range []int{rsa.PSSSaltLengthEqualsHash, rsa.PSSSaltLengthAuto, 1, 20, 33, longest} {
			sig, err := rsa.SignPSS(rand.Reader, key.private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: saltLength})
			if err != nil {
				t.Fatal(err)
			}
			if !key.agree(t, digest, sig) {
				t.Errorf("%d bits, salt length %d: a good signature is refused", key.public.Bits(), saltLength)
			}
			if key.agree(t, sha256.Sum256([]byte("massage")), sig) {
				t.Errorf("%d bits, salt length %d: the signature of another message is accepted", key.public.Bits(), saltLength)
			}
		}
	}
}

// TestEncodingRules flips the bits of an encoded message, at its ends and around
// each of its parts, and signs the result.
func TestEncodingRules(t *testing.T) {
	digest := sha256.Sum256([]byte("message"))
	salt := []byte("salt that is not long")
	for _, key := range testKeys(t)[:3] {
		good := key.encode(digest, salt)
		if !key.agree(t, digest, key.raw(new(big.Int).SetBytes(good))) {
			t.Fatalf("%d bits: the encoding of the test is not accepted", key.public.Bits())
		}
		end := len(good) - 1
		hash := end - sha256.Size
		delimiter := hash - len(salt) - 1
		for _, at := range []int{0, 1, delimiter - 1, delimiter, delimiter + 1, hash - 1, hash, end - 1, end} {
			for bit := range 8 {
				em := bytes.Clone(good)
				em[at] ^= 1 << bit
				m := new(big.Int).SetBytes(em)
				if m.Cmp(key.private.N) < 0 && key.agree(t, digest, key.raw(m)) {
					t.Errorf("%d bits: accepted with bit %d of byte %d flipped", key.public.Bits(), bit, at)
				}
			}
		}
	}
}

// Signatures of the wrong size, or that are no number below the modulus.
func TestRepresentatives(t *testing.T) {
	digest := sha256.Sum256([]byte("message"))
	for _, key := range testKeys(t) {
		n, size := key.private.N, key.private.Size()
		sig := key.raw(new(big.Int).SetBytes(key.encode(digest, nil)))
		if !key.agree(t, digest, sig) {
			t.Errorf("%d bits: a signature without salt is refused", key.public.Bits())
		}
		bad := [][]byte{nil, {}, {0xbc}, sig[1:], sig[:size-1], append([]byte{0}, sig...), append(bytes.Clone(sig), 0),
			make([]byte, size), bytes.Repeat([]byte{0xff}, size), n.Bytes(), new(big.Int).Sub(n, big.NewInt(1)).Bytes()}
		if more := new(big.Int).Add(n, new(big.Int).SetBytes(sig)); more.BitLen() <= 8*size {
			bad = append(bad, more.FillBytes(make([]byte, size)))
		}
		// With a modulus of 8i+1 bits the encoded message is a byte shorter, and the
		// byte before it must be zero.
		em := new(big.Int).SetBytes(key.encode(digest, nil))
		if em.SetBit(em, key.public.Bits()-1, 1); em.Cmp(n) < 0 {
			bad = append(bad, key.raw(em))
		}
		for _, sig := range bad {
			if key.agree(t, digest, sig) {
				t.Errorf("%d bits: accepted %x", key.public.Bits(), sig)
			}
		}
	}
}

// FuzzVerify signs an encoding that was made by the rules and then damaged, damages
// the signature as well, and compares with crypto/rsa.
func FuzzVerify(f *testing.F) {
	f.Add(uint8(0), []byte("message"), []byte("salt"), uint16(0), uint8(0), uint16(0), uint8(0), false)
	f.Add(uint8(1), []byte(""), []byte(""), uint16(0), uint8(1), uint16(0), uint8(0), false)
	f.Add(uint8(1), []byte(""), []byte{1, 2}, uint16(0), uint8(0), uint16(0), uint8(0), true)
	f.Add(uint8(2), []byte("m"), pattern(222), uint16(255), uint8(0xbc), uint16(0), uint8(0), false)
	f.Add(uint8(4), []byte("m"), pattern(600), uint16(3), uint8(1), uint16(0), uint8(0), false)
	f.Add(uint8(6), []byte("m"), pattern(32), uint16(0), uint8(0), uint16(511), uint8(0x80), false)
	f.Fuzz(func(t *testing.T, keyNumber uint8, message, salt []byte, emAt uint16, emXOR uint8, sigAt uint16, sigXOR uint8, high bool) {
		keys := testKeys(t)
		key := keys[int(keyNumber)%len(keys)]
		digest := sha256.Sum256(message)
		em := key.encode(digest, salt)
		em[int(emAt)%len(em)] ^= emXOR
		m := new(big.Int).SetBytes(em)
		if high {
			m.SetBit(m, key.public.Bits()-1, 1)
		}
		sig := key.raw(m.Mod(m, key.private.N))
		sig[int(sigAt)%len(sig)] ^= sigXOR
		accepted := key.agree(t, digest, sig)
		if emXOR == 0 && sigXOR == 0 && !high && !accepted {
			t.Error("a good signature is refused")
		}
		key.agree(t, digest, message) // any bytes as a signature
		key.agree(t, sha256.Sum256(salt), sig)
	})
}

// FuzzAgainstOtherKeys takes any bytes as a modulus, as far as both
// implementations take it, with any bytes as a signature: no key of a stranger
// may make us panic, or decide otherwise than crypto/rsa.
func FuzzAgainstOtherKeys(f *testing.F) {
	f.Add(bytes.Repeat([]byte{0xff}, 256), []byte("signature"))
	f.Add(append([]byte{1}, make([]byte, 256)...), bytes.Repeat([]byte{1}, 257))
	f.Add(append([]byte{0x80}, make([]byte, 511)...), pattern(512))
	f.Fuzz(func(t *testing.T, modulus, sig []byte) {
		modulus = append(modulus, 1) // odd
		if len(modulus) < 2048/8 {
			modulus = append(bytes.Repeat([]byte{0xa5}, 2048/8), modulus...)
		}
		public, err := rsapss.ParseModulus(encodeBase64URL(modulus))
		if err != nil {
			return
		}
		n := new(big.Int).SetBytes(modulus)
		key := testKey{&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: 65537}}, public}
		key.agree(t, sha256.Sum256(nil), sig)
		padded := make([]byte, (n.BitLen()+7)/8)
		copy(padded, sig)
		key.agree(t, sha256.Sum256(nil), padded)
	})
}
