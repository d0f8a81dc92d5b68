package files

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"oipnode/shared/media"
)

// Put implements media.Store.
func (s *Store) Put(ctx context.Context, u media.Upload) (media.Stored, error) {
	limit, err := media.CheckUpload(u)
	if err != nil {
		return media.Stored{}, err
	}
	temp, err := s.create()
	if err != nil {
		return media.Stored{}, fault("put "+u.Name, err)
	}
	moved := false
	defer func() {
		// Unless a rename took the temporary name away, it is still there. Where it
		// cannot be removed, Sweep will: that does not change what was stored.
		if !moved {
			_ = os.Remove(temp.Name())
		}
	}()
	stored, err := s.fill(ctx, temp, u, limit)
	if err != nil {
		return media.Stored{}, err
	}
	if moved, err = s.publish(ctx, temp.Name(), stored.Name, u.IfAbsent); err != nil {
		return media.Stored{}, err
	}
	return stored, nil
}

// create makes an empty file in the folder of temporary ones.
func (s *Store) create() (*os.File, error) {
	path := filepath.Join(s.root, tempDir, rand.Text())
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrNotExist) { // somebody tidied up
		if err := makeDir(filepath.Dir(path)); err != nil {
			return nil, err
		}
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	return f, err
}

// fill writes the body into the temporary file, makes it durable and closes it. It
// says what the file is to be.
func (s *Store) fill(ctx context.Context, temp *os.File, u media.Upload, limit int64) (media.Stored, error) {
	sum := sha256.New()
	size, err := copyBody(ctx, temp, u.Body, sum, limit)
	if err != nil {
		return media.Stored{}, errors.Join(fmt.Errorf("put %s: %w", u.Name, err), temp.Close())
	}
	now := s.now()
	err = errors.Join(os.Chtimes(temp.Name(), now, now), temp.Sync(), temp.Close())
	if err != nil {
		return media.Stored{}, fault("put "+u.Name, err)
	}
	stored := media.Stored{Name: u.Name, Size: size, SHA256: [32]byte(sum.Sum(nil))}
	if u.ByContent {
		stored.Name = media.ContentName(u.Name, stored.SHA256)
	}
	return stored, ctx.Err()
}

// publish gives a complete file its name, and makes that durable. moved says that
// the temporary name is gone.
func (s *Store) publish(ctx context.Context, temp, name string, ifAbsent bool) (moved bool, err error) {
	path := s.path(name)
	shard := filepath.Dir(path)
	kind := filepath.Dir(shard)
	for _, dir := range []string{kind, shard} {
		if err := makeDir(dir); err != nil {
			return false, fault("put "+name, err)
		}
	}
	if ifAbsent {
		moved, err = s.claim(ctx, temp, path)
	} else {
		err = os.Rename(temp, path)
		moved = err == nil
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return moved, fmt.Errorf("put %s: %w", name, media.ErrExists)
	case err != nil && ctx.Err() != nil:
		return moved, ctx.Err()
	case err == nil:
		// The upper two are synced each time, since the Put that made them may not
		// have come so far; where nothing changed it costs next to nothing.
		err = syncDirs(shard, kind, s.root)
	}
	if err != nil {
		return moved, fmt.Errorf("put %s: %w: %w", name, media.ErrUnavailable, err)
	}
	return moved, nil
}

// claim gives a file a name that must be free, else the error is fs.ErrExist. A
// link does that by itself. Where the file system has none, looking and renaming
// under a lock does, since one process at a time puts.
func (s *Store) claim(ctx context.Context, temp, path string) (moved bool, err error) {
	select {
	case s.claims <- struct{}{}:
		defer func() { <-s.claims }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	err = s.link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return false, err
	}
	switch _, found := os.Lstat(path); {
	case found == nil:
		return false, fs.ErrExist
	case !errors.Is(found, fs.ErrNotExist):
		return false, errors.Join(err, found)
	}
	err = os.Rename(temp, path)
	return err == nil, err
}
