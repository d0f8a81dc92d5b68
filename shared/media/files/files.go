// Package files is the media store of one machine, in a folder: the embedded
// implementation of media.Store.
//
// The object "kind/leaf" is the file kind/xx/leaf, where xx are the first two
// characters of the leaf, so that no folder gets all files. A body is written into
// _temp, which no name can reach, synced, and moved to its place by one rename. A
// process that is killed at any moment leaves at most a file in _temp, which Sweep
// removes. The files are ordinary ones, readable with any tool; a file that
// somebody else put there is not an object unless its name and place are right.
//
// A Put holds 256 KiB, and 1 MiB when the body is longer than that; a List holds as many names as it may return, and reads each
// folder xx once per page.
package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"oipnode/shared/media"
)

// tempDir is where files are written until they are complete. A kind never
// contains "_".
const tempDir = "_temp"

// Options are the settings of a Store. The zero value is ready for use.
type Options struct {
	// Now is the clock that Modified is taken from; nil means time.Now.
	Now func() time.Time

	// link makes a second name for a file, which must be free; nil means os.Link.
	link func(from, to string) error
}

// Store is a media.Store in a folder. Make it with Open. It holds nothing open
// between two calls, so it needs no Close.
type Store struct {
	root string
	now  func() time.Time
	link func(from, to string) error
	// claims lets one Put at a time take a name where the file system has no links.
	claims chan struct{}
}

var _ media.Store = (*Store)(nil)

// Open returns the store in a folder, and makes the folder if it is absent; its
// parent must be there. One process at a time may put into it.
func Open(root string, opts Options) (*Store, error) {
	s := &Store{root: root, now: opts.Now, link: opts.link, claims: make(chan struct{}, 1)}
	if s.now == nil {
		s.now = time.Now
	}
	if s.link == nil {
		s.link = os.Link
	}
	for _, dir := range []string{root, filepath.Join(root, tempDir)} {
		if err := makeDir(dir); err != nil {
			return nil, fmt.Errorf("open media folder: %w", err)
		}
	}
	if err := syncDirs(root, filepath.Dir(root)); err != nil {
		return nil, fmt.Errorf("open media folder: %w", err)
	}
	return s, nil
}

// path is where the object of a valid name lies.
func (s *Store) path(name string) string {
	kind, leaf, _ := strings.Cut(name, "/")
	return filepath.Join(s.root, kind, leaf[:shardLen], leaf)
}

// Stat implements media.Store.
func (s *Store) Stat(ctx context.Context, name string) (media.Object, error) {
	if err := cmp.Or(media.CheckName(name), ctx.Err()); err != nil {
		return media.Object{}, err
	}
	info, err := os.Stat(s.path(name))
	if err != nil {
		return media.Object{}, fault("stat "+name, err)
	}
	return object(name, info)
}

// object is what a file says of its object.
func object(name string, info fs.FileInfo) (media.Object, error) {
	if !info.Mode().IsRegular() {
		return media.Object{}, fmt.Errorf("%w: %s is not a regular file", media.ErrNotFound, name)
	}
	return media.Object{Name: name, Size: info.Size(), Modified: info.ModTime(), Version: version(name, info)}, nil
}

// version is the content where the name promises one. Otherwise it is the size and
// the time of the Put, which Put takes from a clock of nanoseconds.
func version(name string, info fs.FileInfo) string {
	if _, ok := media.ContentSum(name); ok {
		_, leaf, _ := strings.Cut(name, "/")
		return leaf
	}
	return strconv.FormatInt(info.Size(), 36) + "-" + strconv.FormatInt(info.ModTime().UnixNano(), 36)
}

// URL implements media.Store: there is none.
func (s *Store) URL(ctx context.Context, name string, l media.Link) (string, error) {
	return "", cmp.Or(media.CheckLink(name, l), ctx.Err(), media.ErrNoURL)
}

// Delete implements media.Store. It is durable when it returns.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := cmp.Or(media.CheckName(name), ctx.Err()); err != nil {
		return err
	}
	path := s.path(name)
	err := os.Remove(path)
	if err == nil {
		err = syncDirs(filepath.Dir(path))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault("delete "+name, err)
	}
	return nil
}

// fault turns what the file system said into an error of the contract, and leaves
// the context's as it is.
func fault(call string, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", call, media.ErrNotFound)
	}
	return fmt.Errorf("%s: %w: %w", call, media.ErrUnavailable, err)
}

// makeDir makes a folder that may be there already.
func makeDir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// syncDirs makes the entries of folders durable. Windows keeps them by itself, and
// cannot sync a folder.
func syncDirs(paths ...string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
