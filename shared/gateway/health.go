package gateway

import (
	"errors"
	"sync"
	"time"
)

// Back-off: the first pause, the longest one, and after how many failures in a
// row it begins. One slow or failed read is no reason to leave a gateway.
const (
	minPause            = time.Second
	maxPause            = 15 * time.Minute
	failuresBeforePause = 3
)

// class groups requests that fail together: a gateway's GraphQL may be down
// while its data is fine.
type class int

const (
	classQuery class = iota // GraphQL and the height
	classData
	classes
)

// Pause is one reason to leave a gateway alone.
type Pause struct {
	// Count is the number of failures in a row.
	Count int `json:"count,omitempty"`
	// Until is when requests are allowed again.
	Until time.Time `json:"until,omitzero"`
}

// health decides whether requests may be sent. There are three reasons for
// back-off, each with its own memory: the gateway limits the rate (everything
// waits), requests of one class fail again and again (that class waits), windows
// were aborted (Walk waits, so that Choose goes to the next gateway).
//
// What came back from requests sent before a back-off began neither prolongs it
// (sixteen parallel reads that are all refused are one refusal) nor ends it.
type health struct {
	now    func() time.Time
	jitter func() float64

	mu      sync.Mutex
	limited Pause
	failed  [classes]Pause
	walks   Pause
}

// wait returns how long requests of a class have to wait, 0 for not at all.
func (h *health) wait(c class) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(h.left(h.limited), h.left(h.failed[c]))
}

// waitWalk returns how long a window has to wait.
func (h *health) waitWalk() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(h.left(h.limited), h.left(h.failed[classQuery]), h.left(h.walks))
}

// steady reports whether the last request of a class ended well.
func (h *health) steady(c class) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.limited.Count == 0 && h.failed[c].Count == 0
}

// left is what remains of a pause.
func (h *health) left(p Pause) time.Duration { return max(p.Until.Sub(h.now()), 0) }

// note learns from the outcome of a request.
func (h *health) note(c class, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var e *Error
	switch {
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrPending), errors.Is(err, ErrBlocked):
		// The gateway is at work, whatever it says of this transaction.
		h.clear(&h.limited)
		h.clear(&h.failed[c])
	case errors.Is(err, ErrRateLimited):
		var told time.Duration
		if errors.As(err, &e) {
			told = e.RetryAfter
		}
		h.strike(&h.limited, 1, told)
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrUnhealthy):
		h.strike(&h.failed[c], failuresBeforePause, 0)
	}
	// Everything else (a failed query, a wrong length, a cancelled call) says
	// nothing of whether the gateway can answer the next request.
}

// noteWalk learns from the outcome of a window.
func (h *health) noteWalk(ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ok {
		h.clear(&h.walks)
		return
	}
	h.strike(&h.walks, 1, 0)
}

// clear forgets failures, unless their back-off still lasts.
func (h *health) clear(p *Pause) {
	if h.left(*p) == 0 {
		*p = Pause{}
	}
}

// strike counts a failure and begins a back-off from the threshold-th on: as
// long as told, else doubling from minPause to maxPause, the upper half random.
func (h *health) strike(p *Pause, threshold int, told time.Duration) {
	now := h.now()
	if h.left(*p) > 0 {
		if until := now.Add(told); until.After(p.Until) {
			p.Until = until
		}
		return
	}
	p.Count = min(p.Count+1, 1000)
	if p.Count < threshold {
		return
	}
	pause := told
	if pause <= 0 {
		pause = minPause << min(p.Count-threshold, 16)
		pause = min(pause, maxPause)
		pause = pause/2 + time.Duration(h.jitter()*float64(pause/2))
	}
	p.Until = now.Add(pause)
}

// bounded makes a pause that was stored harmless if it is damaged.
func (h *health) bounded(p Pause) Pause {
	p.Count = min(max(p.Count, 0), 1000)
	if latest := h.now().Add(maxRetryAfter); p.Until.After(latest) {
		p.Until = latest
	}
	return p
}
