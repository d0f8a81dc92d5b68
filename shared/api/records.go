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
	didTxRef       string
	source         string
	storage        string
	creatorHandle  string
	creatorAddress string
	template       string
	search         search
	tags           []string
	tagsMode       string
	url            string
	exact          []exactField
	fields         fieldSearch
	block          block
	from, to       moment
	day            moment
	audio          tristate
	special        []specialAsked
	deletions      bool
	distinct       bool
	tagSummary     tagSummary
	force          bool // else seen to by server.cached
	summarize      bool
	sort           sorting
	paging         paging
	shape          shape
	resolve        resolving
}

// params is the table of the route's parameters.
func (q *recordsRequest) params() []param {
	storages := []string{"all", "arweave", "gun", "irys"}
	return slices.Concat([]param{
		{"recordType", text(&q.recordType), "only records of this type, in any case"},
		{"did", did(&q.did), "only the record with this DID"},
		{"didTx", did(&q.didTx), "the same as did"},
		{"didTxRef", did(&q.didTxRef), "only records with a text in their data that begins with this DID"},
		{"source", choice(&q.source, storages...), "only records from there, by the prefix of their DID"},
		{"storage", choice(&q.storage, storages...), "the same as source"},
		{"creatorHandle", text(&q.creatorHandle), "only records of the creator with this unique handle, exactly"},
		{"creator_did_address", did(&q.creatorAddress), "only records of the creator with this DID; may be percent-encoded twice"},
		{"template", text(&q.template), "only records with data under a template whose name contains this, in any case"},
	}, q.search.params(), []param{
		{"tags", commaList(&q.tags), "only records with these tags, exactly; adds score, the share of them that a record has"},
		{"tagsMatchMode", choice(&q.tagsMode, "OR", "AND"), "whether one of the tags is enough, or all are needed"},
		{"url", text(&q.url), "only records with this basic.url, basic.webUrl or post.webUrl, exactly"},
		{"exactMatch", exactKind(&q.exact), "only records that have these values in these fields, exactly"},
	}, q.fields.params(), []param{
		{"inArweaveBlock", blockKind(&q.block), "only records of this block"},
		{"dateStart", momentKind(&q.from, false), "only records with a basic.date at or after this; with recordType workoutSchedule or mealPlan it is about the day for which they are planned"},
		{"dateEnd", momentKind(&q.to, true), "only records with such a date at or before this"},
		{"scheduledOn", dayKind(&q.day), "only workoutSchedules and mealPlans that are planned for this day (UTC)"},
		{"hasAudio", tristateKind(&q.audio), "only records with post.audioItems or basic.audioItems, or only those without"},
	}, specialParams(&q.special), []param{
		{"includeDeleteMessages", truth(&q.deletions), "whether delete messages are among the records"},
		{"noDuplicates", truth(&q.distinct), "whether of all records with the same basic.name only the first in the order is found"},
		{"summarizeRecipe", truth(&q.summarize), "whether recipes carry the nutrients of their ingredients, in all and per serving"},
		{"sortBy", sortKind(&q.sort), "the order: by " + orderNames(recordOrders) + " or a score that a filter adds, and by DID where that leaves a tie; any other field is told as a warning, and the order is inArweaveBlock:desc"},
		forceParam(&q.force),
	}, q.tagSummary.params(), q.paging.params(20), q.resolve.params(), q.shape.params())
}

// scheduledTypes are the types whose date is not basic.date.
var scheduledTypes = []string{"workoutschedule", "mealplan"}

// filters are the conditions that the request adds to the base, as far as they follow
// from the request alone, and what they tell of the records.
func (q *recordsRequest) filters() (conds []records.Cond, told scores, warnings []string, err error) {
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
	if q.didTxRef != "" {
		conds = append(conds, records.Prefix{Field: records.FieldRef, Text: q.didTxRef})
	}
	if q.search.given {
		found, s := q.search.filter(len(q.tags) > 0)
		conds, told = append(conds, found), append(told, s...)
	}
	if len(q.tags) > 0 {
		found, s := q.tagged()
		conds, told = append(conds, found), append(told, s)
	}
	if q.url != "" {
		conds = append(conds, records.Any{records.Equal("basic.url", q.url), records.Equal("basic.webUrl", q.url), records.Equal("post.webUrl", q.url)})
	}
	for _, f := range q.exact {
		conds = append(conds, f.cond)
	}
	found, s, warning, err := q.fields.filter()
	if err != nil {
		return nil, nil, nil, err
	}
	conds, told, warnings = append(conds, found...), append(told, s...), append(warnings, warning)
	switch {
	case q.block.missing:
		conds = append(conds, records.Not{Cond: records.Exists{Field: records.FieldHeight}})
	case q.block.given:
		conds = append(conds, records.Between{Field: records.FieldHeight, Min: q.block.height, Max: q.block.height})
	}
	if q.from.given || q.to.given {
		date := records.FieldDate
		if slices.Contains(scheduledTypes, recordType) {
			date = records.FieldSchedule
		}
		conds = append(conds, records.Between{Field: date, Min: q.from.or(-maxExact), Max: q.to.or(maxExact)})
	}
	if q.day.given {
		conds = append(conds, records.Between{Field: records.FieldSchedule, Min: q.day.seconds, Max: q.day.seconds + daySeconds - 1})
	}
	if q.audio.given {
		audio := records.Cond(records.Any{records.Present("post.audioItems"), records.Present("basic.audioItems")})
		if !q.audio.value {
			audio = records.Not{Cond: audio}
		}
		conds = append(conds, audio)
	}
	return conds, told, warnings, nil
}

// or is the moment, or what stands for none.
func (m moment) or(none int64) int64 {
	if m.given {
		return m.seconds
	}
	return none
}

// tagged holds for records with one of the tags, or all of them; the score is the share
// of the tags that a record has.
func (q *recordsRequest) tagged() (records.Cond, scoring) {
	each := make([]records.Cond, len(q.tags))
	for i, tag := range q.tags {
		each[i] = records.Is(records.FieldTag, tag)
	}
	found := combined(q.tagsMode, each)
	if q.tagsMode == "OR" {
		found = records.Is(records.FieldTag, q.tags...)
	}
	return found, scoring{names: []string{"score", "tags"}, parts: one(each), show: func(points int64) []member {
		return []member{{"score", share(points, len(each))}}
	}}
}

// order puts the order of the request into a query. ranked is set when the store cannot
// know it.
func (q *recordsRequest) order(query *records.Query, told scores) (ranked *places, warning string) {
	by, ok := told.named(q.sort.field)
	switch {
	case !ok:
		query.Sort, warning = q.sort.order(recordOrders)
		return nil, warning
	case len(by.parts) < 2: // all that match have the same; the tie-break decides
		return nil, ""
	case by.places != nil:
		return by.places, ""
	}
	query.Score = by.parts
	query.Sort = []records.Sort{{Field: records.FieldScore, Desc: q.sort.field == "" || q.sort.desc}}
	return nil, ""
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
	QueryParams   map[string]any `json:"queryParams" ref:"QueryParams"`
	Auth          authInfo       `json:"auth"`
	*tagsSummed                  // tagSummary, tagCount
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
		base = append(base, notDeletion())
	}
	filters, told, warnings, err := q.filters()
	if err != nil {
		return answer{}, err
	}
	if q.template != "" {
		names, warning, err := s.containing(ctx, base, records.FieldTemplateName, q.template)
		if err != nil {
			return answer{}, err
		}
		filters, warnings = append(filters, names), append(warnings, warning)
	}
	special, fit, more, err := s.special(ctx, readable, q.recordType, q.special)
	if err != nil {
		return answer{}, err
	}
	filters, told, warnings = append(filters, special...), append(told, fit...), append(warnings, more...)

	query := records.Query{Where: slices.Concat(base, filters), Distinct: q.distinct}
	if q.tagSummary.wanted {
		query.CountBy = records.FieldTag
	}
	ranked, warning := q.order(&query, told)
	warnings = append(warnings, warning)
	search := s.opt.Records.Search
	if ranked != nil {
		search = func(ctx context.Context, query records.Query) (page records.Page, err error) {
			page, warning, err := s.ranked(ctx, query, ranked, q.sort.field == "" || q.sort.desc)
			warnings = append(warnings, warning)
			return page, err
		}
	}
	found, err := s.find(ctx, &q.paging, base, query, search)
	if err != nil {
		return answer{}, err
	}
	if q.summarize {
		if err := s.summarize(ctx, readable, found.page.Hits); err != nil {
			return answer{}, err
		}
	}
	documents, err := q.shaped(found.page.Hits, told)
	if err != nil {
		return answer{}, err
	}
	if documents, err = s.resolved(ctx, base, &q, found.page.Hits, documents); err != nil {
		return answer{}, err
	}
	progress, err := s.progressText(ctx, q.force)
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
		tagsSummed:    q.tagSummary.of(found.page.Counts),
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

// shaped gives the records of a page the form that was asked for, with what the filters
// tell of each.
func (q *recordsRequest) shaped(hits []records.Stored, told scores) ([][]byte, error) {
	documents := make([][]byte, len(hits))
	for i, hit := range hits {
		added, err := told.added(hit)
		if err != nil {
			return nil, err
		}
		document, err := q.shape.apply(hit.JSON, added)
		if err != nil {
			return nil, fmt.Errorf("api: %s: %w", hit.DID, err)
		}
		documents[i] = document
	}
	return documents, nil
}

// notDeletion leaves delete messages out.
func notDeletion() records.Cond {
	return records.Not{Cond: records.Is(records.FieldDeleteMessage, "true")}
}
