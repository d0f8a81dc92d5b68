package mediatest

import (
	"io"
	"runtime"
	"testing"
	"time"
)

// Measure is a benchmark of storing a body of that many bytes. It reports the
// highest heap that it saw, looking each two milliseconds, over what was in use at
// the beginning.
func Measure(b *testing.B, size int64, put func(body io.Reader) error) {
	b.Helper()
	var start runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&start)
	b.SetBytes(size)
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var highest uint64
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				highest = max(highest, now.HeapAlloc)
			case <-done:
				peak <- highest
				return
			}
		}
	}()
	chunk := Bytes(1, 1<<20)
	for b.Loop() {
		if err := put(&repeated{chunk: chunk, rest: size}); err != nil {
			b.Fatal(err)
		}
	}
	close(done)
	b.ReportMetric(max(0, float64(<-peak)-float64(start.HeapAlloc))/(1<<20), "peak-MiB")
}

// repeated is a body of the same bytes again and again.
type repeated struct {
	chunk []byte
	rest  int64
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), r.rest)], r.chunk)
	r.rest -= int64(n)
	return n, nil
}
