package statetest_test

import (
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
	"oipnode/shared/state/statetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRunWithoutAbilities proves that the suite serves a store whose clock
// cannot be moved and which cannot be opened again. The clock runs by itself,
// at twenty times the real speed.
func TestRunWithoutAbilities(t *testing.T) {
	start := time.Now()
	now := func() time.Time { return start.Add(20 * time.Since(start)) }
	statetest.Run(t, statetest.Harness{
		Now: now,
		Open: func(t *testing.T) state.Store {
			s, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return s
		},
	})
}
