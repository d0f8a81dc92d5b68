// Package bolt is the state store of one process, in one file: the embedded
// implementation of state.Store, on bbolt.
//
// The file has three buckets. "items" maps a key (key.go) to a stored value with
// its version and expiry (value.go). "expiry" has an empty entry per item that
// expires, ordered by time, so that Sweep finds what to remove without reading
// anything that lives. "meta" has the version of this layout. One transaction
// changes an item and its expiry entry together, so the two never disagree;
// Verify proves it.
//
// Readers run beside one another and beside the writer. There is one writer at a
// time, and Commits that wait for it share its fsync (queue.go).
package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"oipnode/shared/state"
)

// Format is the version of the layout that this package reads and writes.
const Format = 1

var (
	// ErrLocked is returned by Open while another process, or another Store of
	// this one, has the file open.
	ErrLocked = errors.New("bolt: the state file is in use by another process")
	// ErrFormat is returned by Open for a file with another layout than Format.
	ErrFormat = errors.New("bolt: the state file was made by another version")
	// ErrCorrupt is returned when the file's content is not what this package
	// wrote. After a write met it, every further call returns it.
	ErrCorrupt = errors.New("bolt: the state file is damaged")
)

var (
	bucketMeta   = []byte("meta")
	bucketItems  = []byte("items")
	bucketExpiry = []byte("expiry")
	keyFormat    = []byte("format")
)

// Options are the settings of a Store. The zero value is ready for use.
type Options struct {
	// Now is the clock that expiry is judged by; nil means time.Now.
	Now func() time.Time
	// LockWait is how long Open waits for another process to let go of the file;
	// 0 means one second.
	LockWait time.Duration
}

// Store is a state.Store in a file. Make it with Open.
type Store struct {
	db    *bbolt.DB
	now   func() time.Time
	queue queue
	// broken is set when a write transaction panicked: bbolt may still hold its
	// locks, so that another call could wait for ever.
	broken atomic.Bool
}

var _ state.Store = (*Store)(nil)

// Open opens the state file, and creates it if it is absent; its folder must be
// there. It returns ErrLocked, ErrFormat or ErrCorrupt, or what the file system
// said. A file that is damaged deeper inside may open, and the calls that meet
// the damage return ErrCorrupt. A file that Open found damaged may stay locked
// until the process ends, since bbolt gives no handle to let go of it.
func Open(path string, opts Options) (*Store, error) {
	s := &Store{now: opts.Now, queue: newQueue()}
	if s.now == nil {
		s.now = time.Now
	}
	if opts.LockWait == 0 {
		opts.LockWait = time.Second
	}
	if err := s.open(path, opts.LockWait); err != nil {
		return nil, fmt.Errorf("open state file %s: %w", path, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("open state file %s: %w", path, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(path string, wait time.Duration) error {
	options := &bbolt.Options{
		Timeout: wait,
		// The list of free pages is written with each Commit and takes pages that lie
		// together. Where rows come and go all the time, only the type that fills the
		// holes of the file from its begin leaves such runs; with the other each Commit
		// put the list behind the end, and the file grew for ever.
		FreelistType: bbolt.FreelistArrayType,
		NoStatistics: true,
	}
	err := guard(func() (err error) {
		s.db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	if err != nil {
		return openError(err)
	}
	switch err := s.update(prepare); {
	case err == nil, errors.Is(err, errNothing):
		return nil
	case s.broken.Load():
		return err // bbolt's Close might wait for ever
	default:
		return errors.Join(err, s.db.Close())
	}
}

// openError tells damage from what the system said, when bbolt could not open a
// file: bbolt has no sentinel for a file that is too short.
func openError(err error) error {
	var errno syscall.Errno
	if errors.Is(err, ErrLocked) || errors.Is(err, ErrCorrupt) || errors.As(err, &errno) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// prepare makes the buckets of a new file; it checks the format of an old one and
// returns errNothing for a good one.
func prepare(tx *bbolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return fmt.Errorf("%w: it has a bucket %q and no format", ErrFormat, name)
		}
		for _, name := range [][]byte{bucketMeta, bucketItems, bucketExpiry} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyFormat, strconv.AppendInt(nil, Format, 10))
	}
	found, err := strconv.Atoi(string(meta.Get(keyFormat)))
	switch {
	case err != nil:
		return fmt.Errorf("%w: format %q", ErrCorrupt, meta.Get(keyFormat))
	case found > Format:
		return fmt.Errorf("%w: format %d is newer than %d", ErrFormat, found, Format)
	case found < Format:
		return fmt.Errorf("%w: format %d is older than %d", ErrFormat, found, Format)
	case tx.Bucket(bucketItems) == nil || tx.Bucket(bucketExpiry) == nil:
		return fmt.Errorf("%w: a bucket is missing", ErrCorrupt)
	}
	return errNothing
}

// Close closes the file. It waits for the transaction that is being written and
// for readers; Commits that still wait for their turn fail with ErrClosed.
// Closing again does nothing.
func (s *Store) Close() error {
	if s.broken.Load() {
		// bbolt's locks may be held for ever. The file stays open, and locked,
		// until the process ends.
		return fmt.Errorf("close state file: %w", ErrCorrupt)
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close state file: %w", err)
	}
	return nil
}

// view runs a read transaction.
func (s *Store) view(fn func(*bbolt.Tx) error) error {
	if s.broken.Load() {
		return ErrCorrupt
	}
	return guard(func() error { return s.db.View(fn) })
}

// errNothing ends a write transaction that changed nothing, to spare the fsync.
var errNothing = errors.New("nothing to write")

// update runs a write transaction. The caller must hold the queue's turn.
func (s *Store) update(fn func(*bbolt.Tx) error) error {
	if s.broken.Load() {
		return ErrCorrupt
	}
	finished := false
	err := guard(func() error {
		err := s.db.Update(fn)
		finished = true
		return err
	})
	if !finished {
		s.broken.Store(true)
	}
	return err
}

// guard turns what bbolt does about a damaged file into errors: it panics, and a
// page beyond the end of a truncated file is a memory fault, which Go lets us
// recover from only when asked to.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	err = fn()
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return ErrLocked
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return state.ErrClosed
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum),
		errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// syncDir makes the entry of a new file in its folder durable. Windows keeps
// that by itself, and cannot sync a folder.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
