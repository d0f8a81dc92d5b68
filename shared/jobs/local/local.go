// Package local is the job queue of one process, in one file: the embedded
// implementation of jobs.Queue, on bbolt.
//
// The file has five buckets. "heads" has what changes about a job, under its number
// (entry.go); "bodies" its body, which never changes; "due" an entry per job that is
// ordered by the time from which it can be received, so that Receive reads only what
// it returns; "dead" the dead letters; "meta" the version of this layout and the
// numbers of jobs and dead letters. Each method is one transaction, so a process that
// is killed at any moment leaves each job in one place, and Verify proves it.
//
// A delivery has a number of its own, which is in its receipt, so that an old receipt
// never stands for a later delivery.
package local

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"oipnode/shared/jobs"
)

// format is the version of the layout that this package reads and writes.
const format = 1

var (
	// ErrLocked is returned by Open while another process, or another Queue of this
	// one, has the file open.
	ErrLocked = errors.New("local: the job file is in use by another process")
	// ErrFormat is returned by Open for a file with another layout.
	ErrFormat = errors.New("local: the job file was made by another version")
	// ErrCorrupt is returned when the file's content is not what this package wrote.
	// After a write met it, every further call returns it.
	ErrCorrupt = errors.New("local: the job file is damaged")
	// ErrNotFound is returned for a dead letter that is not there.
	ErrNotFound = errors.New("local: no such dead letter")
)

var (
	bucketMeta   = []byte("meta")
	bucketHeads  = []byte("heads")
	bucketBodies = []byte("bodies")
	bucketDue    = []byte("due")
	bucketDead   = []byte("dead")
	buckets      = [][]byte{bucketMeta, bucketHeads, bucketBodies, bucketDue, bucketDead}

	keyFormat = []byte("format")
	keyJobs   = []byte("jobs")
	keyDead   = []byte("dead")
)

// Options are the settings of a Queue. The zero value is ready for use.
type Options struct {
	// MaxJobs is how many jobs the queue holds before Send returns jobs.ErrFull; 0
	// means 10,000.
	MaxJobs int
	// MaxDead is how many dead letters are kept; the oldest jobs' go first. 0 means
	// 1,000.
	MaxDead int
	// MaxReceives is how often a job is delivered before the queue itself moves it to
	// the dead letters; 0 means 10.
	MaxReceives int
	// Now is the clock that delays and visibilities are judged by; nil means time.Now.
	Now func() time.Time
	// LockWait is how long Open waits for another process to let go of the file; 0
	// means one second.
	LockWait time.Duration
}

// Queue is a jobs.Queue in a file. Make it with Open.
type Queue struct {
	db   *bbolt.DB
	opts Options
	now  func() time.Time
	// closed is closed by Close, so that a Receive stops waiting.
	closed chan struct{}
	once   sync.Once
	wake   bell
	// broken is set when a write transaction panicked: bbolt may still hold its
	// locks, so that another call could wait for ever.
	broken atomic.Bool
}

var _ jobs.Queue = (*Queue)(nil)

// Open opens the job file, and creates it if it is absent; its folder must be there.
// It returns ErrLocked, ErrFormat or ErrCorrupt, or what the file system said.
func Open(path string, opts Options) (*Queue, error) {
	opts.MaxJobs = cmp.Or(opts.MaxJobs, 10_000)
	opts.MaxDead = cmp.Or(opts.MaxDead, 1_000)
	opts.MaxReceives = cmp.Or(opts.MaxReceives, 10)
	q := &Queue{opts: opts, now: opts.Now, closed: make(chan struct{})}
	if q.now == nil {
		q.now = time.Now
	}
	if opts.MaxJobs < 1 || opts.MaxDead < 1 || opts.MaxReceives < 1 {
		return nil, fmt.Errorf("open job file: %w: the limits must be positive", jobs.ErrInvalid)
	}
	if err := q.open(path); err != nil {
		return nil, fmt.Errorf("open job file %s: %w", path, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("open job file %s: %w", path, err), q.Close())
	}
	return q, nil
}

func (q *Queue) open(path string) error {
	err := guard(func() (err error) {
		q.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: cmp.Or(q.opts.LockWait, time.Second), FreelistType: bbolt.FreelistMapType, NoStatistics: true,
		})
		return err
	})
	if err != nil {
		// bbolt has no sentinel for a file that is too short.
		var errno syscall.Errno
		if errors.Is(err, ErrLocked) || errors.Is(err, ErrCorrupt) || errors.As(err, &errno) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	err = q.update(prepare)
	if err == nil || q.broken.Load() {
		return err // when it is broken, bbolt's Close might wait for ever
	}
	return errors.Join(err, q.db.Close())
}

// prepare makes the buckets of a new file and checks the format of an old one.
func prepare(tx *bbolt.Tx) error {
	if name, _ := tx.Cursor().First(); name == nil {
		for _, name := range buckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyFormat, binary.BigEndian.AppendUint64(nil, format))
	}
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: it has no bucket %q", ErrFormat, name)
		}
	}
	if found := number(tx, keyFormat); found != format {
		return fmt.Errorf("%w: format %d, not %d", ErrFormat, found, format)
	}
	return nil
}

// number reads a number of the meta bucket; an absent one is 0.
func number(tx *bbolt.Tx, key []byte) uint64 {
	v := tx.Bucket(bucketMeta).Get(key)
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// count changes a number of the meta bucket.
func count(tx *bbolt.Tx, key []byte, by int) error {
	return tx.Bucket(bucketMeta).Put(key, binary.BigEndian.AppendUint64(nil, number(tx, key)+uint64(by)))
}

// Close closes the file. It ends the calls that wait for jobs, and waits for the
// transaction that is being written. Closing again does nothing.
func (q *Queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	if q.broken.Load() {
		// bbolt's locks may be held for ever. The file stays open, and locked, until
		// the process ends.
		return fmt.Errorf("close job file: %w", ErrCorrupt)
	}
	if err := q.db.Close(); err != nil {
		return fmt.Errorf("close job file: %w", err)
	}
	return nil
}

// view runs a read transaction.
func (q *Queue) view(fn func(*bbolt.Tx) error) error {
	if q.broken.Load() {
		return ErrCorrupt
	}
	return guard(func() error { return q.db.View(fn) })
}

// update runs a write transaction, which is durable when it returns nil.
func (q *Queue) update(fn func(*bbolt.Tx) error) error {
	if q.broken.Load() {
		return ErrCorrupt
	}
	finished := false
	err := guard(func() error {
		err := q.db.Update(fn)
		finished = true
		return err
	})
	if !finished {
		q.broken.Store(true)
	}
	return err
}

// guard turns what bbolt does about a damaged file into errors: it panics, and a page
// beyond the end of a truncated file is a memory fault. What the file system refuses,
// as on a full disk, is an unavailable queue.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	err = fn()
	var errno syscall.Errno
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return ErrLocked
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return jobs.ErrClosed
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case errors.As(err, &errno):
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	return err
}

// syncDir makes the entry of a new file in its folder durable. Windows keeps that by
// itself, and cannot sync a folder.
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

// bell wakes all that wait when there may be something to receive.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

// listen returns a channel that is closed by the next ring. Whoever listens before
// looking misses nothing.
func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}
