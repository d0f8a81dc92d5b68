package api

import "oipnode/shared/records"

// tagSummary is the part of a request that asks for the tags of all matches.
type tagSummary struct {
	wanted      bool
	count, page int
}

func (t *tagSummary) params() []param {
	return []param{
		{"summarizeTags", truth(&t.wanted), "whether the answer has the tags of all records that were found, the most frequent first, and how many different ones there are"},
		{"tagCount", count(&t.count, 20, 1, records.MaxBuckets, ""), "how many tags to return at once"},
		{"tagPage", count(&t.page, 1, 1, records.MaxBuckets, ""), "which page of the tags, within the 1,000 most frequent"},
	}
}

// tagsSummed is the part of the answer with the tags.
type tagsSummed struct {
	Tags  []tagCounted `json:"tagSummary"`
	Count int64        `json:"tagCount"`
}

type tagCounted struct {
	Tag   string `json:"tag"`
	Count int64  `json:"count"`
}

// of is the page of the tags that were counted, nil if none was asked for.
func (t *tagSummary) of(counts records.Counts) *tagsSummed {
	if !t.wanted {
		return nil
	}
	sum := &tagsSummed{Tags: []tagCounted{}, Count: int64(len(counts.Buckets)) + counts.Other}
	from := min((t.page-1)*t.count, len(counts.Buckets))
	for _, b := range counts.Buckets[from:min(from+t.count, len(counts.Buckets))] {
		sum.Tags = append(sum.Tags, tagCounted{b.Value, b.Count})
	}
	return sum
}
