package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Bounds of how the tip may move. Blocks come every two minutes on average; the
// bound is twelve times that, beyond a head start for a gateway that catches up.
const (
	maxInfoBytes  = 64 << 10
	blockInterval = 10 * time.Second
	headStart     = 1000
	// doubtPeriod is how long refused heights must go on like a chain's before
	// they are believed after all.
	doubtPeriod = time.Hour
)

// Height returns the height of the gateway's chain from /info, at least 1.
// ErrHeight is an answer that cannot be the tip: no number, more than ForkDepth
// below the highest one accepted from this gateway, or above it by more than a
// block every ten seconds and 1000. A lower height within ForkDepth is returned
// as it is.
func (g *Gateway) Height(ctx context.Context) (int64, error) {
	var height int64
	err := g.do(ctx, request{
		class: classQuery,
		op:    "info",
		build: func(ctx context.Context) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, g.base.JoinPath("info").String(), nil)
		},
		read: func(resp *http.Response) error {
			raw, err := g.readJSON(resp, "info", maxInfoBytes)
			if err != nil {
				return err
			}
			if height, err = decodeInfo(raw); err == nil {
				err = g.tip.accept(height, g.opts.Now())
			}
			if err != nil {
				return g.fail("info", err)
			}
			return nil
		},
	})
	if err != nil {
		return 0, err
	}
	return height, nil
}

// decodeInfo reads the height out of an /info answer: a JSON number, whole, from
// 1 to below 1e9.
func decodeInfo(body []byte) (int64, error) {
	if err := jsonObject(body); err != nil {
		return 0, err
	}
	var info struct {
		Height json.RawMessage `json:"height"`
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return 0, unreadable(err)
	}
	h, err := strconv.ParseInt(string(info.Height), 10, 64)
	if err != nil || h < 1 || h >= maxHeight {
		return 0, fmt.Errorf("%w: %s", ErrHeight, excerpt(info.Height))
	}
	return h, nil
}

// Sighting is a height and when it was seen.
type Sighting struct {
	Height int64     `json:"height,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// Doubt follows heights that were refused, from the first to the latest.
type Doubt struct {
	First Sighting `json:"first,omitzero"`
	Last  Sighting `json:"last,omitzero"`
}

// tip is what is known of a gateway's height. The height decides how far the
// checkpoint may move, so a wrong one loses data: one too high would move the
// checkpoint over blocks that do not exist yet. The first height has nothing to
// be compared with and is accepted; from then on it moves as a chain does.
//
// A wrong height that was accepted must not refuse the right ones for ever. So
// refused heights are followed too, and believed once they have gone on like a
// chain, growing, for doubtPeriod.
type tip struct {
	forkDepth int64

	mu    sync.Mutex
	best  Sighting // the highest accepted one
	doubt Doubt
}

// accept takes a height or refuses it with ErrHeight.
func (t *tip) accept(h int64, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := Sighting{Height: h, At: now}
	switch {
	case t.best.Height == 0, t.follows(t.best, seen):
	case t.trusted(seen):
		t.best = Sighting{}
	default:
		return fmt.Errorf("%w: %d after %d", ErrHeight, h, t.best.Height)
	}
	t.doubt = Doubt{}
	if h >= t.best.Height {
		t.best = seen
	}
	return nil
}

// follows reports whether a chain can have moved from one sighting to another.
func (t *tip) follows(from, to Sighting) bool {
	elapsed := max(to.At.Sub(from.At), 0)
	return to.Height >= from.Height-t.forkDepth &&
		to.Height <= from.Height+headStart+int64(elapsed/blockInterval)
}

// trusted adds to the doubt and reports whether it is overcome.
func (t *tip) trusted(seen Sighting) bool {
	if t.doubt.First.Height == 0 || !t.follows(t.doubt.Last, seen) {
		t.doubt = Doubt{First: seen, Last: seen}
		return false
	}
	t.doubt.Last = seen
	return seen.Height > t.doubt.First.Height && seen.At.Sub(t.doubt.First.At) >= doubtPeriod
}
