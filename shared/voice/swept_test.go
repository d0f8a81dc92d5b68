package voice

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

// sweep removes what has expired, as the owner of the embedded store does.
func (w *world) sweep() (total Swept) {
	w.Helper()
	for {
		items, err := w.store.Sweep(w.Context(), bolt.MaxSweep)
		if err != nil {
			w.Fatal(err)
		}
		keys := make([]state.Key, len(items))
		for i, item := range items {
			keys[i] = item.Key
		}
		s, err := w.Swept(w.Context(), keys)
		if err != nil {
			w.Fatal(err)
		}
		total = Swept{total.Dialogues + s.Dialogues, total.Events + s.Events, total.Owners + s.Owners, total.Purged + s.Purged}
		if len(items) < bolt.MaxSweep {
			return total
		}
	}
}

// TestSwept: with a dialogue's row all its events go; those of others stay.
func TestSwept(t *testing.T) {
	w := newWorld(t)
	old := w.start()
	for range 40 {
		w.say(old.ID, "x")
	}
	w.clock.advance(20 * time.Minute)
	young := w.start()
	w.say(young.ID, "y")
	if got := w.sweep(); got != (Swept{}) {
		t.Errorf("while all live: %+v", got)
	}
	w.clock.advance(10 * time.Minute)
	w.gone(old.ID)
	if got := w.sweep(); got != (Swept{Dialogues: 1, Purged: 40}) {
		t.Errorf("removed %+v", got)
	}
	if items, err := w.store.Range(t.Context(), dialogueKey(old.ID).Space, "", "", 10); err != nil || len(items) != 0 {
		t.Errorf("left: %d, %v", len(items), err)
	}
	if texts(w.heard(young.ID)) != `"y" ` {
		t.Error("the other dialogue lost its events")
	}
	// Told of a dialogue that lives, which no sweeper does, it takes nothing away.
	if _, err := w.Swept(t.Context(), []state.Key{dialogueKey(young.ID)}); err != nil || texts(w.heard(young.ID)) != `"y" ` {
		t.Errorf("a living dialogue: %v", err)
	}
	w.clock.advance(48 * time.Hour)
	if got := w.sweep(); got.Dialogues != 1 || got.Owners != 1 {
		t.Errorf("after two days %+v", got)
	}
}

func TestClassify(t *testing.T) {
	id := strings.Repeat("a", 32)
	for k, want := range map[state.Key]Part{
		dialogueKey(id):                           DialoguePart,
		eventKey(id, 1):                           EventPart,
		ownerKey(ann):                             OwnerPart,
		{Space: "voice:" + id, ID: "x"}:           Other,
		{Space: "voice:x", ID: "dialogue"}:        Other,
		{Space: "lease", ID: "dialogue"}:          Other,
		{Space: "voice-owner:x", ID: "dialogue"}:  Other,
		{Space: "gun:" + id, ID: "event/0000001"}: Other,
	} {
		part, of := Classify(k)
		if part != want || (of == id) != (want == DialoguePart || want == EventPart) {
			t.Errorf("%v is %d of %q", k, part, of)
		}
	}
}

// TestPurgeFails: an error of the store is returned, and the rest is done later.
func TestPurgeFails(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	for range 20 {
		w.say(s.ID, "x")
	}
	w.clock.advance(time.Hour)
	d := w.over(&blade{Store: w.store, at: 2})
	keys := []state.Key{dialogueKey(s.ID)}
	other := w.start() // it lives, so there is nothing to do, and nothing that could fail
	got, err := d.Swept(t.Context(), append(keys, dialogueKey(other.ID)))
	var left *PurgeError
	if !errors.Is(err, errKilled) || !errors.As(err, &left) || !slices.Equal(left.Dialogues, keys) || got.Purged != readPage {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := w.Swept(t.Context(), keys); err != nil || got.Purged != 20-readPage {
		t.Errorf("told again: %+v, %v", got, err)
	}
}

// TestSweeperKilled kills the sweeper between the removal of the rows and each of its
// own writes. Nobody sees more than before, nobody's else is touched, and when the
// longest life is over nothing is left, whether it was told again or not.
func TestSweeperKilled(t *testing.T) {
	const writes = 3 // 40 events, 16 at a time
	for at := 1; at <= writes+1; at++ {
		for _, after := range []bool{false, true} {
			for _, again := range []bool{false, true} {
				t.Run(fmt.Sprint(at, after, again), func(t *testing.T) {
					w := newWorld(t)
					ctx := t.Context()
					old := w.start()
					for range 40 {
						w.say(old.ID, "x")
					}
					w.clock.advance(20 * time.Minute)
					young := w.start()
					w.say(young.ID, "y")
					w.clock.advance(10 * time.Minute)
					removed, err := w.store.Sweep(ctx, bolt.MaxSweep)
					if err != nil || len(removed) != 1 || removed[0].Key != dialogueKey(old.ID) {
						t.Fatalf("removed %v, %v", removed, err)
					}
					keys := []state.Key{removed[0].Key}
					_, err = w.over(&blade{Store: w.store, at: at, after: after}).Swept(ctx, keys)
					if errors.Is(err, errKilled) != (at <= writes) {
						t.Errorf("killed: %v", err)
					}
					w.gone(old.ID)
					if again {
						if _, err := w.Swept(ctx, keys); err != nil {
							t.Error(err)
						}
						if items, err := w.store.Range(ctx, keys[0].Space, "", "", 100); err != nil || len(items) > 0 {
							t.Errorf("%d rows are left, %v", len(items), err)
						}
					}
					if texts(w.heard(young.ID)) != `"y" ` {
						t.Error("the other dialogue lost its events")
					}
					w.clock.advance(24 * time.Hour)
					w.sweep()
					for _, s := range []Started{old, young} {
						if items, err := w.store.Range(ctx, dialogueKey(s.ID).Space, "", "", 100); err != nil || len(items) > 0 {
							t.Errorf("after the longest life %d rows are left, %v", len(items), err)
						}
					}
				})
			}
		}
	}
}

// TestAbandoned: ten thousand dialogues whose clients vanished leave nothing behind:
// nothing visible after their time, no row once they were swept, and no memory.
func TestAbandoned(t *testing.T) {
	total := 10_000
	if raceDetector || testing.Short() {
		total = 1000
	}
	w := newWorld(t)
	ctx := t.Context()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	callers := make([]Owner, total/10)
	first := make([]string, len(callers))
	abandon := func(i int) {
		callers[i] = hash("user", fmt.Sprint(i))
		for n := range 10 {
			s, err := w.Start(ctx, callers[i])
			if err != nil {
				t.Error(err)
				return
			}
			if n%5 > 0 {
				continue
			}
			first[i] = s.ID
			if _, _, err := w.Append(ctx, by(callers[i]), s.ID, spoken("half a sen")); err != nil {
				t.Error(err)
				return
			}
			stream, err := w.Open(ctx, by(callers[i]), s.ID, 0)
			if err != nil {
				t.Error(err)
				return
			}
			if events, err := stream.Next(ctx, 0); err != nil || len(events) != 1 {
				t.Errorf("%d events, %v", len(events), err)
			}
			stream.Close()
		}
	}
	workers := func(from, to int) {
		var wg sync.WaitGroup
		for k := range 64 {
			wg.Go(func() {
				for i := from + k; i < to; i += 64 {
					abandon(i)
				}
			})
		}
		wg.Wait()
	}
	workers(0, len(callers)/10)
	before := heap()
	workers(len(callers)/10, len(callers))
	if grown := int64(heap()) - int64(before); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	w.clock.advance(30 * time.Minute)
	for i, o := range callers {
		all, err := w.List(ctx, by(o))
		if err != nil || len(all) > 0 {
			t.Fatalf("visible after their time: %d, %v", len(all), err)
		}
		if p, err := w.Events(ctx, by(o), first[i], 0, 10, 1000); !errors.Is(err, ErrNotFound) {
			t.Fatalf("events after their time: %+v, %v", p, err)
		}
	}
	if got := w.sweep(); got.Dialogues != total || got.Purged != total/5 {
		t.Errorf("swept %+v", got)
	}
	w.clock.advance(24 * time.Hour)
	if got := w.sweep(); got != (Swept{Owners: len(callers)}) {
		t.Errorf("a day later %+v", got)
	}
	if w.Streams() != 0 || len(w.hub.open) != 0 {
		t.Errorf("%d streams, %d dialogues in the hub", w.Streams(), len(w.hub.open))
	}
}
