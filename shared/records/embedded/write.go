package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// change is one operation, free of package oip's proof that the document is
// verified; tests make their own.
type change struct {
	did   string
	kind  oip.Kind
	json  []byte     // the document to put
	patch *oip.Patch // or how to change it; neither: remove it
	fence uint64
}

// Write implements records.Store. It costs one synchronised transaction of the
// documents and one of the index, however many operations it has. After an
// error nothing is lost: the same Write may be repeated, and the next one
// repairs whatever the failed one left half done.
func (s *Store) Write(ctx context.Context, ops []records.Op) (results []records.Result, err error) {
	if err := records.CheckWrite(ops); err != nil {
		return nil, err
	}
	changes := make([]change, len(ops))
	for i, op := range ops {
		switch {
		case op.Put != nil:
			changes[i] = change{did: op.Put.DID(), kind: op.Put.Kind(), json: op.Put.JSON(), fence: op.Fence}
		case op.Patch != nil:
			changes[i] = change{did: op.Patch.DID, patch: op.Patch, fence: op.Fence}
		default:
			changes[i] = change{did: op.Delete, fence: op.Fence}
		}
	}
	return s.write(ctx, changes)
}

func (s *Store) write(ctx context.Context, changes []change) (results []records.Result, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	defer guard(s.opts.Logger, &err)()
	if err := s.index.failure(); err != nil {
		return nil, err
	}
	if s.behind {
		if err := s.catchUp(ctx); err != nil {
			return nil, err
		}
	}
	return s.apply(changes)
}

// apply is the transaction and the batch. From the commit on the documents are
// ahead of the index, until the batch is done.
func (s *Store) apply(changes []change) ([]records.Result, error) {
	tx, err := s.db.Begin(true)
	if err != nil {
		return nil, fmt.Errorf("embedded: write: %w", err)
	}
	defer tx.Rollback()
	t := transaction{tx: tx, docs: tx.Bucket(bucketDocuments), numbers: tx.Bucket(bucketNumbers), opts: s.opts,
		sequence: sequence(tx), build: newBuilder(), entries: make(map[string]*entry, len(changes))}
	t.docs.FillPercent = 0.95 // documents come in the order of their numbers
	results := make([]records.Result, len(changes))
	for i, c := range changes {
		if results[i], err = t.change(c); err != nil {
			return nil, fmt.Errorf("embedded: write %s: %w", c.did, err)
		}
	}
	if !t.dirty {
		return results, nil
	}
	next := marker(tx)
	s.behind = true // also if the commit fails: it may have been done all the same
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("embedded: commit: %w", err)
	}
	if len(t.entries) > 0 {
		s.onStep("committed")
		if err := s.index.write(t.entries, next); err != nil {
			return nil, err
		}
		s.onStep("indexed")
	}
	s.behind = false
	return results, nil
}

// transaction is a Write in progress.
type transaction struct {
	tx            *bolt.Tx
	docs, numbers *bolt.Bucket
	before        *bolt.Bucket // nil until something is about to change
	opts          Options
	sequence      uint64 // of the transaction before
	dirty         bool
	build         *builder
	// entries is what the index has to change: nil removes a document.
	entries map[string]*entry
}

// change carries out one operation. An error ends the whole transaction.
func (t *transaction) change(c change) (records.Result, error) {
	var (
		old   stored
		value = lookup(t.tx, c.did)
		err   error
	)
	if value != nil {
		if old, err = decodeStored(value); err != nil {
			return records.Result{}, err
		}
		if c.fence < old.fence {
			return records.Result{Status: records.Conflict,
				Detail: fmt.Sprintf("written with fence %d, this write has %d", old.fence, c.fence)}, nil
		}
	}
	switch {
	case c.json == nil && c.patch == nil:
		return records.Result{}, t.remove(c.did, value)
	case c.patch != nil && value == nil:
		return records.Result{Status: records.Missing}, nil
	case c.patch != nil:
		c.kind = old.kind
		if c.json, err = c.patch.Apply(old.json); err != nil {
			return poison(err.Error()), nil
		}
	}
	return t.put(c, value, old)
}

// patchRoom is how many bytes a Put leaves free of the largest document, so that
// later Patches of its envelope never fail for their size.
func patchRoom(largest int) int { return min(4<<10, largest/8) }

func poison(detail string) records.Result {
	return records.Result{Status: records.Poison, Detail: detail}
}

// put stores a document, unless that would change nothing.
func (t *transaction) put(c change, value []byte, old stored) (records.Result, error) {
	switch {
	case c.did == "" || len(c.did) > oip.MaxDID:
		return poison(fmt.Sprintf("a DID of %d bytes, at most %d", len(c.did), oip.MaxDID)), nil
	case len(c.json) > t.opts.MaxDocument || c.patch == nil && len(c.json) > t.opts.MaxDocument-patchRoom(t.opts.MaxDocument):
		return poison(fmt.Sprintf("a document of %d bytes, at most %d", len(c.json), t.opts.MaxDocument-patchRoom(t.opts.MaxDocument))), nil
	case len(c.kind) > 255:
		return poison("no such kind"), nil
	}
	same := value != nil && old.kind == c.kind && bytes.Equal(old.json, c.json)
	if same && old.fence == c.fence {
		return records.Result{}, nil
	}
	if !same {
		projection, err := records.Project(c.kind, c.json)
		if err != nil {
			return poison(err.Error()), nil
		}
		if err := t.remember(c.did, value); err != nil {
			return records.Result{}, err
		}
		t.entries[c.did] = t.build.entry(c.did, projection)
	}
	t.dirty = true
	number := t.numbers.Get([]byte(c.did))
	if number == nil {
		n, err := t.docs.NextSequence()
		if err != nil {
			return records.Result{}, err
		}
		number = binary.BigEndian.AppendUint64(nil, n)
		if err := t.numbers.Put([]byte(c.did), number); err != nil {
			return records.Result{}, err
		}
	}
	return records.Result{}, t.docs.Put(number, encodeStored(stored{c.fence, c.kind, c.did, c.json}))
}

// remove takes a document away.
func (t *transaction) remove(did string, value []byte) error {
	if value == nil {
		return nil
	}
	if err := t.remember(did, value); err != nil {
		return err
	}
	t.entries[did] = nil
	t.dirty = true
	if err := t.docs.Delete(t.numbers.Get([]byte(did))); err != nil {
		return err
	}
	return t.numbers.Delete([]byte(did))
}

// remember keeps what a document was before this transaction. The first time it
// replaces what the transaction before had kept, and takes the next number.
func (t *transaction) remember(did string, value []byte) error {
	if t.before == nil {
		if err := t.tx.DeleteBucket(bucketBefore); err != nil {
			return err
		}
		var err error
		if t.before, err = t.tx.CreateBucket(bucketBefore); err != nil {
			return err
		}
		if err := putSequence(t.tx, t.sequence+1); err != nil {
			return err
		}
	}
	if _, done := t.entries[did]; done {
		return nil
	}
	if value == nil {
		return t.before.Put([]byte(did), absent)
	}
	return t.before.Put([]byte(did), bytes.Clone(value))
}

// Get implements records.Store. It reads the documents alone, so it sees a
// Write from its commit on.
func (s *Store) Get(ctx context.Context, dids []string, envelopeOnly bool) (found []records.Stored, err error) {
	if len(dids) > records.MaxGet {
		return nil, fmt.Errorf("%w: %d DIDs, at most %d", records.ErrInvalid, len(dids), records.MaxGet)
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	defer guard(s.opts.Logger, &err)()
	p := page{limit: s.opts.MaxPage, envelopeOnly: envelopeOnly}
	err = s.db.View(func(tx *bolt.Tx) error {
		for _, did := range dids {
			if err := ctx.Err(); err != nil {
				return err
			}
			value := lookup(tx, did)
			if value == nil {
				continue
			}
			if err := p.add(did, value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p.hits, nil
}

// page collects documents up to a number of bytes.
type page struct {
	hits         []records.Stored
	envelopeOnly bool
	refsOnly     bool
	bytes, limit int
}

// add copies a stored document; the file's memory must not leave a transaction.
func (p *page) add(did string, value []byte) error {
	d, err := decodeStored(value)
	if err != nil {
		return err
	}
	hit := records.Stored{DID: did, Kind: d.kind}
	switch {
	case p.refsOnly:
		data, _, err := records.Parts(d.json)
		if err != nil {
			return errors.Join(ErrCorrupt, err)
		}
		hit.Refs = records.Refs(data)
		for _, ref := range hit.Refs {
			p.bytes += len(ref)
		}
	case p.envelopeOnly:
		if hit.JSON, err = oip.EnvelopeOnly(d.json); err != nil {
			return errors.Join(ErrCorrupt, err)
		}
	default:
		hit.JSON = bytes.Clone(d.json)
	}
	if p.bytes += len(hit.JSON); p.bytes > p.limit {
		return fmt.Errorf("%w: the page is over %d bytes; ask for fewer documents", records.ErrInvalid, p.limit)
	}
	p.hits = append(p.hits, hit)
	return nil
}
