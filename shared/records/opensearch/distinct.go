package opensearch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"oipnode/shared/records"
)

// A query with Distinct shows the winners: of all matches with the same name, that is
// records.FieldDistinct, the first in the order. The engine can collapse matches so, but
// only from the beginning of an order, so a page behind a cursor takes several requests.

// distinctField is what winners differ in. Each document has one value.
var distinctField = engineField(records.FieldDistinct)

const (
	// mostGroups is how many names the engine counts in one request; it takes 65,535 by
	// default. Where there are more, they are counted in partitions of about a half.
	mostGroups = 50000
	// maxReadings is how often a page behind a cursor reads on for more winners.
	maxReadings = 16
	// minReading and maxReading are how many matches it reads each time.
	minReading, maxReading = 64, records.MaxTerms
)

// hasDistinct reports whether the index knows which names documents have. One of an older
// version does not; until Reindex all matches count there.
func (s *Store) hasDistinct(ctx context.Context) (bool, error) {
	if _, m := s.typed.describe(); m.Version >= distinctVersion || s.named.Load() {
		return true, nil
	}
	m, err := s.readMeta(ctx) // another process may have built it anew
	if err == nil && m.Version >= distinctVersion {
		s.named.Store(true)
	}
	return m.Version >= distinctVersion, err
}

// distinct is one search for winners.
type distinct struct {
	s    *Store
	in   inquiry
	view view
	// total is the number of all winners, negative until it is known.
	total int64
	// Bounds of the constants of this file: mostGroups, maxReadings, maxCounted, and
	// records.MaxWindow. Tests
	// reach them with few documents.
	most, readings, kept, window int
}

func (s *Store) distinct(in inquiry) *distinct {
	return &distinct{s: s, in: in, view: view{s: s}, total: -1, most: mostGroups, readings: maxReadings, kept: maxCounted, window: records.MaxWindow}
}

// searchDistinct answers a query in which the winners count.
func (s *Store) searchDistinct(ctx context.Context, in inquiry) (p records.Page, err error) {
	d := s.distinct(in)
	var counts records.Counts
	if in.q.CountBy != "" {
		p, whole, err := d.atOnce(ctx)
		if err != nil || whole {
			return p, err
		}
		if d.view, err = s.fix(ctx); err != nil {
			return p, err
		}
		if counts, err = d.count(ctx); err != nil {
			return p, err
		}
		d.total = counts.Total
	}
	switch {
	case in.q.Limit == 0 && d.total >= 0:
	case in.q.Limit == 0:
		_, err = d.ask(ctx, object{"query": in.where, "size": 0, "track_total_hits": true}, 0)
	case in.after == nil:
		p, err = d.fromOffset(ctx)
	default:
		p, err = d.fromCursor(ctx)
	}
	p.Total, p.Counts = d.total, counts
	return p, err
}

// collapsed makes a search one for the winners among the documents that it looks at.
func collapsed(body object) object {
	body["collapse"] = object{"field": distinctField}
	body["track_total_hits"] = false
	return body
}

// ask asks a search, and counts the winners with the first one. Where they are too many
// to be counted in one request, a point in time is taken, and the search asked again.
func (d *distinct) ask(ctx context.Context, body object, limit int) (*searched, error) {
	if d.total >= 0 {
		return d.view.ask(ctx, body, limit, "")
	}
	counting := maps.Clone(body)
	counting["aggs"] = d.groups(0, 1)
	a, err := d.view.ask(ctx, counting, limit, dropGroups)
	if err != nil {
		return nil, err
	}
	n, left, err := readGroups(a)
	if err != nil {
		return nil, err
	}
	if left == 0 {
		d.total = n
		return a, nil
	}
	if d.view, err = d.s.fix(ctx); err != nil {
		return nil, err
	}
	for parts := int(n+left)/(d.most/2) + 1; d.total < 0; parts *= 2 {
		if d.total, err = d.countParts(ctx, parts); err != nil {
			return nil, err
		}
	}
	return d.view.ask(ctx, body, limit, "")
}

// countParts counts the winners in so many partitions of the names; the answer is
// negative when one of them has too many.
func (d *distinct) countParts(ctx context.Context, parts int) (total int64, err error) {
	for part := range parts {
		a, err := d.view.ask(ctx, object{"query": d.in.where, "size": 0, "track_total_hits": false, "aggs": d.groups(part, parts)}, 0, dropGroups)
		if err != nil {
			return 0, err
		}
		n, left, err := readGroups(a)
		if err != nil || left > 0 {
			return -1, err
		}
		total += n
	}
	return total, nil
}

// groups has the engine count the names of a partition, exactly and without telling them.
func (d *distinct) groups(part, parts int) object {
	terms := object{"field": distinctField, "size": d.most, "shard_size": d.most, "order": object{"_key": "asc"}}
	if parts > 1 {
		terms["include"] = object{"partition": part, "num_partitions": parts}
	}
	return object{"names": object{"terms": terms}, "number": object{"stats_bucket": object{"buckets_path": "names>_count"}}}
}

// dropGroups leaves the names out of an answer.
const dropGroups = "aggregations.names.buckets"

// readGroups reads the number of names that were counted, and of the documents of others.
func readGroups(a *searched) (n, left int64, err error) {
	counted := a.Aggregations
	if counted.Names == nil || counted.Number == nil {
		return 0, 0, fmt.Errorf("%w: distinct: the names were not counted", ErrEngine)
	}
	return counted.Number.Count, counted.Names.Left, nil
}

// fromOffset reads a page in the window.
func (d *distinct) fromOffset(ctx context.Context) (records.Page, error) {
	q := d.in.q
	body := collapsed(d.in.body(q.Limit))
	body["from"] = q.Offset
	a, err := d.ask(ctx, body, wire(d.s.opt.MaxPage))
	if err != nil {
		return records.Page{}, err
	}
	return d.s.page(d.in, a.Hits.Hits, int64(q.Offset+len(a.Hits.Hits)) < d.total)
}

// winner is a document that is the first of its name.
type winner struct {
	did  string
	keys []records.SortKey
}

// fromCursor reads a page behind a position. It reads on from there match by match and
// asks for the winners of the names that it meets; those that stand where it reads are of
// the page, and what has a name that is decided is not read again. When it has read on
// maxReadings times, through nothing but later matches of names that came before the
// cursor, the page ends early, and its Next goes on from there.
func (d *distinct) fromCursor(ctx context.Context) (records.Page, error) {
	limit, from := d.in.q.Limit, d.in.after
	var found []winner
	var decided []string
	size, ended := min(max(limit+1, minReading), maxReading), false
	for n := 0; n < d.readings && len(found) <= limit && !ended; n++ {
		read, names, to, err := d.readOn(ctx, from, size, decided)
		var winners map[string]winner
		if err == nil && read > 0 {
			winners, err = d.winners(ctx, names)
		}
		if errors.Is(err, errAnswerTooLarge) && size > 1 { // of the longest names and values
			size = max(size/4, 1)
			continue
		}
		if err != nil {
			return records.Page{}, err
		}
		if ended = read < size; read == 0 {
			break
		}
		for name, w := range winners {
			if compareKeys(d.in.levels, w.keys, to) > 0 {
				continue // it changed meanwhile, and will be met again
			}
			decided = append(decided, name)
			if compareKeys(d.in.levels, w.keys, from) > 0 {
				found = append(found, w)
			}
		}
		from, size = to, min(2*size, maxReading)
	}
	slices.SortFunc(found, func(a, b winner) int { return compareKeys(d.in.levels, a.keys, b.keys) })
	var next records.Cursor
	if len(found) > limit {
		found = found[:limit]
		next = records.EncodeCursor(d.in.q, found[limit-1].keys)
	} else if !ended {
		next = records.EncodeCursor(d.in.q, from)
	}
	hits, err := d.fetch(ctx, found)
	if err != nil {
		return records.Page{}, err
	}
	p, err := d.s.page(d.in, hits, false)
	p.Next = next
	return p, err
}

// readOn reads the next matches behind a position whose names are not decided: how many
// there are, their names, and where the last of them stands.
func (d *distinct) readOn(ctx context.Context, from []records.SortKey, size int, decided []string) (n int, names []string, to []records.SortKey, err error) {
	var undecided []any
	if len(decided) > 0 {
		undecided = []any{object{"bool": object{"must_not": object{"terms": object{distinctField: decided}}}}}
	}
	body := d.in.body(size, undecided...)
	body["search_after"] = searchAfter(d.in.levels, from)
	body["_source"], body["docvalue_fields"], body["track_total_hits"] = false, []string{distinctField}, false
	a, err := d.ask(ctx, body, 0)
	if err != nil {
		return 0, nil, nil, err
	}
	for _, h := range a.Hits.Hits {
		if to, err = sortKeys(d.in.levels, h.Sort); err != nil {
			return 0, nil, nil, err
		}
		name, err := h.name()
		if err != nil {
			return 0, nil, nil, err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return len(a.Hits.Hits), slices.Compact(names), to, nil
}

// name is the name under which a hit competes.
func (h hit) name() (string, error) {
	names := h.Fields[distinctField]
	if len(names) != 1 {
		return "", fmt.Errorf("%w: %s has %d names to be distinct by, want 1", ErrCorrupt, h.ID, len(names))
	}
	return names[0], nil
}

// winners are the winners of some names, among all matches.
func (d *distinct) winners(ctx context.Context, names []string) (map[string]winner, error) {
	body := collapsed(d.in.body(len(names), object{"terms": object{distinctField: names}}))
	body["_source"], body["docvalue_fields"] = false, []string{distinctField}
	a, err := d.view.ask(ctx, body, 0, "")
	if err != nil {
		return nil, err
	}
	list := make(map[string]winner, len(a.Hits.Hits))
	for _, h := range a.Hits.Hits {
		name, err := h.name()
		if err != nil {
			return nil, err
		}
		w := winner{did: h.ID}
		if w.keys, err = sortKeys(d.in.levels, h.Sort); err != nil {
			return nil, err
		}
		list[name] = w
	}
	return list, nil
}

// fetch reads documents, in the order given, that still match.
func (d *distinct) fetch(ctx context.Context, list []winner) ([]hit, error) {
	if len(list) == 0 {
		return nil, nil
	}
	dids := make([]string, len(list))
	for i, w := range list {
		dids[i] = w.did
	}
	body := object{"query": object{"bool": object{"filter": []any{d.in.where, object{"ids": object{"values": dids}}}}},
		"size": len(dids), "track_total_hits": false, "_source": d.in.parts()}
	a, err := d.view.ask(ctx, body, wire(d.s.opt.MaxPage), "")
	if err != nil {
		return nil, err
	}
	at := make(map[string]int, len(dids))
	for i, did := range dids {
		at[did] = i
	}
	hits := a.Hits.Hits
	slices.SortFunc(hits, func(a, b hit) int { return at[a.ID] - at[b.ID] })
	return hits, nil
}
