package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"

	"oipnode/shared/records"
)

// A rebuild goes through the documents in steps of this many documents or bytes.
const (
	rebuildDocuments = 500
	rebuildBytes     = 4 << 20
	// progressEvery is how many documents lie between two lines of progress.
	progressEvery = 20000
)

// openIndex opens the index and brings it into agreement with the documents.
func (s *Store) openIndex(ctx context.Context, path string) error {
	x, err := startIndex(path, s.opts.Logger)
	if err != nil {
		s.opts.Logger.Error("the index cannot be opened and is rebuilt", "error", err)
		return s.rebuild(ctx, path)
	}
	s.index = x
	lag, known, err := s.lag()
	switch {
	case err == nil && known && lag == 0:
		return nil
	case err == nil && known && lag == 1:
		s.opts.Logger.Info("the last write is indexed again after a crash")
		if err = s.catchUp(ctx); err == nil {
			return nil
		}
	}
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), x.close())
	}
	if empty, e := s.untouched(); e != nil || !empty { // nobody need hear of a new store's first index
		s.opts.Logger.Warn("the index does not belong to the documents and is rebuilt", "lag", lag, "error", errors.Join(err, e))
	}
	if err := x.destroy(); err != nil {
		return fmt.Errorf("embedded: remove the index: %w", err)
	}
	return s.rebuild(ctx, path)
}

// untouched reports whether no document was ever written.
func (s *Store) untouched() (empty bool, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		m := marker(tx)
		empty = binary.BigEndian.Uint64(m[len(m)-8:]) == 0
		return nil
	})
	return empty, err
}

// lag returns how many transactions the index is behind the documents; known is
// false if it is not an index of these documents at all.
func (s *Store) lag() (lag uint64, known bool, err error) {
	defer guard(s.opts.Logger, &err)()
	reader, err := s.index.scorch.Reader()
	if err != nil {
		return 0, false, err
	}
	defer reader.Close()
	have, err := reader.GetInternal(keyMarker)
	if err != nil {
		return 0, false, err
	}
	err = s.db.View(func(tx *bolt.Tx) error {
		lag, known = compareMarkers(have, marker(tx))
		return nil
	})
	return lag, known, err
}

// compareMarkers returns by how many transactions have is behind want, and
// whether both are of the same documents.
func compareMarkers(have, want []byte) (uint64, bool) {
	split := len(want) - 8
	if len(have) != len(want) || !bytes.Equal(have[:split], want[:split]) {
		return 0, false
	}
	return binary.BigEndian.Uint64(want[split:]) - binary.BigEndian.Uint64(have[split:]), true
}

// catchUp repeats the batch of the last transaction.
func (s *Store) catchUp(ctx context.Context) (err error) {
	defer guard(s.opts.Logger, &err)()
	entries, build := make(map[string]*entry), newBuilder()
	var m []byte
	err = s.db.View(func(tx *bolt.Tx) error {
		m = marker(tx)
		return tx.Bucket(bucketBefore).ForEach(func(did, _ []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			value := lookup(tx, string(did))
			if value == nil {
				entries[string(did)] = nil
				return nil
			}
			e, err := indexed(build, value)
			entries[string(did)] = e
			return err
		})
	})
	if err != nil {
		return err
	}
	if err := s.index.write(entries, m); err != nil {
		return err
	}
	s.behind = false
	return nil
}

// indexed makes the index entry of a stored document.
func indexed(b *builder, value []byte) (*entry, error) {
	d, err := decodeStored(value)
	if err != nil {
		return nil, err
	}
	projection, err := records.Project(d.kind, d.json)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, d.did, err)
	}
	return b.entry(d.did, projection), nil
}

// rebuild makes the index anew out of the documents. Only the last batch leaves
// the marker, so an interrupted rebuild is not taken for an index.
func (s *Store) rebuild(ctx context.Context, path string) error {
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("embedded: remove the index: %w", err)
	}
	x, err := startIndex(path, s.opts.Logger)
	if err != nil {
		return err
	}
	s.index = x
	if err := s.indexAll(ctx); err != nil {
		return errors.Join(fmt.Errorf("embedded: rebuild the index: %w", err), x.close())
	}
	return nil
}

// indexAll indexes every document, in bounded batches.
func (s *Store) indexAll(ctx context.Context) (err error) {
	defer guard(s.opts.Logger, &err)()
	done, progress := 0, 0
	return s.db.View(func(tx *bolt.Tx) error {
		batch, build, size := make(map[string]*entry), newBuilder(), 0
		cursor := tx.Bucket(bucketDocuments).Cursor()
		for number, value := cursor.First(); number != nil; number, value = cursor.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			e, err := indexed(build, value)
			if err != nil {
				return err
			}
			batch[e.did], size = e, size+len(value)
			if len(batch) < rebuildDocuments && size < rebuildBytes {
				continue
			}
			if err := s.index.write(batch, nil); err != nil {
				return err
			}
			if done += len(batch); done-progress >= progressEvery {
				progress = done
				s.opts.Logger.Info("rebuilding the index", "documents", done)
			}
			batch, build, size = make(map[string]*entry), newBuilder(), 0
		}
		if err := s.index.write(batch, marker(tx)); err != nil {
			return err
		}
		if done += len(batch); done > 0 {
			s.opts.Logger.Info("the index was rebuilt", "documents", done)
		}
		return nil
	})
}
