// Package embedded is the record store of a node that runs on one machine:
// documents in a bbolt file, found through a bleve index beside it.
//
// The bbolt file is the truth, the index only repeats what can be made out of
// it. A Write is one transaction that changes the documents, followed by one
// batch that changes the index. Each transaction has a sequence number, and
// keeps what its documents were before, until the next one replaces that; each
// batch carries the number of its transaction. So the two agree, whatever
// happens in between:
//
//   - After a crash the index is at the same number, or one behind; then the
//     documents of the last transaction are indexed again. Any other difference
//     (a folder that was restored, or damaged) rebuilds the index.
//   - A search takes a snapshot of both. If a Write is just between its two
//     steps, the snapshot reads the documents of before that Write. So every
//     answer is exactly one state of the store: totals, order and documents
//     belong together, and a record that has just become private is never
//     shown because its older, public entry was found.
//
// A search evaluates its condition to a bitmap and then reads the columns that
// it sorts by; bleve's own scoring and sorting is not used. Memory depends on
// the page and on some bits per document, not on the size of the documents. Only
// a likeness (records.Like) reads documents, one by one, and only those that the
// rest of the condition leaves.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"oipnode/shared/records"
)

var (
	// ErrLocked is returned by Open when another Store has the folder.
	ErrLocked = errors.New("embedded: the folder is in use by another process")
	// ErrFormat is returned by Open for files of another version of this package.
	ErrFormat = errors.New("embedded: the files have another format")
	// ErrCorrupt is returned when files are damaged. Documents that cannot be
	// read must be fetched again into a new folder; a damaged index is rebuilt
	// by removing its folder.
	ErrCorrupt = errors.New("embedded: the files are damaged")
	// errClosed is what every call returns after Close.
	errClosed = fmt.Errorf("%w: embedded: closed", records.ErrUnavailable)
)

// The files of a store, in its folder.
const (
	documentsFile = "documents.db"
	indexFolder   = "index"
)

// Options are the settings of a store; zero values mean the defaults.
type Options struct {
	// Logger gets repairs, rebuilds and damage; nil discards them.
	Logger *slog.Logger
	// MaxDocument is the largest document in bytes, 32 MiB by default; a larger
	// one is Poison.
	MaxDocument int
	// MaxPage bounds the documents of one Search or Get in bytes, 64 MiB by
	// default; a larger answer is refused with ErrInvalid.
	MaxPage int
	// LockWait is how long Open waits for another process to release the
	// folder, one second by default.
	LockWait time.Duration
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxDocument == 0 {
		o.MaxDocument = 32 << 20
	}
	if o.MaxPage == 0 {
		o.MaxPage = 64 << 20
	}
	if o.LockWait == 0 {
		o.LockWait = time.Second
	}
	return o
}

// Store implements records.Store.
type Store struct {
	opts  Options
	db    *bolt.DB
	index *searchIndex

	// life is held for reading by every call, and for writing by Close.
	life   sync.RWMutex
	closed bool

	// writer is held by the one call that may write. What follows is its own.
	writer chan struct{}
	// behind says that the last transaction may not be in the index, because the
	// commit or the batch failed. Its batch must be repeated, which does no harm,
	// before there is another transaction.
	behind bool
	// onStep is called between the steps of a Write; tests die in it.
	onStep func(step string)
}

var _ records.Store = (*Store)(nil)

// Open opens the store in a folder, or makes a new one. It holds the folder
// until Close. It brings the index into agreement with the documents first: in
// a moment after a crash, by a rebuild (some thousands of documents a second,
// with progress in the log) when the index is missing or unusable. A rebuild
// that ctx or a crash interrupts begins anew with the next Open.
func Open(ctx context.Context, dir string, opts Options) (s *Store, err error) {
	opts = opts.withDefaults()
	defer guard(opts.Logger, &err)()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: open: %w", err)
	}
	db, err := openDocuments(dir, opts.LockWait)
	if err != nil {
		return nil, err
	}
	s = &Store{opts: opts, db: db, writer: make(chan struct{}, 1), onStep: func(string) {}}
	if err := s.openIndex(ctx, filepath.Join(dir, indexFolder)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Close waits for the calls under way and releases the folder.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := errors.Join(s.index.close(), s.db.Close()); err != nil {
		return fmt.Errorf("embedded: close: %w", err)
	}
	return nil
}

// enter begins a call; leave ends it.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return errClosed
	}
	return nil
}

func (s *Store) leave() { s.life.RUnlock() }

// lock waits until this call is the only one that writes; unlock ends that.
func (s *Store) lock(ctx context.Context) error {
	select {
	case s.writer <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) unlock() { <-s.writer }

// Health counts the documents of the index. It fails when the store is closed
// or its index stopped working.
func (s *Store) Health(ctx context.Context) (h records.Health, err error) {
	if err := s.enter(ctx); err != nil {
		return records.Health{}, err
	}
	defer s.leave()
	defer guard(s.opts.Logger, &err)()
	if err := s.index.failure(); err != nil {
		return records.Health{}, err
	}
	v, err := s.snapshot(ctx)
	if err != nil {
		return records.Health{}, err
	}
	defer v.close()
	n, err := v.reader.DocCount()
	if err != nil {
		return records.Health{}, fmt.Errorf("embedded: health: %w", err)
	}
	return records.Health{Engine: "bleve+bbolt", Documents: int64(n)}, nil
}
