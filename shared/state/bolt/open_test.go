package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

// holdFile opens the file, says so, and keeps it until its input ends.
func holdFile(path string, out io.Writer) error {
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "open"); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, s.Close())
}

func TestOpenLocked(t *testing.T) {
	path := newPath(t)
	other := startChild(t, "hold", path)
	other.expect(t, "open")
	if s, err := bolt.Open(path, bolt.Options{LockWait: 100 * time.Millisecond}); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("Open of another process's file returned %v, %v", s, err)
	}
	other.kill(t)
	other.wait(t)
	openStore(t, path, bolt.Options{})
	if s, err := bolt.Open(path, bolt.Options{LockWait: 100 * time.Millisecond}); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("Open of a file that is open here returned %v, %v", s, err)
	}
}

func TestOpenPrivateFile(t *testing.T) {
	path := newPath(t)
	openStore(t, path, bolt.Options{})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v: others can read it", info.Mode(), err)
	}
}

func TestOpenFileSystemErrors(t *testing.T) {
	dir := t.TempDir()
	if s, err := bolt.Open(filepath.Join(dir, "none", "state.db"), bolt.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open in an absent folder returned %v, %v", s, err)
	}
	if s, err := bolt.Open(dir, bolt.Options{}); err == nil {
		t.Errorf("Open of a folder returned %v", s)
	}
}

func TestOpenFormat(t *testing.T) {
	put := func(bucket, key, value string) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte(bucket))
			if err != nil {
				return err
			}
			return b.Put([]byte(key), []byte(value))
		}
	}
	drop := func(bucket string) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucket)) }
	}
	for name, c := range map[string]struct {
		foreign bool
		change  func(*bbolt.Tx) error
		want    error
	}{
		"same":        {change: put("meta", "format", fmt.Sprint(bolt.Format))},
		"newer":       {change: put("meta", "format", fmt.Sprint(bolt.Format+1)), want: bolt.ErrFormat},
		"older":       {change: put("meta", "format", fmt.Sprint(bolt.Format-1)), want: bolt.ErrFormat},
		"not a count": {change: put("meta", "format", "one"), want: bolt.ErrCorrupt},
		"no items":    {change: drop("items"), want: bolt.ErrCorrupt},
		"no expiry":   {change: drop("expiry"), want: bolt.ErrCorrupt},
		"no format":   {change: drop("meta"), want: bolt.ErrFormat},
		"foreign":     {foreign: true, change: put("documents", "a", "b"), want: bolt.ErrFormat},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			if !c.foreign {
				fill(t, path, 3)
			}
			edit(t, path, c.change)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := bolt.Open(path, bolt.Options{})
			if !errors.Is(err, c.want) {
				t.Errorf("Open returned %v, want %v", err, c.want)
			}
			if err == nil {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			// What is not ours is left as it was, and is not kept locked.
			if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
				t.Errorf("Open changed the file: %v", err)
			}
			edit(t, path, put("free", "a", "b"))
		})
	}
}

// edit changes a file behind the package's back.
func edit(t *testing.T, path string, change func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// fill makes a file with n items, of which every other one expires.
func fill(t *testing.T, path string, n int) {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var ops []state.Op
	for i := range n {
		op := state.Put(state.Key{Space: "space", ID: fmt.Sprintf("%05d", i)}, make([]byte, 200))
		if i%2 == 0 {
			op = op.Until(time.Now().Add(time.Hour))
		}
		if ops = append(ops, op); len(ops) == state.MaxOps || i == n-1 {
			if err := s.Commit(t.Context(), ops...); err != nil {
				t.Fatal(err)
			}
			ops = nil
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedFile(t *testing.T) {
	path := newPath(t)
	fill(t, path, 100)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	rng := rand.New(rand.NewPCG(1, 2))
	damage := map[string][]byte{
		"one byte":    {1},
		"short noise": noise(rng, page),
		"long noise":  noise(rng, 20*page),
		"text":        []byte("not a database at all\n"),
	}
	for at := 0; at < len(whole); at += page {
		damage[fmt.Sprintf("cut at page %d", at/page)] = whole[:at]
		damage[fmt.Sprintf("cut in page %d", at/page)] = whole[:at+page/3]
		for name, b := range map[string][]byte{"zeros": make([]byte, page), "noise": noise(rng, page)} {
			changed := append([]byte{}, whole...)
			copy(changed[at:], b)
			damage[fmt.Sprintf("%s in page %d", name, at/page)] = changed
		}
	}
	delete(damage, "cut at page 0") // an empty file is a new one
	found := 0
	for name, content := range damage {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, err := range useDamaged(t.Context(), path) {
				if err != nil && !errors.Is(err, bolt.ErrCorrupt) {
					t.Errorf("got %v, want ErrCorrupt", err)
				}
				if err != nil {
					found++
				}
			}
		})
	}
	if found < len(whole)/page {
		t.Errorf("only %d errors over damage to %d pages", found, len(whole)/page)
	}
}

// useDamaged does everything with a damaged file and returns the errors. The
// test's own survival is the point: bbolt panics, or meets memory faults.
func useDamaged(ctx context.Context, path string) []error {
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return []error{err}
	}
	errs := []error{s.Verify(ctx)}
	_, err = s.Range(ctx, "space", "", "", state.MaxRange)
	errs = append(errs, err)
	for i := range 10 {
		k := state.Key{Space: "space", ID: fmt.Sprintf("%05d", i*10)}
		_, getErr := s.Get(ctx, k)
		errs = append(errs, getErr, s.Commit(ctx, state.Put(k, make([]byte, 400))))
	}
	_, err = s.Sweep(ctx, 10)
	return append(errs, err, s.Close())
}

func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}
