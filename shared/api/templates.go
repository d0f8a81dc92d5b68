package api

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"

	"oipnode/shared/errs"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/typescript"
)

// typeScriptPage is how many templates are read at once when all of them are written
// as TypeScript.
const typeScriptPage = 100

// templatesRequest is what GET /api/templates asks for.
type templatesRequest struct {
	name       string
	creator    string
	did        string
	selected   bool
	typeScript bool
	sort       sorting
	paging     paging
}

func (q *templatesRequest) params() []param {
	return slices.Concat([]param{
		{"templateName", text(&q.name), "only templates whose name contains this, in any case"},
		{"creatorDidAddress", did(&q.creator), "only templates of the creator with this DID"},
		{"didTx", did(&q.did), "only the template with this DID"},
		{"selectedOnly", truth(&q.selected), "whether only templates in use are found: of each name the one that most records use"},
		{"typeScriptTypes", truth(&q.typeScript), "whether the answer is TypeScript: an interface for each template, all of them unless limit, page or cursor is given"},
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

// typeScriptAnswer is the answer to typeScriptTypes=true.
type typeScriptAnswer struct {
	TypeScript string   `json:"typeScript"`
	Warnings   []string `json:"warnings,omitempty"`
	NextCursor *string  `json:"nextCursor,omitempty"`
}

// templates serves GET /api/templates.
func (s *server) templates(ctx context.Context, r *http.Request) (answer, error) {
	var q templatesRequest
	given, err := parse(r.URL.RawQuery, q.params())
	if err != nil {
		return answer{}, err
	}
	_, base, err := s.readable(ctx, r, oip.KindTemplate)
	if err != nil {
		return answer{}, err
	}
	filters, warnings, err := s.templateFilters(ctx, r, base, &q)
	if err != nil {
		return answer{}, err
	}
	sort, warning := q.sort.order(heightOrder)
	warnings = said(append(warnings, warning))
	paged := given["limit"] != nil || given["page"] != nil || given["cursor"] != nil
	if q.typeScript && !paged {
		return s.allTypes(ctx, records.Query{Where: slices.Concat(base, filters), Sort: sort, Limit: typeScriptPage}, warnings)
	}
	f, err := s.page(ctx, &q.paging, base, filters, sort)
	if err != nil {
		return answer{}, err
	}
	next := q.paging.info(f.page).NextCursor
	if q.typeScript {
		var code typescript.Code
		if err := s.addTypes(&code, f.page.Hits); err != nil {
			return answer{}, err
		}
		return s.replyTypes(&code, warnings, next)
	}
	return s.replyList(templatesAnswer{
		Message:        "Templates retrieved successfully",
		LatestBlock:    f.latest,
		TotalTemplates: f.total,
		SearchResults:  f.page.Total,
		Warnings:       warnings,
		NextCursor:     next,
	}, "templates", raw(f.page.Hits))
}

// templateFilters are the conditions that the request adds to the base.
func (s *server) templateFilters(ctx context.Context, r *http.Request, base records.All, q *templatesRequest) (filters []records.Cond, warnings []string, err error) {
	if q.name != "" {
		names, warning, err := s.containing(ctx, base, records.FieldNameFolded, q.name)
		if err != nil {
			return nil, nil, err
		}
		filters, warnings = append(filters, names), append(warnings, warning)
	}
	if q.creator != "" {
		filters = append(filters, records.Is(records.FieldCreatorDID, q.creator))
	}
	if q.did != "" {
		filters = append(filters, records.Is(records.FieldDID, q.did))
	}
	if q.selected {
		inUse, warning, err := s.inUse(ctx, r, base)
		if err != nil {
			return nil, nil, err
		}
		filters, warnings = append(filters, inUse), append(warnings, warning)
	}
	return filters, warnings, nil
}

// inUse is the condition that a template is the one of its name that most records use,
// of those records that the caller may read. A name is taken by whoever publishes it
// first or again; what records use cannot be taken over by a template alone. Of two
// that equally many records use, the one with the smaller id is taken.
func (s *server) inUse(ctx context.Context, r *http.Request, base records.All) (cond records.Cond, warning string, err error) {
	_, readable, err := s.readable(ctx, r, oip.KindRecord)
	if err != nil {
		return nil, "", err
	}
	counts, err := s.opt.Records.Count(ctx, readable, records.FieldTemplateID)
	if err != nil {
		return nil, "", err
	}
	if counts.Other > 0 {
		warning = fmt.Sprintf("only the %d templates that most records use were considered", records.MaxBuckets)
	}
	rank := make(map[string]int, len(counts.Buckets)) // buckets come in the order of their counts
	dids := make([]string, 0, len(counts.Buckets))
	for i, b := range counts.Buckets {
		if oip.ValidID(b.Value) {
			rank[oip.DID(b.Value)], dids = i, append(dids, oip.DID(b.Value))
		}
	}
	first := make(map[string]string)
	err = s.targets(ctx, base, dids, func(t records.Stored) error {
		var document struct {
			Data struct {
				Template string `json:"template"`
			} `json:"data"`
		}
		if err := json.Unmarshal(t.JSON, &document); err != nil {
			return fmt.Errorf("api: %s: stored template: %w", t.DID, err)
		}
		name := document.Data.Template
		if other, ok := first[name]; !ok || rank[t.DID] < rank[other] {
			first[name] = t.DID
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	chosen := make([]string, 0, len(first))
	for _, did := range first {
		chosen = append(chosen, did)
	}
	slices.Sort(chosen) // so that equal conditions are equal, as cursors need it
	return records.Is(records.FieldDID, chosen...), warning, nil
}

// allTypes answers with the interfaces of all templates that a query matches, however
// many they are: as long as they fit into one answer.
func (s *server) allTypes(ctx context.Context, q records.Query, warnings []string) (answer, error) {
	var code typescript.Code
	err := s.pages(ctx, q, func(page records.Page) (bool, error) { return true, s.addTypes(&code, page.Hits) })
	if err != nil {
		return answer{}, err
	}
	return s.replyTypes(&code, warnings, nil)
}

// addTypes adds the templates of a page.
func (s *server) addTypes(code *typescript.Code, hits []records.Stored) error {
	for _, hit := range hits {
		t, err := oip.ParseStoredTemplate(hit.JSON)
		if err != nil {
			return fmt.Errorf("api: %s: %w", hit.DID, err)
		}
		envelope, err := oip.ParseEnvelope(hit.JSON)
		if err != nil {
			return fmt.Errorf("api: %s: %w", hit.DID, err)
		}
		height := int64(math.MaxInt64) // a pending one is newer than all
		if envelope.InArweaveBlock != nil {
			height = *envelope.InArweaveBlock
		}
		if code.Add(t, height); code.Size() > s.opt.MaxAnswer {
			return errTypes()
		}
	}
	return nil
}

// replyTypes answers with the code.
func (s *server) replyTypes(code *typescript.Code, warnings []string, next *string) (answer, error) {
	a, err := reply(http.StatusOK, typeScriptAnswer{code.String(), warnings, next})
	if err == nil && len(a.body) > s.opt.MaxAnswer {
		return answer{}, errTypes()
	}
	return a, err
}

// errTypes is the error for more code than an answer holds.
func errTypes() error {
	return errs.E(errs.TooLarge, "the answer would be too large: ask for fewer templates at once with templateName, selectedOnly or limit", nil)
}
