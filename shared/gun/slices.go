package gun

import "context"

// An index that cannot be worked through in one turn is worked through in slices: parts
// in a ring, as many as can be done. Without them each turn would begin with the entries
// that come first, and where a pass takes longer than processed ids live, these would be
// due again before the last had ever been looked at.

// slice is where in the ring the work goes on, and how much of it is done at a time.
type slice struct {
	// Next is the part that the next slice begins with.
	Next int `json:"next,omitempty"`
	// Of is how many slices the ring has: a power of two, at most parts; 0 stands for 1.
	Of int `json:"of,omitempty"`
}

// open takes a slice off the parts that are to be looked at.
func (s *slice) open(due map[int]bool) (first int, now []int) {
	most := parts / max(s.Of, 1)
	for n := 0; n < parts && len(now) < most; n++ {
		if p := (s.Next + n) % parts; due[p] {
			now = append(now, p)
			delete(due, p)
		}
	}
	if s.Of > 1 {
		s.Next = (now[len(now)-1] + 1) % parts
	}
	return now[0], now
}

// slices works through parts of an index, a slice after the other, until all of them are
// done or the turn is over.
func (x *index) slices(ctx, until context.Context, due map[int]bool, entries []entry) (whole bool, err error) {
	for begun := false; len(due) > 0; begun = true {
		before := x.kept.slice
		first, now := x.kept.open(due)
		x.openOnly(now)
		whole, err := x.process(ctx, until, entries)
		if err != nil {
			return false, err
		}
		if whole {
			continue
		}
		// What was cut off is gone on with; a slice that has a whole turn and is still
		// cut off was too large. What failed has to wait until the others had their turn.
		if x.r.over(until) && (begun || x.kept.Of < parts) {
			x.kept.Next = first
			if !begun {
				x.kept.Of = 2 * max(x.kept.Of, 1)
			}
		}
		if x.kept.slice == before {
			return false, nil
		}
		return false, x.save(ctx)
	}
	if x.kept.Of > 1 {
		x.kept.Of /= 2
		return true, x.save(ctx)
	}
	return true, nil
}

// over reports whether the peer's turn is over.
func (r *run) over(until context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cut || until.Err() != nil
}
