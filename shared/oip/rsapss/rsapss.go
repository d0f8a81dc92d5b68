// Package rsapss verifies the signatures of the Open Index Protocol: RSASSA-PSS
// of RFC 8017 with SHA-256, MGF1 with SHA-256, the exponent 65537 and any length
// of salt, since signers differ in it (spec section 3).
//
// It accepts exactly what crypto/rsa's VerifyPSS accepts with PSSSaltLengthAuto
// for a key in the bounds below, in a fraction of the time: an index node
// verifies every record it ever sees, with few keys, so a PublicKey keeps what can
// be computed ahead. Everything here is public, so nothing needs constant time,
// and nothing here may ever be used with a private key.
package rsapss

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Bounds of a key. Arweave wallets have 4096 bits; below 2048 a key is too weak
// to prove anything, and above 8192 verifying becomes a way to waste our time.
const (
	MinBits = 2048
	MaxBits = 8192
	// maxText is how long a modulus may be in base64url, so that decoding is
	// bounded: MaxBits and some leading zeros.
	maxText = 2048
)

var (
	// ErrKey is the error for a modulus that ParseModulus refuses.
	ErrKey = errors.New("rsapss: not a usable RSA modulus")
	// ErrSignature is the error for a signature that does not verify.
	ErrSignature = errors.New("rsapss: signature does not verify")
)

// PublicKey is an RSA public key with the exponent 65537. It is immutable and
// safe for concurrent use, and takes about four times the memory of its modulus.
type PublicKey struct {
	address string
	modulus modulus
}

// ParseModulus reads a modulus in base64url as a JWK has it, with or without
// padding. It must be odd and have MinBits to MaxBits bits; otherwise, and for
// text that is not strictly base64url or longer than 2048 characters, the error
// is ErrKey. Leading zero bytes do not change the key, but they change its
// address.
func ParseModulus(text string) (*PublicKey, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%w: more than %d characters", ErrKey, maxText)
	}
	// Strict refuses stray bits at the end. The decoder would skip line breaks.
	encoding := base64.RawURLEncoding
	if strings.HasSuffix(text, "=") {
		encoding = base64.URLEncoding
	}
	decoded, err := encoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("%w: not base64url", ErrKey)
	}
	n := new(big.Int).SetBytes(decoded)
	if bits := n.BitLen(); bits < MinBits || bits > MaxBits {
		return nil, fmt.Errorf("%w: %d bits, not %d to %d", ErrKey, bits, MinBits, MaxBits)
	}
	if n.Bit(0) == 0 {
		return nil, fmt.Errorf("%w: even", ErrKey)
	}
	hash := sha256.Sum256(decoded)
	return &PublicKey{
		address: base64.RawURLEncoding.EncodeToString(hash[:]),
		modulus: newModulus(n),
	}, nil
}

// Address is the creator's address: base64url of the SHA-256 of the modulus, in
// the bytes that ParseModulus decoded (spec section 1).
func (k *PublicKey) Address() string { return k.address }

// Bits is the length of the modulus in bits.
func (k *PublicKey) Bits() int { return k.modulus.n.BitLen() }

// Verify checks the signature of a message that is given in parts, so that large
// ones need not be put together. Any failure is ErrSignature.
func (k *PublicKey) Verify(sig []byte, parts ...[]byte) error {
	h := sha256.New()
	for _, part := range parts {
		h.Write(part)
	}
	var digest [sha256.Size]byte
	h.Sum(digest[:0])
	return k.VerifyDigest(digest, sig)
}

// VerifyDigest checks the signature of a message whose SHA-256 is known. Any
// failure is ErrSignature; the reason does not matter to anyone who is honest.
func (k *PublicKey) VerifyDigest(digest [sha256.Size]byte, sig []byte) error {
	bits := k.Bits()
	if len(sig) != (bits+7)/8 {
		return ErrSignature
	}
	s := new(big.Int).SetBytes(sig)
	if s.Cmp(k.modulus.n) >= 0 {
		return ErrSignature
	}
	// The encoded message is one bit shorter than the modulus: with a modulus of
	// 8i+1 bits it is a byte shorter than the signature, and may not need more.
	m := k.modulus.pow65537(s)
	emBits := bits - 1
	if m.BitLen() > emBits {
		return ErrSignature
	}
	em := m.FillBytes(make([]byte, (emBits+7)/8))
	if !consistent(em, emBits, digest) {
		return ErrSignature
	}
	return nil
}
