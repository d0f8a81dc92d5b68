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

// recordsRequest is what GET /api/records asks for (spec records-api section 2).
type recordsRequest struct {
	recordType     string
	did, didTx     string
	source         string
	storage        string
	creatorHandle  string
	creatorAddress string
	template       string
	tags           []string
	tagsMode       string
	block          block
	from, to       moment
	deletions      bool
	force          bool // seen to by server.cached
	summarize      bool
	sort           sorting
	paging         paging
	shape          shape
}

// params is the table of the route's parameters.
func (q *recordsRequest) params() []param {
	storages := []string{"all", "arweave", "gun", "irys"}
	return slices.Concat([]param{
		{"recordType", text(&q.recordType), "only records of this type, in any case"},
		{"did", did(&q.did), "only the record with this DID"},
		{"didTx", did(&q.didTx), "the same as did"},
		{"source", choice(&q.source, storages...), "only records from there, by the prefix of their DID"},
		{"storage", choice(&q.storage, storages...), "the same as source"},
		{"creatorHandle", text(&q.creatorHandle), "only records of the creator with this unique handle, exactly"},
		{"creator_did_address", did(&q.creatorAddress), "only records of the creator with this DID; may be percent-encoded twice"},
		{"template", text(&q.template), "only records with data under a template whose name contains this, in any case"},
		{"tags", commaList(&q.tags), "only records with these tags, exactly; adds score, the share of them that a record has"},
		{"tagsMatchMode", choice(&q.tagsMode, "OR", "AND"), "whether one of the tags is enough, or all are needed"},
		{"inArweaveBlock", blockKind(&q.block), "only records of this block"},
		{"dateStart", momentKind(&q.from, false), "only records with a basic.date at or after this"},
		{"dateEnd", momentKind(&q.to, true), "only records with a basic.date at or before this"},
		{"includeDeleteMessages", truth(&q.deletions), "whether delete messages are among the records"},
		{"summarizeRecipe", truth(&q.summarize), "whether recipes carry the nutrients of their ingredients, in all and per serving"},
		{"sortBy", sortKind(&q.sort), "the order; by DID where that leaves a tie"},
		{"forceRefresh", truth(&q.force), "whether the answer is made anew, past every cache"},
	}, q.paging.params(20), q.shape.params())
}

// scheduledTypes are the types whose date is not basic.date.
var scheduledTypes = []string{"workoutschedule", "mealplan"}

// filters are the conditions that the request adds to the base.
func (q *recordsRequest) filters() (conds []records.Cond, warnings []string) {
	term := func(f records.Field, value string) {
		if value != "" {
			conds = append(conds, records.Is(f, value))
		}
	}
	recordType := strings.ToLower(q.recordType)
	term(records.FieldRecordType, recordType)
	term(records.FieldDID, q.did)
	term(records.FieldDID, q.didTx)
	term(records.FieldCreatorHandle, q.creatorHandle)
	term(records.FieldCreatorDID, q.creatorAddress)
	for _, storage := range []string{q.source, q.storage} {
		if storage != "all" {
			term(records.FieldStorage, storage)
		}
	}
	if len(q.tags) > 0 {
		conds = append(conds, q.tagged())
	}
	switch {
	case q.block.missing:
		conds = append(conds, records.Not{Cond: records.Exists{Field: records.FieldHeight}})
	case q.block.given:
		conds = append(conds, records.Between{Field: records.FieldHeight, Min: q.block.height, Max: q.block.height})
	}
	if q.from.given || q.to.given {
		if slices.Contains(scheduledTypes, recordType) {
			warnings = append(warnings, fmt.Sprintf("dateStart and dateEnd are about basic.date and were not applied to %s", clip(q.recordType, 60)))
		} else {
			conds = append(conds, records.Between{Field: records.FieldDate, Min: q.from.or(-maxExact), Max: q.to.or(maxExact)})
		}
	}
	return conds, warnings
}

// or is the moment, or what stands for none.
func (m moment) or(none int64) int64 {
	if m.given {
		return m.seconds
	}
	return none
}

// tagged holds for records with one of the tags, or all of them.
func (q *recordsRequest) tagged() records.Cond {
	if q.tagsMode == "OR" {
		return records.Is(records.FieldTag, q.tags...)
	}
	all := make(records.All, len(q.tags))
	for i, tag := range q.tags {
		all[i] = records.Is(records.FieldTag, tag)
	}
	return all
}

// order is the sort of the request. All records that match have the same score
// when every tag is needed; their order is then that of the tie-break.
func (q *recordsRequest) order() (order []records.Sort, warning string) {
	byScore := q.sort.field == "score" || q.sort.field == "tags"
	if byScore && (len(q.tags) == 1 || len(q.tags) > 1 && q.tagsMode == "AND") {
		return nil, ""
	}
	return q.sort.order(recordOrders)
}

// recordsAnswer is the answer but for its last member, the records.
type recordsAnswer struct {
	Message       string         `json:"message"`
	LatestBlock   int64          `json:"latestArweaveBlockInDB"`
	Progress      string         `json:"indexingProgress"`
	TotalRecords  int64          `json:"totalRecords"`
	SearchResults int64          `json:"searchResults"`
	Warnings      []string       `json:"warnings"`
	pageInfo                     // pageSize, currentPage, totalPages, nextCursor
	QueryParams   map[string]any `json:"queryParams"`
	Auth          authInfo       `json:"auth"`
}

// authInfo tells callers how they were recognized.
type authInfo struct {
	Authenticated bool      `json:"authenticated"`
	User          *userInfo `json:"user"`
}

type userInfo struct {
	UserID    string `json:"userId"`
	Email     string `json:"email"`
	PublicKey string `json:"publicKey"`
	Admin     bool   `json:"isAdmin"`
}

func describe(v access.Viewer) authInfo {
	if !v.Authenticated {
		return authInfo{}
	}
	return authInfo{true, &userInfo{v.UserID, v.Email, v.PublicKey, v.Admin}}
}

// records serves GET /api/records.
func (s *server) records(ctx context.Context, r *http.Request) (answer, error) {
	var q recordsRequest
	given, err := parse(r.URL.RawQuery, q.params())
	if err != nil {
		return answer{}, err
	}
	viewer, readable, err := s.readable(ctx, r, oip.KindRecord)
	if err != nil {
		return answer{}, err
	}
	base := slices.Clip(readable)
	if !q.deletions {
		base = append(base, records.Not{Cond: records.Is(records.FieldDeleteMessage, "true")})
	}
	filters, warnings := q.filters()
	if q.template != "" {
		names, warning, err := s.containing(ctx, base, records.FieldTemplateName, q.template)
		if err != nil {
			return answer{}, err
		}
		filters, warnings = append(filters, names), append(warnings, warning)
	}
	sort, warning := q.order()
	warnings = append(warnings, warning)

	found, err := s.page(ctx, &q.paging, base, filters, sort)
	if err != nil {
		return answer{}, err
	}
	if q.summarize {
		if err := s.summarize(ctx, readable, found.page.Hits); err != nil {
			return answer{}, err
		}
	}
	documents, err := q.shaped(found.page.Hits)
	if err != nil {
		return answer{}, err
	}
	progress, err := s.progressText(ctx)
	if err != nil {
		return answer{}, err
	}
	return s.replyList(recordsAnswer{
		Message:       "Records retrieved successfully",
		LatestBlock:   found.latest,
		Progress:      progress,
		TotalRecords:  found.total,
		SearchResults: found.page.Total,
		Warnings:      said(warnings),
		pageInfo:      q.paging.info(found.page),
		QueryParams:   given,
		Auth:          describe(viewer),
	}, "records", documents)
}

// said leaves the empty warnings out; the list is never null.
func said(warnings []string) []string {
	list := make([]string, 0, len(warnings))
	for _, w := range warnings {
		if w != "" {
			list = append(list, w)
		}
	}
	return list
}

// shaped gives the records of a page the form that was asked for.
func (q *recordsRequest) shaped(hits []records.Stored) ([][]byte, error) {
	documents := make([][]byte, len(hits))
	for i, hit := range hits {
		var added []member
		if len(q.tags) > 0 {
			score, err := tagScore(hit, q.tags)
			if err != nil {
				return nil, err
			}
			added = append(added, member{"score", score})
		}
		document, err := q.shape.apply(hit.JSON, added)
		if err != nil {
			return nil, fmt.Errorf("api: %s: %w", hit.DID, err)
		}
		documents[i] = document
	}
	return documents, nil
}

// tagScore is matched/asked as a text with three decimals, in JSON. What a record
// has as tags is what the store found it by.
func tagScore(hit records.Stored, tags []string) ([]byte, error) {
	p, err := records.Project(hit.Kind, hit.JSON)
	if err != nil {
		return nil, fmt.Errorf("api: %s: %w", hit.DID, err)
	}
	has := p.Text(records.FieldTag)
	matched := 0
	for _, tag := range tags {
		if slices.Contains(has, records.Key(tag)) {
			matched++
		}
	}
	return fmt.Appendf(nil, `"%.3f"`, float64(matched)/float64(len(tags))), nil
}
