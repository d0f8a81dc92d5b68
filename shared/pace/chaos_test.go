package pace_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"oipnode/shared/pace"
)

// TestChaos lets hours pass with a schedule that is unpunctual and a queue that delivers
// twice, late or not at all, and kills processes at every step. Whatever happens, no two
// passes are closer than the interval, none is missing for long, and the messages do not
// become more.
func TestChaos(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 7))
		interval := time.Duration(5+rng.IntN(50)) * time.Second
		w := newWorld(t)
		often := func(percent int) bool { return rng.IntN(100) < percent }
		var passes []time.Time
		// call is one invocation. Before its claim it may die; after it, it may have lost
		// the message, as if it had died in between.
		call := func(beat string) {
			if often(5) {
				return
			}
			w.lost = often(10)
			w.broken = often(5)
			ok, err := w.pace(interval, w).Claim(t.Context(), beat)
			if err != nil && (!ok || !w.broken) {
				t.Fatal(err)
			}
			if ok {
				passes = append(passes, w.now)
			}
		}
		event := start
		end := start.Add(time.Hour)
		most := 0
		for w.now.Before(end) {
			next := event
			at := -1
			for i, l := range w.letters {
				if l.due.Before(next) {
					next, at = l.due, i
				}
			}
			w.now = next
			if at < 0 {
				event = event.Truncate(pace.Period).Add(pace.Period + time.Duration(rng.IntN(3000))*time.Millisecond)
				call("")
				continue
			}
			l := w.letters[at]
			m, err := pace.Parse(l.body)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case often(10): // again, soon or after a long time
				w.letters[at].due = w.now.Add(time.Duration(rng.IntN(90)) * time.Second)
			default:
				w.letters = slices.Delete(w.letters, at, at+1)
			}
			if often(20) { // late
				w.now = w.now.Add(min(time.Duration(rng.IntN(8))*time.Second, event.Sub(w.now)))
			}
			call(m.Beat)
			most = max(most, len(w.letters))
		}
		longest := time.Duration(0)
		for i := 1; i < len(passes); i++ {
			apart := passes[i].Sub(passes[i-1])
			if apart < interval {
				t.Fatalf("seed %d: passes %v apart, at an interval of %v", seed, apart, interval)
			}
			longest = max(longest, apart)
		}
		// Events of the schedule die as well, several in a row at times.
		if least := int(end.Sub(start) / interval / 2); len(passes) < least || longest > 6*time.Minute {
			t.Errorf("seed %d, every %v: %d passes, want %d; the longest pause is %v", seed, interval, len(passes), least, longest)
		}
		if most > 8 {
			t.Errorf("seed %d: %d messages at once", seed, most)
		}
	}
}
