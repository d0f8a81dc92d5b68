package embedded

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	bolt "go.etcd.io/bbolt"

	"oipnode/shared/records"
)

// TestRebuild spoils the index in each way that makes it another than that of
// the documents: the next Open makes it anew, and says so in the log.
func TestRebuild(t *testing.T) {
	root := func(dir string) string { return filepath.Join(dir, indexFolder, "root.bolt") }
	for name, spoil := range map[string]func(t *testing.T, dir, older, foreign string){
		"removed":          func(t *testing.T, dir, _, _ string) { remove(t, filepath.Join(dir, indexFolder)) },
		"without its root": func(t *testing.T, dir, _, _ string) { remove(t, root(dir)) },
		"garbage for a root": func(t *testing.T, dir, _, _ string) {
			overwrite(t, root(dir), []byte(strings.Repeat("garbage ", 4096)))
		},
		"a file in its place": func(t *testing.T, dir, _, _ string) {
			remove(t, filepath.Join(dir, indexFolder))
			overwrite(t, filepath.Join(dir, indexFolder), []byte("x"))
		},
		"without its segments": func(t *testing.T, dir, _, _ string) {
			for _, f := range segments(t, dir) {
				remove(t, f)
			}
		},
		"with empty segments": func(t *testing.T, dir, _, _ string) {
			for _, f := range segments(t, dir) {
				overwrite(t, f, nil)
			}
		},
		"with cut segments": func(t *testing.T, dir, _, _ string) {
			for _, f := range segments(t, dir) {
				if err := os.Truncate(f, 100); err != nil {
					t.Fatal(err)
				}
			}
		},
		"an older one": func(t *testing.T, dir, older, _ string) {
			remove(t, filepath.Join(dir, indexFolder))
			copyFolder(t, filepath.Join(older, indexFolder), filepath.Join(dir, indexFolder))
		},
		"that of another store": func(t *testing.T, dir, _, foreign string) {
			remove(t, filepath.Join(dir, indexFolder))
			copyFolder(t, filepath.Join(foreign, indexFolder), filepath.Join(dir, indexFolder))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, older, foreign := t.TempDir(), t.TempDir(), t.TempDir()
			mustWrite(t, openStore(t, foreign, Options{}), smalls(3, 1)...)
			s := openStore(t, dir, Options{})
			mustWrite(t, s, smalls(40, 1)...)
			closeStore(t, s)
			copyFolder(t, dir, older)
			s = openStore(t, dir, Options{})
			mustWrite(t, s, smalls(20, 2)...)
			mustWrite(t, s, change{did: small(39, 1).did, fence: 1})
			closeStore(t, s)
			spoil(t, dir, older, foreign)

			var log bytes.Buffer
			s = openStore(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			checkAgreement(t, s)
			if n := total(t, s, records.Is(records.FieldTag, "v2")); n != 20 {
				t.Errorf("a search finds %d documents, want 20", n)
			}
			if !strings.Contains(log.String(), "rebuilt") {
				t.Errorf("the log does not tell of the rebuild: %s", log.String())
			}
			mustWrite(t, s, smalls(40, 3)...)
			closeStore(t, s)
			log.Reset()
			checkAgreement(t, openStore(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}))
			if log.Len() > 0 {
				t.Errorf("the second Open is not silent: %s", log.String())
			}
		})
	}
}

// countdown is a context that is cancelled once it was asked often enough.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestRebuildInterrupted ends a rebuild after some of its batches: what was made
// so far must not be taken for the index.
func TestRebuildInterrupted(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	mustWrite(t, s, smalls(2*rebuildDocuments+300, 1)...)
	closeStore(t, s)
	remove(t, filepath.Join(dir, indexFolder))
	for _, after := range []int{0, 10, rebuildDocuments + 10, 2*rebuildDocuments + 200} {
		_, err := Open(&countdown{context.Background(), after}, dir, Options{})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("Open = %v, want that it was cancelled", err)
		}
	}
	s = openStore(t, dir, Options{})
	checkAgreement(t, s)
}

// failingIndex fails a number of batches, before or after they are done.
type failingIndex struct {
	index.Index
	failures int
	after    bool
}

var errDisk = errors.New("no space left")

func (f *failingIndex) Batch(b *index.Batch) error {
	if f.failures == 0 {
		return f.Index.Batch(b)
	}
	f.failures--
	if f.after {
		if err := f.Index.Batch(b); err != nil {
			return err
		}
	}
	return errDisk
}

// TestIndexFails lets the batch of a Write fail, also the repairs that follow.
// The store stays readable, in the state before, and the first Write that can
// brings index and documents together again.
func TestIndexFails(t *testing.T) {
	for _, after := range []bool{false, true} {
		dir := t.TempDir()
		s := openStore(t, dir, Options{})
		mustWrite(t, s, smalls(10, 1)...)
		s.index.scorch = &failingIndex{s.index.scorch, 3, after}
		for range 3 {
			if _, err := s.write(context.Background(), append(smalls(5, 2), small(10, 2), change{did: small(9, 1).did, fence: 1})); !errors.Is(err, errDisk) {
				t.Fatalf("write = %v, want the failure", err)
			}
			before := int64(10)
			if after { // the batch was done, only its success did not get through
				before = 4
			}
			if n := total(t, s, records.Is(records.FieldTag, "v1")); n != before {
				t.Fatalf("a search finds %d documents of before, want %d", n, before)
			}
		}
		mustWrite(t, s, small(11, 3))
		checkAgreement(t, s)
		if n := total(t, s, nil); n != 11 {
			t.Errorf("a search finds %d documents, want 11", n)
		}
	}
}

// TestIndexFailsThenCrash ends the process, as it were, before the repair.
func TestIndexFailsThenCrash(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	mustWrite(t, s, smalls(10, 1)...)
	s.index.scorch = &failingIndex{s.index.scorch, 1, false}
	if _, err := s.write(context.Background(), smalls(5, 2)); !errors.Is(err, errDisk) {
		t.Fatalf("write = %v, want the failure", err)
	}
	closeStore(t, s)
	s = openStore(t, dir, Options{})
	checkAgreement(t, s)
	if n := total(t, s, records.Is(records.FieldTag, "v2")); n != 5 {
		t.Errorf("a search finds %d documents, want 5", n)
	}
}

// TestIndexStops lets one of the index's own goroutines panic: writes fail at
// once instead of waiting for it.
func TestIndexStops(t *testing.T) {
	var log bytes.Buffer
	s := openStore(t, t.TempDir(), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	mustWrite(t, s, smalls(3, 1)...)
	onAsyncError(errDisk, s.index.path)
	if _, err := s.Health(context.Background()); err != nil {
		t.Errorf("Health = %v after an error that scorch tries again", err)
	}
	onAsyncError(scorch.ErrAsyncPanic, s.index.path)
	onAsyncError(scorch.ErrAsyncPanic, "another path")
	if _, err := s.write(context.Background(), smalls(3, 2)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("write = %v, want ErrCorrupt", err)
	}
	if _, err := s.Health(context.Background()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Health = %v, want ErrCorrupt", err)
	}
	if !strings.Contains(log.String(), "no space left") {
		t.Errorf("the log lacks the error: %s", log.String())
	}
}

// TestIndexFormat opens an index of another version of what is indexed.
func TestIndexFormat(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	mustWrite(t, s, smalls(3, 1)...)
	var m []byte
	if err := s.db.View(func(tx *bolt.Tx) error { m = marker(tx); return nil }); err != nil {
		t.Fatal(err)
	}
	m[0]++
	if err := s.index.write(map[string]*entry{small(7, 1).did: newBuilder().entry(small(7, 1).did, records.Projection{})}, m); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	checkAgreement(t, openStore(t, dir, Options{}))
}

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNewStoreIsQuiet shows that a new store has nothing to warn of.
func TestNewStoreIsQuiet(t *testing.T) {
	var log bytes.Buffer
	s, err := Open(t.Context(), t.TempDir(), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("a new store logs: %s", log.String())
	}
}
