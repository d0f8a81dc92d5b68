package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Pool is an ordered list of gateways. It is safe for concurrent use.
type Pool struct {
	gateways []*Gateway
	opts     Options
}

// NewPool makes a pool of gateways in order of preference. Of the options it
// uses MaxBlockGapForFallback, ForkDepth, Now and Logger.
func NewPool(gateways []*Gateway, opts Options) *Pool {
	return &Pool{gateways: slices.Clone(gateways), opts: opts.withDefaults()}
}

// Close closes the idle connections of all gateways.
func (p *Pool) Close() {
	for _, g := range p.gateways {
		g.Close()
	}
}

// All returns every gateway in list order, those in back-off too.
func (p *Pool) All() []*Gateway { return slices.Clone(p.gateways) }

// NoGatewayError is why none of the gateways can serve. It is ErrNoGateway, and
// each of the causes.
type NoGatewayError struct {
	// Causes are in the order of the list, each naming its gateway.
	Causes []error
	// RetryAt is the earliest moment at which one of them takes a request.
	RetryAt time.Time
}

func (e *NoGatewayError) Error() string {
	return fmt.Sprintf("%v before %s: %v", ErrNoGateway, e.RetryAt.UTC().Format(time.RFC3339), errors.Join(e.Causes...))
}

// Unwrap makes errors.Is see ErrNoGateway and the causes.
func (e *NoGatewayError) Unwrap() []error { return append([]error{ErrNoGateway}, e.Causes...) }

// Choose returns the gateway that serves the next windows, and its height: the
// first in the list that is not in back-off and tells a height.
//
// One that is not the first may be at most MaxBlockGapForFallback blocks ahead
// of the checkpoint, unless this is an initial sync: a node that was away for
// longer should not fill the gap from a gateway that may lack what the preferred
// one has. One that is behind the checkpoint by more than ForkDepth has nothing
// to offer; it is only chosen if all others fail.
func (p *Pool) Choose(ctx context.Context, checkpoint int64, initial bool) (*Gateway, int64, error) {
	var failed NoGatewayError
	var stale *Gateway
	var staleHeight int64
	for i, g := range p.gateways {
		height, err := p.try(ctx, g)
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		gap := height - checkpoint
		switch {
		case err != nil:
			failed.Causes = append(failed.Causes, err)
		case i > 0 && !initial && gap > p.opts.MaxBlockGapForFallback:
			e := g.fail("info", ErrGap)
			e.Detail = fmt.Sprintf("height %d, checkpoint %d, at most %d blocks for a fall-back", height, checkpoint, p.opts.MaxBlockGapForFallback)
			failed.Causes = append(failed.Causes, e)
		case gap < -p.opts.ForkDepth:
			if stale == nil {
				stale, staleHeight = g, height
			}
		default:
			if i > 0 {
				p.opts.Logger.Info("fall-back gateway", "gateway", g.name, "height", height, "causes", errors.Join(failed.Causes...))
			}
			return g, height, nil
		}
	}
	if stale != nil {
		p.opts.Logger.Warn("gateway is behind the checkpoint", "gateway", stale.name, "height", staleHeight, "checkpoint", checkpoint)
		return stale, staleHeight, nil
	}
	failed.RetryAt = p.earliest()
	return nil, 0, &failed
}

// try returns the height of a gateway that can serve a window.
func (p *Pool) try(ctx context.Context, g *Gateway) (int64, error) {
	if wait := g.health.waitWalk(); wait > 0 {
		return 0, &Error{Gateway: g.name, Op: "info", RetryAfter: wait, Err: ErrBackoff}
	}
	return g.Height(ctx)
}

// earliest is the moment at which a gateway takes requests again.
func (p *Pool) earliest() time.Time {
	wait := maxRetryAfter
	for _, g := range p.gateways {
		wait = min(wait, g.health.waitWalk())
	}
	return p.opts.Now().Add(wait)
}

// Others returns the gateways that may be asked for data instead of g: those
// whose last read went well first, then the others, each in list order; without
// g and without those in back-off.
func (p *Pool) Others(g *Gateway) []*Gateway {
	var steady, shaky []*Gateway
	for _, other := range p.gateways {
		switch {
		case other == g || other.health.wait(classData) > 0:
		case other.health.steady(classData):
			steady = append(steady, other)
		default:
			shaky = append(shaky, other)
		}
	}
	return append(steady, shaky...)
}

// Backoff is what a gateway's client remembers beyond a process: why and until
// when it must be left alone, and the highest height it told. It is meant to be
// stored as JSON.
type Backoff struct {
	Gateway string `json:"gateway"`
	// Limited is a rate limit, Query and Data are failing requests, Walk is
	// aborted windows.
	Limited Pause    `json:"limited,omitzero"`
	Query   Pause    `json:"query,omitzero"`
	Data    Pause    `json:"data,omitzero"`
	Walk    Pause    `json:"walk,omitzero"`
	Tip     Sighting `json:"tip,omitzero"`
	Doubt   Doubt    `json:"doubt,omitzero"`
}

// Until is when the gateway takes all kinds of requests again; the zero time or
// a past one means now.
func (b Backoff) Until() time.Time {
	until := b.Limited.Until
	for _, p := range []Pause{b.Query, b.Data, b.Walk} {
		if p.Until.After(until) {
			until = p.Until
		}
	}
	return until
}

// Snapshot returns what is to be remembered of each gateway, in list order.
func (p *Pool) Snapshot() []Backoff {
	all := make([]Backoff, 0, len(p.gateways))
	for _, g := range p.gateways {
		b := Backoff{Gateway: g.name}
		g.health.mu.Lock()
		b.Limited, b.Walk = g.health.limited, g.health.walks
		b.Query, b.Data = g.health.failed[classQuery], g.health.failed[classData]
		g.health.mu.Unlock()
		g.tip.mu.Lock()
		b.Tip, b.Doubt = g.tip.best, g.tip.doubt
		g.tip.mu.Unlock()
		all = append(all, b)
	}
	return all
}

// Restore takes back an earlier Snapshot. Gateways that are no longer in the
// list are ignored, new ones begin afresh, and no back-off is longer than an
// hour from now, whatever was stored.
func (p *Pool) Restore(all []Backoff) {
	for _, b := range all {
		i := slices.IndexFunc(p.gateways, func(g *Gateway) bool { return g.name == b.Gateway })
		if i < 0 {
			continue
		}
		g := p.gateways[i]
		g.health.mu.Lock()
		g.health.limited, g.health.walks = g.health.bounded(b.Limited), g.health.bounded(b.Walk)
		g.health.failed[classQuery], g.health.failed[classData] = g.health.bounded(b.Query), g.health.bounded(b.Data)
		g.health.mu.Unlock()
		if b.Tip.Height < 0 || b.Tip.Height >= maxHeight {
			continue
		}
		g.tip.mu.Lock()
		g.tip.best, g.tip.doubt = b.Tip, b.Doubt
		g.tip.mu.Unlock()
	}
}
