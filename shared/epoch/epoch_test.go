package epoch_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/epoch"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEpoch: a change of another process is noticed within a second, and for a moment
// nothing should be kept; one of this process is known at once.
func TestEpoch(t *testing.T) {
	s, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var ms atomic.Int64
	now := func() time.Time { return time.UnixMilli(1_000_000 + ms.Load()) }
	here, there := epoch.NewReader(s, now), epoch.NewReader(s, now)
	expect := func(r *epoch.Reader, want int64, wantSettled bool) {
		t.Helper()
		if v, settled, err := r.Now(t.Context()); err != nil || v != want || settled != wantSettled {
			t.Errorf("%d, settled %v, %v; want %d, %v", v, settled, err, want, wantSettled)
		}
	}
	expect(here, 0, false) // whoever has just begun knows of no change before
	ms.Add(2000)
	expect(here, 0, true)
	if err := there.Bump(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(there, 1, false)
	expect(here, 0, true)
	ms.Add(1000)
	expect(here, 1, false)
	ms.Add(1999)
	expect(here, 1, false)
	ms.Add(1)
	expect(here, 1, true)
	// A cycle adds to it in a Commit of its own.
	if err := s.Commit(t.Context(), epoch.Op(), state.Put(state.Key{Space: "other", ID: "k"}, nil)); err != nil {
		t.Fatal(err)
	}
	ms.Add(1000)
	expect(here, 2, false)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ms.Add(1000)
	if _, _, err := here.Now(t.Context()); err == nil {
		t.Error("an epoch out of a closed store")
	}
	if err := here.Bump(t.Context()); err == nil {
		t.Error("a change of a closed store")
	}
}
