package s3

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"oipnode/shared/media"
)

// once makes the SDK send a request a single time: repeating is this package's.
func once(o *s3.Options) { o.Retryer = aws.NopRetryer{} }

// The pauses between two attempts; each is random between half and all of it.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// do sends a request until it is answered for good, each time for at most the given
// time. It returns nil, an error of the contract or of this package, or the
// context's error.
func (s *Store) do(ctx context.Context, operation string, attempt time.Duration, send func(context.Context) error) error {
	_, err := s.settle(ctx, operation, attempt, send)
	return err
}

// settle is do for writes that must not be taken for somebody else's: doubt says
// that an earlier request may have been done although its answer was lost.
func (s *Store) settle(ctx context.Context, operation string, attempt time.Duration, send func(context.Context) error) (doubt bool, err error) {
	p := patience{until: time.Now().Add(s.patience), pause: firstPause}
	for {
		err := within(ctx, attempt, send)
		if err == nil {
			return doubt, nil
		}
		if ctx.Err() != nil {
			return true, ctx.Err()
		}
		f := judge(operation, err)
		if f.outcome == final {
			return doubt, f.err
		}
		doubt = doubt || f.outcome == unknown
		if err := p.wait(ctx, f.err); err != nil {
			return doubt, err
		}
	}
}

// within makes one attempt.
func within(ctx context.Context, attempt time.Duration, send func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return send(ctx)
}

// patience is what is left of a call's readiness to repeat.
type patience struct {
	until time.Time
	pause time.Duration
}

// wait pauses before the next attempt. It returns media.ErrUnavailable with the
// cause when the patience would be over by then.
func (p *patience) wait(ctx context.Context, cause error) error {
	pause := p.pause/2 + rand.N(p.pause/2)
	p.pause = min(2*p.pause, lastPause)
	if time.Now().Add(pause).After(p.until) {
		return fmt.Errorf("%w: %w", media.ErrUnavailable, cause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// version is an ETag without its quotes.
func version(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// etag is a version as S3 writes it.
func etag(version string) *string { return aws.String(`"` + version + `"`) }
