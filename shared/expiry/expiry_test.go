package expiry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/metrics"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
	"oipnode/shared/voice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counts are what was counted.
type counts struct {
	mu sync.Mutex
	by map[metrics.Counter]int64
}

func (c *counts) Add(counter metrics.Counter, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 {
		c.by[counter] += n
	}
}
func (*counts) Set(metrics.Gauge, float64)            {}
func (*counts) Observe(metrics.Timing, time.Duration) {}

// world is a store with dialogues, and what takes in their removals.
type world struct {
	testing.TB
	now    time.Time
	store  *bolt.Store
	broken *broken
	voice  *voice.Dialogues
	counts counts
	log    bytes.Buffer
	*Removals
}

// broken is a store that refuses writes to some space.
type broken struct {
	state.Store
	space string
}

var errBroken = errors.New("broken")

func (b *broken) Commit(ctx context.Context, ops ...state.Op) error {
	for _, op := range ops {
		if op.Item.Space == b.space {
			return errBroken
		}
	}
	return b.Store.Commit(ctx, ops...)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), counts: counts{by: make(map[metrics.Counter]int64)}}
	clock := func() time.Time { return w.now }
	var err error
	if w.store, err = bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.broken = &broken{Store: w.store}
	if w.voice, err = voice.New(voice.Options{State: w.broken, Now: clock}); err != nil {
		t.Fatal(err)
	}
	w.Removals, err = New(Options{Voice: w.voice, Metrics: &w.counts, Log: slog.New(slog.NewJSONHandler(&w.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// talk makes a dialogue of so many events, and returns its id.
func (w *world) talk(secret string, events int) string {
	w.Helper()
	owner, err := voice.SecretOwner(secret)
	if err != nil {
		w.Fatal(err)
	}
	s, err := w.voice.Start(w.Context(), owner)
	if err != nil {
		w.Fatal(err)
	}
	for range events {
		if _, _, err := w.voice.Append(w.Context(), voice.Caller{Owners: []voice.Owner{owner}}, s.ID, voice.NewEvent{Event: "textChunk", Data: []byte(`"x"`)}); err != nil {
			w.Fatal(err)
		}
	}
	return s.ID
}

// sweep removes what has expired, in the order of the expiry.
func (w *world) sweep() (keys []state.Key) {
	w.Helper()
	items, err := w.store.Sweep(w.Context(), bolt.MaxSweep)
	if err != nil {
		w.Fatal(err)
	}
	for _, item := range items {
		keys = append(keys, item.Key)
	}
	return keys
}

// rows is how many rows of a dialogue there are.
func (w *world) rows(id string) int {
	w.Helper()
	items, err := w.store.Range(w.Context(), "voice:"+id, "", "", 1000)
	if err != nil {
		w.Fatal(err)
	}
	return len(items)
}

// TestTake: what expired is counted by its kind and logged in one line without keys, and
// the events of a dialogue go with it.
func TestTake(t *testing.T) {
	w := newWorld(t)
	gone := w.talk("a-secret-of-the-tests", 20)
	w.now = w.now.Add(20 * time.Minute)
	lives := w.talk("another-secret-of-the-tests", 3)
	expires := w.now.Add(time.Minute)
	for _, id := range []string{"a", "b"} {
		if err := w.store.Commit(t.Context(), state.Put(state.Key{Space: "lease", ID: id}, []byte("somebody")).Until(expires)); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := w.Take(t.Context(), nil); done != 0 || err != nil || w.log.Len() > 0 {
		t.Errorf("nothing: %d, %v, %s", done, err, &w.log)
	}
	w.now = w.now.Add(10 * time.Minute)
	keys := w.sweep()
	if done, err := w.Take(t.Context(), keys); done != 3 || err != nil || len(keys) != 3 {
		t.Errorf("%d of %d, %v", done, len(keys), err)
	}
	if w.counts.by[metrics.DialogueExpiries] != 1 || w.counts.by[metrics.OtherExpiries] != 2 {
		t.Errorf("counted %v", w.counts.by)
	}
	if n := strings.Count(w.log.String(), "\n"); n != 1 || !strings.Contains(w.log.String(), `"dialogues":1,"others":2,"eventsOfDialogues":20`) ||
		strings.Contains(w.log.String(), gone) {
		t.Errorf("log %s", &w.log)
	}
	if w.rows(gone) != 0 || w.rows(lives) != 4 {
		t.Errorf("%d rows of the dialogue that is gone, %d of the one that lives", w.rows(gone), w.rows(lives))
	}
	// A day later the lists of the owners and whatever else there was have expired.
	w.now = w.now.Add(48 * time.Hour)
	if done, err := w.Take(t.Context(), w.sweep()); done != 6 || err != nil {
		t.Errorf("%d, %v", done, err)
	}
	if w.counts.by[metrics.DialogueExpiries] != 2 || w.counts.by[metrics.OtherExpiries] != 2+3+2 {
		t.Errorf("counted %v", w.counts.by)
	}
}

// TestTakeInParts: what cannot be done is said, and handed over again it is done and
// counted; nothing is counted twice.
func TestTakeInParts(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for n := range 5 {
		ids = append(ids, w.talk(fmt.Sprintf("a-secret-of-the-tests-%d", n), 20))
		w.now = w.now.Add(time.Second) // the order of their expiry
	}
	w.now = w.now.Add(time.Hour)
	keys := w.sweep()
	w.broken.space = "voice:" + ids[2]
	done, err := w.Take(t.Context(), keys)
	if !errors.Is(err, errBroken) || done != 2 || w.counts.by[metrics.DialogueExpiries] != 2 {
		t.Fatalf("%d, %v, counted %v", done, err, w.counts.by)
	}
	if left := []int{w.rows(ids[0]), w.rows(ids[1]), w.rows(ids[2]), w.rows(ids[3]), w.rows(ids[4])}; !slices.Equal(left, []int{0, 0, 20, 0, 0}) {
		t.Errorf("rows %v", left)
	}
	if again, err := w.Take(t.Context(), keys[done:]); again != 0 || !errors.Is(err, errBroken) {
		t.Errorf("broken still: %d, %v", again, err)
	}
	w.broken.space = ""
	if again, err := w.Take(t.Context(), keys[done:]); again != 3 || err != nil || w.rows(ids[2]) != 0 {
		t.Errorf("mended: %d, %v, %d rows", again, err, w.rows(ids[2]))
	}
	if w.counts.by[metrics.DialogueExpiries] != 5 {
		t.Errorf("counted %v", w.counts.by)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if done, err := w.Take(ctx, keys); done != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("without time: %d, %v", done, err)
	}
}

func TestKinds(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 2)
	want := map[state.Key]string{
		{Space: "voice:" + id, ID: "dialogue"}:       "dialogues",
		{Space: "voice:" + id, ID: "event/00000001"}: "dialogueEvents",
		{Space: "voice-owner:x", ID: "dialogues"}:    "dialogueOwners",
		{Space: "voice:nobody", ID: "dialogue"}:      "others",
		{Space: "gun-seen", ID: "0a1b/soul"}:         "processedIds",
		{Space: "gun-seen-not", ID: "0a1b/soul"}:     "others",
		{Space: "media-job:" + id, ID: "job"}:        "mediaJobs",
		{Space: "media-jobs", ID: "job"}:             "others",
		{Space: "memory", ID: "api/1"}:               "memorySamples",
		{Space: state.LeaseSpace, ID: "keepdb"}:      "others",
	}
	for k, name := range want {
		for _, c := range Counts([]state.Key{k, k}) {
			if (c.Rows == 2) != (c.Kind == name) || c.Rows%2 != 0 {
				t.Errorf("%v: %d %s, want %s", k, c.Rows, c.Kind, name)
			}
		}
	}
	names := make(map[string]bool)
	for _, kind := range kinds {
		if names[kind.name] {
			t.Errorf("%s is there twice", kind.name)
		}
		names[kind.name] = true
	}
	if kinds[len(kinds)-1].name != "others" {
		t.Error("the last kind must take whatever no other does")
	}
}

func TestNew(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("made without dialogues")
	}
	w := newWorld(t)
	r, err := New(Options{Voice: w.voice})
	if err != nil {
		t.Fatal(err)
	}
	if done, err := r.Take(t.Context(), []state.Key{{Space: "x", ID: "y"}}); done != 1 || err != nil {
		t.Errorf("%d, %v", done, err)
	}
}
