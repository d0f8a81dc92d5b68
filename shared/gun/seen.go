package gun

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"oipnode/shared/state"
)

// seen is kept for a soul that was processed at a peer, until Options.MaxAge has gone
// by: until then it is not asked for again, unless the registry says that it is newer.
type seen struct {
	// Timestamp is that of the registry when it was processed.
	Timestamp int64 `json:"t,omitempty"`
	// Own is set for a record that the node's own relay listed and no registry did.
	Own bool `json:"o,omitempty"`
	// Hash is that of the content that the peer served, empty when it was left out.
	Hash string `json:"h,omitempty"`
}

// failure is kept for a soul that could not be processed at a peer. It ends some time
// after its next try was due, so that the failures of souls that vanished go away.
type failure struct {
	Soul      string    `json:"soul"`
	Reason    Reason    `json:"reason"`
	Detail    string    `json:"detail,omitempty"`
	Attempts  int       `json:"attempts"`
	Since     time.Time `json:"since"`
	Due       time.Time `json:"due"`
	Timestamp int64     `json:"timestamp,omitempty"`
}

const (
	// failureLife is how long a failure is kept after its next try was due.
	failureLife = 7 * 24 * time.Hour
	// longestPause is the longest pause between two tries of what may come by itself,
	// and rejectedPause that of what was rejected, which only its publisher can mend.
	longestPause  = 6 * time.Hour
	rejectedPause = 24 * time.Hour
	// maxDetail is how much of a rejection's detail is kept.
	maxDetail = 200
)

// next is the failure after another failed try. The first pause is one interval of the
// cycles, or for a rejection the life of a processed id; then twice as long each time.
func (f *failure) next(o *Options, now time.Time, soul string, reason Reason, rejected bool, detail string, timestamp int64) failure {
	n := failure{Soul: soul, Reason: reason, Detail: detail[:min(len(detail), maxDetail)], Attempts: 1, Since: now.UTC(), Timestamp: timestamp}
	if f != nil {
		n.Attempts, n.Since = f.Attempts+1, f.Since
	}
	first, longest := o.Interval, longestPause
	if rejected {
		first, longest = o.MaxAge, rejectedPause
	}
	n.Due = now.Add(growing(first, n.Attempts, longest)).UTC().Truncate(time.Second)
	return n
}

// growing is a pause that doubles with each attempt, the first being 1.
func growing(first time.Duration, attempt int, longest time.Duration) time.Duration {
	pause := min(first, longest)
	for ; attempt > 1 && pause < longest; attempt-- {
		pause *= 2
	}
	return min(pause, longest)
}

// known is what the state store knows of a soul at a peer.
type known struct {
	seen    *seen
	until   time.Time // when seen ends
	failure *failure
	deleted bool
}

// lookups is how many souls one call of the store can tell of.
const lookups = state.MaxGet / 3

// lookUp reads what is known of at most so many souls.
func (c *cycle) lookUp(ctx context.Context, peer string, souls []string) ([]known, error) {
	keys := make([]state.Key, 0, 3*len(souls))
	for _, soul := range souls {
		keys = append(keys, seenKey(peer, soul), failKey(peer, soul), tombKey(soul))
	}
	items, err := c.opt.State.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("look souls up: %w", err)
	}
	there := make(map[state.Key]state.Item, len(items))
	for _, item := range items {
		there[item.Key] = item
	}
	all := make([]known, len(souls))
	for i := range souls {
		k := &all[i]
		if item, ok := there[keys[3*i]]; ok {
			k.seen, k.until = &seen{}, item.Expires
			if err := decode(item, k.seen); err != nil {
				return nil, err
			}
		}
		if item, ok := there[keys[3*i+1]]; ok {
			k.failure = &failure{}
			if err := decode(item, k.failure); err != nil {
				return nil, err
			}
		}
		_, k.deleted = there[keys[3*i+2]]
	}
	return all, nil
}

// Failure is a kept failure, for lists.
type Failure struct {
	Soul     string    `json:"soul"`
	Reason   Reason    `json:"reason"`
	Detail   string    `json:"detail,omitempty"`
	Attempts int       `json:"attempts"`
	Since    time.Time `json:"since"`
	Due      time.Time `json:"due"`
	// Cursor is the position in the list.
	Cursor string `json:"cursor"`
}

// Failures lists kept failures, at most limit from after on (the last one's Cursor of
// an earlier page).
func Failures(ctx context.Context, s state.Store, after string, limit int) ([]Failure, error) {
	if after != "" {
		after += "\x00"
	}
	items, err := s.Range(ctx, spaceFail, after, "", min(limit, state.MaxGet))
	if err != nil {
		return nil, err
	}
	list := make([]Failure, 0, len(items))
	for _, item := range items {
		var f failure
		if err := json.Unmarshal(item.Value, &f); err != nil {
			return nil, fmt.Errorf("state %s/%s: %w", item.Space, item.ID, err)
		}
		list = append(list, Failure{f.Soul, f.Reason, f.Detail, f.Attempts, f.Since, f.Due, item.ID})
	}
	return list, nil
}
