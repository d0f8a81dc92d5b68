package gun

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"oipnode/shared/gun/guntest"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// errKilled is what a killed process would never see: every call after the kill.
var errKilled = errors.New("killed")

// blade kills a runner at its n-th write to either store, before or after that write
// took effect, by failing everything from then on. pause, if set, is called instead.
type blade struct {
	at     int64
	after  bool
	pause  func()
	writes atomic.Int64
	dead   atomic.Bool
}

// write runs one write of the runner.
func (b *blade) write(do func() error) error {
	if b.dead.Load() {
		return errKilled
	}
	if b.writes.Add(1) != b.at {
		return do()
	}
	if b.pause != nil {
		b.pause()
		return do()
	}
	b.dead.Store(true)
	if b.after {
		_ = do() // took effect, but nobody hears of it
	}
	return errKilled
}

type bladedRecords struct {
	records.Store
	*blade
}

func (s bladedRecords) Write(ctx context.Context, ops []records.Op) (results []records.Result, err error) {
	err = s.write(func() (err error) { results, err = s.Store.Write(ctx, ops); return err })
	return results, err
}

type bladedState struct {
	state.Store
	*blade
}

func (s bladedState) Commit(ctx context.Context, ops ...state.Op) error {
	return s.write(func() error { return s.Store.Commit(ctx, ops...) })
}

// killer is a runner that dies at its n-th write.
func (w *world) killer(rec records.Store, st state.Store, b *blade, holder string) *Sync {
	return w.sync(bladedRecords{rec, b}, bladedState{st, b}, holder)
}

// smallWorld has records, updates and deletions from the beginning.
func smallWorld(t testing.TB, seed uint64) *world {
	w := newWorld(t, seed, false)
	w.step(12)
	return w
}

// TestKillEverywhere kills the second cycle of a world at each of its writes, before
// and after the write; another runner must end with the truth.
func TestKillEverywhere(t *testing.T) {
	begin := func(t *testing.T) (*world, records.Store, state.Store) {
		w := smallWorld(t, 2)
		rec, st := openStores(t, w.clock.Now)
		if _, err := w.sync(rec, st, "first").Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.step(12)
		w.clock.Advance(time.Hour)
		return w, rec, st
	}
	count := &blade{at: -1}
	{
		w, rec, st := begin(t)
		if _, err := w.killer(rec, st, count, "count").Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	writes := count.writes.Load()
	if writes < 10 {
		t.Fatalf("the cycle has only %d writes: nothing to kill in between", writes)
	}
	for n := int64(1); n <= writes; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w, rec, st := begin(t)
			b := &blade{at: n, after: n%2 == 0}
			if _, err := w.killer(rec, st, b, "victim").Run(context.Background()); err != nil && !errors.Is(err, errKilled) {
				t.Logf("the killed cycle ended with: %v", err)
			}
			w.settleDown(rec, st, "heir")
			w.compare(rec, st)
		})
	}
}

// TestKillAgainAndAgain kills cycle after cycle at random writes, while things happen
// at the peers and peers misbehave, before one is left alone.
func TestKillAgainAndAgain(t *testing.T) {
	eachSeed(t, 3, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, true)
		rec, st := openStores(t, w.clock.Now)
		for i := range 12 {
			if i%3 == 0 {
				w.step(8)
			}
			b := &blade{at: 1 + w.rng.Int64N(20), after: w.chance(0.5)}
			_, err := w.killer(rec, st, b, fmt.Sprint("victim ", i)).Run(context.Background())
			if err != nil && !errors.Is(err, errKilled) {
				t.Logf("cycle: %v", err)
			}
			w.clock.Advance(5 * time.Minute) // longer than the lease
		}
		w.settleDown(rec, st, "heir")
		w.compare(rec, st)
	})
}

// TestTwoRunners freezes a runner at a random write until its lease has expired and
// another has done a whole cycle, and then lets it go on: what it still writes must not
// undo anything.
func TestTwoRunners(t *testing.T) {
	eachSeed(t, 3, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, false)
		rec, st := openStores(t, w.clock.Now)
		second := w.sync(rec, st, "second")
		for range 8 {
			w.step(8)
			b := &blade{at: 2 + w.rng.Int64N(15)}
			b.pause = func() {
				w.clock.Advance(5 * time.Minute)
				if _, err := second.Run(context.Background()); err != nil {
					t.Logf("second runner: %v", err)
				}
			}
			_, err := w.killer(rec, st, b, "first").Run(context.Background())
			if err != nil && !errors.Is(err, ErrLeaseLost) {
				t.Logf("first runner: %v", err)
			}
			w.clock.Advance(10 * time.Minute)
		}
		w.settleDown(rec, st, "second")
		w.compare(rec, st)
	})
}

// TestBusy shows that a second runner leaves quietly while the first is at work.
func TestBusy(t *testing.T) {
	w := smallWorld(t, 3)
	rec, st := openStores(t, w.clock.Now)
	second := w.sync(rec, st, "second")
	var got error
	var running Health
	b := &blade{at: 3, pause: func() {
		_, got = second.Run(context.Background())
		running, _ = ReadHealth(context.Background(), st)
	}}
	if _, err := w.killer(rec, st, b, "first").Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(got, ErrBusy) || !running.Running {
		t.Fatalf("the second runner ended with %v, running %v; want ErrBusy", got, running.Running)
	}
	w.settleDown(rec, st, "second")
	w.compare(rec, st)
}

// TestDeleteKilled kills a deletion by the owner at each of its writes, and the cycle
// that publishes it at each of its: the record is gone as soon as the first write is
// durable and a cycle has run, and the relay hears of it.
func TestDeleteKilled(t *testing.T) {
	for n := int64(1); n <= 8; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(n, after), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 5, false)
				relay := w.peers[0]
				w.peers = w.peers[:1]
				w.policy = guntest.Policy{Private: true}
				rec, st := openStores(t, w.clock.Now)
				options := func(r records.Store, s state.Store, holder string) *Sync {
					o := w.options(r, s, holder)
					o.Peers, o.Relay = nil, relay.URL()
					sync, err := New(o)
					if err != nil {
						t.Fatal(err)
					}
					return sync
				}
				soul := relay.Publish(guntest.Record{Signer: signers[0], LocalID: "x", Type: "post", Data: `{"a":1}`, NodeID: "node-a"})
				did := guntest.DID(soul)
				if _, err := options(rec, st, "first").Run(context.Background()); err != nil {
					t.Fatal(err)
				}
				b := &blade{at: n, after: after}
				br, bs := bladedRecords{rec, b}, bladedState{st, b}
				err := Delete(context.Background(), bs, br, Deletion{DID: did, By: signers[0].Modulus}, w.clock.Now())
				done := err == nil
				_, _ = options(br, bs, "victim").Run(context.Background())
				if n == 1 && !after {
					// Nothing was done: the owner tries again.
					if err := Delete(context.Background(), st, rec, Deletion{DID: did, By: signers[0].Modulus}, w.clock.Now()); err != nil {
						t.Fatal(err)
					}
				} else if found, _ := rec.Get(context.Background(), []string{did}, true); done && len(found) > 0 {
					t.Error("a deletion succeeded and the record is there")
				}
				w.clock.Advance(time.Hour)
				for range 3 { // the second time the record would come back
					if _, err := options(rec, st, "heir").Run(context.Background()); err != nil {
						t.Fatal(err)
					}
					w.clock.Advance(2 * time.Hour)
				}
				if found, _ := rec.Get(context.Background(), []string{did}, true); len(found) > 0 {
					t.Error("the record is there")
				}
				text, _ := relay.Node(guntest.DeletedIndex)
				if detail, ok := relay.Node(guntest.DeletedSoul(did)); text != `{"`+did+`":true}` || !ok || detail == "" {
					t.Errorf("the relay holds %s and %s", text, detail)
				}
				if h, err := ReadHealth(context.Background(), st); err != nil || h.Outbox {
					t.Errorf("%+v, %v", h, err)
				}
			})
		}
	}
}
