package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"oipnode/shared/access"
	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// readable tells who sends a request, and the condition on the documents of a
// kind that this caller may read. Every query of every endpoint begins with it.
func (s *server) readable(ctx context.Context, r *http.Request, kind oip.Kind) (access.Viewer, records.All, error) {
	viewer := s.opt.Auth.Viewer(r)
	organizations, err := s.organizations.Of(ctx, viewer)
	if err != nil {
		return viewer, nil, err
	}
	return viewer, records.All{access.Rule(viewer, organizations...), records.Is(records.FieldKind, string(kind))}, nil
}

// found is a page, and what the answer says of the whole that it is taken from.
type found struct {
	page records.Page
	whole
}

// page searches for a page within a base.
func (s *server) page(ctx context.Context, p *paging, base records.All, filters []records.Cond, sort []records.Sort) (found, error) {
	return s.find(ctx, p, base, records.Query{Where: slices.Concat(base, filters), Sort: sort}, s.opt.Records.Search)
}

// find is page for a query whose Where begins with the base, by whoever can answer it.
func (s *server) find(ctx context.Context, p *paging, base records.All, q records.Query, search func(context.Context, records.Query) (records.Page, error)) (found, error) {
	if err := p.apply(&q); err != nil {
		return found{}, err
	}
	page, err := search(ctx, q)
	if err != nil {
		return found{}, errPage(q, err)
	}
	var all whole
	if len(q.Where.(records.All)) > len(base) || q.Distinct || !slices.Equal(q.Sort, newest) || q.Offset > 0 || q.After != "" {
		// The page is not the beginning of the whole, so that has to be asked for.
		all, err = s.whole(ctx, base)
	} else {
		all, err = wholeOf(page)
	}
	if err != nil {
		return found{}, err
	}
	// A write between the two searches must not make the whole smaller than a part.
	all.total = max(all.total, page.Total)
	return found{page, all}, nil
}

// pages hands the pages of a query to visit, one after the other, until it wants no more.
// Where documents are too large together, smaller pages are asked for. What the query
// counts is in the first page only.
func (s *server) pages(ctx context.Context, q records.Query, visit func(records.Page) (more bool, err error)) error {
	for {
		page, err := s.opt.Records.Search(ctx, q)
		if overBytes(q, err) && q.Limit > 1 {
			q.Limit /= 2
			continue
		}
		if err != nil {
			return errPage(q, err)
		}
		more, err := visit(page)
		if err != nil || !more || page.Next == "" {
			return err
		}
		q.After, q.CountBy = page.Next, ""
	}
}

// containing is the condition that a field with lower-case values has one that
// contains a text, in any case. A store compares whole values only, so the
// values there are are counted first, among what the caller may read. Of more
// than records.MaxBuckets different ones the rarest are not considered, which
// the warning then says.
func (s *server) containing(ctx context.Context, base records.All, field records.Field, part string) (cond records.Cond, warning string, err error) {
	counts, err := s.opt.Records.Count(ctx, base, field)
	if err != nil {
		return nil, "", err
	}
	part = strings.ToLower(part)
	var names []string
	for _, b := range counts.Buckets {
		// A longer value is a key, which cannot be asked for.
		if len(b.Value) <= records.MaxKeyBytes && strings.Contains(b.Value, part) {
			names = append(names, b.Value)
		}
	}
	slices.Sort(names) // so that equal conditions are equal, as cursors need it
	if counts.Other > 0 {
		warning = fmt.Sprintf("only the %d most frequent names were compared", records.MaxBuckets)
	}
	return records.Is(field, names...), warning, nil
}
