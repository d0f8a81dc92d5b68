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
// A cycle that is running keeps nothing of what it has settled so far once this has
// begun: its indexes would hide from the next cycle what was forgotten.
func ClearProcessed(ctx context.Context, s state.Store) (cleared int64, err error) {
	if err := s.Commit(ctx, state.Add(keyCleared, 1)); err != nil {
		return 0, err
	}
	if _, err := clearSpace(ctx, s, spaceList); err != nil {
		return 0, err
	}
	if cleared, err = clearSpace(ctx, s, spaceSeen); err != nil {
		return cleared, err
	}
	for _, space := range []string{spaceFail, spacePeer} {
		if _, err := clearSpace(ctx, s, space); err != nil {
			return cleared, err
		}
	}
	// A cycle that began meanwhile has seen what was not gone yet.
	if err := s.Commit(ctx, state.Add(keyCleared, 1)); err != nil {
		return cleared, err
	}
	_, err = clearSpace(ctx, s, spaceList)
	return cleared, err
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
