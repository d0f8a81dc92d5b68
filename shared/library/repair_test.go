package library_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/jobs"
	"oipnode/shared/library"
	"oipnode/shared/media"
	"oipnode/shared/state"
)

const grace = 24 * time.Hour

// repair does a repair that must come to its end.
func (w *world) repair() library.Repaired {
	w.Helper()
	r, err := w.Repair(context.Background(), grace)
	if err != nil || !r.Complete {
		w.Fatalf("%+v, %v", r, err)
	}
	return r
}

// lostQueue takes messages and forgets them.
type lostQueue struct{}

func (lostQueue) Send(context.Context, []byte, time.Duration) (string, error) { return "", nil }

// fullQueue takes none.
type fullQueue struct{}

func (fullQueue) Send(context.Context, []byte, time.Duration) (string, error) {
	return "", jobs.ErrFull
}

// TestRepairJobs: a job whose message was lost is sent again once nothing is heard of it,
// and given up when that was of no use again and again.
func TestRepairJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	silent := w.another(func(o *library.Options) { o.Queue = lostQueue{} })
	url := w.source.file("/x", "", "x")
	j, err := silent.Request(t.Context(), ann, library.Wanted{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	if r := w.repair(); r.Jobs != 1 || r.Resent != 0 {
		t.Errorf("too early: %+v", r)
	}
	w.clock.advance(time.Hour)
	if r := w.repair(); r.Jobs != 1 || r.Resent != 1 {
		t.Errorf("in time: %+v", r)
	}
	if r := w.repair(); r.Jobs != 1 || r.Resent != 0 {
		t.Errorf("at once again: %+v", r)
	}
	w.work()
	if got := w.job(ann, j.ID); got.Status != library.Done {
		t.Errorf("%+v", got)
	}
	if r := w.repair(); r.Jobs != 0 {
		t.Errorf("done: %+v", r)
	}

	// One that nobody has begun is sent again less and less often.
	if j, err = silent.Request(t.Context(), ann, library.Wanted{URL: url}); err != nil {
		t.Fatal(err)
	}
	var hours []int
	for hour := range 100 {
		w.clock.advance(time.Hour)
		if r, err := silent.Repair(t.Context(), grace); err != nil || r.Ended != 0 {
			t.Fatalf("%+v, %v", r, err)
		} else if r.Resent > 0 {
			hours = append(hours, hour)
		}
	}
	if !slices.Equal(hours, []int{1, 5, 13, 29, 61, 93}) {
		t.Errorf("it was sent again at the hours %v", hours)
	}
	// One that was begun and comes to no end is given up.
	ctx, cancel := context.WithCancel(t.Context())
	url = w.source.put("/kills", func(http.ResponseWriter, *http.Request) { cancel() })
	if j, err = silent.Request(t.Context(), ann, library.Wanted{URL: url}); err != nil {
		t.Fatal(err)
	}
	if err := w.Run(ctx, jobs.Job{Body: fmt.Appendf(nil, `{"job":%q,"item":0}`, j.ID), Attempt: 1}); err == nil {
		t.Error("it was done")
	}
	for n, want := range []library.Repaired{{Resent: 1}, {Resent: 1}, {Resent: 1}, {Ended: 1}} {
		w.clock.advance(18 * time.Hour)
		r, err := silent.Repair(t.Context(), grace)
		if err != nil || r.Resent < want.Resent || r.Ended != want.Ended {
			t.Errorf("repair %d: %+v, %v", n, r, err)
		}
	}
	if got := w.job(ann, j.ID); got.Status != library.Failed || got.Reason == "" {
		t.Errorf("%+v", got)
	}
	w.clock.advance(8 * 24 * time.Hour)

	// A request whose job cannot be queued fails, and leaves nothing that is under way.
	full := w.another(func(o *library.Options) { o.Queue = fullQueue{} })
	if _, err := full.Request(t.Context(), ann, library.Wanted{URL: url}); !errors.Is(err, jobs.ErrFull) {
		t.Errorf("a full queue: %v", err)
	}
	if w.rows("media-open") != 0 {
		t.Error("a job that was not queued is under way")
	}
}

// put stores an object without a grant.
func (w *world) put(content string) string {
	w.Helper()
	if _, err := w.media.Put(context.Background(), media.Upload{Name: library.Kind, ByContent: true, Body: strings.NewReader(content)}); err != nil {
		w.Fatal(err)
	}
	return sum(content)
}

// TestRepairObjects: an object without a grant goes when it is old, and only then; an
// object with one stays.
func TestRepairObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	granted := w.fetched(ann, library.Wanted{URL: w.source.file("/x", "", "granted")})
	orphan := w.put("orphan")
	w.clock.advance(grace - time.Hour)
	if r := w.repair(); r.Objects != 2 || r.Removed != 0 || r.Media != 1 {
		t.Errorf("too early: %+v", r)
	}
	w.put("orphan") // again: it is young once more
	w.clock.advance(2 * time.Hour)
	if r := w.repair(); r.Removed != 0 {
		t.Errorf("it was put again: %+v", r)
	}
	w.clock.advance(grace)
	if r := w.repair(); r.Objects != 2 || r.Removed != 1 {
		t.Errorf("in time: %+v", r)
	}
	if got := w.objects(); len(got) != 1 || got[0] != granted {
		t.Errorf("objects %v", got)
	}
	// What was removed can be fetched again, though not in the same moment: whoever
	// removes it might not have ended yet.
	w.source.file("/orphan", "", "orphan")
	j := w.want(bob, library.Wanted{URL: w.source.URL + "/orphan"})
	err := w.Run(t.Context(), jobs.Job{Body: fmt.Appendf(nil, `{"job":%q,"item":0}`, j.ID), Attempt: 1})
	if got := w.job(bob, j.ID); err == nil || got.Status != library.Queued || !strings.Contains(got.Reason, "tidied") {
		t.Errorf("in the same moment: %+v, %v", got, err)
	}
	w.clock.advance(3 * time.Minute)
	w.work()
	if m := w.manifest(bob, orphan); m.FileSize != 6 {
		t.Errorf("%+v", m)
	}
}

// TestRepairPages: repairs that stop in the middle, of more than fits into a page, come to
// the same end as one.
func TestRepairPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var granted, orphans []string
	for n := range 105 {
		orphans = append(orphans, w.put(fmt.Sprint("orphan ", n)))
	}
	var ops []state.Op
	for n := range 120 { // media whose objects are there, as fetches leave them
		content := fmt.Sprint("granted ", n)
		id := w.put(content)
		granted = append(granted, id)
		ops = append(ops, state.Create(state.Key{Space: "media-head", ID: id}, []byte(`{"size":1}`)))
		if len(ops) == state.MaxOps || n == 119 {
			if err := w.state.Commit(t.Context(), ops...); err != nil {
				t.Fatal(err)
			}
			ops = nil
		}
	}
	w.clock.advance(2 * grace)
	short, cancel := context.WithTimeout(t.Context(), time.Second) // there is no time for a page
	defer cancel()
	if r, err := w.Repair(short, grace); err != nil || r != (library.Repaired{}) {
		t.Errorf("without time: %+v, %v", r, err)
	}
	// A kill after each page: the state store fails at the note that follows it.
	var sum library.Repaired
	for parts := 0; !sum.Complete; parts++ {
		s := &stopping{Store: w.state, writes: 2}
		r, err := w.another(func(o *library.Options) { o.State = s }).Repair(t.Context(), grace)
		if err != nil && !errors.Is(err, errStopped) || parts > 1000 {
			t.Fatal(err)
		}
		sum.Complete = r.Complete
		sum.Removed += r.Removed
	}
	if got := w.objects(); len(got) != len(granted) || sum.Removed != len(orphans) {
		t.Errorf("%d objects, %d removed", len(got), sum.Removed)
	}
	if r := w.repair(); r.Objects != 120 || r.Media != 120 || r.Removed+r.Refetched+r.Lost != 0 {
		t.Errorf("again: %+v", r)
	}
}

var errStopped = errors.New("stopped by the test")

// stopping is a store that fails from some write on.
type stopping struct {
	state.Store
	writes int
}

func (s *stopping) Commit(ctx context.Context, ops ...state.Op) error {
	if s.writes--; s.writes < 0 {
		return errStopped
	}
	return s.Store.Commit(ctx, ops...)
}

// TestRepairMedia: an object that is gone is fetched again from where one of its owners
// had it; if nobody has it any more, that is found out once and for all.
func TestRepairMedia(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.fetched(ann, library.Wanted{URL: w.source.file("/ann", "", "same")})
	w.fetched(bob, library.Wanted{URL: w.source.file("/bob", "", "same")})
	before := w.manifest(ann, id)
	w.remove(id)
	w.source.file("/ann", "", "other content")
	if r := w.repair(); r.Media != 1 || r.Refetched != 1 {
		t.Errorf("gone: %+v", r)
	}
	if r := w.repair(); r.Refetched != 0 || r.Jobs != 1 {
		t.Errorf("on its way: %+v", r)
	}
	w.work()
	if got := strings.Join(w.objects(), " "); !strings.Contains(got, id) {
		t.Errorf("objects %s", got)
	}
	if m := w.manifest(ann, id); m != before {
		t.Errorf("the manifest became %+v", m)
	}
	if got := w.listed(ann) + w.listed(bob); got != "ann:privatebob:private" {
		t.Errorf("the lists are %q", got)
	}
	if _, err := w.Find(t.Context(), ann, sum("other content")); !errors.Is(err, library.ErrNotFound) {
		t.Errorf("what came instead: %v", err)
	}
	w.clock.advance(grace + time.Hour)
	if r := w.repair(); r.Removed != 1 || r.Refetched != 0 || r.Media != 1 {
		t.Errorf("later: %+v", r)
	}

	w.remove(id)
	w.source.file("/bob", "", "other content")
	for n := range 3 {
		w.clock.advance(grace)
		if r := w.repair(); r.Refetched != 1 {
			t.Errorf("try %d: %+v", n, r)
		}
		w.work()
	}
	w.clock.advance(grace)
	if r := w.repair(); r.Refetched != 0 || r.Lost != 1 {
		t.Errorf("for good: %+v", r)
	}
	// It is found again when somebody fetches the same content, whoever that is.
	carla := user("key-of-carla")
	w.fetched(carla, library.Wanted{URL: w.source.file("/carla", "", "same")})
	if r := w.repair(); r.Lost != 0 {
		t.Errorf("found: %+v", r)
	}
	// An object that comes back by itself is noticed, too.
	w.remove(id)
	w.repair()
	w.put("same")
	w.repair()
	if item, _, err := state.GetOne(t.Context(), w.state, state.Key{Space: "media-head", ID: id}); err != nil || bytes.Contains(item.Value, []byte("missing")) {
		t.Errorf("the head is %s, %v", item.Value, err)
	}
}

func (w *world) remove(id string) {
	w.Helper()
	if err := w.media.Delete(context.Background(), library.Kind+"/"+id); err != nil {
		w.Fatal(err)
	}
}

// TestRepairClouds: the same over the engines, whose clock is their own.
func TestRepairClouds(t *testing.T) {
	t.Parallel()
	w := newCloud(t)
	id := w.fetched(ann, library.Wanted{URL: w.source.file("/ann", "", "same")})
	w.put("orphan")
	w.remove(id)
	for _, want := range []library.Repaired{
		{Complete: true, Objects: 1, Media: 1, Refetched: 1},
		{Complete: true, Jobs: 1, Objects: 1, Media: 1, Removed: 1},
	} {
		age := grace
		if want.Removed > 0 {
			age = -time.Minute // no clock of S3's can be moved
		}
		if r, err := w.Repair(t.Context(), age); err != nil || r != want {
			t.Errorf("%+v, %v, want %+v", r, err, want)
		}
	}
	w.work()
	if got := w.objects(); len(got) != 1 || got[0] != id {
		t.Errorf("objects %v", got)
	}
}
