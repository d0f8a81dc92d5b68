package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"oipnode/shared/errs"
)

// shedPause is when a caller may come again whose query was refused.
const shedPause = 30 * time.Second

// sparing serves an endpoint whose heavy requests are refused while the process is short
// of memory, and after all caches were given up for it (memory.Monitor).
func (s *server) sparing(heavy func(url.Values) bool, e endpoint) endpoint {
	return func(ctx context.Context, r *http.Request) (answer, error) {
		if s.opt.Memory.Shedding() && heavy(r.URL.Query()) {
			return answer{}, errs.E(errs.Unavailable, "the node is short of memory and answers small queries only: ask for less, or later", nil).After(shedPause)
		}
		return e(ctx, r)
	}
}

// smallLimit is the largest page that is no heavy query.
const smallLimit = 100

// costly are parameters that make a query read far more records than it answers with, by
// the values that do not.
var costly = map[string]string{
	"resolveDepth": "0", "summarizeRecipe": "false", "summarizeTags": "false", "noDuplicates": "false", "selectedOnly": "false", "typeScriptTypes": "false",
	"search": "", "fieldSearch": "",
	"exerciseNames": "", "exerciseDIDs": "", "ingredientNames": "", "equipmentRequired": "", "cuisine": "", "model": "",
}

// heavyQuery reports whether a query for a list is one of the heaviest.
func heavyQuery(q url.Values) bool {
	for name, harmless := range costly {
		if v := q.Get(name); v != "" && v != harmless {
			return true
		}
	}
	limit, err := strconv.Atoi(q.Get("limit"))
	return err == nil && limit > smallLimit
}

// heavyAlways is for endpoints that look at every record.
func heavyAlways(url.Values) bool { return true }

// forOperators serves a page to those who may do operations.
func (s *server) forOperators(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.mayOperate(r); err != nil {
			s.fail(w, r, err)
			return
		}
		page.ServeHTTP(w, r)
	})
}
