// Package snapshot copies a bbolt file as it is at one moment, while it is in use.
//
// A snapshot is a read transaction: readers and writers of the file go on, and the copy
// has nothing of what they do. What a snapshot still sees cannot be used again, so the
// file grows meanwhile, and a writer whose file must be mapped anew for that waits until
// the snapshot is closed.
package snapshot

import (
	"fmt"
	"io"

	"go.etcd.io/bbolt"
)

// Snapshot is a file as it was when Of returned. Close must be called.
type Snapshot struct{ tx *bbolt.Tx }

// Of begins a snapshot. The error is that of a file that is closed.
func Of(db *bbolt.DB) (*Snapshot, error) {
	tx, err := db.Begin(false)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return &Snapshot{tx}, nil
}

// Size is how many bytes WriteTo writes.
func (s *Snapshot) Size() int64 { return s.tx.Size() }

// WriteTo writes the copy, a whole bbolt file, through a buffer of constant size.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	n, err := s.tx.WriteTo(w)
	if err != nil {
		return n, fmt.Errorf("snapshot: %w", err)
	}
	return n, nil
}

// Close ends the snapshot. It may be called again.
func (s *Snapshot) Close() { _ = s.tx.Rollback() } // the one error is that it was closed
