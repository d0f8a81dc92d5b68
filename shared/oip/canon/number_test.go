package canon_test

import (
	"math"
	"strings"
	"testing"

	"oipnode/shared/oip/canon"
)

func TestAppendNumber(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0, "0"},
		{math.Copysign(0, -1), "0"},
		{1, "1"},
		{-1.5, "-1.5"},
		{0.30000000000000004, "0.30000000000000004"},
		{123456789012345680000, "123456789012345680000"},
		{999999999999999900000, "999999999999999900000"},
		{1e21, "1e+21"},
		{-1.25e22, "-1.25e+22"},
		{1e-6, "0.000001"},
		{1.5e-6, "0.0000015"},
		{1e-7, "1e-7"},
		{-1.5e-7, "-1.5e-7"},
		{1e-10, "1e-10"},
		{1e100, "1e+100"},
		{1 << 53, "9007199254740992"},
		{math.MaxFloat64, "1.7976931348623157e+308"},
		{math.SmallestNonzeroFloat64, "5e-324"},
		{math.NaN(), "null"},
		{math.Inf(1), "null"},
		{math.Inf(-1), "null"},
	} {
		if got := string(canon.AppendNumber([]byte("x"), c.f)); got != "x"+c.want {
			t.Errorf("AppendNumber(%g) = %s, want x%s", c.f, got, c.want)
		}
	}
}

func TestFloat(t *testing.T) {
	zeros := strings.Repeat("0", 884)
	for _, c := range []struct {
		literal string
		want    float64
	}{
		{"1", 1},
		{"9007199254740993", 9007199254740992},
		{"1e999", math.Inf(1)},
		{"-1e999", math.Inf(-1)},
		{"1e-999", 0},
		// What strconv alone gets wrong: see maxLiteral.
		{"9007199254740993" + zeros + "e-884", 9007199254740992},
		{"9007199254740993" + zeros + "1e-885", 9007199254740994},
		{"0." + strings.Repeat("0", 99999) + "1e100000", 1},
		{"1" + strings.Repeat("0", 100000) + "e-100000", 1},
		{"-0." + strings.Repeat("0", 99999) + "1e99999999999999999999", math.Inf(-1)},
		{"1" + strings.Repeat("0", 1000) + "e-99999999999999999999", 0},
	} {
		if f, ok := parse(t, c.literal).Float(); !ok || f != c.want {
			t.Errorf("Float of %.40s = %v, %v, want %v", c.literal, f, ok, c.want)
		}
	}
	for _, literal := range []string{"-0", "-0.0e5", "-0." + strings.Repeat("0", 1000)} {
		if f, _ := parse(t, literal).Float(); f != 0 || !math.Signbit(f) {
			t.Errorf("Float of %.10s = %v, want minus zero", literal, f)
		}
	}
}

func TestInteger(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat("0", n) }
	for _, c := range []struct{ literal, want string }{
		{"0", "0"},
		{"-0", "0"},
		{"-0.00e-7", "0"},
		{"0e99999999999999999999", "0"},
		{"7", "7"},
		{"-12", "-12"},
		{"1.0", "1"},
		{"1e3", "1000"},
		{"1E+3", "1000"},
		{"1.5e1", "15"},
		{"1200e-2", "12"},
		{"1.20e2", "120"},
		{"0.001e3", "1"},
		{"9007199254740993", "9007199254740993"},
		{"18446744073709551616", "18446744073709551616"},
		{"-9223372036854775809.000", "-9223372036854775809"},
		{"1e399", "1" + zeros(399)},
		{strings.Repeat("9", 400), strings.Repeat("9", 400)},
		{"1." + zeros(100000), "1"},
		{"1" + zeros(100000) + "e-100000", "1"},
		{"0." + zeros(100000) + "5e100001", "5"},
	} {
		n, ok := parse(t, c.literal).Integer()
		if !ok || n.String() != c.want {
			t.Errorf("Integer of %.40s = %v, %v, want %s", c.literal, n, ok, c.want)
		}
	}
	for _, literal := range []string{"1.5", "1e-1", "15e-1", "0.1", "1e400", "-1e999999999999999999999", "1e-999999999999999999999",
		strings.Repeat("9", 401), strings.Repeat("9", 100000), "1" + zeros(900) + ".5", "1." + zeros(900) + "5"} {
		if n, ok := parse(t, literal).Integer(); ok {
			t.Errorf("Integer of %.40s = %v, want none", literal, n)
		}
	}
}
