package state_test

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openStore opens an empty embedded store.
func openStore(t *testing.T) state.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// faulty is a store of which single calls can be made to misbehave.
type faulty struct {
	state.Store
	// beforeCommit runs before each Commit that reaches the store, which fails
	// with its error if there is one.
	beforeCommit func() error
	// afterCommit replaces the result of each Commit that was done.
	afterCommit func(error) error
}

func (f *faulty) Commit(ctx context.Context, ops ...state.Op) error {
	if f.beforeCommit != nil {
		if err := f.beforeCommit(); err != nil {
			return err
		}
	}
	err := f.Store.Commit(ctx, ops...)
	if f.afterCommit != nil {
		return f.afterCommit(err)
	}
	return err
}
