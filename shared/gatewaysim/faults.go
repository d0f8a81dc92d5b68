package gatewaysim

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"oipnode/shared/upstream"
)

// Kind is one way in which a gateway misbehaves.
type Kind uint8

// The kinds of misbehaviour. Each names the routes that it happens on.
const (
	// CloseConnection cuts the connection instead of answering (all routes).
	CloseConnection Kind = iota
	// RateLimitedSeconds is 429 with Retry-After in seconds (all routes).
	RateLimitedSeconds
	// RateLimitedDate is 429 with Retry-After as an HTTP date (all routes).
	RateLimitedDate
	// RateLimited is 429 without Retry-After (all routes).
	RateLimited
	// PaymentRequired is 402, which can stand for 429 (all routes).
	PaymentRequired
	// ServerError is one of 500, 502, 503 and 504 (all routes).
	ServerError
	// HTMLInsteadOfJSON is 200 with a page for people (info, graphql).
	HTMLInsteadOfJSON
	// SlowBody dribbles the body over Faults.SlowDelay (all routes).
	SlowBody

	// HeightBackwards tells a height that is 1 to 500 too small (info).
	HeightBackwards
	// HeightGarbage tells a height that is none: text, null, negative, huge (info).
	HeightGarbage

	// Blocked is 451. It is drawn per id and lasts as long as the faults (data).
	Blocked
	// NotFoundThenOK is 404 for the first reads of an id, at most
	// Faults.NotFoundReads of them. It is drawn per id (data).
	NotFoundThenOK
	// Accepted is 202 without the data (data).
	Accepted
	// Truncated is 200 with fewer bytes and a Content-Length to match (data).
	Truncated
	// Cut is 200 whose connection breaks in the middle of the body (data).
	Cut
	// Altered is 200 with one byte changed (data).
	Altered

	// DropRow leaves one row out of a page (graphql).
	DropRow
	// DuplicateRow repeats one row; on a full page the last row gives way to it
	// and comes with the next page (graphql).
	DuplicateRow
	// ReorderRows shuffles the nodes of a page. The cursors stay in place, so
	// that the last one still ends the page (graphql).
	ReorderRows
	// EmptyPage is a page without rows and without a next one (graphql).
	EmptyPage
	// CursorLoop answers a cursor with the page that it ended (graphql).
	CursorLoop
	// NoNextOnFullPage is Options.FullPageNoNext now and then (graphql).
	NoNextOnFullPage
	// StaleIndex lacks the newest 1 to 20 blocks (graphql).
	StaleIndex
	// RowLimited is Options.RowLimit with 50 rows now and then (graphql).
	RowLimited
	// GraphQLErrors is 200 with errors and without data (graphql).
	GraphQLErrors
	// ErrorsBesideData is errors next to data that are complete (graphql).
	ErrorsBesideData
	// Warnings is warnings next to data, at the top or in extensions (graphql).
	Warnings
	// NullField nulls a whole page for one bad row, unless only id and
	// block{height} were asked for (graphql).
	NullField
	// LostPlus shows each + of a CreatorSig tag as a space. It is drawn per id
	// (graphql).
	LostPlus

	kinds
)

var kindNames = [kinds]string{
	"CloseConnection", "RateLimitedSeconds", "RateLimitedDate", "RateLimited", "PaymentRequired",
	"ServerError", "HTMLInsteadOfJSON", "SlowBody", "HeightBackwards", "HeightGarbage", "Blocked",
	"NotFoundThenOK", "Accepted", "Truncated", "Cut", "Altered", "DropRow", "DuplicateRow",
	"ReorderRows", "EmptyPage", "CursorLoop", "NoNextOnFullPage", "StaleIndex", "RowLimited",
	"GraphQLErrors", "ErrorsBesideData", "Warnings", "NullField", "LostPlus",
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
// (or id) that the kind can happen on.
type Mix map[Kind]float64

// Faults makes one gateway misbehave; do not share it between gateways.
//
// Decisions are those of upstream.Schedule: the same requests meet the same faults
// in every run, however they interleave, and a repeated request can fare better.
type Faults struct {
	// SlowDelay is how long a SlowBody takes in all; 20 ms unless changed.
	SlowDelay time.Duration
	// RetryAfter is what a RateLimited tells, in whole seconds; 1 s unless changed.
	RetryAfter time.Duration
	// NotFoundReads is the most reads that NotFoundThenOK spoils; 3 unless changed.
	NotFoundReads int

	schedule *upstream.Schedule
	until    atomic.Int64 // first step without faults; 0 is never
}

// NewFaults returns misbehaviour of these probabilities. The exported fields
// may be changed before the first request.
func NewFaults(seed uint64, mix Mix) *Faults {
	f := &Faults{
		SlowDelay: 20 * time.Millisecond, RetryAfter: time.Second, NotFoundReads: 3,
		schedule: upstream.NewSchedule(seed, int(kinds)),
	}
	for k, p := range mix {
		f.schedule.Set(int(k), p)
	}
	return f
}

// Everything returns a random mixture: each kind with a chance of one half, at
// up to 5 % where it spoils a whole response and up to 20 % elsewhere, so that
// most requests of an indexer still succeed.
func Everything(seed uint64) *Faults {
	rng := rand.New(rand.NewPCG(seed, 0))
	mix := Mix{}
	for _, k := range Kinds() {
		most := 0.2
		// The kinds of every route come first.
		if k <= HTMLInsteadOfJSON || k == GraphQLErrors {
			most = 0.05
		}
		if p := rng.Float64() * most; rng.IntN(2) == 0 {
			mix[k] = p
		}
	}
	return NewFaults(seed, mix)
}

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

// Until ends all faults when the chain reaches this step, and returns f. With 0
// they last until Stop.
func (f *Faults) Until(step int64) *Faults {
	f.until.Store(step)
	return f
}

// Stop ends all faults for good; requests that are under way may still meet one.
func (f *Faults) Stop() { f.schedule.Stop() }

// Fired tells how often a kind has struck.
func (f *Faults) Fired(k Kind) int64 { return f.schedule.Fired(int(k)) }

// draw is the fate of one request. The zero draw never hits.
type draw struct {
	upstream.Draw
	f *Faults
}

// draw decides over a request at this step; a nil Faults is well-behaved.
func (f *Faults) draw(identity uint64, step int64) draw {
	if f == nil {
		return draw{}
	}
	if until := f.until.Load(); until != 0 && step >= until {
		return draw{}
	}
	return draw{Draw: f.schedule.Draw(identity), f: f}
}

// hits reports whether the kind strikes this attempt.
func (d draw) hits(k Kind) bool { return d.Hits(int(k)) }

// hitsAlways reports whether the kind strikes this id at every attempt.
func (d draw) hitsAlways(k Kind, id uint64) bool { return d.HitsAlways(int(k), id) }

// pick returns a number from 0 to n-1 that belongs to this attempt and kind.
func (d draw) pick(k Kind, n int) int { return d.Pick(int(k), n) }
