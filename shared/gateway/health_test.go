package gateway

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func newHealth(jitter float64) (*health, *clock) {
	c := newClock()
	return &health{now: c.Now, jitter: func() float64 { return jitter }}, c
}

func limited(after time.Duration) error { return &Error{Err: ErrRateLimited, RetryAfter: after} }

func TestBackoffDoublesWithoutRetryAfter(t *testing.T) {
	h, c := newHealth(1)
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900} {
		h.note(classData, limited(0))
		if got := h.wait(classQuery); got != want*time.Second {
			t.Fatalf("refusal %d: wait %s, want %s", i+1, got, want*time.Second)
		}
		c.advance(want * time.Second)
		if h.wait(classQuery) != 0 {
			t.Fatalf("refusal %d: still waiting at the very end", i+1)
		}
	}
	h.note(classData, nil)
	h.note(classData, limited(0))
	if got := h.wait(classData); got != time.Second {
		t.Errorf("after a success the first pause is %s, want 1s", got)
	}
}

func TestBackoffJitterIsUpperHalf(t *testing.T) {
	h, _ := newHealth(0)
	h.note(classData, limited(0))
	if got := h.wait(classData); got != 500*time.Millisecond {
		t.Errorf("least jitter gives %s, want 500ms", got)
	}
}

func TestBackoffAsTold(t *testing.T) {
	h, c := newHealth(1)
	h.note(classData, limited(40*time.Second))
	if got := h.wait(classQuery); got != 40*time.Second {
		t.Errorf("wait %s, want 40s", got)
	}
	h.note(classData, limited(50*time.Second))
	h.note(classData, limited(30*time.Second))
	if got := h.wait(classQuery); got != 50*time.Second {
		t.Errorf("wait %s, want the longest that was told", got)
	}
	c.advance(50 * time.Second)
	if got := h.wait(classQuery); got != 0 {
		t.Errorf("wait %s after the end", got)
	}
}

// Sixteen reads under way when the limit strikes are one refusal, and those that
// still succeed do not lift it.
func TestBackoffCountsParallelRefusalsOnce(t *testing.T) {
	h, c := newHealth(1)
	for range 16 {
		h.note(classData, limited(0))
	}
	h.note(classData, nil)
	if got := h.wait(classData); got != time.Second {
		t.Fatalf("wait %s, want 1s", got)
	}
	c.advance(time.Second)
	h.note(classData, limited(0))
	if got := h.wait(classData); got != 2*time.Second {
		t.Errorf("wait %s, want 2s: the second refusal in a row", got)
	}
}

func TestBackoffAfterFailuresInARow(t *testing.T) {
	unavailable, unhealthy := &Error{Err: ErrUnavailable}, &Error{Err: ErrUnhealthy}
	h, c := newHealth(1)
	for range 5 {
		// Never three in a row.
		h.note(classData, unavailable)
		h.note(classData, unhealthy)
		h.note(classData, &Error{Err: ErrNotFound})
	}
	if h.wait(classData) != 0 || !h.steady(classData) {
		t.Fatal("a 404 is an answer of a gateway at work")
	}
	for range failuresBeforePause {
		if h.wait(classData) != 0 {
			t.Fatal("back-off too early")
		}
		h.note(classData, unavailable)
	}
	if h.wait(classData) != time.Second || h.steady(classData) {
		t.Errorf("wait %s after %d failures, want 1s", h.wait(classData), failuresBeforePause)
	}
	if h.wait(classQuery) != 0 || !h.steady(classQuery) {
		t.Error("failing data reads stop queries")
	}
	c.advance(time.Second)
	h.note(classData, unavailable)
	if got := h.wait(classData); got != 2*time.Second {
		t.Errorf("wait %s after another failure, want 2s", got)
	}
}

func TestOutcomesWithoutMeaning(t *testing.T) {
	for _, err := range []error{ErrGraphQL, ErrRowLimit, ErrProtocol, ErrMismatch, ErrTooLarge, ErrRedirect, ErrHeight, context.Canceled} {
		h, _ := newHealth(1)
		h.note(classData, &Error{Err: ErrUnavailable})
		for range 10 {
			h.note(classData, &Error{Err: fmt.Errorf("x: %w", err)})
		}
		if h.wait(classData) != 0 || h.failed[classData].Count != 1 {
			t.Errorf("%v changed the health", err)
		}
	}
}

func TestAbortedWindowsStopOnlyWindows(t *testing.T) {
	h, c := newHealth(1)
	for _, want := range []time.Duration{1, 2, 4} {
		h.noteWalk(false)
		if got := h.waitWalk(); got != want*time.Second {
			t.Errorf("wait %s, want %s", got, want*time.Second)
		}
		if h.wait(classQuery) != 0 {
			t.Error("an aborted window stops reads by id")
		}
		h.note(classQuery, nil) // pages may well come
		c.advance(want * time.Second)
	}
	h.noteWalk(true)
	h.noteWalk(false)
	if got := h.waitWalk(); got != time.Second {
		t.Errorf("wait %s after a complete window, want 1s", got)
	}
}

func TestBoundedPause(t *testing.T) {
	h, c := newHealth(1)
	p := h.bounded(Pause{Count: -3, Until: c.Now().AddDate(100, 0, 0)})
	if p.Count != 0 || p.Until != c.Now().Add(time.Hour) {
		t.Errorf("%+v", p)
	}
	if p := h.bounded(Pause{Count: 1 << 40}); p.Count != 1000 || !p.Until.IsZero() {
		t.Errorf("%+v", p)
	}
	h.limited = Pause{Count: 1000}
	h.note(classData, limited(0))
	if got := h.wait(classData); got != maxPause {
		t.Errorf("wait %s, want %s", got, maxPause)
	}
}
