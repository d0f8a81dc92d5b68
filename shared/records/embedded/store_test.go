package embedded_test

import (
	"context"
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/records/storetest"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // bleve tells of the damage that tests do
	goleak.VerifyTestMain(m)
}

// TestStore runs the suite of records.Store.
func TestStore(t *testing.T) {
	dirs := make(map[records.Store]string)
	open := func(t *testing.T, dir string) records.Store {
		s, err := embedded.Open(context.Background(), dir, embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		dirs[s] = dir
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		return s
	}
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) records.Store { return open(t, t.TempDir()) },
		Reopen: func(t *testing.T, s records.Store) records.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, dirs[s])
		},
	})
}
