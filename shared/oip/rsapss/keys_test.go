package rsapss_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"os"
	"strings"
	"sync"
	"testing"

	"oipnode/shared/oip/rsapss"
)

// testKey is a private key of testdata/keys.txt with its public half in both
// implementations.
type testKey struct {
	private *rsa.PrivateKey
	public  *rsapss.PublicKey
}

var readKeys = sync.OnceValues(func() ([]testKey, error) {
	file, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		return nil, err
	}
	var keys []testKey
	one := big.NewInt(1)
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		hexP, hexQ, _ := strings.Cut(strings.TrimSpace(line), " ")
		p, _ := new(big.Int).SetString(hexP, 16)
		q, _ := new(big.Int).SetString(hexQ, 16)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		private := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
			D:         new(big.Int).ModInverse(big.NewInt(65537), phi),
			Primes:    []*big.Int{p, q},
		}
		private.Precompute()
		if err := private.Validate(); err != nil {
			return nil, err
		}
		public, err := rsapss.ParseModulus(base64.RawURLEncoding.EncodeToString(private.N.Bytes()))
		if err != nil {
			return nil, err
		}
		keys = append(keys, testKey{private, public})
	}
	return keys, nil
})

// testKeys are of 2048, 2049, 2050, 2052, 2055, 3072 and 4096 bits.
func testKeys(t testing.TB) []testKey {
	t.Helper()
	keys, err := readKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// raw applies the private key to a number below the modulus.
func (k testKey) raw(m *big.Int) []byte {
	p, q := k.private.Primes[0], k.private.Primes[1]
	pre := k.private.Precomputed
	mp := new(big.Int).Exp(m, pre.Dp, p)
	mq := new(big.Int).Exp(m, pre.Dq, q)
	h := new(big.Int).Sub(mp, mq)
	h.Mul(h, pre.Qinv).Mod(h, p)
	h.Mul(h, q).Add(h, mq)
	return h.FillBytes(make([]byte, k.private.Size()))
}

// encode is EMSA-PSS-ENCODE of RFC 8017, in the plainest way. The salt is cut to
// what fits.
func (k testKey) encode(digest [sha256.Size]byte, salt []byte) []byte {
	emBits := k.private.N.BitLen() - 1
	em := make([]byte, (emBits+7)/8)
	salt = salt[:min(len(salt), len(em)-sha256.Size-2)]
	h := sha256.New()
	h.Write(make([]byte, 8))
	h.Write(digest[:])
	h.Write(salt)
	hash := h.Sum(nil)

	db := em[:len(em)-sha256.Size-1]
	copy(db[len(db)-len(salt):], salt)
	db[len(db)-len(salt)-1] = 1
	for i := range db {
		h.Reset()
		h.Write(hash)
		h.Write([]byte{0, 0, 0, byte(i / sha256.Size)})
		db[i] ^= h.Sum(nil)[i%sha256.Size]
	}
	db[0] &= 0xff >> (8*len(em) - emBits)
	copy(em[len(db):], hash)
	em[len(em)-1] = 0xbc
	return em
}

// pattern is n bytes of no meaning, the same each time.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i + 7*i + 1)
	}
	return b
}
