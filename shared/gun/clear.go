package gun

import (
	"context"

	"oipnode/shared/state"
)

// clearPage is how many items one step of ClearProcessed removes.
const clearPage = state.MaxOps

// ClearProcessed forgets what was processed and what failed, in pages of a bounded
// number of items, so that the next cycle looks at everything again. It returns how
// many processed ids it has removed. It stops when the context ends, with its error;
// what was removed until then stays so, and another call goes on.
//
// What the indexes were settled by goes first, so that a cycle does not skip what it
// should look at, and once more at the end, because a cycle that was running may have
// kept it meanwhile.
func ClearProcessed(ctx context.Context, s state.Store) (cleared int64, err error) {
	if _, err := clearSpace(ctx, s, spaceList); err != nil {
		return 0, err
	}
	if cleared, err = clearSpace(ctx, s, spaceSeen); err != nil {
		return cleared, err
	}
	for _, space := range []string{spaceFail, spacePeer, spaceList} {
		if _, err := clearSpace(ctx, s, space); err != nil {
			return cleared, err
		}
	}
	return cleared, nil
}

// clearSpace removes the items that a space has now. What others put there meanwhile
// lies behind or before the position and is removed or not; the loop ends in any case.
func clearSpace(ctx context.Context, s state.Store, space string) (removed int64, err error) {
	from := ""
	for {
		page, err := s.Range(ctx, space, from, "", clearPage)
		if err != nil || len(page) == 0 {
			return removed, err
		}
		ops := make([]state.Op, len(page))
		for i, item := range page {
			ops[i] = state.Delete(item.Key)
		}
		if err := s.Commit(ctx, ops...); err != nil {
			return removed, err
		}
		removed += int64(len(page))
		from = page[len(page)-1].ID + "\x00"
		if len(page) < clearPage {
			return removed, nil
		}
	}
}
