package api

import (
	"context"
	"net/http"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// recordTypesAnswer counts the records that the caller may read by their type,
// as it was published; the most frequent type comes first.
type recordTypesAnswer struct {
	Message         string        `json:"message"`
	TotalRecords    int64         `json:"totalRecords"`
	RecordTypeCount int64         `json:"recordTypeCount"`
	RecordTypes     []typeCounted `json:"recordTypes"`
}

type typeCounted struct {
	RecordType string `json:"recordType"`
	Count      int64  `json:"count"`
}

// recordTypes serves GET /api/records/recordTypes.
func (s *server) recordTypes(ctx context.Context, r *http.Request) (answer, error) {
	_, base, err := s.readable(ctx, r, oip.KindRecord)
	if err != nil {
		return answer{}, err
	}
	base = append(base, notDeletion())
	counts, err := s.opt.Records.Count(ctx, base, records.FieldRecordTypeExact)
	if err != nil {
		return answer{}, err
	}
	a := recordTypesAnswer{
		Message:         "Record types retrieved successfully",
		TotalRecords:    counts.Total,
		RecordTypeCount: int64(len(counts.Buckets)) + counts.Other,
		RecordTypes:     make([]typeCounted, 0, len(counts.Buckets)),
	}
	for _, b := range counts.Buckets {
		a.RecordTypes = append(a.RecordTypes, typeCounted{b.Value, b.Count})
	}
	return reply(http.StatusOK, a)
}

// creatorsAnswer and organizationsAnswer are the answers but for their lists.
type creatorsAnswer struct {
	Message       string `json:"message"`
	TotalCreators int64  `json:"totalCreators"`
	SearchResults int64  `json:"searchResults"`
	pageInfo
}

type organizationsAnswer struct {
	Message            string `json:"message"`
	TotalOrganizations int64  `json:"totalOrganizations"`
	SearchResults      int64  `json:"searchResults"`
	pageInfo
}

// creators serves GET /api/creators.
func (s *server) creators(ctx context.Context, r *http.Request) (answer, error) {
	f, page, err := s.registrations(ctx, r, oip.KindCreator)
	if err != nil {
		return answer{}, err
	}
	return s.replyList(creatorsAnswer{"Creators retrieved successfully", f.total, f.page.Total, page}, "creators", raw(f.page.Hits))
}

// organizationList serves GET /api/organizations.
func (s *server) organizationList(ctx context.Context, r *http.Request) (answer, error) {
	f, page, err := s.registrations(ctx, r, oip.KindOrganization)
	if err != nil {
		return answer{}, err
	}
	return s.replyList(organizationsAnswer{"Organizations retrieved successfully", f.total, f.page.Total, page},
		"organizations", raw(f.page.Hits))
}

// registrations searches for a page of registrations, the newest first.
func (s *server) registrations(ctx context.Context, r *http.Request, kind oip.Kind) (found, pageInfo, error) {
	var p paging
	if _, err := parse(r.URL.RawQuery, p.params(100)); err != nil {
		return found{}, pageInfo{}, err
	}
	_, base, err := s.readable(ctx, r, kind)
	if err != nil {
		return found{}, pageInfo{}, err
	}
	f, err := s.page(ctx, &p, base, nil, newest)
	if err != nil {
		return found{}, pageInfo{}, err
	}
	return f, p.info(f.page), nil
}

// raw are the documents as they are stored.
func raw(hits []records.Stored) [][]byte {
	documents := make([][]byte, len(hits))
	for i, hit := range hits {
		documents[i] = hit.JSON
	}
	return documents
}
