package api

import (
	"context"
	"errors"

	"oipnode/shared/records"
)

// maxReferences is how many different documents the records of one answer may refer to
// and have read for it. More is a 413.
const maxReferences = 10_000

// targets reads the documents that have one of the DIDs, each given once, and hands
// them to visit in no certain order. It is one level of references for a whole page: a
// query for each records.MaxTerms of the DIDs, and of fewer where their documents are
// too large together. Only one query's documents are in memory at a time.
//
// What is not in the base, which holds the rule of access, is not found: to the
// caller a document that he may not read is one that there is not. Neither is one
// that is larger by itself than the store answers.
func (s *server) targets(ctx context.Context, base records.All, dids []string, visit func(records.Stored) error) error {
	for len(dids) > 0 {
		n := min(len(dids), records.MaxTerms)
		if err := s.batch(ctx, base, dids[:n], visit); err != nil {
			return err
		}
		dids = dids[n:]
	}
	return nil
}

// batch is one query of targets, or as many as its documents need.
func (s *server) batch(ctx context.Context, base records.All, dids []string, visit func(records.Stored) error) error {
	q := records.Query{Where: append(base[:len(base):len(base)], records.Is(records.FieldDID, dids...)), Limit: len(dids)}
	page, err := s.opt.Records.Search(ctx, q)
	switch half := len(dids) / 2; {
	case overBytes(q, err) && half == 0:
		return nil
	case overBytes(q, err):
		if err := s.batch(ctx, base, dids[:half], visit); err != nil {
			return err
		}
		return s.batch(ctx, base, dids[half:], visit)
	case err != nil:
		return err
	}
	for _, hit := range page.Hits {
		if err := visit(hit); err != nil {
			return err
		}
	}
	return nil
}

// overBytes reports whether the answer to a query, which itself is right, is over the
// store's bound.
func overBytes(q records.Query, err error) bool {
	return errors.Is(err, records.ErrInvalid) && q.Check() == nil
}
