// Package voice keeps voice dialogues: activities with an end, each a list of events
// that one side appends and the other follows (spec records-api section 6).
//
// A dialogue lives in the state store and nowhere else, so that nothing of it is lost
// or left behind when a process ends. It is one row, which says whose it is, how many
// events it has and when it expires, and one row per event, numbered from 1 without a
// gap. Every change is a single Commit over the dialogue's row, on the condition that
// nobody changed that row since it was read. So a killed process leaves a change whole
// or not at all, and two writers at once get consecutive numbers.
//
// The dialogue's row decides alone whether there is a dialogue. Each append moves its
// expiry; the events' rows keep theirs, which is the last second that the dialogue can
// live at all (Options.MaxLife), so that no event is gone before the dialogue is and
// none has to be written twice. Every reader begins with the dialogue's row and reads
// the events that it counts. From the second on at which that row expires the events
// are therefore invisible, too, whenever they are removed; Swept removes them once
// somebody has noticed.
//
// Nothing in memory grows with dialogues, events or readers that vanished: a stream is
// a position in the store (stream.go), not a queue that a writer fills.
package voice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"oipnode/shared/state"
)

var (
	// ErrNotFound means that there is no such dialogue for this caller: it never
	// was, it expired, or it is somebody else's. Nothing tells the three apart.
	ErrNotFound = errors.New("voice: no such dialogue")
	// ErrEnded is returned for an append to a dialogue that was ended.
	ErrEnded = errors.New("voice: the dialogue has ended")
	// ErrFull is returned for an append beyond MaxEvents or MaxBytes.
	ErrFull = errors.New("voice: the dialogue is full")
	// ErrTooMany is returned by Start to an owner who has MaxPerOwner dialogues.
	ErrTooMany = errors.New("voice: too many dialogues of one owner")
	// ErrBusy is returned when other writers were faster again and again. Nothing
	// was written.
	ErrBusy = errors.New("voice: too many writers at once")
	// ErrStreams is returned by Open when the process or the dialogue has as many
	// streams as are allowed.
	ErrStreams = errors.New("voice: too many open streams")
	// ErrClosed is returned to streams after Close.
	ErrClosed = errors.New("voice: closed")
	// ErrCorrupt means that a row is not what this package wrote.
	ErrCorrupt = errors.New("voice: a row is damaged")
)

// Options are the settings. State is needed, the others have defaults.
type Options struct {
	State state.Store
	// Timeout is the time without an append after which a dialogue is gone, 30
	// minutes by default, in whole seconds rounded up.
	Timeout time.Duration
	// MaxLife is the longest life of a dialogue, whatever its activity: 24 hours by
	// default, and at least Timeout. It is also the expiry of the events' rows.
	MaxLife time.Duration
	// EndedLife is how long an ended dialogue can still be read, so that readers get
	// its last events: a minute by default.
	EndedLife time.Duration
	// MaxEvents is the most events of a dialogue, 10,000 by default.
	MaxEvents int
	// MaxEventBytes is the largest data of an event, as compact JSON: 192 KiB by
	// default, and at most 256 KiB.
	MaxEventBytes int
	// MaxBytes is the most data of all events of a dialogue, 32 MiB by default.
	MaxBytes int64
	// MaxPerOwner is the most dialogues that one owner has at a time: 20 by default,
	// and at most 90.
	MaxPerOwner int
	// MaxStreams and MaxStreamsPerDialogue bound the open streams of this process:
	// 200 and 8 by default. A stream that is sending holds at most streamPage events.
	MaxStreams, MaxStreamsPerDialogue int
	// Poll is how often a waiting stream looks for what other processes appended, a
	// second by default. Appends of this process wake it at once.
	Poll time.Duration
	// Heartbeat is the pause after which a silent stream sends a ping, 15 s by default.
	Heartbeat time.Duration
	// WriteTimeout is how long a stream's reader may take for one event before its
	// connection is closed, 10 s by default.
	WriteTimeout time.Duration
	// Buffered says that answers reach the client only when they are whole, as behind
	// API Gateway. A response writer that cannot flush means the same.
	Buffered bool
	// BufferedWait is how long a buffered stream waits for an event, 20 s by default.
	BufferedWait time.Duration
	// Now is the clock, which must agree with the store's; nil means time.Now.
	Now func() time.Time
	// Log gets what ended a stream; nil discards it.
	Log *slog.Logger
}

// Dialogues keeps dialogues in a state store. Several processes may do so in the same
// store. It is safe for concurrent use and starts no goroutine.
type Dialogues struct {
	opt Options
	hub hub
}

// New checks the settings.
func New(o Options) (*Dialogues, error) {
	preset(&o.Timeout, 30*time.Minute)
	preset(&o.MaxLife, max(24*time.Hour, o.Timeout))
	preset(&o.EndedLife, time.Minute)
	preset(&o.MaxEvents, 10_000)
	preset(&o.MaxEventBytes, 192<<10)
	preset(&o.MaxBytes, 32<<20)
	preset(&o.MaxPerOwner, 20)
	preset(&o.MaxStreams, 200)
	preset(&o.MaxStreamsPerDialogue, 8)
	preset(&o.Poll, time.Second)
	preset(&o.Heartbeat, 15*time.Second)
	preset(&o.WriteTimeout, 10*time.Second)
	preset(&o.BufferedWait, 20*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, c := range []struct {
		name      string
		n, lo, hi int64
	}{
		{"Timeout", int64(o.Timeout), int64(time.Second), int64(o.MaxLife)},
		{"EndedLife", int64(o.EndedLife), int64(time.Second), int64(o.MaxLife)},
		{"MaxEvents", int64(o.MaxEvents), 1, maxNumber - 1},
		{"MaxEventBytes", int64(o.MaxEventBytes), 1, 256 << 10},
		{"MaxBytes", o.MaxBytes, 1, 1 << 30},
		{"MaxPerOwner", int64(o.MaxPerOwner), 1, state.MaxGet - 10},
		{"MaxStreams", int64(o.MaxStreams), 1, 1e6},
		{"MaxStreamsPerDialogue", int64(o.MaxStreamsPerDialogue), 1, 1e6},
		{"Poll", int64(o.Poll), int64(time.Millisecond), int64(time.Hour)},
		{"Heartbeat", int64(o.Heartbeat), int64(time.Millisecond), int64(time.Hour)},
		{"WriteTimeout", int64(o.WriteTimeout), int64(time.Millisecond), int64(time.Hour)},
		{"BufferedWait", int64(o.BufferedWait), int64(time.Millisecond), int64(time.Hour)},
	} {
		if c.n < c.lo || c.n > c.hi {
			return nil, fmt.Errorf("voice: %s is %d, allowed are %d to %d", c.name, c.n, c.lo, c.hi)
		}
	}
	if o.State == nil {
		return nil, errors.New("voice: no state store")
	}
	return &Dialogues{opt: o, hub: newHub()}, nil
}

func preset[T comparable](v *T, standard T) {
	var zero T
	if *v == zero {
		*v = standard
	}
}

// Limits are the bounds that a caller may be told, as in Options.
type Limits struct {
	Events, EventBytes, PerOwner int
	Bytes                        int64
}

// Limits returns the bounds of these dialogues.
func (d *Dialogues) Limits() Limits {
	return Limits{d.opt.MaxEvents, d.opt.MaxEventBytes, d.opt.MaxPerOwner, d.opt.MaxBytes}
}

const (
	// tries bounds how often one change is tried while others change the same
	// dialogue. Of all that try at once one always succeeds.
	tries = 20
	// longestPause is the longest wait between two tries.
	longestPause = 200 * time.Millisecond
)

// change does a read and a Commit that depends on it until nobody came in between.
// Errors other than state.ErrConflict are returned as they are, without another try:
// such a Commit may have happened.
func (d *Dialogues) change(ctx context.Context, try func() error) error {
	for n := range tries {
		err := try()
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
		pause := time.NewTimer(rand.N(min(time.Millisecond<<n, longestPause)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
	return fmt.Errorf("%w: %d tries", ErrBusy, tries)
}

// ceil is a moment as the store keeps it: whole seconds, rounded up.
func ceil(t time.Time) time.Time { return time.Unix(state.Seconds(t), 0).UTC() }
