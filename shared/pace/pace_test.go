package pace_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/pace"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// letter is a message on its way.
type letter struct {
	body []byte
	due  time.Time
}

var errQueue = errors.New("the queue is away")

// world is a store, a queue, and a clock that a test moves.
type world struct {
	testing.TB
	mu      sync.Mutex
	now     time.Time
	letters []letter
	// broken makes the queue fail; lost makes it lose the next message.
	broken, lost bool
	store        *bolt.Store
}

func newWorld(t testing.TB) *world {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{TB: t, now: start, store: store}
}

func (w *world) Send(_ context.Context, body []byte, delay time.Duration) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return "", errQueue
	}
	if !w.lost {
		w.letters = append(w.letters, letter{body, w.now.Add(delay)})
	}
	w.lost = false
	return "id", nil
}

// pace makes what one process has.
func (w *world) pace(interval time.Duration, queue pace.Sender) *pace.Pace {
	return pace.New(pace.Options{Name: "test", State: w.store, Interval: interval, Queue: queue, Now: func() time.Time { return w.now }})
}

// claim claims in a process of its own.
func (w *world) claim(interval time.Duration, beat string) bool {
	w.Helper()
	ok, err := w.pace(interval, w).Claim(w.Context(), beat)
	if err != nil {
		w.Fatal(err)
	}
	return ok
}

// beat is the one in the newest message.
func (w *world) beat() string {
	w.Helper()
	if len(w.letters) == 0 {
		w.Fatal("there is no message")
	}
	m, err := pace.Parse(w.letters[len(w.letters)-1].body)
	if err != nil || m.Beat == "" || m.Force {
		w.Fatalf("message %+v, %v", m, err)
	}
	return m.Beat
}

// The chain: the schedule begins it, each message is good once, and the schedule does
// nothing while it goes on.
func TestChain(t *testing.T) {
	const interval = 20 * time.Second
	w := newWorld(t)
	if w.claim(interval, "a beat of nobody") {
		t.Error("a message without a mark is claimed")
	}
	if !w.claim(interval, "") {
		t.Fatal("the first pass is nobody's")
	}
	for i := range 10 {
		if len(w.letters) != i+1 || !w.letters[i].due.Equal(w.now.Add(interval)) {
			t.Fatalf("pass %d: %d messages", i, len(w.letters))
		}
		beat := w.beat()
		w.now = w.now.Add(interval)
		if w.claim(interval, "") {
			t.Error("the schedule claims what a message will do")
		}
		if !w.claim(interval, beat) {
			t.Fatalf("pass %d is nobody's", i)
		}
		for range 2 {
			if w.claim(interval, beat) {
				t.Error("a message is good twice")
			}
		}
	}
}

// A message that is lost, or whose sender died, ends the chain; the schedule begins it
// again after a grace, and what comes late then dies.
func TestChainBreaks(t *testing.T) {
	const interval = 20 * time.Second
	w := newWorld(t)
	w.claim(interval, "")
	late := w.beat()
	for _, wait := range []time.Duration{interval, 9 * time.Second} {
		w.now = w.now.Add(wait)
		if w.claim(interval, "") {
			t.Errorf("claimed %v after the last pass", w.now.Sub(start))
		}
	}
	w.now = w.now.Add(time.Second)
	if !w.claim(interval, "") || len(w.letters) != 2 {
		t.Fatal("the chain does not begin again")
	}
	if w.claim(interval, late) {
		t.Error("a message that came late is claimed")
	}
	w.broken = true
	w.now = w.now.Add(interval)
	ok, err := w.pace(interval, w).Claim(t.Context(), w.beat())
	if !ok || !errors.Is(err, pace.ErrSend) || !errors.Is(err, errQueue) {
		t.Errorf("without a queue: %v, %v", ok, err)
	}
	w.broken = false
	w.now = w.now.Add(interval + 10*time.Second)
	if !w.claim(interval, "") || len(w.letters) != 3 {
		t.Error("the chain does not begin again after the queue was away")
	}
}

// Of many that come at once, by the schedule and by duplicates, one does the pass and
// sends.
func TestOneClaims(t *testing.T) {
	const interval = 10 * time.Second
	w := newWorld(t)
	w.claim(interval, "")
	for round := range 20 {
		beat := w.beat()
		w.now = w.now.Add(interval + 30*time.Second) // good by both ways
		var wg sync.WaitGroup
		var mu sync.Mutex
		claimed := 0
		for i := range 8 {
			with := beat
			if i%2 == 0 {
				with = ""
			}
			wg.Go(func() {
				ok, err := w.pace(interval, w).Claim(t.Context(), with)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if ok {
					claimed++
				}
			})
		}
		wg.Wait()
		if claimed != 1 || len(w.letters) != round+2 {
			t.Fatalf("round %d: %d claims, %d messages", round, claimed, len(w.letters))
		}
	}
}

// Without messages, passes are the events of the schedule that lie nearest to
// multiples of the interval.
func TestScheduleAlone(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		queue    bool
		want     int // of 60 events, or one less: the events are not punctual
	}{
		{time.Minute, true, 60}, {90 * time.Second, true, 40}, {5 * time.Minute, true, 12}, {7 * time.Minute, true, 9}, {time.Hour, true, 1},
		{10 * time.Second, false, 60}, {2 * time.Minute, false, 30},
	} {
		w := newWorld(t)
		var queue pace.Sender
		if c.queue {
			queue = w
		}
		rng := rand.New(rand.NewPCG(1, 2))
		passes := 0
		for i := range 60 {
			w.now = start.Add(time.Duration(i)*time.Minute + time.Duration(rng.IntN(5000))*time.Millisecond)
			ok, err := w.pace(c.interval, queue).Claim(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				passes++
			}
		}
		if passes != c.want && passes != c.want-1 || passes == 0 || len(w.letters) > 0 {
			t.Errorf("every %v: %d passes, want %d; %d messages", c.interval, passes, c.want, len(w.letters))
		}
	}
}

// A mark that a wrong clock or another program left does not stop the passes.
func TestStrangeMarks(t *testing.T) {
	for _, text := range []string{"", "{", `{"beat":""}`, `{"at":"2026-03-01T12:00:00Z"}`, `[]`, `{"beat":"x","at":"2099-01-01T00:00:00Z"}`, `{"beat":"x"}`} {
		w := newWorld(t)
		key := state.Key{Space: "pace", ID: "test"}
		if err := w.store.Commit(t.Context(), state.Put(key, []byte(text))); err != nil {
			t.Fatal(err)
		}
		if !w.claim(10*time.Second, "") || len(w.letters) != 1 {
			t.Errorf("%s: nobody does the pass", text)
		}
	}
}

// An interval that was changed holds from the next pass on.
func TestIntervalChanges(t *testing.T) {
	w := newWorld(t)
	w.claim(24*time.Hour, "")
	w.now = w.now.Add(time.Minute)
	if !w.claim(10*time.Second, "") || len(w.letters) != 1 {
		t.Error("a shorter interval waits for the longer one")
	}
	w.now = w.now.Add(10 * time.Second)
	if !w.claim(5*time.Minute, w.beat()) || len(w.letters) != 1 {
		t.Error("a longer interval does not end the chain")
	}
}

// failing is a store that is away.
type failing struct{ state.Store }

func (failing) Get(context.Context, ...state.Key) ([]state.Item, error) {
	return nil, state.ErrUnavailable
}

func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	p := pace.New(pace.Options{Name: "test", State: failing{w.store}, Interval: time.Second, Queue: w})
	if ok, err := p.Claim(t.Context(), ""); ok || !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("%v, %v", ok, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ok, err := w.pace(time.Second, w).Claim(ctx, ""); ok || err == nil {
		t.Errorf("claimed in a context that is over: %v", err)
	}
	if len(w.letters) > 0 {
		t.Error("a message without a claim")
	}
}
