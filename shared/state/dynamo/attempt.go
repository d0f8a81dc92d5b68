package dynamo

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// once makes the SDK send a request a single time: it would repeat a write whose
// answer was lost, which could do it twice.
func once(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// The pauses between two attempts; each is random between half and all of it.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// manyTries is from how many attempts on a call that succeeded is worth a line
// in the log: the table is too small for its load, or hardly reachable.
const manyTries = 6

// Whether a request may be sent again when nobody knows if it was done: reads
// may, and writes that DynamoDB recognises by their token.
const (
	repeatable = true
	onceOnly   = false
)

// attempts are the requests of one call of the store, which share its patience.
type attempts struct {
	s     *Store
	start time.Time
	pause time.Duration
	tries int
	// doubt is set once the outcome of a request is unknown.
	doubt bool
}

func (s *Store) begin() *attempts {
	return &attempts{s: s, start: time.Now(), pause: firstPause}
}

// do sends a request until it is answered for good. It returns nil, an error of
// this package, failed, state.ErrUnavailable, state.ErrClosed, or the context's
// error.
func (a *attempts) do(ctx context.Context, operation string, mayRepeat bool, send func(context.Context) error) error {
	for {
		a.tries++
		err := a.send(ctx, send)
		if err == nil {
			if a.tries >= manyTries {
				a.s.log.Warn("the state table answered only after many attempts", "table", a.s.table,
					"operation", operation, "attempts", a.tries, "took", time.Since(a.start).Round(time.Millisecond))
			}
			return nil
		}
		if ended := a.s.ended(ctx); ended != nil {
			return ended
		}
		f := judge(operation, err)
		switch {
		case f.outcome == final:
			return f.err
		case f.outcome == unknown && !mayRepeat:
			return unavailable(f.err)
		case f.outcome == unknown:
			a.doubt = true
		}
		if err := a.wait(ctx, f.err); err != nil {
			return err
		}
	}
}

// send makes one attempt within its time.
func (a *attempts) send(ctx context.Context, send func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.s.attempt)
	defer cancel()
	return send(ctx)
}

// wait pauses before the next attempt. It returns state.ErrUnavailable with the
// cause when the patience would be over by then.
func (a *attempts) wait(ctx context.Context, cause error) error {
	pause := a.pause/2 + rand.N(a.pause/2)
	a.pause = min(2*a.pause, lastPause)
	if time.Since(a.start)+pause > a.s.patience {
		return unavailable(cause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return a.s.ended(ctx)
	}
}
