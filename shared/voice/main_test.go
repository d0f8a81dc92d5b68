package voice

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the time of a test. It stands still unless it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a state store and what keeps dialogues in it.
type world struct {
	testing.TB
	*Dialogues
	clock *clock
	store *bolt.Store
}

// newWorld opens an empty store; change may replace any option.
func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	w := &world{TB: t, clock: newClock()}
	var err error
	w.store, err = bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.Dialogues = w.over(w.store, change...)
	return w
}

// over makes another process over a store.
func (w *world) over(s state.Store, change ...func(*Options)) *Dialogues {
	w.Helper()
	o := Options{State: s, Now: w.clock.Now, Poll: 5 * time.Millisecond}
	for _, c := range change {
		c(&o)
	}
	d, err := New(o)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

// The owners of the tests.
var (
	ann = hash("user", "ann")
	bob = hash("user", "bob")
)

func by(owners ...Owner) Caller { return Caller{Owners: owners} }

// start begins a dialogue of ann.
func (w *world) start() Started {
	w.Helper()
	s, err := w.Start(context.Background(), ann)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// say appends texts, each as an event.
func (w *world) say(id string, texts ...string) Dialogue {
	w.Helper()
	var d Dialogue
	for _, text := range texts {
		var err error
		if _, d, err = w.Append(context.Background(), by(ann), id, spoken(text)); err != nil {
			w.Fatal(err)
		}
	}
	return d
}

func spoken(text string) NewEvent {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return NewEvent{Event: "textChunk", Data: data}
}

// heard are the events of a dialogue, by number.
func (w *world) heard(id string) []Event {
	w.Helper()
	p, err := w.Events(context.Background(), by(ann), id, 0, 1e6, 1e9)
	if err != nil {
		w.Fatal(err)
	}
	for i, e := range p.Events {
		if e.Number != i+1 {
			w.Fatalf("event %d has number %d", i+1, e.Number)
		}
	}
	if p.More || len(p.Events) != p.Dialogue.Events {
		w.Fatalf("%d events of %d, more: %v", len(p.Events), p.Dialogue.Events, p.More)
	}
	return p.Events
}

// texts are the data of events, one after the other.
func texts(events []Event) string {
	s := ""
	for _, e := range events {
		s += fmt.Sprintf("%s ", e.Data)
	}
	return s
}
