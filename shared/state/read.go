package state

import (
	"context"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// GetOne returns one item, and whether it is there.
func GetOne(ctx context.Context, s Store, k Key) (Item, bool, error) {
	items, err := s.Get(ctx, k)
	if err != nil || len(items) == 0 {
		return Item{}, false, err
	}
	return items[0], true, nil
}

// Counter returns the value of a counter, 0 when it is absent. A key that is not
// a counter and does not read as a number is ErrInvalid.
func Counter(ctx context.Context, s Store, k Key) (int64, error) {
	item, ok, err := GetOne(ctx, s, k)
	if err != nil || !ok {
		return 0, err
	}
	n, err := strconv.ParseInt(string(item.Value), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %q %q is not a counter: %w", ErrInvalid, k.Space, k.ID, err)
	}
	return n, nil
}

// Each calls fn for the items of a space with from <= ID < to in ascending
// order, reading pageSize (1 to MaxRange) of them at a time, and stops at the
// first error. What others write meanwhile is seen or not; an item that is there
// all the time is seen once. The store is not held while fn runs, so fn may
// change it, and holds at most one page in memory.
func Each(ctx context.Context, s Store, space, from, to string, pageSize int, fn func(Item) error) error {
	pageSize = min(pageSize, MaxRange)
	for {
		page, err := s.Range(ctx, space, from, to, pageSize)
		if err != nil {
			return err
		}
		for _, item := range page {
			if err := fn(item); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		from = page[len(page)-1].ID + "\x00"
	}
}

// PrefixEnd returns the end of the range of all IDs with a prefix, to be used as
// Range's "to" with the prefix as "from". It is the least valid UTF-8 string
// after all of them; "", the end of the space, when there is none. The prefix
// must be valid UTF-8.
func PrefixEnd(prefix string) string {
	// The order of UTF-8 is the order of its code points, so the next code point
	// in place of the last one will do; the very last code point has none.
	for prefix != "" {
		last, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch last {
		case utf8.MaxRune:
			continue
		case 0xD7FF: // the surrogates that follow are not characters
			return prefix + "\uE000"
		}
		return prefix + string(last+1)
	}
	return ""
}
