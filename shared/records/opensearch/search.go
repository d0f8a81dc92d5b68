package opensearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"oipnode/shared/records"
)

// maxClauses is the most conditions of one query: what the engine takes by default.
const maxClauses = 1024

// query translates a condition; everything is a filter, scores are not used.
func query(c records.Cond) (any, error) {
	clauses := 0
	q := translate(c, &clauses)
	if clauses > maxClauses {
		return nil, fmt.Errorf("%w: %d conditions in one query, the engine takes %d", records.ErrInvalid, clauses, maxClauses)
	}
	return q, nil
}

type object = map[string]any

var (
	everything = object{"match_all": object{}}
	nothing    = object{"match_none": object{}}
)

func translate(c records.Cond, clauses *int) any {
	*clauses++
	list := func(parts []records.Cond) []any {
		all := make([]any, len(parts))
		for i, p := range parts {
			all[i] = translate(p, clauses)
		}
		return all
	}
	switch c := c.(type) {
	case records.All:
		if len(c) > 0 {
			return object{"bool": object{"filter": list(c)}}
		}
	case records.Any:
		if len(c) == 0 {
			return nothing
		}
		return object{"bool": object{"should": list(fold(c)), "minimum_should_match": 1}}
	case records.Not:
		return object{"bool": object{"must_not": []any{translate(c.Cond, clauses)}}}
	case records.Term:
		if len(c.Values) == 0 {
			return nothing
		}
		keys := make([]string, len(c.Values))
		for i, v := range c.Values {
			keys[i] = records.Key(v)
		}
		return object{"terms": object{engineField(c.Field): keys}}
	case records.Between:
		return object{"range": object{engineField(c.Field): object{"gte": c.Min, "lte": c.Max}}}
	case records.Exists:
		return object{"exists": object{"field": engineField(c.Field)}}
	}
	return everything
}

// fold unites the Terms of one field in an Any, as far as the engine takes their values
// in one, so that a long list of alternatives is one condition.
func fold(parts records.Any) []records.Cond {
	var folded []records.Cond
	at := make(map[records.Field]int)
	for _, p := range parts {
		term, ok := p.(records.Term)
		if !ok {
			folded = append(folded, p)
			continue
		}
		if i, ok := at[term.Field]; ok {
			if all := folded[i].(records.Term); len(all.Values)+len(term.Values) <= maxTerms {
				all.Values = append(slices.Clip(all.Values), term.Values...)
				folded[i] = all
				continue
			}
		}
		at[term.Field] = len(folded)
		folded = append(folded, term)
	}
	return folded
}

// maxTerms is the most values of one field's condition: what the engine takes by default.
const maxTerms = 65536

// order translates a sort.
func order(levels []records.Sort) []any {
	list := make([]any, len(levels))
	for i, l := range levels {
		direction, mode := "asc", "min"
		if l.Desc {
			direction, mode = "desc", "max"
		}
		list[i] = object{engineField(l.Field): object{"order": direction, "mode": mode, "missing": "_last"}}
	}
	return list
}

// noNumber is what the engine sorts a document by that lacks a number.
func noNumber(desc bool) int64 {
	if desc {
		return math.MinInt64
	}
	return math.MaxInt64
}

// searchAfter translates the position of a cursor.
func searchAfter(levels []records.Sort, keys []records.SortKey) []any {
	list := make([]any, len(levels))
	for i, l := range levels {
		switch k := keys[i]; {
		case !l.Field.Numeric() && k.Missing:
			list[i] = nil
		case !l.Field.Numeric():
			list[i] = k.Text
		case k.Missing:
			list[i] = noNumber(l.Desc)
		default:
			list[i] = k.Number
		}
	}
	return list
}

// sortKeys reads the position of a hit.
func sortKeys(levels []records.Sort, values []json.RawMessage) ([]records.SortKey, error) {
	if len(values) != len(levels) {
		return nil, fmt.Errorf("%w: a hit has %d sort values, want %d", ErrEngine, len(values), len(levels))
	}
	keys := make([]records.SortKey, len(levels))
	for i, l := range levels {
		text := string(values[i])
		if text == "null" {
			keys[i].Missing = true
			continue
		}
		if !l.Field.Numeric() {
			if err := json.Unmarshal(values[i], &keys[i].Text); err != nil {
				return nil, fmt.Errorf("%w: sort value: %w", ErrEngine, err)
			}
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: sort value: %w", ErrEngine, err)
		}
		if n == noNumber(l.Desc) {
			keys[i].Missing = true
		} else {
			keys[i].Number = n
		}
	}
	return keys, nil
}

// searched is the engine's answer to a search.
type searched struct {
	TimedOut bool                 `json:"timed_out"`
	Shards   struct{ Failed int } `json:"_shards"`
	PIT      string               `json:"pit_id"`
	Hits     struct {
		Total struct{ Value int64 }
		Hits  []struct {
			ID      string            `json:"_id"`
			SeqNo   int64             `json:"_seq_no"`
			Version int64             `json:"_version"`
			Source  source            `json:"_source"`
			Sort    []json.RawMessage `json:"sort"`
		}
	}
	Aggregations json.RawMessage `json:"aggregations"`
}

// ask sends a search; a part of an answer is no answer. It is asked again when the index
// was removed in the middle, because another has taken its place (Reindex).
func (s *Store) ask(ctx context.Context, path string, body object, limit int) (*searched, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	for n := 1; ; n++ {
		var a searched
		err := s.json(ctx, request{method: http.MethodPost, path: path, body: text, limit: limit}, &a)
		var f *failure
		switch {
		case errors.As(err, &f) && f.status == http.StatusNotFound:
			err = fmt.Errorf("%w: %w", records.ErrUnavailable, err)
		case err != nil:
			return nil, err
		case !a.TimedOut && a.Shards.Failed == 0:
			return &a, nil
		default:
			err = fmt.Errorf("%w: opensearch: %d shards did not answer", records.ErrUnavailable, a.Shards.Failed)
		}
		if n == maxAsks {
			return nil, err
		}
		if e := sleep(ctx, 50*time.Millisecond<<n); e != nil {
			return nil, s.ended(ctx)
		}
	}
}

// maxAsks is how often one search or read is asked for while indexes move.
const maxAsks = 3

// Search implements records.Store. A cursor is a position in the total order, so it
// needs no point in time, survives restarts, and costs the same at any depth.
func (s *Store) Search(ctx context.Context, q records.Query) (records.Page, error) {
	if err := q.Check(); err != nil {
		return records.Page{}, err
	}
	levels := q.Order()
	where, err := query(q.Where)
	if err != nil {
		return records.Page{}, err
	}
	body := object{"query": where, "track_total_hits": true, "size": q.Limit, "from": q.Offset, "sort": order(levels), "_source": []string{"k", "d", "e"}}
	if q.EnvelopeOnly {
		body["_source"] = []string{"k", "e"}
	}
	if q.After != "" {
		keys, err := records.DecodeCursor(q)
		if err != nil {
			return records.Page{}, err
		}
		body["search_after"] = searchAfter(levels, keys)
		delete(body, "from")
		body["size"] = min(q.Limit+1, records.MaxWindow) // one more tells whether there is more
		if q.Limit == 0 {
			delete(body, "search_after")
			body["size"] = 0
		}
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return records.Page{}, err
	}
	defer leave()
	if err := s.refresh(ctx); err != nil {
		return records.Page{}, err
	}
	a, err := s.ask(ctx, "/"+s.readAlias()+"/_search", body, wire(s.opt.MaxPage))
	if errors.Is(err, errAnswerTooLarge) {
		return records.Page{}, tooLarge(s.opt.MaxPage)
	}
	if err != nil {
		return records.Page{}, err
	}
	return s.page(q, levels, a)
}

// page makes a page of the engine's answer.
func (s *Store) page(q records.Query, levels []records.Sort, a *searched) (records.Page, error) {
	answer := records.Page{Total: a.Hits.Total.Value}
	hits := a.Hits.Hits
	more := q.After == "" && int64(q.Offset+len(hits)) < answer.Total
	if len(hits) > q.Limit {
		hits, more = hits[:q.Limit], true
	}
	p := page{limit: s.opt.MaxPage}
	for i, h := range hits {
		if err := p.add(h.ID, h.Source); err != nil {
			return records.Page{}, err
		}
		hits[i].Source = source{} // it is in the page now
	}
	answer.Hits = p.hits
	if more && len(hits) > 0 {
		keys, err := sortKeys(levels, hits[len(hits)-1].Sort)
		if err != nil {
			return records.Page{}, err
		}
		answer.Next = records.EncodeCursor(q, keys)
	}
	return answer, nil
}
