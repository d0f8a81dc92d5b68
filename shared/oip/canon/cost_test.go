package canon

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// adversaries are texts of about n bytes that are meant to be expensive.
var adversaries = []struct {
	name string
	text func(n int) []byte
}{
	{"zeros", func(n int) []byte { return list("[", "0", "]", n) }},
	{"arrays", func(n int) []byte { return list("[", "[]", "]", n) }},
	{"objects", func(n int) []byte { return list("[", `{"a":0}`, "]", n) }},
	{"one string", func(n int) []byte { return list(`"`, "a", `"`, n) }},
	{"escapes", func(n int) []byte { return list(`"`, `\n`, `"`, n) }},
	{"invalid bytes", func(n int) []byte { return list(`"`, "\xff", `"`, n) }},
	{"growing numbers", func(n int) []byte { return list("[", "1e20", "]", n) }},
	{"digits", func(n int) []byte { return bytes.Repeat([]byte{'9'}, n) }},
	{"the same key", func(n int) []byte { return list("{", `"":0`, "}", n) }},
	{"a few keys", func(n int) []byte { return list("{", `"a":0,"b":0,"1":0`, "}", n) }},
	{"different keys", func(n int) []byte { return keys(n, `"%x":0`) }},
	{"escaped keys", func(n int) []byte { return keys(n, `"\n%x":0`) }},
	{"array indexes backwards", func(n int) []byte { return keys(n, `"%d":0`) }},
	{"deep", func(n int) []byte { return deep(n, "[", "]") }},
	{"deep and out of order", func(n int) []byte { return deep(n, `{"b":`, `,"0":1}`) }},
	{"colons", func(n int) []byte { return list(`"`, ":", `"`, n) }},
}

// list repeats an item until n bytes are full.
func list(open, item, end string, n int) []byte {
	separator := ","
	if open == `"` {
		separator = ""
	}
	item += separator
	return []byte(open + strings.TrimSuffix(strings.Repeat(item, n/len(item)), ",") + end)
}

// keys makes an object of distinct, falling keys.
func keys(n int, format string) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := 100_000_000; b.Len() < n; i-- {
		if i < 100_000_000 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, format, i)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// deep puts a string into as many levels as may be.
func deep(n int, open, end string) []byte {
	return []byte(strings.Repeat(open, MaxDepth) + `"` + strings.Repeat("x", n) + `"` + strings.Repeat(end, MaxDepth))
}

// allocated is how many bytes f allocates, all in all.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// TestMemory bounds what is allocated in all, freed or not, by a multiple of the
// text, or of the canonical text where that is longer.
func TestMemory(t *testing.T) {
	const size, slack, multiple = 512 << 10, 32 << 10, 12
	for _, a := range adversaries {
		t.Run(a.name, func(t *testing.T) {
			text := a.text(size)
			var v Value
			if got := allocated(func() { v, _ = Parse(text) }); got > slack {
				t.Errorf("Parse allocates %d bytes", got)
			}
			if v.Kind() == Invalid {
				t.Fatal("the text is refused")
			}
			if got := allocated(func() {
				for range v.Elements() {
				}
			}); got > slack {
				t.Errorf("Elements allocates %d bytes", got)
			}
			check := func(name string, allocated, length int) {
				t.Logf("%s allocates %.1f times the text", name, float64(allocated)/float64(length))
				if allocated > multiple*length+slack {
					t.Errorf("%s allocates %d bytes for %d, more than %d times", name, allocated, length, multiple)
				}
			}
			var out []byte
			check("Append", allocated(func() { out = Append(nil, v) }), max(len(text), len(out)))
			check("Members", allocated(func() {
				for range v.Members() {
				}
			}), len(text))
		})
	}
}

// TestLinearWork counts what does not happen exactly once for each byte: keys
// looked up, keys sorted, and bytes moved. Four times the text may take little
// more than four times the work (the sort of indexes takes its logarithm).
func TestLinearWork(t *testing.T) {
	const size = 64 << 10
	for _, a := range adversaries {
		work := func(n int) int {
			v, err := Parse(a.text(n))
			if err != nil {
				t.Fatal(err)
			}
			w := newWriter(nil, v.raw)
			w.value(0)
			return w.moved + w.orderer.work
		}
		small, large := work(size), work(4*size)
		t.Logf("%s: %d, %d", a.name, small, large)
		if limit := 5*small + 1000; large > limit {
			t.Errorf("%s: %d units of work for %d bytes, %d for four times as many", a.name, small, size, large)
		}
		// Moving a text through all its levels is the most that can happen.
		if limit := (MaxDepth + 1) * 4 * size; large > limit {
			t.Errorf("%s: %d units of work for %d bytes", a.name, large, 4*size)
		}
	}
}

func TestTooLong(t *testing.T) {
	if err := checkLength(MaxLength); err != nil {
		t.Error(err)
	}
	if err := checkLength(MaxLength + 1); !errors.Is(err, ErrTooLong) {
		t.Errorf("one byte more than MaxLength: error %v, want ErrTooLong", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	record := []byte(`[{"0":"My article","1":"An \"example\" with caf\u00e9 and 漢字","2":1713783811,"3":37,"tags":["a","b","c"],` +
		`"t":"-9DirnjVO1FlbEW1lN8jITBESrTsQKEM_BoZ1ey_0mk"},{"text":"` + strings.Repeat("Some longer text. ", 50) + `","t":"x"}]`)
	benchmarkAppend(b, "record", record)
	for _, a := range adversaries {
		benchmarkAppend(b, a.name, a.text(1<<20))
	}
}

func benchmarkAppend(b *testing.B, name string, text []byte) {
	b.Run(name, func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			v, err := Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			dst = Append(dst[:0], v)
		}
	})
}
