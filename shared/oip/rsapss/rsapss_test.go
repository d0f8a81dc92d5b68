package rsapss_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"

	"oipnode/shared/oip/rsapss"
)

func encodeBase64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// number makes an odd number with this many bits.
func number(bits int) []byte {
	b := bytes.Repeat([]byte{0xa5}, (bits+7)/8)
	b[0] = 1 << ((bits - 1) % 8)
	return b
}

func TestParseModulus(t *testing.T) {
	even := number(2048)
	even[255] = 0xa4
	text := encodeBase64URL(number(2048))
	good := map[string]struct {
		text string
		bits int
	}{
		"2048 bits":               {text, 2048},
		"2049 bits":               {encodeBase64URL(number(2049)), 2049},
		"4096 bits":               {encodeBase64URL(number(4096)), 4096},
		"8192 bits":               {encodeBase64URL(number(8192)), 8192},
		"padding":                 {base64.URLEncoding.EncodeToString(number(2048)), 2048},
		"leading zeros":           {encodeBase64URL(append(make([]byte, 5), number(4096)...)), 4096},
		"8192 bits, leading zero": {encodeBase64URL(append(make([]byte, 1), number(8192)...)), 8192},
	}
	for name, c := range good {
		key, err := rsapss.ParseModulus(c.text)
		if err != nil || key.Bits() != c.bits {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := map[string]string{
		"empty":                     "",
		"2047 bits":                 encodeBase64URL(number(2047)),
		"8193 bits":                 encodeBase64URL(number(8193)),
		"even":                      encodeBase64URL(even),
		"zero":                      encodeBase64URL(make([]byte, 512)),
		"1024 bits in 4096":         encodeBase64URL(append(make([]byte, 384), number(1024)...)),
		"too many leading zeros":    encodeBase64URL(append(make([]byte, 2000), number(2048)...)),
		"standard base64":           strings.Replace(text, text[10:12], "+/", 1),
		"a space":                   text[:100] + " " + text[100:],
		"a line break":              text[:100] + "\n" + text[100:],
		"a carriage return":         text + "\r",
		"stray bits at the end":     text[:len(text)-1] + "R",
		"half of the padding":       text + "=",
		"too much padding":          text + "===",
		"padding and a line break":  text + "==\n",
		"padding inside":            text[:100] + "=" + text[100:],
		"a number in hexadecimal":   "0x" + strings.Repeat("ab", 256),
		"a PEM block":               "-----BEGIN PUBLIC KEY-----",
		"one character too many":    text + "AAA",
		"bytes that are not ASCII":  text[:100] + "é" + text[100:],
		"a megabyte":                strings.Repeat("A", 1<<20),
		"a length that cannot be":   text + "A" + text,
		"alphabets of both kinds":   "+_" + text,
		"a NUL byte":                text[:10] + "\x00" + text[10:],
		"percent-encoded padding":   text + "%3D%3D",
		"JSON instead of its value": `"` + text + `"`,
	}
	for name, text := range bad {
		if _, err := rsapss.ParseModulus(text); !errors.Is(err, rsapss.ErrKey) {
			t.Errorf("%s: error %v, want ErrKey", name, err)
		}
	}
}

// The address is of the bytes as they were encoded, leading zeros included.
func TestAddress(t *testing.T) {
	plain := number(2048)
	zero := append([]byte{0}, plain...)
	seen := make(map[string]bool)
	for _, modulus := range [][]byte{plain, zero} {
		key, err := rsapss.ParseModulus(encodeBase64URL(modulus))
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256(modulus)
		if got, want := key.Address(), encodeBase64URL(hash[:]); got != want || len(got) != 43 {
			t.Errorf("Address() = %s, want %s", got, want)
		}
		seen[key.Address()] = true
	}
	if len(seen) != 2 {
		t.Error("a leading zero does not change the address")
	}
}

// One key is used by many goroutines.
func TestConcurrentUse(t *testing.T) {
	key := testKeys(t)[0]
	digest := sha256.Sum256([]byte("message"))
	sig, err := rsa.SignPSS(rand.Reader, key.private, crypto.SHA256, digest[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				if err := key.public.VerifyDigest(digest, sig); err != nil {
					t.Error(err)
				}
				if err := key.public.Verify(sig, []byte("mes"), nil, []byte("sage")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkVerify4096(b *testing.B) {
	key, digest, sig := benchmarkInput(b)
	for b.Loop() {
		if err := key.public.VerifyDigest(digest, sig); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStdlibVerifyPSS4096(b *testing.B) {
	key, digest, sig := benchmarkInput(b)
	for b.Loop() {
		if err := rsa.VerifyPSS(&key.private.PublicKey, crypto.SHA256, digest[:], sig, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseModulus4096(b *testing.B) {
	text := encodeBase64URL(number(4096))
	for b.Loop() {
		if _, err := rsapss.ParseModulus(text); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkInput(b *testing.B) (testKey, [sha256.Size]byte, []byte) {
	b.ReportAllocs()
	keys := testKeys(b)
	key := keys[len(keys)-1]
	digest := sha256.Sum256([]byte("message"))
	sig, err := rsa.SignPSS(rand.Reader, key.private, crypto.SHA256, digest[:], nil)
	if err != nil {
		b.Fatal(err)
	}
	return key, digest, sig
}
