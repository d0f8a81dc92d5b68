package state_test

import (
	"errors"
	"testing"
	"time"

	"oipnode/shared/state"
)

// The behaviour of leases over a good store is in statetest, for each store;
// here are the moments that a good store does not show by itself.

var errStore = errors.New("the store is away")

func acquire(t *testing.T, s state.Store, holder string) *state.Lease {
	t.Helper()
	l, err := state.Acquire(t.Context(), s, "job", holder, time.Hour, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAcquireRacesWithAcquire(t *testing.T) {
	s := openStore(t)
	rival := &faulty{Store: s, beforeCommit: func() error { acquire(t, s, "b"); return nil }}
	l, err := state.Acquire(t.Context(), rival, "job", "a", time.Hour, time.Now)
	if !errors.Is(err, state.ErrHeld) {
		t.Errorf("Acquire returned %v, %v, want ErrHeld", l, err)
	}
}

// TestAcquireRacesWithRenew: the holder was late, another one saw the lease as
// ended, and the holder renews just before that one commits.
func TestAcquireRacesWithRenew(t *testing.T) {
	s := openStore(t)
	past := func() time.Time { return time.Now().Add(-2 * time.Hour) }
	now := past
	late, err := state.Acquire(t.Context(), s, "job", "late", time.Hour, func() time.Time { return now() })
	if err != nil {
		t.Fatal(err)
	}
	rival := &faulty{Store: s, beforeCommit: func() error {
		now = time.Now
		return late.Renew(t.Context())
	}}
	if l, err := state.Acquire(t.Context(), rival, "job", "a", time.Hour, time.Now); !errors.Is(err, state.ErrHeld) {
		t.Errorf("Acquire returned %v, %v, want ErrHeld", l, err)
	}
	if err := s.Commit(t.Context(), late.Guard()); err != nil {
		t.Errorf("the renewed lease was overrun: %v", err)
	}
}

// TestAcquireGivesUp: whoever is always faster releases at once, so that nobody
// holds the lease when we read it, and yet each try fails.
func TestAcquireGivesUp(t *testing.T) {
	s := openStore(t)
	tries := 0
	rival := &faulty{Store: s, beforeCommit: func() error {
		tries++
		return acquire(t, s, "b").Release(t.Context())
	}}
	_, err := state.Acquire(t.Context(), rival, "job", "a", time.Hour, time.Now)
	if !errors.Is(err, state.ErrHeld) || tries < 2 || tries > 10 {
		t.Errorf("Acquire returned %v after %d tries", err, tries)
	}
}

func TestLeaseTellsStoreErrors(t *testing.T) {
	f := &faulty{Store: openStore(t)}
	l := acquire(t, f, "a")
	f.beforeCommit = func() error { return errStore }
	_, acquireErr := state.Acquire(t.Context(), f, "job", "a", time.Hour, time.Now)
	for _, err := range []error{acquireErr, l.Renew(t.Context()), l.Release(t.Context())} {
		if !errors.Is(err, errStore) || errors.Is(err, state.ErrLost) || errors.Is(err, state.ErrHeld) {
			t.Errorf("got %v, want the store's error", err)
		}
	}
	f.beforeCommit = nil
	if err := l.Release(t.Context()); err != nil {
		t.Errorf("Release after a failed one: %v", err)
	}
	acquire(t, f, "b")
}

// TestUnknownResult: a Commit that was done and whose answer was lost, as over a
// network, leaves nothing that the same holder cannot set right.
func TestUnknownResult(t *testing.T) {
	f := &faulty{Store: openStore(t), afterCommit: func(error) error { return errStore }}
	if _, err := state.Acquire(t.Context(), f, "job", "a", time.Hour, time.Now); !errors.Is(err, errStore) {
		t.Fatalf("got %v", err)
	}
	f.afterCommit = nil
	l := acquire(t, f, "a")
	if l.Fence() != 2 {
		t.Errorf("fence %d, want 2: the lost acquisition had 1", l.Fence())
	}
	f.afterCommit = func(error) error { return errStore }
	if err := l.Release(t.Context()); !errors.Is(err, errStore) {
		t.Fatalf("got %v", err)
	}
	f.afterCommit = nil
	if err := l.Release(t.Context()); err != nil {
		t.Errorf("Release that was done already: %v", err)
	}
}

// TestLostIsNoConflict: a loop that tries again after a conflict must end.
func TestLostIsNoConflict(t *testing.T) {
	s := openStore(t)
	l := acquire(t, s, "a")
	acquire(t, s, "a")
	for _, err := range []error{l.Renew(t.Context()), l.Release(t.Context())} {
		if !errors.Is(err, state.ErrLost) || errors.Is(err, state.ErrConflict) {
			t.Errorf("got %v, want ErrLost and no conflict", err)
		}
	}
}
