package embedded

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"oipnode/shared/records"
)

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	if _, err := Open(context.Background(), dir, Options{LockWait: time.Millisecond}); !errors.Is(err, ErrLocked) {
		t.Errorf("the second Open = %v, want ErrLocked", err)
	}
	mustWrite(t, s, small(1, 1))
	closeStore(t, s)
	if n := total(t, openStore(t, dir, Options{}), nil); n != 1 {
		t.Errorf("after the lock was released there are %d documents, want 1", n)
	}
}

// TestOtherFiles opens folders whose documents file is not one of ours, or not whole.
func TestOtherFiles(t *testing.T) {
	meta := func(change func(b *bolt.Bucket) error) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Update(func(tx *bolt.Tx) error { return change(tx.Bucket(bucketMeta)) }); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  error
	}{
		{"a newer format", meta(func(b *bolt.Bucket) error { return b.Put(keyFormat, []byte{format + 1}) }), ErrFormat},
		{"no format", meta(func(b *bolt.Bucket) error { return b.Delete(keyFormat) }), ErrFormat},
		{"no sequence", meta(func(b *bolt.Bucket) error { return b.Delete(keySequence) }), ErrCorrupt},
		{"no documents", meta(func(b *bolt.Bucket) error { return b.Tx().DeleteBucket(bucketDocuments) }), ErrCorrupt},
		{"garbage", func(t *testing.T, path string) { overwrite(t, path, make([]byte, 1<<16)) }, ErrCorrupt},
		{"a text file", func(t *testing.T, path string) { overwrite(t, path, []byte("documents")) }, ErrCorrupt},
		{"an empty file beside the index", func(t *testing.T, path string) { overwrite(t, path, nil) }, ErrCorrupt},
		{"no file beside the index", remove, ErrCorrupt},
		{"half a file", func(t *testing.T, path string) { truncate(t, path, 2) }, ErrCorrupt},
		{"a tenth of a file", func(t *testing.T, path string) { truncate(t, path, 10) }, ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, Options{})
			mustWrite(t, s, smalls(200, 1)...)
			closeStore(t, s)
			c.spoil(t, filepath.Join(dir, documentsFile))
			if s, err := Open(context.Background(), dir, Options{}); !errors.Is(err, c.want) {
				t.Errorf("Open = %v, %v; want %v", s, err, c.want)
			}
		})
	}
}

func truncate(t *testing.T, path string, part int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/part); err != nil {
		t.Fatal(err)
	}
}

// TestDamage overwrites random places of the files and then uses the store as
// far as it lets itself be used. Every call may fail, none may panic or hang, and
// a search never answers with a document that does not match.
func TestDamage(t *testing.T) {
	whole := t.TempDir()
	s := openStore(t, whole, Options{})
	mustWrite(t, s, smalls(120, 1)...)
	mustWrite(t, s, smalls(50, 2)...)
	closeStore(t, s)
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		copyFolder(t, whole, dir)
		files := append(segments(t, dir), filepath.Join(dir, indexFolder, "root.bolt"), filepath.Join(dir, documentsFile), filepath.Join(dir, documentsFile))
		damage(t, rng, files[rng.IntN(len(files))])
		use(t, dir)
	}
}

// damage overwrites up to three stretches of a file.
func damage(t *testing.T, rng *rand.Rand, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 1 + rng.IntN(3) {
		at := rng.IntN(len(data))
		for i := at; i < min(at+1+rng.IntN(600), len(data)); i++ {
			data[i] = byte(rng.Uint32())
		}
	}
	overwrite(t, path, data)
}

// use opens a store and calls everything.
func use(t *testing.T, dir string) {
	t.Helper()
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{})
	if err != nil {
		return // refusing is right
	}
	for i := range 20 {
		page, err := s.Search(ctx, records.Query{Where: records.Is(records.FieldDID, small(i, 1).did), Limit: 10})
		if err == nil && len(page.Hits) == 1 && page.Hits[0].DID != small(i, 1).did {
			t.Errorf("a search for %s found %s", small(i, 1).did, page.Hits[0].DID)
		}
	}
	var dids []string
	for i := range 120 {
		dids = append(dids, small(i, 1).did)
	}
	// What these calls answer depends on what was hit; that they return is the test.
	_, _ = s.Search(ctx, records.Query{Sort: []records.Sort{{Field: records.FieldName}}, Limit: 120})
	_, _ = s.Count(ctx, nil, records.FieldTag)
	_, _ = s.Get(ctx, dids, true)
	_, _ = s.write(ctx, smalls(120, 3))
	_, _ = s.Health(ctx)
	_ = s.Close()
}

// TestClosed calls everything after Close, which may be called twice.
func TestClosed(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir(), Options{})
	closeStore(t, s)
	closeStore(t, s)
	for name, call := range map[string]func() error{
		"Write":  func() error { _, err := s.Write(ctx, []records.Op{{Delete: "did:arweave:x"}}); return err },
		"Get":    func() error { _, err := s.Get(ctx, nil, false); return err },
		"Search": func() error { _, err := s.Search(ctx, records.Query{}); return err },
		"Count":  func() error { _, err := s.Count(ctx, nil, ""); return err },
		"Health": func() error { _, err := s.Health(ctx); return err },
	} {
		if err := call(); !errors.Is(err, records.ErrUnavailable) {
			t.Errorf("%s after Close = %v, want ErrUnavailable", name, err)
		}
	}
}
