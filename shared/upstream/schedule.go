package upstream

import (
	"math"
	"sync"
	"sync/atomic"
)

// maxAttempts bounds the memory for repeated requests; beyond it all counts
// begin anew.
const maxAttempts = 1 << 17

// Schedule decides when an upstream misbehaves, and in which of its kinds, which
// are numbers from 0. Do not share one between upstreams. All methods are safe
// for concurrent use.
type Schedule struct {
	seed    uint64
	mix     []atomic.Uint64 // probabilities, as the bits of a float64
	fired   []atomic.Int64
	stopped atomic.Bool

	mu       sync.Mutex
	attempts map[uint64]uint64
}

// NewSchedule returns a schedule of this many kinds, none of which strikes yet.
func NewSchedule(seed uint64, kinds int) *Schedule {
	return &Schedule{
		seed:     Scatter(seed ^ 0x9e3779b97f4a7c15),
		mix:      make([]atomic.Uint64, kinds),
		fired:    make([]atomic.Int64, kinds),
		attempts: map[uint64]uint64{},
	}
}

// Set gives a kind its probability, 0 to 1 for each request (or id) that the
// kind can happen on. A kind that the schedule does not have is ignored.
func (s *Schedule) Set(kind int, probability float64) {
	if kind >= 0 && kind < len(s.mix) {
		s.mix[kind].Store(math.Float64bits(probability))
	}
}

// Probability is what Set gave a kind.
func (s *Schedule) Probability(kind int) float64 {
	return math.Float64frombits(s.mix[kind].Load())
}

// Stop ends all misbehaviour for good; requests that are under way may still
// meet some.
func (s *Schedule) Stop() { s.stopped.Store(true) }

// Fired tells how often a kind has struck.
func (s *Schedule) Fired(kind int) int64 { return s.fired[kind].Load() }

// Draw decides over one request for what has this identity. A nil Schedule is
// well-behaved, and so is one that was stopped.
func (s *Schedule) Draw(identity uint64) Draw {
	if s == nil || s.stopped.Load() {
		return Draw{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.attempts) >= maxAttempts {
		clear(s.attempts)
	}
	n := s.attempts[identity]
	s.attempts[identity] = n + 1
	return Draw{s: s, identity: identity, attempt: n}
}

// Draw is the fate of one request. The zero Draw never hits.
type Draw struct {
	s        *Schedule
	identity uint64 // of what is requested
	attempt  uint64 // how often it was requested before
}

// Identity is that of what is requested.
func (d Draw) Identity() uint64 { return d.identity }

// Attempt is how often the same was requested before.
func (d Draw) Attempt() uint64 { return d.attempt }

// Hits reports whether the kind strikes this attempt, and counts it if so.
func (d Draw) Hits(kind int) bool {
	return d.strikes(kind, d.Roll(kind, d.identity, d.attempt+1))
}

// HitsAlways reports whether the kind strikes this id at every attempt.
func (d Draw) HitsAlways(kind int, id uint64) bool {
	return d.strikes(kind, d.Roll(kind, id, 0))
}

func (d Draw) strikes(kind int, roll uint64) bool {
	if d.s == nil || float64(roll>>11)/(1<<53) >= d.s.Probability(kind) {
		return false
	}
	d.s.fired[kind].Add(1)
	return true
}

// Pick returns a number from 0 to n-1 that belongs to this attempt and kind.
func (d Draw) Pick(kind, n int) int {
	return int(Scatter(d.Roll(kind, d.identity, d.attempt+1)) % uint64(n))
}

// Roll is the hash that a kind's decision over an identity is made of; 0 for the
// zero Draw.
func (d Draw) Roll(kind int, identity, attempt uint64) uint64 {
	if d.s == nil {
		return 0
	}
	return Scatter(Scatter(Scatter(d.s.seed^uint64(kind)+1)^identity) ^ attempt)
}

// Hash is a hash of a text that is the same in every process.
func Hash(text string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return Scatter(h)
}

// Scatter spreads the bits of x (the finaliser of SplitMix64): close inputs give
// unrelated outputs.
func Scatter(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
