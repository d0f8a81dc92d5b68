package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"oipnode/shared/access"
	"oipnode/shared/errs"
	"oipnode/shared/memory"
	"oipnode/shared/metrics"
)

// maxCachedQuery is the longest query string whose answer is kept, in bytes.
const maxCachedQuery = 8 << 10

// cached serves an endpoint whose answer depends on the query string and the caller only,
// out of the cache if it can. Identical requests that come at a time make one answer.
// forceRefresh=true makes one past every cache, which is kept for nobody: no other
// request may be answered with it, and the next of its own kind asks for a new one.
//
// The key holds everything that the answer depends on: the route, the query, who asks and
// of which organizations the caller is, and the epoch. Whatever cannot be known for sure
// means that nothing is kept.
func (s *server) cached(route string, e endpoint) endpoint {
	return func(ctx context.Context, r *http.Request) (answer, error) {
		viewer := s.opt.Auth.Viewer(r)
		made := func(ctx context.Context) ([]byte, error) {
			a, err := e(ctx, r)
			if err != nil {
				return nil, err
			}
			return append(append(make([]byte, 0, tagBytes+len(a.body)), tagOf(a.body)...), a.body...), nil
		}
		of := func(kept []byte, err error) (answer, error) {
			if err != nil {
				return answer{}, err
			}
			return answer{status: http.StatusOK, body: kept[tagBytes:], tag: string(kept[:tagBytes]), private: viewer.Authenticated}, nil
		}
		var force bool
		if _, err := parse(r.URL.RawQuery, []param{forceParam(&force)}); err != nil {
			return answer{}, err
		}
		if force {
			ctx = context.WithValue(ctx, forcedKey{}, true)
			s.forced(ctx, viewer)
		}
		if s.answers == nil || force || len(r.URL.RawQuery) > maxCachedQuery {
			return of(made(ctx))
		}
		epoch, settled, err := s.epoch.Now(ctx)
		if err != nil { // nobody knows what is old, so that nothing that is kept can be used
			s.opt.Log.WarnContext(ctx, "the epoch of answers cannot be read", "error", err)
			return of(made(ctx))
		}
		if s.kept.Swap(epoch) != epoch {
			s.answers.Drop() // nobody will ask for them any more
		}
		key, err := s.answerKey(ctx, route, r, viewer, epoch)
		if err != nil {
			return answer{}, err
		}
		kept, ok := s.answers.Get(key)
		if ok {
			s.opt.Metrics.Add(metrics.CacheHits, 1)
		} else {
			s.opt.Metrics.Add(metrics.CacheMisses, 1)
			kept, err = s.answers.Make(ctx, key, s.opt.Timeout, func(ctx context.Context) ([]byte, error) {
				kept, err := made(ctx)
				if err == nil && settled {
					s.answers.Put(key, kept)
				}
				return kept, err
			})
		}
		a, err := of(kept, err)
		if err == nil && acceptsGzip(r.Header) {
			a.packed, a.tried = s.packedOf(ctx, key, kept, ok || settled), true
		}
		return a, err
	}
}

// forcedKey marks the context of an answer that is made past every cache.
type forcedKey struct{}

// forced does what forceRefresh asks for besides the answer itself: what this caller is a
// member of is read anew, and so is the shared summary, unless that was done just now or
// is being done. The answer does not need the summary, so that one that fails is logged.
//
// Anybody may force. For an anonymous caller it costs what any query costs that nobody
// has asked before, and in all one summary a second: memberships are read anew for who has
// some only.
func (s *server) forced(ctx context.Context, viewer access.Viewer) {
	if viewer.Authenticated {
		s.organizations.Forget()
	}
	if s.summaries == nil || s.opt.Memory.Shedding() {
		return
	}
	if err := s.summaries.Renew(ctx); err != nil {
		s.opt.Log.WarnContext(ctx, "refresh the shared summary", "error", err)
	}
}

// forceParam is the parameter of every route whose answers are kept.
func forceParam(dst *bool) param {
	return param{"forceRefresh", truth(dst), "whether the answer is made anew, past every cache"}
}

// answerKey is the key of an answer.
func (s *server) answerKey(ctx context.Context, route string, r *http.Request, viewer access.Viewer, epoch int64) (string, error) {
	organizations, err := s.organizations.Of(ctx, viewer)
	if err != nil {
		return "", err
	}
	// Each is quoted, so that no two lists of parts are the same text.
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d", route, r.URL.RawQuery, viewer.Class(organizations), epoch))
	return string(sum[:]), nil
}

// tagBytes is how many hexadecimal digits an ETag has; they stand in front of a kept body.
const tagBytes = 32

// tagOf is the ETag of a body.
func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:tagBytes/2])
}

// answersCache are the answers that are kept, for the monitor and for clear-cache.
type answersCache struct{ s *server }

// Size implements memory.Cache.
func (a answersCache) Size() memory.CacheSize {
	_, bytes := a.s.answers.Size()
	return memory.CacheSize{Name: "answers", Bytes: bytes, Bound: a.s.opt.CacheBytes}
}

// Drop implements memory.Cache.
func (a answersCache) Drop() { a.s.answers.Drop() }

// clear implements clearable: all processes of the node begin anew.
func (a answersCache) clear(ctx context.Context) (before, after int64, err error) {
	if err := a.s.epoch.Bump(ctx); err != nil {
		return 0, 0, err
	}
	return int64(a.s.answers.Drop()), 0, nil
}

// clearedAnswers is the answer to it.
type clearedAnswers struct {
	Status    string    `json:"status" enum:"success"`
	Message   string    `json:"message"`
	Timestamp time.Time `json:"timestamp"`
}

// clearAnswers serves POST /api/records/clear-cache.
func (s *server) clearAnswers(ctx context.Context, _ *http.Request) (answer, error) {
	if _, _, err := (answersCache{s}).clear(ctx); err != nil {
		return answer{}, errState(err)
	}
	return reply(http.StatusOK, clearedAnswers{"success", "Records cache cleared", s.opt.Now().UTC()})
}

// outdated begins a new epoch behind a change that was asked for. Its error says that the
// change was made, and that other processes may not hear of it until their answers end.
func (s *server) outdated(ctx context.Context) error {
	if err := s.epoch.Bump(ctx); err != nil {
		s.answers.Drop()
		return errs.E(errs.Unavailable, "it was done, but the node may still show it for some minutes", err).After(retryAfter)
	}
	return nil
}
