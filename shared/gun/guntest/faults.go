package guntest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"oipnode/shared/upstream"
)

// Kind is one way in which a peer misbehaves.
type Kind uint8

// The kinds of misbehaviour. Each names the answers that it happens on.
const (
	// CloseConnection cuts the connection instead of answering (all).
	CloseConnection Kind = iota
	// RateLimited is 429, with Retry-After half of the time (all).
	RateLimited
	// ServerError is one of 500, 502, 503 and 504 (all).
	ServerError
	// Redirected is 302 to Faults.Elsewhere (all).
	Redirected
	// HTMLPage is 200 with a page for people (all).
	HTMLPage
	// Unsuccessful is 200 with success false, without data, or with null (get, list).
	Unsuccessful
	// NotFound is 404 for what is there (get).
	NotFound
	// Vanished is 404 for what is there. It is drawn per soul of a record and lasts
	// as long as the faults (get).
	Vanished
	// Stalled begins an answer and then waits until the client goes (all).
	Stalled
	// Endless begins an answer that never ends: a text, keys or space (get, list).
	Endless

	// Slow dribbles the body over Faults.SlowDelay (all).
	Slow
	// WrongContentType says text/html or nothing of a right answer (all).
	WrongContentType
	// InvalidJSON is an answer with a mistake in its middle (all).
	InvalidJSON
	// Truncated is fewer bytes and a Content-Length to match (all).
	Truncated
	// Cut is an answer whose connection breaks in its middle (all).
	Cut
	// DuplicateKeys repeats each key: first with nonsense, then rightly, so that
	// JSON.parse reads the right value (get).
	DuplicateKeys
	// DeepNesting adds a member with 20,000 lists in each other (get).
	DeepNesting
	// NodeAsText answers the node as a JSON text instead of an object (get).
	NodeAsText
	// NodeAsList answers the members of the node as a list (get).
	NodeAsList

	// PartialRecord leaves out one key (get of a record or of a part of one).
	PartialRecord
	// Forged changes plain data and keeps the signature (get of a record).
	Forged
	// WrongOwner puts a record of somebody else, rightly signed, into the soul (get
	// of a record).
	WrongOwner

	// PartialIndex leaves out about a fifth of the keys (get of an index).
	PartialIndex
	// Phantoms lists up to 20 souls that do not exist (get of a registry index).
	Phantoms
	// HugeIndex lists Faults.HugeEntries souls that do not exist, all others among
	// them (get of a registry index).
	HugeIndex
	// ForgedDeletion lists records as deleted, by somebody who may not (get of the
	// deletion registry).
	ForgedDeletion

	// PutUnanswered stores what was put and cuts the connection (put).
	PutUnanswered

	kinds
)

var kindNames = [kinds]string{
	"CloseConnection", "RateLimited", "ServerError", "Redirected", "HTMLPage", "Unsuccessful", "NotFound", "Vanished",
	"Stalled", "Endless", "Slow", "WrongContentType", "InvalidJSON", "Truncated", "Cut", "DuplicateKeys", "DeepNesting",
	"NodeAsText", "NodeAsList", "PartialRecord", "Forged", "WrongOwner", "PartialIndex", "Phantoms", "HugeIndex",
	"ForgedDeletion", "PutUnanswered",
}

func (k Kind) String() string {
	if k >= kinds {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Kinds returns every kind of misbehaviour.
func Kinds() []Kind {
	all := make([]Kind, kinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// Mix gives kinds of misbehaviour their probabilities, 0 to 1 for each request
// (or soul) that the kind can happen on.
type Mix map[Kind]float64

// Faults makes one peer misbehave; do not share it between peers. Decisions are
// those of upstream.Schedule, by route and soul.
type Faults struct {
	// SlowDelay is how long a Slow answer takes in all; 20 ms unless changed.
	SlowDelay time.Duration
	// RetryAfter is what a RateLimited tells, in whole seconds; 1 s unless changed.
	RetryAfter time.Duration
	// HugeEntries is the number of souls of a HugeIndex; 20,000 unless changed.
	HugeEntries int
	// Elsewhere is where a Redirected sends to; a host that nobody has unless changed.
	Elsewhere string

	schedule *upstream.Schedule
}

// NewFaults returns misbehaviour of these probabilities. The exported fields may
// be changed before the first request.
func NewFaults(seed uint64, mix Mix) *Faults {
	f := &Faults{
		SlowDelay: 20 * time.Millisecond, RetryAfter: time.Second, HugeEntries: 20_000,
		Elsewhere: "http://elsewhere.invalid/gun-relay/get", schedule: upstream.NewSchedule(seed, int(kinds)),
	}
	for k, p := range mix {
		f.Set(k, p)
	}
	return f
}

// Everything returns a random mixture: each kind with a chance of one half, at up
// to 5 % where it spoils a whole answer and up to 20 % elsewhere, so that most
// requests of a sync still succeed. Stalled and Endless, which cost a client its
// patience each time, come at up to 1 %.
func Everything(seed uint64) *Faults {
	rng := rand.New(rand.NewPCG(seed, 1))
	mix := Mix{}
	for _, k := range Kinds() {
		most := 0.2
		switch {
		case k == Stalled || k == Endless:
			most = 0.01
		case k < NotFound:
			most = 0.05
		}
		if p := rng.Float64() * most; rng.IntN(2) == 0 {
			mix[k] = p
		}
	}
	return NewFaults(seed, mix)
}

// Set gives a kind its probability; 0 switches it off.
func (f *Faults) Set(k Kind, probability float64) { f.schedule.Set(int(k), probability) }

// Mix returns the probabilities, for the log of a test that failed.
func (f *Faults) Mix() Mix {
	m := Mix{}
	for _, k := range Kinds() {
		if p := f.schedule.Probability(int(k)); p > 0 {
			m[k] = p
		}
	}
	return m
}

// Calm ends all faults for good; answers under way may still meet one, and what
// is Stalled or Endless goes on until its client goes.
func (f *Faults) Calm() { f.schedule.Stop() }

// Fired tells how often a kind has struck.
func (f *Faults) Fired(k Kind) int64 { return f.schedule.Fired(int(k)) }

// draw is the fate of one request. The zero draw never hits.
type draw struct {
	upstream.Draw
	f *Faults
}

// draw decides over a request; a nil Faults is well-behaved.
func (f *Faults) draw(request string) draw {
	if f == nil {
		return draw{}
	}
	return draw{Draw: f.schedule.Draw(upstream.Hash(request)), f: f}
}

func (d draw) hits(k Kind) bool { return d.Hits(int(k)) }

// lasts reports whether the kind strikes every request for the same.
func (d draw) lasts(k Kind) bool { return d.HitsAlways(int(k), d.Identity()) }

func (d draw) pick(k Kind, n int) int { return d.Pick(int(k), n) }
