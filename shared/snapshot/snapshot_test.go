package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

var bucket = []byte("items")

func put(t *testing.T, db *bbolt.DB, from, to int) {
	t.Helper()
	err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		for i := from; err == nil && i < to; i++ {
			err = b.Put(fmt.Appendf(nil, "%06d", i), bytes.Repeat([]byte{byte(i)}, 100))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSnapshot: the copy is the file of when the snapshot began, whatever is written
// meanwhile, and has the size that was told.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	db, err := bbolt.Open(filepath.Join(dir, "a.db"), 0o600, &bbolt.Options{InitialMmapSize: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, 0, 1000)
	s, err := Of(db)
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, 500, 5000)
	var copied bytes.Buffer
	n, err := s.WriteTo(&copied)
	if err != nil || n != s.Size() || int64(copied.Len()) != n {
		t.Errorf("%d of %d bytes, %v", n, s.Size(), err)
	}
	s.Close()
	s.Close()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Of(db); !errors.Is(err, berrors.ErrDatabaseNotOpen) {
		t.Errorf("of a closed file: %v", err)
	}
	path := filepath.Join(dir, "b.db")
	if err := os.WriteFile(path, copied.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	err = other.View(func(tx *bbolt.Tx) error {
		if got := tx.Bucket(bucket).Stats().KeyN; got != 1000 {
			t.Errorf("%d keys", got)
		}
		for problem := range tx.Check() {
			t.Error(problem)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
