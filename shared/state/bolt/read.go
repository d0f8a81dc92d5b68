package bolt

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"oipnode/shared/state"
)

// pollEvery is after how many items a long read looks at its context.
const pollEvery = 256

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, keys ...state.Key) ([]state.Item, error) {
	if err := state.CheckGet(keys); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []state.Item
	err := s.view(func(tx *bbolt.Tx) error {
		items, second := tx.Bucket(bucketItems), s.now().Unix()
		asked := make(map[state.Key]struct{}, len(keys))
		for _, k := range keys {
			if _, twice := asked[k]; twice {
				continue
			}
			asked[k] = struct{}{}
			raw := items.Get(itemKey(k))
			if raw == nil {
				continue
			}
			v, err := parseStored(raw)
			if err != nil {
				return err
			}
			if !v.expired(second) {
				found = append(found, v.item(k))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("state get: %w", err)
	}
	return found, nil
}

// Range implements state.Store. It reads past expired items that were not swept
// yet.
func (s *Store) Range(ctx context.Context, space, from, to string, limit int) ([]state.Item, error) {
	if err := state.CheckRange(space, from, to, limit); err != nil {
		return nil, err
	}
	limit = min(limit, state.MaxRange)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []state.Item
	err := s.view(func(tx *bbolt.Tx) error {
		prefix := spacePrefix(space)
		cursor, second := tx.Bucket(bucketItems).Cursor(), s.now().Unix()
		key, raw := cursor.Seek(append(prefix, from...))
		for n := 1; bytes.HasPrefix(key, prefix) && len(found) < limit; n++ {
			id := string(key[len(prefix):])
			if to != "" && id >= to {
				return nil
			}
			v, err := parseStored(raw)
			if err != nil {
				return err
			}
			if !v.expired(second) {
				found = append(found, v.item(state.Key{Space: space, ID: id}))
			}
			if n%pollEvery == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			key, raw = cursor.Next()
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("state range of %q: %w", space, err)
	}
	return found, nil
}
