package records

import "testing"

// TestStringEnd: a text ends with the first quote that no backslash takes for itself, as
// going through it byte by byte finds it: all texts of seven bytes are looked at.
func TestStringEnd(t *testing.T) {
	walked := func(b []byte, i int) int {
		for i++; i < len(b); i++ {
			switch b[i] {
			case '"':
				return i + 1
			case '\\':
				i++
			}
		}
		return -1
	}
	const bytes, long = `"\a`, 7
	for n := range 2187 { // 3^7
		b := []byte{'x', '"'}
		for rest := n; len(b) < long+2; rest /= len(bytes) {
			b = append(b, bytes[rest%len(bytes)])
		}
		if got, want := stringEnd(b, 1), walked(b, 1); got != want {
			t.Fatalf("%s: the end is %d, want %d", b, got, want)
		}
	}
	for _, none := range []string{"", "x", `"`, `"\`, `"\"`} {
		if got := stringEnd([]byte(none), 0); got != -1 {
			t.Errorf("%s: %d", none, got)
		}
	}
}
