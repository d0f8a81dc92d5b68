// Package pace keeps the passes of a Lambda function an interval apart that no
// schedule can keep. A schedule comes once a minute at most. For a shorter interval
// the function sends itself a message, delayed by the interval; nothing is paid for
// while it waits in the queue.
//
// Such messages are a chain, which must neither break nor multiply, although a queue
// delivers a message twice or late, a process dies anywhere, and the schedule goes on
// beside it. So there is one mark in the state store. It holds a beat, a word that
// nobody can guess, and the moment of the last pass. Whoever wants to do a pass must
// first replace the mark by one with a new beat (Claim), which one of any number of
// callers can do, and only whoever did it sends a message, with the new beat in it:
//
//   - a message whose beat is not the mark's any more is a duplicate, or too late: it
//     dies, and nothing is sent because of it. So there is never more than one message
//     that is good for anything;
//   - the schedule claims a pass only when it is overdue, because the message was lost
//     with its sender or in the queue. So the chain begins again by itself.
//
// With an interval of a minute or more there are no messages, and the schedule's
// events that come too early are left out.
package pace

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"oipnode/shared/state"
)

const (
	// Period is the time between two events of the schedule.
	Period = time.Minute
	// grace is how late a message may be before the schedule does its work.
	grace = 10 * time.Second
	// space holds the marks.
	space = "pace"
)

// ErrSend is returned by a Claim that succeeded, but for the message to the next pass:
// the schedule will do that one.
var ErrSend = errors.New("pace: the next message was not sent")

// Sender takes messages; package jobs has queues that do. A message may be delivered
// more than once, and late.
type Sender interface {
	Send(ctx context.Context, body []byte, delay time.Duration) (id string, err error)
}

// Options configure a Pace. Name, State and Interval are needed.
type Options struct {
	// Name is that of the passes.
	Name  string
	State state.Store
	// Interval is the time from one pass to the next.
	Interval time.Duration
	// Queue takes the messages; without one, passes are no closer than the schedule's
	// events.
	Queue Sender
	Now   func() time.Time
}

// Pace decides who does the next pass. It holds nothing between two calls.
type Pace struct {
	opt Options
	key state.Key
}

// New makes a Pace; it asks nothing of the store yet.
func New(opt Options) *Pace {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Pace{opt: opt, key: state.Key{Space: space, ID: opt.Name}}
}

// mark is what the state store holds.
type mark struct {
	Beat string `json:"beat"`
	// At is when the last pass was claimed, or should have been.
	At time.Time `json:"at"`
}

// Claim reports whether the caller is to do a pass now; of any number of callers one
// is. beat is that of the message that started the caller, empty for the schedule.
//
// With ErrSend the pass is the caller's all the same. Any other error means that
// nothing is known: the schedule asks again.
func (p *Pace) Claim(ctx context.Context, beat string) (bool, error) {
	item, found, err := state.GetOne(ctx, p.opt.State, p.key)
	if err != nil {
		return false, fmt.Errorf("read the mark: %w", err)
	}
	var last mark
	// A mark that cannot be read is none: a newer program may have written it.
	known := found && json.Unmarshal(item.Value, &last) == nil && last.Beat != ""
	now := p.opt.Now()
	switch {
	case beat != "" && (!known || beat != last.Beat):
		return false, nil
	case beat == "" && known && !p.overdue(last.At, now):
		return false, nil
	}
	next := mark{Beat: rand.Text(), At: now}
	if planned := last.At.Add(p.opt.Interval); known && !p.chained() && now.Sub(planned).Abs() <= Period/2 {
		// The events of the schedule do not fall on multiples of the interval: going by
		// them would lose up to a minute each time.
		next.At = planned
	}
	text, err := json.Marshal(next)
	if err != nil {
		return false, err
	}
	op := state.Create(p.key, text)
	if found {
		op = state.Update(p.key, text, item.Version)
	}
	if err := p.opt.State.Commit(ctx, op); errors.Is(err, state.ErrConflict) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("write the mark: %w", err)
	}
	if !p.chained() {
		return true, nil
	}
	if _, err := p.opt.Queue.Send(ctx, Message{Beat: next.Beat}.body(), p.opt.Interval); err != nil {
		return true, fmt.Errorf("%w: %w", ErrSend, err)
	}
	return true, nil
}

// chained reports whether messages keep the interval.
func (p *Pace) chained() bool { return p.opt.Queue != nil && p.opt.Interval < Period }

// overdue reports whether the schedule is to do a pass, after one at that time.
func (p *Pace) overdue(last, now time.Time) bool {
	if last.After(now.Add(max(p.opt.Interval, Period))) {
		return true // a clock was wrong; waiting for it could take for ever
	}
	planned := last.Add(p.opt.Interval)
	if p.chained() {
		return !now.Before(planned.Add(grace))
	}
	return !now.Before(planned.Add(-Period / 2))
}
