package gatewaysim

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"oipnode/shared/upstream"
)

// dribbles is the number of parts that a SlowBody comes in.
const dribbles = 4

// misbehave answers in the place of any route, if the draw says so; speaksJSON
// is for the routes that answer in JSON.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request, d draw, speaksJSON bool) bool {
	if d.hits(CloseConnection) {
		panic(http.ErrAbortHandler)
	}
	fail := func(status int, text string) bool {
		s.send(w, r, d, status, "text/plain; charset=utf-8", []byte(text))
		return true
	}
	switch {
	case d.hits(RateLimitedSeconds):
		seconds := (d.f.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
		return fail(http.StatusTooManyRequests, "Too many requests")
	case d.hits(RateLimitedDate):
		// Rounded up: the date must not come too early.
		at := time.Now().Add(d.f.RetryAfter + time.Second - 1).UTC()
		w.Header().Set("Retry-After", at.Format(http.TimeFormat))
		return fail(http.StatusTooManyRequests, "Too many requests")
	case d.hits(RateLimited):
		return fail(http.StatusTooManyRequests, "Too many requests")
	case d.hits(PaymentRequired):
		return fail(http.StatusPaymentRequired, "Payment required")
	case d.hits(ServerError):
		status := []int{500, 502, 503, 504}[d.pick(ServerError, 4)]
		return fail(status, http.StatusText(status))
	case speaksJSON && d.hits(HTMLInsteadOfJSON):
		s.send(w, r, d, http.StatusOK, "text/html; charset=utf-8",
			[]byte("<!doctype html><title>Gateway</title><p>We will be back soon.\n"))
		return true
	}
	return false
}

// withhold answers in the place of an item's data, if the draw says so.
func (s *Server) withhold(w http.ResponseWriter, r *http.Request, d draw) bool {
	status, text := 0, ""
	switch {
	case d.hitsAlways(Blocked, d.Identity()):
		status, text = http.StatusUnavailableForLegalReasons, "Blocked"
	case d.missing():
		status, text = http.StatusNotFound, "Not Found"
	case d.hits(Accepted):
		status, text = http.StatusAccepted, "Pending"
	default:
		return false
	}
	s.send(w, r, d, status, "text/plain; charset=utf-8", []byte(text))
	return true
}

// missing reports whether NotFoundThenOK hides the id from this read. How many
// reads it spoils belongs to the id.
func (d draw) missing() bool {
	if d.f == nil || d.f.NotFoundReads < 1 {
		return false
	}
	spoiled := 1 + upstream.Scatter(d.Roll(int(NotFoundThenOK), d.Identity(), 0))%uint64(d.f.NotFoundReads)
	return d.Attempt() < spoiled && d.hitsAlways(NotFoundThenOK, d.Identity())
}

// spoil returns what is delivered of an item's data: all of it, changed, or
// shortened; cut means that the connection is to break. The data stay as they are.
func (d draw) spoil(data []byte) (body []byte, cut bool) {
	switch {
	case len(data) == 0:
		return data, false
	case d.hits(Truncated):
		return data[:d.pick(Truncated, len(data))], false
	case d.hits(Cut):
		return nil, true
	case d.hits(Altered):
		changed := slices.Clone(data)
		changed[d.pick(Altered, len(data))] ^= byte(1 + d.pick(Altered, 255))
		return changed, false
	}
	return data, false
}

// height is the JSON text that /info tells for the tip.
func (d draw) height(tip int64) string {
	switch {
	case d.hits(HeightGarbage):
		garbage := []string{`"unknown"`, `-1`, `null`, `1e300`, `99999999999999999999`, `4000000000`}
		return garbage[d.pick(HeightGarbage, len(garbage))]
	case d.hits(HeightBackwards):
		tip -= int64(1 + d.pick(HeightBackwards, 500))
	}
	return strconv.FormatInt(tip, 10)
}

// dribble waits between two parts of a SlowBody; false means that nobody reads.
func (d draw) dribble(ctx context.Context) bool {
	t := time.NewTimer(d.f.SlowDelay / dribbles)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// shuffleRows applies the faults that lose, repeat or shuffle rows.
func (d draw) shuffleRows(p *page, first int) {
	n := len(p.edges)
	if n == 0 {
		return
	}
	if d.hits(DropRow) {
		i := d.pick(DropRow, n)
		p.edges = slices.Delete(p.edges, i, i+1)
		n--
	}
	if n > 0 && first > 1 && d.hits(DuplicateRow) {
		// Not the last one, whose copy a full page would push out again.
		i := d.pick(DuplicateRow, max(1, n-1))
		p.edges = slices.Insert(p.edges, i, p.edges[i])
		if len(p.edges) > first {
			p.edges, p.hasNext = p.edges[:first], true
		}
		n = len(p.edges)
	}
	if n > 1 && d.hits(ReorderRows) {
		rng := rand.New(rand.NewPCG(d.Identity(), d.Attempt()))
		rng.Shuffle(n, func(i, j int) {
			p.edges[i].row, p.edges[j].row = p.edges[j].row, p.edges[i].row
		})
	}
}
