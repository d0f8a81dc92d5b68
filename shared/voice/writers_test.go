package voice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"oipnode/shared/state"
)

// TestWriters: several processes append to one dialogue at once. Every event is there
// once, the numbers have no gap, and each writer's own events keep their order.
func TestWriters(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	const writers, each = 4, 25
	numbers := make([][]int, writers)
	var wg sync.WaitGroup
	for i := range writers {
		d := w.over(w.store)
		wg.Go(func() {
			for n := range each {
				e, _, err := d.Append(context.Background(), by(ann), s.ID, spoken(fmt.Sprintf("%d-%d", i, n)))
				if err != nil {
					t.Error(err)
					return
				}
				numbers[i] = append(numbers[i], e.Number)
			}
		})
	}
	wg.Wait()
	events := w.heard(s.ID)
	if len(events) != writers*each {
		t.Fatalf("%d events", len(events))
	}
	for i, own := range numbers {
		if !slices.IsSorted(own) {
			t.Errorf("writer %d got %v", i, own)
		}
		for n, number := range own {
			if got := string(events[number-1].Data); got != fmt.Sprintf(`"%d-%d"`, i, n) {
				t.Errorf("event %d is %s", number, got)
			}
		}
	}
}

// TestStarters: an owner who starts dialogues everywhere at once gets no more than the
// bound.
func TestStarters(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxPerOwner = 5 })
	var wg sync.WaitGroup
	var mu sync.Mutex
	started, refused := 0, 0
	for range 12 {
		wg.Go(func() {
			_, err := w.Start(context.Background(), ann)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				started++
			case errors.Is(err, ErrTooMany):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := w.List(t.Context(), by(ann))
	if err != nil || started != 5 || refused != 7 || len(all) != 5 {
		t.Errorf("%d started, %d refused, %d listed, %v", started, refused, len(all), err)
	}
}

// always is a store that is changed by others before every Commit.
type always struct {
	state.Store
	commits int
}

func (a *always) Commit(context.Context, ...state.Op) error {
	a.commits++
	return fmt.Errorf("%w: again", state.ErrConflict)
}

// TestBusy: a writer gives up after a bounded number of tries, or with its context.
func TestBusy(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	a := &always{Store: w.store}
	d := w.over(a)
	if _, _, err := d.Append(t.Context(), by(ann), s.ID, spoken("x")); !errors.Is(err, ErrBusy) || a.commits != tries {
		t.Errorf("%v after %d commits", err, a.commits)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.commits = 0
	if _, err := d.End(ctx, by(ann), s.ID); !errors.Is(err, context.Canceled) || a.commits > 1 {
		t.Errorf("%v after %d commits", err, a.commits)
	}
}

var errKilled = errors.New("killed")

// blade kills a process at its n-th Commit, before or after it took effect, by failing
// everything from then on.
type blade struct {
	state.Store
	at     int
	after  bool
	writes int
	dead   bool
}

func (b *blade) Commit(ctx context.Context, ops ...state.Op) error {
	if b.dead {
		return errKilled
	}
	if b.writes++; b.writes != b.at {
		return b.Store.Commit(ctx, ops...)
	}
	b.dead = true
	if b.after {
		if err := b.Store.Commit(ctx, ops...); err != nil {
			return err
		}
	}
	return errKilled
}

// TestKillEverywhere kills the process at each write of a dialogue's life, before and
// after the write. A client that repeats what it got no answer to ends with the same
// dialogue: nothing lost, nothing doubled, nothing half.
func TestKillEverywhere(t *testing.T) {
	const writes = 5 // start, three appends, end
	for at := 1; at <= writes+1; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(at, after), func(t *testing.T) {
				w := newWorld(t)
				ctx := t.Context()
				b := &blade{Store: w.store, at: at, after: after}
				d := w.over(b)
				deaths := 0
				repeat := func(do func() error) {
					t.Helper()
					err := do()
					if errors.Is(err, errKilled) {
						deaths++
						w.whole()
						d = w.over(w.store) // a new process
						err = do()
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				var s Started
				repeat(func() (err error) { s, err = d.Start(ctx, ann); return err })
				for n := 1; n <= 3; n++ {
					e := spoken(fmt.Sprint(n))
					e.Number = n
					repeat(func() error { _, _, err := d.Append(ctx, by(ann), s.ID, e); return err })
				}
				repeat(func() error { _, err := d.End(ctx, by(ann), s.ID); return err })
				if got := texts(w.heard(s.ID)); got != `"1" "2" "3" {"status":"ended"} ` {
					t.Errorf("events %s", got)
				}
				// A start whose answer was lost leaves one whole dialogue besides, which its
				// owner sees and which expires.
				all, err := w.List(ctx, by(ann))
				lost := 0
				if at == 1 && after {
					lost = 1
				}
				if err != nil || len(all) != lost || deaths == 0 && at <= writes {
					t.Errorf("%d dialogues are left, want %d; %d deaths; %v", len(all), lost, deaths, err)
				}
				w.whole()
			})
		}
	}
}

// whole checks that every dialogue of ann that can be seen has all its events.
func (w *world) whole() {
	w.Helper()
	all, err := w.List(context.Background(), by(ann))
	if err != nil {
		w.Fatal(err)
	}
	for _, d := range all {
		if got := len(w.heard(d.ID)); got != d.Events || d.Status != Active {
			w.Errorf("%+v has %d events", d, got)
		}
	}
}

// TestDamage: a row that is not ours, and an event that is missing, are told as damage.
func TestDamage(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.start()
	w.say(s.ID, "a", "b", "c")
	if err := w.store.Commit(ctx, state.Delete(eventKey(s.ID, 2))); err != nil {
		t.Fatal(err)
	}
	if p, err := w.Events(ctx, by(ann), s.ID, 0, 10, 100); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a missing event: %+v, %v", p, err)
	}
	if err := w.store.Commit(ctx, state.Put(eventKey(s.ID, 2), []byte("{"))); err != nil {
		t.Fatal(err)
	}
	if p, err := w.Events(ctx, by(ann), s.ID, 0, 10, 100); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a damaged event: %+v, %v", p, err)
	}
	if err := w.store.Commit(ctx, state.Put(dialogueKey(s.ID), []byte("[]"))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Get(ctx, by(ann), s.ID); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a damaged dialogue: %v", err)
	}
}
