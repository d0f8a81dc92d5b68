package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
)

// question is a query that is measured.
type question struct {
	name  string
	query string
}

// questions are all queries. The words and tags are neither the most frequent nor rare.
func questions() []question {
	words := vocabulary()
	return []question{
		{"plain page", ""},
		{"type + sort", "recordType=post&sortBy=date:desc"},
		{"search", "search=" + words[120] + "+" + words[260]},
		{"tags + summary", "tags=" + tag(20) + "," + tag(45) + "&summarizeTags=true"},
		{"resolution to depth 3", "resolveDepth=3"},
		{"noDuplicates", "noDuplicates=true"},
	}
}

// check looks at an answer: that the handler knows every parameter, and that there is a
// page of records. It returns how many matches there are.
func (q question) check(body []byte) (matches int64, err error) {
	var answer struct {
		SearchResults int64
		QueryParams   map[string]any
		Records       []json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, fmt.Errorf("%s: %w", q.name, err)
	}
	asked, err := url.ParseQuery(q.query)
	if err != nil {
		return 0, err
	}
	for name := range asked {
		if _, ok := answer.QueryParams[name]; !ok {
			return 0, fmt.Errorf("%s: the API does not know the parameter %s", q.name, name)
		}
	}
	if len(answer.Records) == 0 || answer.SearchResults < int64(len(answer.Records)) {
		return 0, fmt.Errorf("%s: %d records of %d results", q.name, len(answer.Records), answer.SearchResults)
	}
	if asked.Has("resolveDepth") && bytes.Count(body, []byte(`"recordType":`)) <= len(answer.Records) {
		return 0, fmt.Errorf("%s: nothing is resolved", q.name)
	}
	return answer.SearchResults, nil
}
