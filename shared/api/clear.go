package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"oipnode/shared/gun"
	"oipnode/shared/state"
)

// clearable is what POST /api/health/memory/clear-cache empties.
type clearable interface {
	// clear removes entries, some at a time, until none is left or the context ends,
	// and returns how many there were before and how many are left.
	clear(ctx context.Context) (before, after int64, err error)
}

// processed are the ids that the sync with GUN has processed, with whatever belongs to
// them. They are rows of a table, so clearing them makes the next cycle look at every
// record again; it frees no memory of this process.
type processed struct{ store state.Store }

// clear counts what it removes. What is left when its time is over is an estimate: the
// sync's own number, from when it last read the registries through.
func (p processed) clear(ctx context.Context) (before, after int64, err error) {
	removed, err := gun.ClearProcessed(ctx, p.store)
	if err == nil || !errors.Is(err, context.DeadlineExceeded) {
		return removed, 0, err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	h, err := gun.ReadHealth(last, p.store)
	if err != nil {
		return removed, 0, err
	}
	after = max(h.Status.Processed-removed, 1)
	return removed + after, after, nil
}

// answerTime is kept of a request's time for its answer.
const answerTime = time.Second

// clearedAnswer is what a clearing came to.
type clearedAnswer struct {
	Message   string     `json:"message"`
	CacheSize cacheSize  `json:"cacheSize"`
	Memory    memoryInfo `json:"memoryAfterClear"`
	Timestamp time.Time  `json:"timestamp"`
}

type cacheSize struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// clearCache serves POST /api/health/memory/clear-cache.
func (s *server) clearCache(ctx context.Context, _ *http.Request) (answer, error) {
	work := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		work, cancel = context.WithDeadline(ctx, deadline.Add(-2*answerTime))
		defer cancel()
	}
	var size cacheSize
	for _, c := range s.caches {
		before, after, err := c.clear(work)
		if err != nil {
			return answer{}, errState(err)
		}
		size.Before += before
		size.After += after
	}
	a := clearedAnswer{"Caches cleared", size, memoryOf(s.opt.Memory.Check(ctx).Sample), s.opt.Now().UTC()}
	if size.After > 0 {
		a.Message = "The time was not enough for all of it; call again to go on"
	}
	return reply(http.StatusOK, a)
}
