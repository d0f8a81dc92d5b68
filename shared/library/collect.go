package library

import (
	"context"
	"errors"
	"fmt"
	"time"

	"oipnode/shared/media"
	"oipnode/shared/state"
)

// An object that nobody has a grant for is removed, and at the same moment somebody may
// store the same content again and be about to grant it. The two exclude each other by
// the mark, a row that lives for markLife:
//
//	collect  makes the mark, looks whether the object is old and ungranted still, and
//	         removes it, all within collectTime; the mark expires by itself
//	finish   comes within commitTime after the object was stored, and its Commit fails
//	         while there is a mark
//
// If collect removes what was just stored, its mark was made before and lives longer than
// finish can take, so finish fails, and the file is fetched again. If the Commit of finish
// came first, collect sees the grant and removes nothing.
const (
	collectTime = 30 * time.Second
	markLife    = 3 * time.Minute
)

func markKey(id string) state.Key { return state.Key{Space: mediaPrefix + id, ID: "removing"} }

// marked says whether an object is being removed, as far as can be known.
func (l *Library) marked(ctx context.Context, id string) bool {
	_, exists, err := state.GetOne(ctx, l.opt.State, markKey(id))
	return err == nil && exists
}

// collect removes an object if it was not put since a moment and has no grant.
func (l *Library) collect(ctx context.Context, id string, since time.Time) (removed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, collectTime)
	defer cancel()
	mark := state.Create(markKey(id), nil).Until(l.opt.Now().Add(markLife))
	if err := l.opt.State.Commit(ctx, mark, state.Check(headKey(id), 0)); err != nil {
		if errors.Is(err, state.ErrConflict) {
			return false, nil // it is granted by now, or somebody else is at it
		}
		return false, err
	}
	o, err := l.opt.Media.Stat(ctx, Kind+"/"+id)
	switch {
	case errors.Is(err, media.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case o.Modified.After(since):
		return false, l.opt.State.Commit(ctx, state.Delete(markKey(id)))
	}
	if err := l.opt.Media.Delete(ctx, o.Name); err != nil {
		return false, fmt.Errorf("remove %s: %w", o.Name, err)
	}
	return true, nil
}
