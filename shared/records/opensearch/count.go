package opensearch

import (
	"context"
	"encoding/json"
	"errors"
	"maps"

	"oipnode/shared/records"
)

// countPage is how many values one request of a Count reads. Of a kibibyte each, and six
// times as long where they hold nothing but escapes, they are below smallAnswer.
const countPage = 2000

// firstValues is how many values the first request of a Count reads, so that few Counts
// need a second one, and with it a point in time: of those the engine has 300, each of
// which it keeps for a minute or more.
const firstValues = 10000

// valuesRoom is how many bytes of an answer with documents they may take.
const valuesRoom = 4 << 20

// Count implements records.Store. The values are paged through in their own order, over
// one point in time, so that all are counted exactly, however many there are; no more
// than the largest are kept.
func (s *Store) Count(ctx context.Context, where records.Cond, by records.Field) (records.Counts, error) {
	if err := records.CheckCount(where, by); err != nil {
		return records.Counts{}, err
	}
	q, err := query(where)
	if err != nil {
		return records.Counts{}, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return records.Counts{}, err
	}
	defer leave()
	if err := s.refresh(ctx); err != nil {
		return records.Counts{}, err
	}
	a, counts, err := s.counted(ctx, object{"query": q, "size": 0, "track_total_hits": true}, by, 0)
	if err != nil {
		return records.Counts{}, err
	}
	counts.Total = a.Hits.Total.Value
	return counts, nil
}

// counted asks a search and counts its matches by a field, if there is one, in the same
// state of the index. The limit is that of the answer without the counts.
func (s *Store) counted(ctx context.Context, body object, by records.Field, limit int) (*searched, records.Counts, error) {
	now := view{s: s}
	if by == "" {
		a, err := now.ask(ctx, body, limit, "")
		return a, records.Counts{}, err
	}
	composite := object{"size": firstValues, "sources": []any{object{"v": object{"terms": object{"field": engineField(by)}}}}}
	values := object{"values": object{"composite": composite}}
	first, room := maps.Clone(body), 0
	if first["aggs"] = values; limit > 0 {
		room = limit + valuesRoom
	}
	a, err := now.ask(ctx, first, room, "")
	switch {
	case errors.Is(err, errAnswerTooLarge): // of long values, or of large documents
	case err != nil:
		return nil, records.Counts{}, err
	default:
		var top records.Top
		if after := takeValues(&top, a, firstValues); after == nil {
			return a, top.Counts(a.Hits.Total.Value), nil
		}
	}
	// There is more than that: start again over a point in time.
	if now, err = s.fix(ctx); err != nil {
		return nil, records.Counts{}, err
	}
	if a, err = now.ask(ctx, body, limit, ""); err != nil {
		return nil, records.Counts{}, err
	}
	composite["size"] = countPage
	top, page := records.Top{}, object{"query": body["query"], "size": 0, "track_total_hits": false, "aggs": values}
	for {
		some, err := now.ask(ctx, page, 0, "")
		if err != nil {
			return nil, records.Counts{}, err
		}
		after := takeValues(&top, some, countPage)
		if after == nil {
			return a, top.Counts(a.Hits.Total.Value), nil
		}
		composite["after"] = after
	}
}

// takeValues reads a page of at most size values, each of which comes once, and returns
// where the next one begins; nil behind the last.
func takeValues(top *records.Top, a *searched, size int) (after json.RawMessage) {
	page := a.Aggregations.Values
	for _, b := range page.Buckets {
		top.Add(b.Key.V, b.Count)
	}
	if len(page.Buckets) < size {
		return nil
	}
	return page.AfterKey
}
