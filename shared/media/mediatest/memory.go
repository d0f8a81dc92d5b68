package mediatest

import (
	"errors"
	"io"
	"runtime"

	"oipnode/shared/media"
)

var memoryCases = []testCase{{"Constant", testMemory, nil}}

// testMemory: a body that is 48 MiB longer allocates, over its whole way into the
// store and out of it, not nearly as much more. What is allocated is counted, not
// what is in use, so it does not matter when the garbage is collected.
func testMemory(e *env) {
	const short, more, allowed = 16 << 20, 48 << 20, 8 << 20
	chunk := Bytes(1, 1<<20)
	for _, byContent := range []bool{false, true} {
		cost := func(size int64) uint64 {
			u := media.Upload{Name: name, Body: &repeated{chunk: chunk, rest: size}}
			if byContent {
				u.Name, u.ByContent = "content", true
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			stored, err := e.s.Put(e.ctx, u)
			if err != nil {
				e.Fatal(err)
			}
			r := e.open(stored.Name, media.Range{})
			n, err := io.Copy(io.Discard, r)
			if err := errors.Join(err, r.Close()); err != nil || n != size {
				e.Fatalf("read %d bytes of %d, %v", n, size, err)
			}
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		base := cost(short)
		if all := cost(short + more); all > base+allowed {
			e.Errorf("by content %v: %d bytes more of body allocated %d bytes more", byContent, more, all-base)
		}
	}
}
