// Package archive writes the data folder of a node into one stream, and makes a folder
// out of such a stream again.
//
// The stream is a tar archive, so that ordinary tools can look into it: the stores' files
// under the names that they have in the folder, and as its last entry sums.json, the
// length and the SHA-256 of each. The index of the record store is not in it, since it
// is built out of the documents; that takes less time than it would take to copy it from
// elsewhere, and cannot be wrong.
//
// An archive that was cut off has no sums, and is refused. Nothing is unpacked but the
// names that a data folder has.
package archive

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"time"
)

// ErrArchive is returned for a stream that is no whole archive of a data folder.
var ErrArchive = errors.New("archive: this is no whole backup of a data folder")

// Entry is a file of an archive.
type Entry struct {
	// Name is its path in the folder, with slashes.
	Name string
	Size int64
	// Body writes exactly Size bytes.
	Body io.WriterTo
}

// sumsName is the last entry of each archive.
const sumsName = "sums.json"

// sum is what sums.json tells of a file.
type sum struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Bounds of an archive. A node has as many files as media.
const (
	maxFiles = 10_000_000
	maxSums  = 4 << 30
)

// names are those that a data folder has.
var names = regexp.MustCompile(`^(format\.json|state\.db|jobs\.db|records/documents\.db|media/[a-z][a-z0-9-]{0,31}/[a-z0-9]{2}/[a-z0-9][a-z0-9._-]{0,127})$`)

// Writer writes an archive. Close must be called for a whole one.
type Writer struct {
	tar  *tar.Writer
	sums *os.File // a line for each file: their number is not bounded by memory
	now  time.Time
}

// NewWriter begins an archive. The sums are kept in a temporary file until its end.
func NewWriter(w io.Writer, now time.Time) (*Writer, error) {
	f, err := openSums()
	if err != nil {
		return nil, err
	}
	return &Writer{tar.NewWriter(w), f, now}, nil
}

// openSums makes a temporary file that is gone with the process, whatever happens to it,
// where the system removes files that are open.
func openSums() (*os.File, error) {
	f, err := os.CreateTemp("", "oipnode-sums-*")
	if err == nil {
		_ = os.Remove(f.Name())
	}
	return f, err
}

func closeSums(f *os.File) {
	_ = f.Close()
	_ = os.Remove(f.Name()) // it is gone, or the system did not remove it before
}

// Add writes a file.
func (w *Writer) Add(ctx context.Context, e Entry) error {
	if !names.MatchString(e.Name) {
		return fmt.Errorf("archive: %q is no file of a data folder", e.Name)
	}
	if err := w.tar.WriteHeader(w.header(e.Name, e.Size)); err != nil {
		return fmt.Errorf("archive: %s: %w", e.Name, err)
	}
	h := sha256.New()
	n, err := e.Body.WriteTo(&watched{ctx, io.MultiWriter(w.tar, h)})
	if err == nil && n != e.Size {
		err = fmt.Errorf("it has %d bytes, not %d", n, e.Size)
	}
	if err != nil {
		return fmt.Errorf("archive: %s: %w", e.Name, err)
	}
	return json.NewEncoder(w.sums).Encode(sum{e.Name, n, hex.EncodeToString(h.Sum(nil))})
}

func (w *Writer) header(name string, size int64) *tar.Header {
	return &tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: w.now, Format: tar.FormatPAX}
}

// watched ends a copy with its context.
type watched struct {
	ctx context.Context
	w   io.Writer
}

func (w *watched) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.w.Write(p)
}

// Tree adds the regular files below a folder, as they are when they are met: one that
// is removed meanwhile is left out. Names that a data folder does not have are too.
func (w *Writer) Tree(ctx context.Context, root, prefix string) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		as := path.Join(prefix, filepath.ToSlash(relative))
		if !d.Type().IsRegular() || !names.MatchString(as) {
			return nil
		}
		return w.file(ctx, name, as)
	})
}

// file adds a file of the disk.
func (w *Writer) file(ctx context.Context, name, as string) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return w.Add(ctx, Entry{as, info.Size(), reader{f, info.Size()}})
}

// reader writes the first bytes of what it reads.
type reader struct {
	r io.Reader
	n int64
}

func (r reader) WriteTo(w io.Writer) (int64, error) { return io.CopyN(w, r.r, r.n) }

// Text is an entry that is a short text.
func Text(name string, text []byte) Entry { return Entry{name, int64(len(text)), bytesBody(text)} }

type bytesBody []byte

func (b bytesBody) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b)
	return int64(n), err
}

// Close writes the sums, which make the archive a whole one.
func (w *Writer) Close() error {
	size, err := w.sums.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = w.sums.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = w.tar.WriteHeader(w.header(sumsName, size))
	}
	if err == nil {
		_, err = io.CopyN(w.tar, w.sums, size)
	}
	if err == nil {
		err = w.tar.Close()
	}
	return err
}

// Discard releases what the Writer holds; behind Close, or in place of it.
func (w *Writer) Discard() { closeSums(w.sums) }

// Unpack unpacks an archive into an empty folder, and returns how many files and bytes
// there were. The error is ErrArchive when the stream is no whole archive, or when a file
// is not what the archive's sums say; the folder is of no use then.
func Unpack(ctx context.Context, r io.Reader, dir string) (files, size int64, err error) {
	got, err := openSums()
	if err != nil {
		return 0, 0, err
	}
	defer closeSums(got)
	sums := json.NewEncoder(got)
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return files, size, fmt.Errorf("%w: it was cut off, it has no sums", ErrArchive)
		case err != nil:
			return files, size, fmt.Errorf("%w: %w", ErrArchive, err)
		case h.Typeflag != tar.TypeReg || h.Size < 0:
			return files, size, fmt.Errorf("%w: %.200q is no file", ErrArchive, h.Name)
		case h.Name == sumsName:
			return files, size, checkSums(t, h.Size, got)
		case !names.MatchString(h.Name):
			return files, size, fmt.Errorf("%w: %.200q is no file of a data folder", ErrArchive, h.Name)
		case files == maxFiles:
			return files, size, fmt.Errorf("%w: it has more than %d files", ErrArchive, maxFiles)
		}
		hash, err := unpack(ctx, t, filepath.Join(dir, filepath.FromSlash(h.Name)), h.Size)
		if err != nil {
			return files, size, fmt.Errorf("%s: %w", h.Name, err)
		}
		if err := sums.Encode(sum{h.Name, h.Size, hex.EncodeToString(hash.Sum(nil))}); err != nil {
			return files, size, err
		}
		files, size = files+1, size+h.Size
	}
}

// checkSums compares what the archive says of its files with what was unpacked.
func checkSums(r io.Reader, size int64, got *os.File) error {
	own, err := got.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = got.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	if own != size || size > maxSums {
		return fmt.Errorf("%w: its sums are not those of its files", ErrArchive)
	}
	want, have := make([]byte, 64<<10), make([]byte, 64<<10)
	for left := size; left > 0; {
		n := min(left, int64(len(want)))
		if _, err := io.ReadFull(r, want[:n]); err != nil {
			return fmt.Errorf("%w: its sums: %w", ErrArchive, err)
		}
		if _, err := io.ReadFull(got, have[:n]); err != nil {
			return err
		}
		if string(want[:n]) != string(have[:n]) {
			return fmt.Errorf("%w: its sums are not those of its files", ErrArchive)
		}
		left -= n
	}
	return nil
}

// unpack writes one file, durably.
func unpack(ctx context.Context, r io.Reader, name string, size int64) (hash.Hash, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: it is there twice", ErrArchive)
	}
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	_, err = io.CopyN(&watched{ctx, io.MultiWriter(f, h)}, r, size)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: it was cut off", ErrArchive)
	}
	if err == nil {
		err = f.Sync()
	}
	return h, errors.Join(err, f.Close())
}
