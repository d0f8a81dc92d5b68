package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"oipnode/shared/records"
)

// Count has two ways to the same numbers. Few matches are counted by reading
// their values; the distinct ones are kept in a map, up to countBytes. Many
// matches are counted value by value, by going through the index's sorted list
// of values and the documents of each; no more than the largest are kept. So
// memory is bounded, however many values there are.
const (
	countMatches = 2000
	countBytes   = 4 << 20
)

// Count implements records.Store, over one state of the store like Search.
func (s *Store) Count(ctx context.Context, where records.Cond, by records.Field) (c records.Counts, err error) {
	if err := records.CheckCount(where, by); err != nil {
		return records.Counts{}, err
	}
	if err := s.enter(ctx); err != nil {
		return records.Counts{}, err
	}
	defer s.leave()
	defer guard(s.opts.Logger, &err)()
	v, err := s.snapshot(ctx)
	if err != nil {
		return records.Counts{}, err
	}
	defer v.close()
	if c, err = count(ctx, v, where, by, countMatches); err != nil && ctx.Err() == nil {
		err = fmt.Errorf("embedded: count: %w", err)
	}
	return c, err
}

// errTooManyValues ends countByReading.
var errTooManyValues = errors.New("too many values")

// count counts over a view; up to few matches are counted by reading.
func count(ctx context.Context, v *view, where records.Cond, by records.Field, few int) (records.Counts, error) {
	m := newMatcher(ctx, v)
	matches, err := m.match(where, nil)
	if err != nil {
		return records.Counts{}, err
	}
	return m.count(matches, by, few)
}

// count counts the values of matches.
func (m *matcher) count(matches *roaring.Bitmap, by records.Field, few int) (records.Counts, error) {
	total := int64(matches.GetCardinality())
	if by == "" || total == 0 {
		return records.Counts{Total: total}, nil
	}
	top := &records.Top{}
	err := errTooManyValues
	if total <= int64(few) {
		err = m.countByReading(matches, by, top)
	}
	if errors.Is(err, errTooManyValues) {
		err = m.countByValue(matches, by, top)
	}
	if err != nil {
		return records.Counts{}, err
	}
	return top.Counts(total), nil
}

// countByReading reads the values of every match.
func (m *matcher) countByReading(matches *roaring.Bitmap, by records.Field, top *records.Top) error {
	col, err := newColumn(m.reader, by)
	if err != nil {
		return err
	}
	counts := make(map[string]int64)
	bytes := 0
	tally := func(term []byte) {
		if _, ok := counts[string(term)]; !ok {
			bytes += len(term) + 64
		}
		counts[string(term)]++
	}
	for docs := matches.Iterator(); docs.HasNext(); {
		if err := m.step(); err != nil {
			return err
		}
		if err := col.visit(docs.Next(), tally); err != nil {
			return err
		}
		if bytes > countBytes {
			return errTooManyValues
		}
	}
	for value, n := range counts {
		top.Add(value, n)
	}
	return nil
}

// countByValue goes through the values of the field, in all of the index.
func (m *matcher) countByValue(matches *roaring.Bitmap, by records.Field, top *records.Top) error {
	values, err := m.reader.FieldDict(engineField(by))
	if err != nil {
		return err
	}
	defer values.Close()
	for {
		value, err := values.Next()
		if value == nil || err != nil {
			return err
		}
		found, err := m.term(engineField(by), value.Term, matches)
		if err != nil {
			return err
		}
		if n := found.GetCardinality(); n > 0 {
			top.Add(value.Term, int64(n))
		}
	}
}
