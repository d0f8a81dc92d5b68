package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const leaf = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// made is an archive of a few files.
func made(t testing.TB) []byte {
	t.Helper()
	media := t.TempDir()
	for name, text := range map[string]string{"content/9f/" + leaf: "test", "_temp/x": "not whole", "content/.hidden": "no name"} {
		path := filepath.Join(media, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	ctx := context.Background()
	for _, err := range []error{
		w.Add(ctx, Text("format.json", []byte("{}"))), w.Add(ctx, Text("state.db", bytes.Repeat([]byte("s"), 100_000))),
		w.Add(ctx, Text("records/documents.db", nil)), w.Tree(ctx, media, "media"), w.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestArchive(t *testing.T) {
	dir := t.TempDir()
	files, size, err := Unpack(t.Context(), bytes.NewReader(made(t)), dir)
	if err != nil || files != 4 || size != 100_006 {
		t.Errorf("%d files, %d bytes, %v", files, size, err)
	}
	for name, want := range map[string]int{"format.json": 2, "state.db": 100_000, "records/documents.db": 0, "media/content/9f/" + leaf: 4} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || len(text) != want {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
}

// TestCut: an archive that ends early, anywhere, is refused, and so is one with a byte
// that was changed.
func TestCut(t *testing.T) {
	whole := made(t)
	last := bytes.LastIndex(whole, []byte("sha256")) // behind it there is nothing but sums and padding
	for n := 0; n < last; n += 997 {
		if _, _, err := Unpack(t.Context(), bytes.NewReader(whole[:n]), t.TempDir()); !errors.Is(err, ErrArchive) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	for _, part := range []string{"ssss", "test", leaf[:20], "sha256"} {
		at := bytes.LastIndex(whole, []byte(part))
		bad := bytes.Clone(whole)
		bad[at]++
		if _, _, err := Unpack(t.Context(), bytes.NewReader(bad), t.TempDir()); !errors.Is(err, ErrArchive) {
			t.Errorf("changed in %q: %v", part, err)
		}
	}
}

// TestNames: what is none of a data folder's files is neither packed nor unpacked.
func TestNames(t *testing.T) {
	for _, name := range []string{"../state.db", "/etc/passwd", "records/../../x", "media/content/9f/../x", "media/_temp/xx/yy", "index/store", "", "operate.json"} {
		w, err := NewWriter(&bytes.Buffer{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(t.Context(), Text(name, nil)); err == nil {
			t.Errorf("%q was packed", name)
		}
		w.Discard()
		for _, kind := range []byte{tar.TypeReg, tar.TypeSymlink} {
			var b bytes.Buffer
			tw := tar.NewWriter(&b)
			if err := errors.Join(tw.WriteHeader(&tar.Header{Name: name, Linkname: "/etc/passwd", Typeflag: kind}), tw.Close()); err != nil {
				t.Fatal(err)
			}
			if _, _, err := Unpack(t.Context(), &b, t.TempDir()); !errors.Is(err, ErrArchive) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
}

func TestTwice(t *testing.T) {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for range 2 {
		if err := tw.WriteHeader(&tar.Header{Name: "state.db", Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Unpack(t.Context(), &b, t.TempDir()); !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), "twice") {
		t.Errorf("%v", err)
	}
}

// Whatever the stream is, nothing but files of a data folder comes of it.
func FuzzUnpack(f *testing.F) {
	f.Add(made(f))
	f.Add([]byte("no archive"))
	f.Fuzz(func(t *testing.T, text []byte) {
		top := t.TempDir()
		dir := filepath.Join(top, "a", "b")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_, _, _ = Unpack(t.Context(), bytes.NewReader(text), dir)
		for _, outer := range []string{top, filepath.Dir(dir)} {
			if entries, err := os.ReadDir(outer); err != nil || len(entries) != 1 {
				t.Errorf("%d entries outside of the folder, %v", len(entries), err)
			}
		}
	})
}
