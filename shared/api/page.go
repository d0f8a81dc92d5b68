package api

import (
	"errors"
	"strconv"
	"strings"

	"oipnode/shared/records"
)

// paging is the part of a request that says which page of the matches it wants:
// by number within the store's window, or by the cursor of the page before.
type paging struct {
	limit  int
	page   int
	cursor string
}

// maxPage keeps (page-1)*limit far from overflow; the window ends long before.
const maxPage = 1_000_000_000

func (p *paging) params(limit int) []param {
	return []param{
		{"limit", count(&p.limit, limit, 1, records.MaxLimit, "; for more, go on with the parameter cursor and the answer's nextCursor"),
			"how many to return at once"},
		{"page", count(&p.page, 1, 1, maxPage, ""), "which page, by number, within the first 10,000 matches"},
		{"cursor", text(&p.cursor), "the nextCursor of an earlier answer: continues exactly where that page ended"},
	}
}

// apply puts the page into a query that has its condition and order.
//
// A cursor of ours is the number of the page it leads to, a dot, and the store's
// own cursor. The latter is bound to the condition and the order, and so to the
// filters and to what this caller may read.
func (p *paging) apply(q *records.Query) error {
	q.Limit = p.limit
	if p.cursor == "" {
		if q.Offset = (p.page - 1) * p.limit; q.Offset+p.limit > records.MaxWindow {
			return invalid("page", "page %d with limit %d lies beyond the first %d matches; go on with the parameter cursor and the answer's nextCursor",
				p.page, p.limit, records.MaxWindow)
		}
		return nil
	}
	if p.page != 1 {
		return invalid("page", "page cannot be combined with cursor, which goes on from an earlier answer")
	}
	number, after, ok := strings.Cut(p.cursor, ".")
	page, isNumber := digits(number)
	if !ok || after == "" || !isNumber || page < 2 || page > maxPage {
		return badCursor()
	}
	p.page, q.After = int(page), records.Cursor(after)
	return nil
}

// badCursor is the answer to a cursor that does not continue this query.
func badCursor() error {
	return invalid("cursor", "cursor must be the nextCursor of an answer to the same query by the same caller; begin again without it")
}

// pageInfo is where a page stands among the matches, in every paged answer.
type pageInfo struct {
	PageSize    int     `json:"pageSize"`
	CurrentPage int     `json:"currentPage"`
	TotalPages  int64   `json:"totalPages"`
	NextCursor  *string `json:"nextCursor"`
}

// info describes the page that was found. Followed by cursor, the current page
// is the number of pages read so far, which assumes that the limit stays.
func (p *paging) info(found records.Page) pageInfo {
	i := pageInfo{PageSize: p.limit, CurrentPage: p.page, TotalPages: (found.Total + int64(p.limit) - 1) / int64(p.limit)}
	if found.Next != "" {
		next := strconv.Itoa(min(p.page+1, maxPage)) + "." + string(found.Next)
		i.NextCursor = &next
	}
	return i
}

// errPage gives the errors of a search that are about the page their parameter.
func errPage(q records.Query, err error) error {
	switch {
	case errors.Is(err, records.ErrCursor):
		return badCursor()
	case overBytes(q, err):
		return errTooLarge(err)
	}
	return err
}
