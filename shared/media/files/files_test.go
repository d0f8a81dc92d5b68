package files

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/media"
)

func newStore(t testing.TB, opts Options) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Store, name, content string) {
	t.Helper()
	if _, err := s.Put(t.Context(), media.Upload{Name: name, Body: strings.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
}

// TestWithoutLinks: where the file system has no links, creating a name is still
// exclusive.
func TestWithoutLinks(t *testing.T) {
	s := newStore(t, Options{link: func(from, to string) error {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.EPERM}
	}})
	var won atomic.Int32
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			_, err := s.Put(t.Context(), media.Upload{Name: "kind/leaf", IfAbsent: true, Body: strings.NewReader("x")})
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, media.ErrExists) {
				return err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil || won.Load() != 1 {
		t.Errorf("%d created the name, %v", won.Load(), err)
	}
	temps, err := os.ReadDir(filepath.Join(s.root, tempDir))
	if err != nil || len(temps) != 0 {
		t.Errorf("%d temporary files, %v", len(temps), err)
	}
}

// TestDamage: a file that lost its end is an error, not a short object, and putting
// the content again heals it.
func TestDamage(t *testing.T) {
	s := newStore(t, Options{})
	content := bytes.Repeat([]byte("0123456789"), 10_000)
	u := media.Upload{Name: "content", ByContent: true, Body: bytes.NewReader(content)}
	stored, err := s.Put(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), stored.Name, media.Range{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(s.path(stored.Name), 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, media.ErrUnavailable) {
		t.Errorf("reading a file that becomes shorter: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := media.Verify(t.Context(), s, stored.Name); !errors.Is(err, media.ErrCorrupt) {
		t.Errorf("Verify of a damaged object: %v", err)
	}
	u.Body = bytes.NewReader(content)
	if _, err := s.Put(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if err := media.Verify(t.Context(), s, stored.Name); err != nil {
		t.Errorf("after putting it again: %v", err)
	}
}

// TestStrangers: what others put into the folder is not an object unless it looks
// like one, and is in nobody's way.
func TestStrangers(t *testing.T) {
	s := newStore(t, Options{})
	put(t, s, "kind/leaf", "mine")
	dir := filepath.Join(s.root, "kind")
	for _, name := range []string{".DS_Store", "README", "le/Leaf", "le/other.", "le/xx-of-another-folder", "le/.hidden", "x./xx", "00"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "00")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "le", "le-folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	page, err := s.List(t.Context(), "kind", "", 10)
	if err != nil || len(page) != 1 || page[0].Name != "kind/leaf" {
		t.Errorf("listed %+v, %v", page, err)
	}
	if _, err := s.Stat(t.Context(), "kind/le-folder"); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("Stat of a folder: %v", err)
	}
	if _, err := s.Open(t.Context(), "kind/le-folder", media.Range{}); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("Open of a folder: %v", err)
	}
}

// TestFaults: what the file system refuses is an unavailable store, and leaves no
// temporary file.
func TestFaults(t *testing.T) {
	s := newStore(t, Options{})
	if err := os.WriteFile(filepath.Join(s.root, "kind"), nil, 0o600); err != nil { // in the way of the folder
		t.Fatal(err)
	}
	for _, u := range []media.Upload{{Name: "kind/leaf"}, {Name: "kind/leaf", IfAbsent: true}, {Name: "kind", ByContent: true}} {
		u.Body = strings.NewReader("x")
		if _, err := s.Put(t.Context(), u); !errors.Is(err, media.ErrUnavailable) {
			t.Errorf("Put returned %v, want %v", err, media.ErrUnavailable)
		}
	}
	if _, err := s.List(t.Context(), "kind", "", 1); !errors.Is(err, media.ErrUnavailable) {
		t.Errorf("List returned %v", err)
	}
	if err := s.Delete(t.Context(), "kind/leaf"); !errors.Is(err, media.ErrUnavailable) {
		t.Errorf("Delete returned %v", err)
	}
	temps, err := os.ReadDir(filepath.Join(s.root, tempDir))
	if err != nil || len(temps) != 0 {
		t.Errorf("%d temporary files, %v", len(temps), err)
	}
	if _, err := Open(filepath.Join(s.root, "no", "parent"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open without a parent folder: %v", err)
	}
}

// TestModified: a content that is put again becomes young, which a garbage check
// relies on.
func TestModified(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	s := newStore(t, Options{Now: func() time.Time { return now }})
	for range 2 {
		stored, err := s.Put(t.Context(), media.Upload{Name: "content", ByContent: true, Body: strings.NewReader("x")})
		if err != nil {
			t.Fatal(err)
		}
		if o, err := s.Stat(t.Context(), stored.Name); err != nil || !o.Modified.Equal(now) {
			t.Errorf("put at %v, modified %v, %v", now, o.Modified, err)
		}
		now = now.Add(time.Hour)
	}
}
