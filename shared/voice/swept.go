package voice

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/state"
)

// purgers is how many dialogues' events are removed at the same time.
const purgers = 8

// Swept is what the clean-up of expired rows removed.
type Swept struct {
	// Dialogues, Events and Owners count the rows of each kind.
	Dialogues, Events, Owners int
	// Purged is the number of events that Swept removed because of it.
	Purged int
}

// PurgeError says of which dialogues some events are left.
type PurgeError struct {
	// Dialogues are the keys of their rows, as they were handed to Swept.
	Dialogues []state.Key
	err       error
}

func (e *PurgeError) Error() string {
	return fmt.Sprintf("remove the events of %d expired dialogues: %v", len(e.Dialogues), e.err)
}

func (e *PurgeError) Unwrap() error { return e.err }

// Swept is told what was removed from the state store because it had expired, by the
// embedded store's sweeper or by a DynamoDB table's TTL (package expiry). It counts what
// was this package's, and removes the events of the dialogues that are gone, which
// nobody can see any more. It may be told the same twice. Its error is a *PurgeError: a
// repetition goes on where it was, and without one the events that are left expire at
// the end of the dialogue's longest life.
func (d *Dialogues) Swept(ctx context.Context, keys []state.Key) (Swept, error) {
	var s Swept
	var purged atomic.Int64
	var mu sync.Mutex
	var failed PurgeError
	var g errgroup.Group // no context: the others' events go even if one's do not
	g.SetLimit(purgers)
	for _, k := range keys {
		part, id := Classify(k)
		switch part {
		case EventPart:
			s.Events++
		case OwnerPart:
			s.Owners++
		case DialoguePart:
			s.Dialogues++
			g.Go(func() error {
				n, err := d.purge(ctx, id)
				purged.Add(int64(n))
				if err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed.Dialogues, failed.err = append(failed.Dialogues, k), cmp.Or(failed.err, err)
				}
				return nil
			})
		}
	}
	_ = g.Wait() // what failed is in failed
	s.Purged = int(purged.Load())
	if len(failed.Dialogues) > 0 {
		return s, &failed
	}
	return s, nil
}

// purge removes the events of a dialogue that is gone. Ids are not used twice, so what
// is gone stays gone.
func (d *Dialogues) purge(ctx context.Context, id string) (removed int, err error) {
	if _, exists, err := state.GetOne(ctx, d.opt.State, dialogueKey(id)); err != nil || exists {
		return 0, err
	}
	for {
		items, err := d.opt.State.Range(ctx, dialoguePrefix+id, eventPrefix, state.PrefixEnd(eventPrefix), readPage)
		if err != nil {
			return removed, err
		}
		if len(items) == 0 {
			return removed, nil
		}
		ops := make([]state.Op, len(items))
		for i, item := range items {
			ops[i] = state.Delete(item.Key)
		}
		if err := d.opt.State.Commit(ctx, ops...); err != nil {
			return removed, err
		}
		if removed += len(items); len(items) < readPage {
			return removed, nil
		}
	}
}
