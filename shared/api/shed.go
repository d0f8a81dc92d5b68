package api

import (
	"context"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"oipnode/shared/errs"
)

// shedPause is when a caller may come again whose query was refused.
const shedPause = 30 * time.Second

// What the lists of all callers together take while they are made and sent. Thousands of
// queries at a time would otherwise hold a page each, or several, before the monitor takes
// its next sample.
const (
	// makersEach is how many answers to heavy queries are made at a time for each
	// processor, and fewestMakers how many at least; of the others it is lighter times as
	// many. The heavy ones are apart so that they do not keep the others waiting.
	makersEach, fewestMakers, lighter = 2, 8, 4
	// makerWait is how long a request waits for its turn, which costs next to nothing.
	makerWait = 10 * time.Second
	// maxRoom is how many bytes of answers may lie here whose readers have not taken them
	// yet, and of bodies that were not sent to their end or are being worked on; each no
	// more than a part of the memory limit, one in roomPart.
	maxRoom, roomPart = 256 << 20, 8
	// small is up to what size an answer or a body is not counted.
	small = 64 << 10
)

// makers are the turns of those who make answers.
type makers struct{ heavy, light chan struct{} }

func newMakers() makers {
	n := max(makersEach*runtime.GOMAXPROCS(0), fewestMakers)
	return makers{make(chan struct{}, n), make(chan struct{}, lighter*n)}
}

// room is what the answers that are being sent, or the bodies that are being read, may
// take together.
type room struct {
	bytes atomic.Int64
	most  int64
}

// newRoom makes room for at least the largest one, whatever the memory limit; 0 is none.
func newRoom(limit, largest int64) *room {
	if limit <= 0 {
		limit = roomPart * maxRoom
	}
	return &room{most: max(largest, min(maxRoom, limit/roomPart))}
}

// hold counts bytes until release. It reports false when there are too many already:
// an answer is then given up at once, since waiting would keep it here as well.
func (u *room) hold(n int64) (release func(), ok bool) {
	if u == nil || n <= small {
		return func() {}, true
	}
	release = func() { u.bytes.Add(-n) }
	if u.bytes.Add(n) > u.most {
		release()
		return nil, false
	}
	return release, true
}

// sparing serves an endpoint whose heavy requests are refused while the process is short
// of memory, and after all caches were given up for it (memory.Monitor). All of them are
// made a few at a time.
func (s *server) sparing(heavy func(url.Values) bool, e endpoint) endpoint {
	return func(ctx context.Context, r *http.Request) (answer, error) {
		turns := s.makers.light
		if heavy(r.URL.Query()) {
			if s.opt.Memory.Shedding() {
				return answer{}, errs.E(errs.Unavailable, "the node is short of memory and answers small queries only: ask for less, or later", nil).After(shedPause)
			}
			turns = s.makers.heavy
		}
		if err := turn(ctx, turns, makerWait); err != nil {
			return answer{}, err
		}
		defer func() { <-turns }()
		return e(ctx, r)
	}
}

// turn waits for a place among those who make answers.
func turn(ctx context.Context, turns chan struct{}, most time.Duration) error {
	select {
	case turns <- struct{}{}:
		return nil
	default:
	}
	waited := time.NewTimer(most)
	defer waited.Stop()
	select {
	case turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-waited.C:
		return errCrowded()
	}
}

func errCrowded() error {
	return errs.E(errs.Unavailable, "too many large answers are being made or sent at the moment: ask for less, or later", nil).After(retryAfter)
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
