package gun

import (
	"context"
	"testing"
	"time"
)

// TestTruth synchronizes with peers that misbehave in every known way while records
// appear, change, vanish and are deleted. After the faults have ended and enough time
// has gone by, the index is what the model says.
func TestTruth(t *testing.T) {
	eachSeed(t, 1, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, true)
		rec, st := openStores(t, w.clock.Now)
		s := w.sync(rec, st, "truth")
		for range 5 {
			w.step(12)
			if _, err := s.Run(context.Background()); err != nil {
				t.Errorf("cycle: %v", err)
			}
			w.clock.Advance(time.Duration(1+w.rng.IntN(30)) * time.Minute)
		}
		w.settleDown(rec, st, "truth")
		w.compare(rec, st)
	})
}
