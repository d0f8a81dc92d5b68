package rsapss

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestPow65537 compares with big.Int.Exp over moduli of all shapes and sizes,
// also such that are not the product of primes: strangers choose them.
func TestPow65537(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	one, e := big.NewInt(1), big.NewInt(65537)
	power := func(bits int) *big.Int { return new(big.Int).Lsh(one, uint(bits)) }
	for _, bits := range []int{MinBits, 2049, 2053, 2111, 2112, 2113, 3000, 4095, 4096, 4097, 5555, 8191, MaxBits} {
		bytes := make([]byte, (bits+7)/8)
		random.Read(bytes)
		arbitrary := new(big.Int).SetBytes(bytes)
		arbitrary.Mod(arbitrary, power(bits-1)).SetBit(arbitrary, bits-1, 1).SetBit(arbitrary, 0, 1)
		for name, n := range map[string]*big.Int{
			"arbitrary": arbitrary,
			"smallest":  new(big.Int).Add(power(bits-1), one),
			"largest":   new(big.Int).Sub(power(bits), one),
			"sparse":    new(big.Int).Add(power(bits-1), new(big.Int).Add(power(bits/2), one)),
		} {
			if n.BitLen() != bits {
				t.Fatalf("%s has %d bits, not %d", name, n.BitLen(), bits)
			}
			m := newModulus(n)
			random.Read(bytes)
			inputs := []*big.Int{new(big.Int), big.NewInt(1), big.NewInt(2), new(big.Int).Sub(n, one), power(bits - 1), power(bits / 2),
				new(big.Int).Mod(new(big.Int).SetBytes(bytes), n)}
			for i, x := range inputs {
				before := new(big.Int).Set(x)
				got, want := m.pow65537(x), new(big.Int).Exp(x, e, n)
				if got.Cmp(want) != 0 {
					t.Errorf("%s modulus of %d bits, input %d: got %x, want %x", name, bits, i, got, want)
				}
				if x.Cmp(before) != 0 {
					t.Errorf("%s modulus of %d bits, input %d was changed", name, bits, i)
				}
			}
		}
	}
}

// TestPow65537KeepsItsConstants calls twice: the folds share words with what they
// work on, and must not write into the key.
func TestPow65537KeepsItsConstants(t *testing.T) {
	n := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 4096), big.NewInt(189))
	m := newModulus(n)
	x := new(big.Int).Sub(n, big.NewInt(12345))
	first := m.pow65537(x)
	m.pow65537(big.NewInt(3))
	if again := m.pow65537(x); again.Cmp(first) != 0 {
		t.Error("the same power is another one the second time")
	}
}

// BenchmarkPow65537 is the comparison on which the folding rests.
func BenchmarkPow65537(b *testing.B) {
	bytes := make([]byte, 4096/8)
	rand.NewChaCha8([32]byte{2}).Read(bytes)
	n := new(big.Int).SetBytes(bytes)
	n.SetBit(n, 4095, 1).SetBit(n, 0, 1)
	x := new(big.Int).Rsh(n, 1)
	m := newModulus(n)
	b.Run("folding", func(b *testing.B) {
		for b.Loop() {
			m.pow65537(x)
		}
	})
	b.Run("Exp", func(b *testing.B) {
		e := big.NewInt(65537)
		for b.Loop() {
			new(big.Int).Exp(x, e, n)
		}
	})
}
