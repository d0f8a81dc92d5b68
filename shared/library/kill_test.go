package library_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/shared/jobs"
	"oipnode/shared/library"
	"oipnode/shared/media"
	"oipnode/shared/state"
)

var errKilled = errors.New("killed by the test")

// victim stands before all that a process writes to. At one of the writes the process is
// killed: either that write is not done, or it is done and nothing learns of it. From
// then on nothing can be done any more.
type victim struct {
	mu sync.Mutex
	// at is the write, from 1; 0 never kills.
	at, writes int
	after      bool
}

func (v *victim) do(write func() error) error {
	v.mu.Lock()
	v.writes++
	mine, dead := v.writes == v.at, v.at > 0 && v.writes > v.at
	v.mu.Unlock()
	switch {
	case dead, mine && !v.after:
		return errKilled
	case mine:
		return errors.Join(write(), errKilled)
	}
	return write()
}

// dead reports whether the process was killed.
func (v *victim) dead() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.at > 0 && v.writes >= v.at
}

type mortalState struct {
	state.Store
	v *victim
}

func (s mortalState) Commit(ctx context.Context, ops ...state.Op) error {
	return s.v.do(func() error { return s.Store.Commit(ctx, ops...) })
}

func (s mortalState) Get(ctx context.Context, keys ...state.Key) ([]state.Item, error) {
	if s.v.dead() {
		return nil, errKilled
	}
	return s.Store.Get(ctx, keys...)
}

type mortalMedia struct {
	media.Store
	v *victim
}

func (s mortalMedia) Put(ctx context.Context, u media.Upload) (stored media.Stored, err error) {
	err = s.v.do(func() (err error) { stored, err = s.Store.Put(ctx, u); return err })
	return stored, err
}

func (s mortalMedia) Delete(ctx context.Context, name string) error {
	return s.v.do(func() error { return s.Store.Delete(ctx, name) })
}

// mortalQueue is the queue of a process that can be killed.
type mortalQueue struct {
	queue
	v *victim
}

func (q mortalQueue) Send(ctx context.Context, body []byte, delay time.Duration) (id string, err error) {
	err = q.v.do(func() (err error) { id, err = q.queue.Send(ctx, body, delay); return err })
	return id, err
}

func (q mortalQueue) Extend(ctx context.Context, receipt string, visibility time.Duration) error {
	return q.v.do(func() error { return q.queue.Extend(ctx, receipt, visibility) })
}

func (q mortalQueue) Ack(ctx context.Context, receipts ...string) error {
	return q.v.do(func() error { return q.queue.Ack(ctx, receipts...) })
}

func (q mortalQueue) Bury(ctx context.Context, j jobs.Job, reason string) error {
	return q.v.do(func() error { return q.queue.Bury(ctx, j, reason) })
}

// story is a node's life in one process: two users ask for the same file, one of them for
// two files of a record, and for one that is not there; then the work is done, and a
// repair, which finds an object without a grant and a medium without an object.
type story struct {
	*world
	did          string
	same, absent string
	lost         string
	// taken are the jobs that were answered with, by owner.
	taken map[string][]string
}

// newStory shares records and source with another one, unless that is nil.
func newStory(t *testing.T, other *story) *story {
	c := newClock()
	have := embeddedStores(t, c)
	if other != nil {
		have.records, have.source = other.records, other.source
	}
	s := &story{world: worldOver(t, c, have), taken: map[string][]string{}}
	s.same, s.absent = s.source.file("/same", "image/png", "the same"), s.source.URL+"/absent"
	if other != nil {
		s.did = other.did
	} else {
		s.did = s.publish(map[int]fields{image: {webUrl: s.source.file("/one", "image/png", "one"), arweaveAddress: s.source.file("/two", "image/png", "two")}})
	}
	s.lost = s.fetched(bob, library.Wanted{URL: s.source.file("/lost", "", "lost")})
	s.remove(s.lost)
	s.put("an orphan")
	s.clock.advance(2 * grace)
	return s
}

// live runs the story until it is over or the process is killed.
func (s *story) live(v *victim) {
	s.Helper()
	q := mortalQueue{s.queue, v}
	l := s.another(func(o *library.Options) {
		o.State, o.Media, o.Queue = mortalState{s.state, v}, mortalMedia{s.media, v}, q
	})
	ctx := context.Background()
	for _, ask := range []struct {
		who string
		w   library.Wanted
	}{
		{"key-of-ann", library.Wanted{URL: s.same}}, {"key-of-bob", library.Wanted{URL: s.same, Level: library.Public}},
		{"key-of-ann", library.Wanted{DID: s.did}}, {"key-of-ann", library.Wanted{URL: s.absent}},
	} {
		if j, err := l.Request(ctx, user(ask.who), ask.w); err == nil {
			s.taken[ask.who] = append(s.taken[ask.who], j.ID)
		}
	}
	opts := jobs.Options{MaxAttempts: library.MaxAttempts, Pause: func(int) time.Duration { return 0 }}
	for range 2 {
		for !v.dead() {
			batch, err := s.queue.Receive(ctx, 1, 0, time.Second)
			if err != nil {
				s.Fatal(err)
			}
			if len(batch) == 0 {
				break
			}
			if len(jobs.Batch(ctx, q, batch, l.Run, opts)) == 0 && !v.dead() {
				_ = q.Ack(ctx, batch[0].Receipt)
			}
		}
		if !v.dead() {
			_, _ = l.Repair(ctx, grace)
		}
	}
}

// recover is the next process, some hours later.
func (s *story) recover() {
	s.Helper()
	for range 3 {
		s.work()
		s.clock.advance(3 * time.Hour)
		s.repair()
	}
	s.work()
	s.clock.advance(2 * grace)
	s.repair()
	s.work()
}

// check is what must hold in the end.
func (s *story) check() {
	s.Helper()
	for who, ids := range s.taken {
		for _, id := range ids {
			// Its row may have expired by the hours that have passed, not before.
			j := s.job(user(who), id)
			if j.Status != library.Done && (j.Status != library.Failed || !strings.Contains(j.Reason, "404")) {
				s.Errorf("a job of %s is %+v", who, j)
			}
		}
	}
	stored := map[string]bool{}
	for _, id := range s.objects() {
		stored[id] = true
	}
	if stored[sum("an orphan")] || !stored[s.lost] {
		s.Errorf("the objects are %v", s.objects())
	}
	// Every list names each medium once, with an object and a manifest that admits.
	heads := map[string]bool{s.lost: true}
	for _, who := range []string{"key-of-ann", "key-of-bob"} {
		p, err := s.List(context.Background(), user(who), "", library.MaxPage)
		if err != nil {
			s.Fatal(err)
		}
		seen := map[string]bool{}
		for _, m := range p.Media {
			if name := m.MediaID + m.AccessLevel + m.Record; seen[name] {
				s.Errorf("%s has %s twice", who, m.OriginalName)
			} else {
				seen[name] = true
			}
			heads[m.MediaID] = true
			if !stored[m.MediaID] {
				s.Errorf("%s has %s, which is not stored", who, m.OriginalName)
			}
			if _, err := s.Find(context.Background(), user(who), m.MediaID); err != nil {
				s.Errorf("%s: %v", m.OriginalName, err)
			}
		}
		// What was asked for and not answered may be there or not; what was answered is.
		if want := len(s.taken[who]); who == "key-of-bob" && len(p.Media) < 1+want {
			s.Errorf("%s has %d media of %d", who, len(p.Media), 1+want)
		}
	}
	if len(heads) != len(stored) {
		s.Errorf("%d media and %d objects", len(heads), len(stored))
	}
	if n := s.rows("media-open"); n != 0 {
		s.Errorf("%d jobs are under way", n)
	}
	if stats, err := s.queue.Stats(context.Background()); err != nil || stats.Waiting+stats.Running != 0 {
		s.Errorf("the queue has %+v, %v", stats, err)
	}
}

// TestKillEverywhere kills a process at each of its writes, before it and behind it. The
// next one brings everything to the end: nothing is lost, doubled or half there.
func TestKillEverywhere(t *testing.T) {
	t.Parallel()
	whole := newStory(t, nil)
	v := &victim{}
	whole.live(v)
	whole.recover()
	whole.check()
	if len(whole.taken["key-of-ann"]) != 3 || v.writes < 30 {
		t.Fatalf("the story has %d writes, jobs %v", v.writes, whole.taken)
	}
	step := 1
	if testing.Short() || raceDetector { // which sees as much in some of them
		step = 7
	}
	var kills []victim
	for at := 1; at <= v.writes; at += step {
		kills = append(kills, victim{at: at}, victim{at: at, after: true})
	}
	// The parts run in the group, so that what they share stays open for them.
	t.Run("at", func(t *testing.T) { killAll(t, whole, kills) })
}

func killAll(t *testing.T, whole *story, kills []victim) {
	for part := range slices.Chunk(kills, 1+len(kills)/8) {
		t.Run(fmt.Sprint(part[0].at), func(t *testing.T) {
			t.Parallel()
			for i := range part {
				s := newStory(t, whole)
				s.live(&part[i])
				s.recover()
				if s.check(); t.Failed() {
					t.Fatalf("killed at write %d, after %v: %s", part[i].at, part[i].after, s.log)
				}
			}
		})
	}
}
