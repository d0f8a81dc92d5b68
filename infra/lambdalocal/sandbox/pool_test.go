package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"
)

// pid invokes a pool and returns which process did it.
func pid(t *testing.T, p *Pool) int {
	t.Helper()
	r, err := p.Invoke(t.Context(), event(t, "about"))
	if err != nil {
		t.Fatal(err)
	}
	var about struct{ PID int }
	if err := json.Unmarshal(r.Payload, &about); err != nil {
		t.Fatal(err)
	}
	return about.PID
}

// One event after another goes to the same process, which is warm.
func TestPoolReuses(t *testing.T) {
	var log output
	p := NewPool(function(&log), 4)
	defer p.Close()
	first := pid(t, p)
	for range 5 {
		if again := pid(t, p); again != first {
			t.Errorf("process %d, want %d", again, first)
		}
	}
}

// Events at the same time go to different processes, never more than allowed, and
// none of them has two at once.
func TestPoolConcurrency(t *testing.T) {
	var log output
	p := NewPool(function(&log), 3)
	defer p.Close()
	var mu sync.Mutex
	cold := 0
	var calls sync.WaitGroup
	begun := time.Now()
	for range 9 {
		calls.Go(func() {
			r, err := p.Invoke(t.Context(), event(t, "sleep", "ms", 150))
			if err != nil || string(r.Payload) != `"slept"` {
				t.Errorf("%v: %s", err, r.Payload)
			}
			mu.Lock()
			defer mu.Unlock()
			if r.Cold {
				cold++
			}
		})
	}
	calls.Wait()
	if cold != 3 {
		t.Errorf("%d processes, want 3", cold)
	}
	if took := time.Since(begun); took < 3*150*time.Millisecond {
		t.Errorf("nine events of 150 ms in three processes took %v", took)
	}
}

// A process that dies is replaced.
func TestPoolReplaces(t *testing.T) {
	var log output
	f := function(&log)
	f.Timeout = 3 * time.Second
	p := NewPool(f, 1)
	defer p.Close()
	before := pid(t, p)
	for _, kind := range []string{"exit", "panic", "sleep"} {
		r, err := p.Invoke(t.Context(), event(t, kind, "ms", 60_000))
		if err != nil || r.Status == StatusOK {
			t.Fatalf("%s: %+v, %v", kind, r, err)
		}
		after := pid(t, p)
		if after == before {
			t.Errorf("after %s the same process answers", kind)
		}
		before = after
	}
}

// A caller that goes away does not stop the function; one that waits for a process
// gets its context's error; and the pool's end is everybody's.
func TestPoolCallers(t *testing.T) {
	var log output
	p := NewPool(function(&log), 1)
	defer p.Close()
	before := pid(t, p)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Invoke(short, event(t, "sleep", "ms", 300)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller in a hurry: %v", err)
	}
	if _, err := p.Invoke(short, event(t, "echo")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller that waits: %v", err)
	}
	if after := pid(t, p); after != before {
		t.Error("the process did not survive its caller")
	}
	result := make(chan error, 1)
	go func() {
		_, err := p.Invoke(context.Background(), event(t, "sleep", "ms", 60_000))
		result <- err
	}()
	time.Sleep(50 * time.Millisecond)
	p.Close()
	if err := <-result; !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed) {
		t.Errorf("a caller at the end: %v", err)
	}
	if _, err := p.Invoke(t.Context(), event(t, "echo")); !errors.Is(err, ErrClosed) {
		t.Errorf("a caller after the end: %v", err)
	}
	wantGone(t, before)
}

// A function that does not start is an error for the caller, and tried again.
func TestPoolInitFails(t *testing.T) {
	var log output
	p := NewPool(function(&log, "MODE=exit at once"), 1)
	defer p.Close()
	for range 2 {
		var failed *InitError
		if _, err := p.Invoke(t.Context(), []byte("{}")); !errors.As(err, &failed) {
			t.Errorf("%v", err)
		}
	}
}
