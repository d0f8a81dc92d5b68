package opensearch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"oipnode/shared/records"
)

// countPage is how many values one request of a Count reads. Of a kibibyte each, and six
// times as long where they hold nothing but escapes, they are below smallAnswer.
const countPage = 2000

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
	body := object{"query": q, "size": 0, "track_total_hits": true}
	if by == "" {
		a, err := s.ask(ctx, "/"+s.readAlias()+"/_search", body, 0)
		if err != nil {
			return records.Counts{}, err
		}
		return records.Counts{Total: a.Hits.Total.Value}, nil
	}
	composite := object{"size": countPage, "sources": []any{object{"v": object{"terms": object{"field": engineField(by)}}}}}
	body["aggs"] = object{"values": object{"composite": composite}}
	a, err := s.ask(ctx, "/"+s.readAlias()+"/_search", body, 0)
	if err != nil {
		return records.Counts{}, err
	}
	c := records.Counts{Total: a.Hits.Total.Value}
	top := largest{}
	after, err := top.take(a.Aggregations)
	if err != nil || after == nil {
		c.Buckets, c.Other = top.result()
		return c, err
	}
	// There is more than one page: start again over a point in time.
	pit, err := s.openPIT(ctx)
	if err != nil {
		return records.Counts{}, err
	}
	body["pit"] = object{"id": pit, "keep_alive": keepAlive}
	top, after = largest{}, nil
	for first := true; first || after != nil; first = false {
		if after != nil {
			composite["after"] = after
		}
		a, err := s.ask(ctx, "/_search", body, 0)
		if err != nil {
			return records.Counts{}, err
		}
		c.Total = a.Hits.Total.Value
		if after, err = top.take(a.Aggregations); err != nil {
			return records.Counts{}, err
		}
	}
	c.Buckets, c.Other = top.result()
	return c, nil
}

// largest keeps the records.MaxBuckets largest buckets of any number.
type largest struct {
	kept     []records.Bucket
	distinct int64
}

// take reads a page of values, each of which comes once, and returns where the next
// one begins; nil behind the last.
func (l *largest) take(aggregations json.RawMessage) (after json.RawMessage, err error) {
	var page struct {
		Values struct {
			AfterKey json.RawMessage `json:"after_key"`
			Buckets  []struct {
				Key   struct{ V string } `json:"key"`
				Count int64              `json:"doc_count"`
			} `json:"buckets"`
		} `json:"values"`
	}
	if err := json.Unmarshal(aggregations, &page); err != nil {
		return nil, fmt.Errorf("%w: count: %w", ErrEngine, err)
	}
	for _, b := range page.Values.Buckets {
		l.distinct++
		l.kept = append(l.kept, records.Bucket{Value: b.Key.V, Count: b.Count})
	}
	if len(l.kept) > 2*records.MaxBuckets {
		l.sort()
	}
	if len(page.Values.Buckets) < countPage {
		return nil, nil
	}
	return page.Values.AfterKey, nil
}

func (l *largest) sort() {
	slices.SortFunc(l.kept, func(a, b records.Bucket) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	l.kept = l.kept[:min(len(l.kept), records.MaxBuckets)]
}

// result is the buckets in the order of records.Store.Count, and how many more values
// there are.
func (l *largest) result() ([]records.Bucket, int64) {
	l.sort()
	return l.kept, l.distinct - int64(len(l.kept))
}

// keepAlive is how long a point in time lasts after each request. It then ends by
// itself, so that no role has to be allowed to delete anything for it.
const keepAlive = "30s"

// openPIT fixes a point in time of what is read.
func (s *Store) openPIT(ctx context.Context) (string, error) {
	var pit struct {
		ID string `json:"pit_id"`
	}
	err := s.json(ctx, request{method: http.MethodPost, path: "/" + s.readAlias() + "/_search/point_in_time?keep_alive=" + keepAlive}, &pit)
	if err == nil && pit.ID == "" {
		err = fmt.Errorf("%w: no point in time", ErrEngine)
	}
	return pit.ID, err
}
