package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"oipnode/shared/records"
)

// places is a score that also depends on where in a list of a record the items are: what
// was asked for first should come first. A store knows which of the items a record has,
// and not in which order.
type places struct {
	name string
	// found are the conditions of the items: each a Term of FieldRef.
	found []records.Cond
	// items are the positions in found of those that have a certain value of FieldRef.
	items map[string][]int
}

func newPlaces(name string, found []records.Cond) *places {
	p := &places{name: name, found: found, items: make(map[string][]int)}
	for i, c := range found {
		if term, ok := c.(records.Term); ok {
			for _, value := range term.Values {
				p.items[value] = append(p.items[value], i)
			}
		}
	}
	return p
}

// match counts the items that a record has, and those of them that come later in it than
// the one before. refs are the values of its FieldRef.
func (p *places) match(refs []string) (matched, inOrder int) {
	first := make([]int, len(p.found)) // 1 and more: where the item comes first
	for at, ref := range refs {
		for _, i := range p.items[ref] {
			if first[i] == 0 {
				first[i] = at + 1
			}
		}
	}
	last := 0
	for _, at := range first {
		if at == 0 {
			continue
		}
		matched++
		if at > last {
			inOrder++
		}
		last = at
	}
	return matched, inOrder
}

// points is the score in tenths of an item: matched/asked and a tenth of inOrder/asked.
func (p *places) points(refs []string) int64 {
	matched, inOrder := p.match(refs)
	return int64(10*matched + inOrder)
}

// members are what a record is shown with.
func (p *places) members(refs []string) []member {
	matched, _ := p.match(refs)
	score := float64(p.points(refs)) / float64(10*len(p.found))
	return []member{
		{p.name + "Score", strconv.AppendFloat(nil, score, 'f', -1, 64)},
		{p.name + "MatchedCount", number(int64(matched))},
	}
}

const (
	// maxCandidates is how many records are ordered by their places.
	maxCandidates = records.MaxWindow
	// candidatePage is how many are read at once.
	candidatePage = records.MaxLimit
)

// candidate is a record on its place in the order.
type candidate struct {
	did    string
	points int64
}

// ranked answers a query in the order of places. It goes through the matches, the newest
// first and at most maxCandidates, of which it reads nothing but the references, and then
// reads the page. warning says that there were more.
func (s *server) ranked(ctx context.Context, q records.Query, p *places, desc bool) (page records.Page, warning string, err error) {
	// The position of a cursor is that of a query with this order, whose other parts bind it.
	position := records.Query{Where: q.Where, Score: one(p.found), Distinct: q.Distinct, Sort: []records.Sort{{Field: records.FieldScore, Desc: desc}}, After: q.After}
	var after []records.SortKey
	if q.After != "" {
		if after, err = records.DecodeCursor(position); err != nil {
			return records.Page{}, "", err
		}
	}
	all, found, err := s.candidates(ctx, q, p)
	if err != nil {
		return records.Page{}, "", err
	}
	if found.Total > int64(len(all)) {
		warning = fmt.Sprintf("only the newest %d of the records that were found are ordered by %sScore, and listed", maxCandidates, p.name)
	}
	before := func(a, b candidate) int {
		order := cmp.Compare(a.points, b.points)
		if desc {
			order = -order
		}
		return cmp.Or(order, strings.Compare(a.did, b.did))
	}
	slices.SortFunc(all, before)
	from := min(q.Offset, len(all))
	if after != nil {
		last := candidate{after[1].Text, after[0].Number}
		from, _ = slices.BinarySearchFunc(all, last, before)
		if from < len(all) && before(all[from], last) == 0 {
			from++
		}
	}
	chosen := all[from:min(from+q.Limit, len(all))]
	page = records.Page{Total: found.Total, Counts: found.Counts}
	if page.Hits, err = s.hits(ctx, q.Where, chosen); err != nil {
		return records.Page{}, "", err
	}
	if n := from + len(chosen); n < len(all) && len(chosen) > 0 {
		last := chosen[len(chosen)-1]
		page.Next = records.EncodeCursor(position, []records.SortKey{{Number: last.points}, {Text: last.did}})
	}
	return page, warning, nil
}

// candidates are the matches with their points, and what the store counted.
func (s *server) candidates(ctx context.Context, q records.Query, p *places) (all []candidate, found records.Page, err error) {
	next := records.Query{Where: q.Where, Distinct: q.Distinct, Sort: newest, Limit: candidatePage, RefsOnly: true, CountBy: q.CountBy}
	first := true
	err = s.pages(ctx, next, func(page records.Page) (bool, error) {
		if first {
			found, first = records.Page{Total: page.Total, Counts: page.Counts}, false
		}
		for _, hit := range page.Hits {
			all = append(all, candidate{hit.DID, p.points(hit.Refs)})
		}
		return len(all) < maxCandidates, nil
	})
	return all, found, err
}

// hits reads the chosen records, in their order. One that has gone since is left out.
func (s *server) hits(ctx context.Context, where records.Cond, chosen []candidate) ([]records.Stored, error) {
	if len(chosen) == 0 {
		return nil, nil
	}
	dids, place := make([]string, len(chosen)), make(map[string]int, len(chosen))
	for i, c := range chosen {
		dids[i], place[c.did] = c.did, i
	}
	q := records.Query{Where: records.All{where, records.Is(records.FieldDID, dids...)}, Limit: len(dids)}
	page, err := s.opt.Records.Search(ctx, q)
	if err != nil {
		return nil, errPage(q, err)
	}
	slices.SortFunc(page.Hits, func(a, b records.Stored) int { return cmp.Compare(place[a.DID], place[b.DID]) })
	return page.Hits, nil
}
