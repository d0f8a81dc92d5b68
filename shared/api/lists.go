package api

import (
	"context"
	"net/http"
	"slices"

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
	base = append(base, records.Not{Cond: records.Is(records.FieldDeleteMessage, "true")})
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

// templatesRequest is what GET /api/templates asks for.
type templatesRequest struct {
	name    string
	creator string
	did     string
	sort    sorting
	paging  paging
}

func (q *templatesRequest) params() []param {
	return slices.Concat([]param{
		{"templateName", text(&q.name), "only templates whose name contains this, in any case"},
		{"creatorDidAddress", did(&q.creator), "only templates of the creator with this DID"},
		{"didTx", did(&q.did), "only the template with this DID"},
		{"sortBy", sortKind(&q.sort), "inArweaveBlock:asc or inArweaveBlock:desc"},
	}, q.paging.params(records.MaxLimit))
}

// templatesAnswer is the answer but for its last member, the templates.
type templatesAnswer struct {
	Message        string   `json:"message"`
	LatestBlock    int64    `json:"latestArweaveBlockInDB"`
	TotalTemplates int64    `json:"totalTemplates"`
	SearchResults  int64    `json:"searchResults"`
	Warnings       []string `json:"warnings,omitempty"`
	NextCursor     *string  `json:"nextCursor,omitempty"`
}

// templates serves GET /api/templates.
func (s *server) templates(ctx context.Context, r *http.Request) (answer, error) {
	var q templatesRequest
	if _, err := parse(r.URL.RawQuery, q.params()); err != nil {
		return answer{}, err
	}
	_, base, err := s.readable(ctx, r, oip.KindTemplate)
	if err != nil {
		return answer{}, err
	}
	var filters []records.Cond
	var warnings []string
	if q.name != "" {
		names, warning, err := s.containing(ctx, base, records.FieldNameFolded, q.name)
		if err != nil {
			return answer{}, err
		}
		filters, warnings = append(filters, names), append(warnings, warning)
	}
	if q.creator != "" {
		filters = append(filters, records.Is(records.FieldCreatorDID, q.creator))
	}
	if q.did != "" {
		filters = append(filters, records.Is(records.FieldDID, q.did))
	}
	sort, warning := q.sort.order(heightOrder)
	f, err := s.page(ctx, &q.paging, base, filters, sort)
	if err != nil {
		return answer{}, err
	}
	return s.replyList(templatesAnswer{
		Message:        "Templates retrieved successfully",
		LatestBlock:    f.latest,
		TotalTemplates: f.total,
		SearchResults:  f.page.Total,
		Warnings:       said(append(warnings, warning)),
		NextCursor:     q.paging.info(f.page).NextCursor,
	}, "templates", raw(f.page.Hits))
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
