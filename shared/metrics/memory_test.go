package metrics

import (
	"runtime"
	"testing"
)

// TestReadMemory: the parts are there and make the whole, and what is allocated is seen.
func TestReadMemory(t *testing.T) {
	runtime.GC()
	before := ReadMemory()
	ballast := make([]byte, 64<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	after := ReadMemory()
	if grown := after.HeapUsed - before.HeapUsed; grown < 60<<20 || grown > 100<<20 {
		t.Errorf("HeapUsed has grown by %d bytes for %d", grown, len(ballast))
	}
	if after.HeapUsed > after.HeapTotal || after.HeapTotal > after.RSS || after.Stacks <= 0 || after.External <= 0 ||
		after.HeapTotal+after.Stacks+after.External != after.RSS {
		t.Errorf("%+v", after)
	}
	runtime.KeepAlive(ballast)
}
