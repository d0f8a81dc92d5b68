package opensearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"oipnode/shared/records"
)

// hit is a document as a search finds it.
type hit struct {
	ID      string              `json:"_id"`
	SeqNo   int64               `json:"_seq_no"`
	Version int64               `json:"_version"`
	Source  source              `json:"_source"`
	Sort    []json.RawMessage   `json:"sort"`
	Fields  map[string][]string `json:"fields"` // of texts
}

// searched is the engine's answer to a search.
type searched struct {
	TimedOut bool                 `json:"timed_out"`
	Shards   struct{ Failed int } `json:"_shards"`
	PIT      string               `json:"pit_id"`
	Hits     struct {
		Total struct{ Value int64 }
		Hits  []hit
	}
	Aggregations aggregations
}

// aggregations are what searches have the engine count: the values of a field, a page at
// a time (counted), or the groups of documents with one name (groups).
type aggregations struct {
	Values struct {
		AfterKey json.RawMessage `json:"after_key"`
		Buckets  []bucket
	}
	Names  *names
	Number *number
}

// names are the groups, of which only the rest is told: how many documents are in others.
type names struct {
	Left int64 `json:"sum_other_doc_count"`
}

// number is how many groups there are.
type number struct{ Count int64 }

// bucket is a value, and of how many documents it is one.
type bucket struct {
	Key   struct{ V string }
	Count int64 `json:"doc_count"`
}

// ask sends a search; a part of an answer is no answer. It is asked again when the index
// was removed in the middle, because another has taken its place (Reindex).
func (s *Store) ask(ctx context.Context, path string, body object, limit int) (*searched, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	for n := 1; ; n++ {
		a, err := s.searched(ctx, request{method: http.MethodPost, path: path, body: text, limit: limit})
		var f *failure
		switch {
		case errors.As(err, &f) && f.status == http.StatusNotFound:
			err = fmt.Errorf("%w: %w", records.ErrUnavailable, err)
		case err != nil:
			return nil, err
		case !a.TimedOut && a.Shards.Failed == 0:
			return a, nil
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

// searched sends a search once.
func (s *Store) searched(ctx context.Context, r request) (*searched, error) {
	_, text, err := s.send(ctx, r)
	if err != nil {
		return nil, err
	}
	a, err := readSearched(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s %s: %w", ErrEngine, r.method, r.path, err)
	}
	return a, nil
}

// maxAsks is how often one search or read is asked for while indexes move.
const maxAsks = 3

// view is what searches are asked of: the index as it is at each of them, or one point
// in time of it.
type view struct {
	s   *Store
	pit string
}

// ask is Store.ask of the view. What is dropped of the answer is a list of names, as the
// engine's filter_path has it, or nothing.
func (v view) ask(ctx context.Context, body object, limit int, drop string) (*searched, error) {
	path := "/" + v.s.readAlias() + "/_search"
	if v.pit != "" {
		path, body = "/_search", maps.Clone(body)
		body["pit"] = object{"id": v.pit, "keep_alive": keepAlive}
	}
	if drop != "" {
		path += "?filter_path=-" + drop
	}
	return v.s.ask(ctx, path, body, limit)
}

// keepAlive is how long a point in time lasts after each request. It then ends by
// itself, so that no role has to be allowed to delete anything for it.
const keepAlive = "30s"

// fix fixes a point in time of what is read.
func (s *Store) fix(ctx context.Context) (view, error) {
	var pit struct {
		ID string `json:"pit_id"`
	}
	err := s.json(ctx, request{method: http.MethodPost, path: "/" + s.readAlias() + "/_search/point_in_time?keep_alive=" + keepAlive}, &pit)
	if err == nil && pit.ID == "" {
		err = fmt.Errorf("%w: no point in time", ErrEngine)
	}
	return view{s, pit.ID}, err
}

// inquiry is a query in the engine's words.
type inquiry struct {
	q      records.Query
	levels []records.Sort
	after  []records.SortKey // of q.After, nil without
	where  any
	points []any // of the score, if the order needs it
}

func inquire(q records.Query) (in inquiry, err error) {
	if err := q.Check(); err != nil {
		return in, err
	}
	clauses := 0
	in = inquiry{q: q, levels: q.Order(), where: translate(q.Where, &clauses)}
	if q.ByScore() {
		in.points = points(q.Score, &clauses)
	}
	if err := checkClauses(clauses); err != nil {
		return in, err
	}
	if q.After != "" {
		in.after, err = records.DecodeCursor(q)
	}
	return in, err
}

// query is what is searched for, among the documents for which the filters hold as well.
func (in inquiry) query(filters ...any) any {
	if len(filters) == 0 && len(in.points) == 0 {
		return in.where
	}
	b := object{"filter": append([]any{in.where}, filters...)}
	if len(in.points) > 0 {
		b["should"] = in.points
	}
	return object{"bool": b}
}

// parts are the parts of the documents that the hits are to have.
func (in inquiry) parts() []string {
	switch {
	case in.q.RefsOnly:
		return []string{"k", "f.ref"}
	case in.q.EnvelopeOnly:
		return []string{"k", "e"}
	}
	return []string{"k", "d", "e"}
}

// body is a search for size hits in the query's order.
func (in inquiry) body(size int, filters ...any) object {
	return object{"query": in.query(filters...), "track_total_hits": true, "size": size, "sort": order(in.levels), "_source": in.parts()}
}

// Search implements records.Store. A cursor is a position in the total order, so it
// needs no point in time, survives restarts, and costs the same at any depth.
func (s *Store) Search(ctx context.Context, q records.Query) (records.Page, error) {
	in, err := inquire(q)
	if err != nil {
		return records.Page{}, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return records.Page{}, err
	}
	defer leave()
	if err := s.refresh(ctx); err != nil {
		return records.Page{}, err
	}
	var p records.Page
	distinct := q.Distinct
	if distinct {
		if distinct, err = s.hasDistinct(ctx); err != nil {
			return records.Page{}, err
		}
	}
	if distinct {
		p, err = s.searchDistinct(ctx, in)
	} else {
		p, err = s.searchAll(ctx, in)
	}
	if errors.Is(err, errAnswerTooLarge) {
		err = tooLarge(s.opt.MaxPage)
	}
	if err != nil {
		return records.Page{}, err
	}
	return p, nil
}

// searchAll answers a query in which each match counts.
func (s *Store) searchAll(ctx context.Context, in inquiry) (records.Page, error) {
	q := in.q
	body := in.body(q.Limit)
	switch {
	case in.after == nil:
		body["from"] = q.Offset
	case q.Limit > 0:
		body["search_after"] = searchAfter(in.levels, in.after)
		body["size"] = q.Limit + 1 // one more tells whether there is more
	}
	a, counts, err := s.counted(ctx, body, q.CountBy, wire(s.opt.MaxPage))
	if err != nil {
		return records.Page{}, err
	}
	total, n := a.Hits.Total.Value, len(a.Hits.Hits)
	more := in.after == nil && int64(q.Offset+n) < total || n > q.Limit
	p, err := s.page(in, a.Hits.Hits[:min(n, q.Limit)], more)
	p.Total, p.Counts = total, counts
	return p, err
}

// page makes a page of hits; more says that there are others behind them.
func (s *Store) page(in inquiry, hits []hit, more bool) (answer records.Page, err error) {
	p := page{limit: s.opt.MaxPage}
	for i, h := range hits {
		if in.q.RefsOnly {
			err = p.addRefs(h.ID, h.Source)
		} else {
			err = p.add(h.ID, h.Source)
		}
		if err != nil {
			return records.Page{}, err
		}
		hits[i].Source = source{} // it is in the page now
	}
	answer.Hits = p.hits
	if more && len(hits) > 0 {
		keys, err := sortKeys(in.levels, hits[len(hits)-1].Sort)
		if err != nil {
			return records.Page{}, err
		}
		answer.Next = records.EncodeCursor(in.q, keys)
	}
	return answer, nil
}
