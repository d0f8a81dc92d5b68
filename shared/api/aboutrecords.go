package api

import (
	"net/http"

	"oipnode/shared/errs"
	"oipnode/shared/oip"
	"oipnode/shared/openapi"
	"oipnode/shared/records"
)

// recordRows are the routes of records, templates and registrations.
func (s *server) recordRows() []row {
	return []row{
		{http.MethodGet, "/api/records", s.json(s.cached("records", s.sparing(heavyQuery, s.records))), aboutRecords},
		{http.MethodGet, "/api/records/recordTypes", s.json(s.cached("recordTypes", s.sparing(heavyAlways, s.recordTypes))), aboutRecordTypes},
		{http.MethodPost, "/api/records/deleteRecord", s.json(s.deleteRecord), aboutDeleteRecord},
		{http.MethodPost, "/api/records/clear-cache", s.operation(s.clearAnswers), aboutClearAnswers},
		{http.MethodGet, "/api/templates", s.json(s.cached("templates", s.sparing(heavyQuery, s.templates))), aboutTemplates},
		{http.MethodGet, "/api/creators", s.json(s.cached("creators", s.sparing(heavyQuery, s.creators))), aboutCreators},
		{http.MethodGet, "/api/organizations", s.json(s.cached("organizations", s.sparing(heavyQuery, s.organizationList))), aboutOrganizations},
	}
}

// queryErrors are the errors of a query for a list.
var queryErrors = kinds(errs.Invalid, errs.TooLarge)

// addedMembers are what a query adds to a record beside its data and its envelope.
func addedMembers() []openapi.Member[*openapi.Schema] {
	share, whole, number := openapi.Matching(`^\d+\.\d{3}$`), openapi.Schema{Type: openapi.Integer}, openapi.Schema{Type: openapi.Number}
	members := []openapi.Member[*openapi.Schema]{
		openapi.With("score", share.About("with tags: the share of them that the record has, with three decimals")),
		openapi.With("matchCount", whole.About("with search: how many of its words the record has")),
		openapi.With("fieldSearchScore", whole.About("with fieldSearch: how close the best value comes, 600 to 1000")),
		openapi.With("fieldSearchMatchedCount", whole.About("with fieldSearch: how many of the pairs the record has")),
	}
	seen := make(map[string]bool)
	for _, f := range specials {
		if seen[f.score] {
			continue
		}
		seen[f.score] = true
		score := share
		if f.ordered != "" {
			score = number
		}
		members = append(members, openapi.With(f.score+"Score", score.About("with the filter of that name: the share of the items that the record has")),
			openapi.With(f.score+"MatchedCount", whole.About("how many of them that are")))
	}
	return members
}

// documentSchema is a record, a template or a registration. What is in its data is the
// publisher's, by the templates that it used; the envelope is the node's.
func documentSchema(s *openapi.Schemas, name, data string, added ...openapi.Member[*openapi.Schema]) openapi.Schema {
	envelope := s.Of(oip.Envelope{})
	s.Optional("Envelope", "inArweaveBlock") // hideNullValues
	s.Optional("CreatorRef", "publicKey")    // includePubKeys=false
	members := append([]openapi.Member[*openapi.Schema]{
		openapi.With("data", openapi.Open(nil).About(data)), openapi.With("oip", envelope),
	}, added...)
	return s.Add(name, openapi.Closed([]string{"data", "oip"}, members...))
}

// listAnswer is an answer of replyList: a struct, and a list as its last member.
func listAnswerSchema(s *openapi.Schemas, value any, name, list string, element openapi.Schema) openapi.Schema {
	return s.OfWith(value, name, openapi.With(list, openapi.ListOf(element, 0)))
}

// echoSchema is queryParams: the parameters that were understood.
func echoSchema(table []param) openapi.Schema {
	var members []openapi.Member[*openapi.Schema]
	for _, p := range table {
		value := p.kind.schema()
		if p.kind.many > 1 {
			value = openapi.Either(value, openapi.ListOf(value, p.kind.many))
		}
		members = append(members, openapi.With(p.name, value))
	}
	return openapi.Closed(nil, members...).About("the parameters that were understood, as they were understood")
}

func aboutRecords(s *openapi.Schemas) about {
	table := new(recordsRequest).params()
	record := documentSchema(s, "Record", "the record's data by the names of the templates that it was published with; with resolveDepth, DIDs are replaced by the records they name", addedMembers()...)
	answer := openapi.With("records", openapi.ListOf(record, records.MaxLimit))
	s.Add("QueryParams", echoSchema(table))
	return about{
		id: "getRecords", group: groupRecords, summary: "Search, filter and page through records",
		text: "Finds the records that the caller may read and that all of the parameters allow. Totals, pages and scores are of these only.\n\n" +
			"An unknown parameter is ignored, and an empty one is the same as none. A known one with a value that it does not take is a 400 that names it.",
		inHeader: []given{ifNoneMatch}, params: table,
		answers: keptAnswer("A page of records.", s.OfWith(recordsAnswer{}, "Records", answer)),
		errors:  queryErrors,
		curl:    "'" + address + "/api/records?recordType=recipe&sortBy=date:desc&limit=1'",
	}
}

func aboutRecordTypes(s *openapi.Schemas) about {
	return about{
		id: "getRecordTypes", group: groupRecords, summary: "Count records by type",
		text:     "The types of the records that the caller may read, as they were published, the most frequent first.",
		inHeader: []given{ifNoneMatch}, params: []param{forceParam(new(bool))},
		answers: keptAnswer("The types and how many records each has.", s.Of(recordTypesAnswer{})),
		errors:  queryErrors,
		curl:    "'" + address + "/api/records/recordTypes'",
	}
}

func aboutDeleteRecord(s *openapi.Schemas) about {
	body := openapi.Open([]string{"delete"}, openapi.With("delete", openapi.Open([]string{"did"}, openapi.With("did", didSchema()))))
	return about{
		id: "deleteRecord", group: groupRecords, summary: "Delete a record of one's own", caller: users,
		text:    "Removes a record from this node for good. When it is answered no answer shows the record any more. What lies on Arweave stays there; the deletion of a GUN record is told to other nodes.",
		body:    &content{required: true, schema: body, example: `{"delete":{"did":"did:arweave:VK2NEzim55WyLVPpRm-jaDoTmH65LeMinEXP3RA2eco"}}`},
		answers: []told{{status: http.StatusOK, doc: "The record is gone.", schema: s.Of(deletionAnswer{})}},
		errors:  kinds(errs.Invalid, errs.Unauthorized, errs.Forbidden, errs.NotFound, errs.TooLarge),
		curl:    "-X POST '" + address + `/api/records/deleteRecord' -H "Authorization: Bearer $TOKEN" -d '{"delete":{"did":"did:arweave:VK2NEzim55WyLVPpRm-jaDoTmH65LeMinEXP3RA2eco"}}'`,
	}
}

func aboutClearAnswers(s *openapi.Schemas) about {
	return about{
		id: "clearRecordsCache", group: groupOperations, summary: "Forget the answers that are kept", caller: operators,
		text:    "Every process of the node makes its answers anew from then on.",
		answers: []told{{status: http.StatusOK, doc: "They are forgotten.", schema: s.Of(clearedAnswers{})}},
		errors:  operationErrors,
		curl:    "-X POST '" + address + "/api/records/clear-cache'",
	}
}

func aboutTemplates(s *openapi.Schemas) about {
	template := documentSchema(s, "Template", "the template: its name, its fields and their types")
	list := listAnswerSchema(s, templatesAnswer{}, "Templates", "templates", template)
	return about{
		id: "getTemplates", group: groupNetwork, summary: "List templates, or write them as TypeScript",
		text:     "Templates say which fields records have. With typeScriptTypes the answer is the source text of an interface for each of them.",
		inHeader: []given{ifNoneMatch}, params: append(new(templatesRequest).params(), forceParam(new(bool))),
		answers: keptAnswer("The templates, or their TypeScript.", openapi.Either(list, s.Of(typeScriptAnswer{}))),
		errors:  queryErrors,
		curl:    "'" + address + "/api/templates?templateName=recipe'",
	}
}

func aboutCreators(s *openapi.Schemas) about {
	creator := documentSchema(s, "Creator", "the registration of a creator")
	return about{
		id: "getCreators", group: groupNetwork, summary: "List the creators that are registered",
		text:     "The newest registration comes first.",
		inHeader: []given{ifNoneMatch}, params: append(new(paging).params(100), forceParam(new(bool))),
		answers: keptAnswer("A page of creators.", listAnswerSchema(s, creatorsAnswer{}, "Creators", "creators", creator)),
		errors:  queryErrors,
		curl:    "'" + address + "/api/creators?limit=1'",
	}
}

func aboutOrganizations(s *openapi.Schemas) about {
	organization := documentSchema(s, "Organization", "the registration of an organization")
	return about{
		id: "getOrganizations", group: groupNetwork, summary: "List the organizations that are registered",
		text:     "The newest registration comes first.",
		inHeader: []given{ifNoneMatch}, params: append(new(paging).params(100), forceParam(new(bool))),
		answers: keptAnswer("A page of organizations.", listAnswerSchema(s, organizationsAnswer{}, "Organizations", "organizations", organization)),
		errors:  queryErrors,
		curl:    "'" + address + "/api/organizations'",
	}
}
