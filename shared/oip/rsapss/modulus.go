package rsapss

import (
	"math/big"
	"math/bits"
)

// modulus computes powers modulo n in about three quarters of the time of
// big.Int.Exp, which divides after each multiplication. Here most of a product is
// folded instead: what stands above bit b is multiplied by 2^b mod n, which is
// known, and added to what stands below. Three folds leave an eighth of the
// division. Montgomery's method needs as many multiplications, and written in Go,
// without math/big's assembly, it gains nothing.
type modulus struct {
	n     *big.Int
	folds []fold
}

// fold takes everything from a word on away.
type fold struct {
	from  int      // in words
	power *big.Int // 2^(from words) mod n
}

func newModulus(n *big.Int) modulus {
	m := modulus{n: n}
	words := len(n.Bits())
	for _, part := range []int{2, 4, 8} {
		from := words + words/part
		power := new(big.Int).Lsh(big.NewInt(1), uint(from*bits.UintSize))
		m.folds = append(m.folds, fold{from, power.Mod(power, n)})
	}
	return m
}

// pow65537 returns x^65537 mod n, for x < n: 65537 is 2^16+1, so 16 squarings
// and a multiplication.
func (m modulus) pow65537(x *big.Int) *big.Int {
	r := reducer{modulus: m}
	z := new(big.Int).Set(x)
	for range 16 {
		r.product.Mul(z, z)
		r.reduce(z)
	}
	r.product.Mul(z, x)
	r.reduce(z)
	return z
}

// reducer has the space for reducing one product after the other.
type reducer struct {
	modulus
	product, part, high, low, quotient big.Int
}

// reduce sets z to the product modulo n.
func (r *reducer) reduce(z *big.Int) {
	for _, f := range r.folds {
		words := r.product.Bits()
		if len(words) <= f.from {
			continue
		}
		// high and low share the product's words; the sum may overwrite low, which
		// is in the same place, and high is not needed any more.
		r.high.SetBits(words[f.from:])
		r.low.SetBits(words[:f.from])
		r.part.Mul(&r.high, f.power)
		r.product.Add(&r.low, &r.part)
	}
	r.quotient.QuoRem(&r.product, r.n, z)
}
