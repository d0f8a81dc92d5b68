package bolt

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"
)

// Verify reads the whole file and returns ErrCorrupt if something in it is not
// as this package writes it: keys, values, counters, and one expiry entry for
// each item that expires and no other. It is for maintenance and tests: it takes
// time in proportion to the file, during which the space of removed items is not
// used again.
func (s *Store) Verify(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.view(func(tx *bbolt.Tx) error {
		expiring, err := verifyItems(ctx, tx)
		if err != nil {
			return err
		}
		entries, err := verifyExpiry(ctx, tx)
		if err != nil {
			return err
		}
		// Each item that expires has its entry, so the same number means that no
		// entry is without its item.
		if entries != expiring {
			return fmt.Errorf("%w: %d expiry entries for %d items that expire", ErrCorrupt, entries, expiring)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("verify state: %w", err)
	}
	return nil
}

// verifyItems checks every item and returns how many of them expire.
func verifyItems(ctx context.Context, tx *bbolt.Tx) (expiring int, err error) {
	index := tx.Bucket(bucketExpiry)
	n := 0
	err = tx.Bucket(bucketItems).ForEach(func(key, raw []byte) error {
		if n++; n%pollEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		k, err := parseItemKey(key)
		if err != nil {
			return err
		}
		v, err := parseStored(raw)
		if err != nil {
			return fmt.Errorf("%q %q: %w", k.Space, k.ID, err)
		}
		if v.kind == kindCounter {
			if _, err := v.number(); err != nil {
				return fmt.Errorf("%q %q: %w", k.Space, k.ID, err)
			}
		}
		if v.expires == 0 {
			return nil
		}
		expiring++
		if index.Get(expiryKey(v.expires, key)) == nil {
			return fmt.Errorf("%w: no expiry entry for %q %q", ErrCorrupt, k.Space, k.ID)
		}
		return nil
	})
	return expiring, err
}

// verifyExpiry checks every entry of the expiry bucket and returns their number.
func verifyExpiry(ctx context.Context, tx *bbolt.Tx) (entries int, err error) {
	err = tx.Bucket(bucketExpiry).ForEach(func(entry, _ []byte) error {
		if entries++; entries%pollEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		_, key, err := parseExpiryKey(entry)
		if err != nil {
			return err
		}
		_, err = parseItemKey(key)
		return err
	})
	return entries, err
}
