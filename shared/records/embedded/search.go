package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	index "github.com/blevesearch/bleve_index_api"
	bolt "go.etcd.io/bbolt"

	"oipnode/shared/records"
)

// view is one state of the store: a snapshot of the index, and a transaction
// that reads the documents which the index describes.
type view struct {
	reader index.IndexReader
	tx     *bolt.Tx
	// before is set while the documents are one transaction ahead of the index:
	// what that transaction changed is read as it was before.
	before *bolt.Bucket
}

// snapshot returns a view. It only waits, for a Write under way, when this call
// was held up for so long that a whole Write passed between its two steps.
func (s *Store) snapshot(ctx context.Context) (*view, error) {
	v, err := s.tryView()
	if v != nil || err != nil {
		return v, err
	}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	if v, err = s.tryView(); v == nil && err == nil {
		err = fmt.Errorf("%w: the index does not belong to the documents", ErrCorrupt)
	}
	return v, err
}

// tryView takes both snapshots, the index first, so that the documents are never
// behind it. It returns neither view nor error if they are too far apart.
func (s *Store) tryView() (*view, error) {
	reader, err := s.index.scorch.Reader()
	if err != nil {
		return nil, fmt.Errorf("embedded: read index: %w", err)
	}
	v, usable := &view{reader: reader}, false
	defer func() { // also when damaged files make it panic: Close waits for views
		if !usable {
			v.close()
		}
	}()
	have, err := reader.GetInternal(keyMarker)
	if err == nil {
		v.tx, err = s.db.Begin(false)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded: read: %w", err)
	}
	lag, known := compareMarkers(have, marker(v.tx))
	if !known || lag > 1 {
		return nil, nil
	}
	if lag == 1 {
		v.before = v.tx.Bucket(bucketBefore)
	}
	usable = true
	return v, nil
}

// close ends the view. Its errors say nothing that a reader could act on.
func (v *view) close() {
	if v.tx != nil {
		_ = v.tx.Rollback()
	}
	_ = v.reader.Close()
}

// document returns a stored document of this state, nil if there is none. It is
// valid until close.
func (v *view) document(did string) []byte {
	if v.before != nil {
		if value := v.before.Get([]byte(did)); value != nil {
			if bytes.Equal(value, absent) {
				return nil
			}
			return value
		}
	}
	return lookup(v.tx, did)
}

// Search implements records.Store. The answer is one state of the store: the one
// before or the one after any Write that is under way.
func (s *Store) Search(ctx context.Context, q records.Query) (p records.Page, err error) {
	if err := q.Check(); err != nil {
		return records.Page{}, err
	}
	var after []records.SortKey
	if q.After != "" {
		if after, err = records.DecodeCursor(q); err != nil {
			return records.Page{}, err
		}
	}
	if err := s.enter(ctx); err != nil {
		return records.Page{}, err
	}
	defer s.leave()
	defer guard(s.opts.Logger, &err)()
	v, err := s.snapshot(ctx)
	if err != nil {
		return records.Page{}, err
	}
	defer v.close()
	if p, err = s.search(ctx, v, q, after); err != nil && ctx.Err() == nil && !errors.Is(err, records.ErrInvalid) {
		err = fmt.Errorf("embedded: search: %w", err)
	}
	return p, err
}

func (s *Store) search(ctx context.Context, v *view, q records.Query, after []records.SortKey) (records.Page, error) {
	m := newMatcher(ctx, v)
	matches, err := m.match(q.Where, nil)
	if err != nil {
		return records.Page{}, err
	}
	order := q.Order()
	var given *scores
	if q.ByScore() {
		if given, err = m.score(q.Score, matches); err != nil {
			return records.Page{}, err
		}
	}
	if q.Distinct {
		if matches, err = m.distinct(matches, order, given, distinctGroup); err != nil {
			return records.Page{}, err
		}
	}
	answer := records.Page{Total: int64(matches.GetCardinality())}
	if q.CountBy != "" {
		if answer.Counts, err = m.count(matches, q.CountBy, countMatches); err != nil {
			return records.Page{}, err
		}
	}
	if q.Limit == 0 {
		return answer, nil
	}
	r, err := newRanking(v.reader, order, given, after, q.Offset+q.Limit)
	if err != nil {
		return records.Page{}, err
	}
	for docs := matches.ReverseIterator(); docs.HasNext(); {
		// Descending, because the newest documents have the highest numbers, and
		// the usual order asks for the newest first: the page fills at once.
		if err := m.step(); err != nil {
			return records.Page{}, err
		}
		if err := r.offer(docs.Next()); err != nil {
			return records.Page{}, err
		}
	}
	ranked := r.sorted()
	if q.Offset >= len(ranked) {
		return answer, nil
	}
	p := page{limit: s.opts.MaxPage, envelopeOnly: q.EnvelopeOnly, refsOnly: q.RefsOnly}
	for _, h := range ranked[q.Offset:] {
		did := r.did(h)
		value := v.document(did)
		if value == nil {
			return records.Page{}, missing(did)
		}
		if err := p.add(did, value); err != nil {
			return records.Page{}, err
		}
	}
	answer.Hits = p.hits
	if r.more() {
		answer.Next = records.EncodeCursor(q, r.keys(ranked[len(ranked)-1]))
	}
	return answer, nil
}

// missing is the error for a document that only the index knows.
func missing(did string) error {
	return fmt.Errorf("%w: %s is in the index, but there is no document", ErrCorrupt, did)
}
