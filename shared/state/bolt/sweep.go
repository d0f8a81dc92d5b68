package bolt

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"oipnode/shared/state"
)

// MaxSweep is the most items one Sweep removes, whatever was asked.
const MaxSweep = 1000

// Sweep removes up to limit (1 to MaxSweep) expired items from the file, those
// that expired first, and returns them without their values once that is
// durable. Fewer than limit means that none is left. Readers never saw them, so
// it is only housekeeping: nothing else removes them, so the owner of the store
// calls it now and then, and can log and count what it returns. It reads no
// item that lives.
func (s *Store) Sweep(ctx context.Context, limit int) ([]state.Item, error) {
	if limit < 1 {
		return nil, fmt.Errorf("%w: sweep with limit %d", state.ErrInvalid, limit)
	}
	limit = min(limit, MaxSweep)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case s.queue.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.queue.turn }()

	var removed []state.Item
	err := s.update(func(tx *bbolt.Tx) error {
		w := writer{tx.Bucket(bucketItems), tx.Bucket(bucketExpiry), s.now().Unix()}
		due, err := w.due(limit)
		if err != nil {
			return err
		}
		if len(due) == 0 {
			return errNothing
		}
		for _, item := range due {
			removed = append(removed, item)
			if err := w.apply(change{key: itemKey(item.Key), before: item.Expires.Unix()}); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errNothing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state sweep: %w", err)
	}
	return removed, nil
}

// due returns up to limit items that expired, without their values, in the order
// of their expiry. It changes nothing: a cursor must not outlive a change.
func (w writer) due(limit int) ([]state.Item, error) {
	var items []state.Item
	cursor := w.expiry.Cursor()
	for entry, _ := cursor.First(); entry != nil && len(items) < limit; entry, _ = cursor.Next() {
		expires, key, err := parseExpiryKey(entry)
		if err != nil {
			return nil, err
		}
		if expires > w.second {
			break
		}
		k, err := parseItemKey(key)
		if err != nil {
			return nil, err
		}
		v, err := parseStored(w.items.Get(key))
		if err != nil {
			return nil, err
		}
		if v.expires != expires {
			return nil, fmt.Errorf("%w: %q %q expires at second %d, its entry says %d",
				ErrCorrupt, k.Space, k.ID, v.expires, expires)
		}
		v.value = nil
		items = append(items, v.item(k))
	}
	return items, nil
}
