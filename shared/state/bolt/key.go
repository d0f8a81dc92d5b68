package bolt

import (
	"encoding/binary"
	"fmt"

	"oipnode/shared/state"
)

// An item's key in the file is the length of its space (2 bytes), the space and
// the ID. So the items of a space lie together, in the order of their IDs.
const spaceLength = 2

// An entry of the expiry bucket is the item's expiry in seconds since 1970
// (8 bytes, big endian, so that bytes order by time) and its key.
const secondsLength = 8

// spacePrefix is what the keys of all items of a space begin with.
func spacePrefix(space string) []byte {
	b := make([]byte, 0, spaceLength+len(space)+state.MaxKey)
	b = binary.BigEndian.AppendUint16(b, uint16(len(space)))
	return append(b, space...)
}

func itemKey(k state.Key) []byte { return append(spacePrefix(k.Space), k.ID...) }

func parseItemKey(b []byte) (state.Key, error) {
	if len(b) < spaceLength {
		return state.Key{}, fmt.Errorf("%w: key of %d bytes", ErrCorrupt, len(b))
	}
	n := int(binary.BigEndian.Uint16(b))
	rest := b[spaceLength:]
	if n == 0 || len(rest) <= n {
		return state.Key{}, fmt.Errorf("%w: key with a space of %d bytes in %d", ErrCorrupt, n, len(rest))
	}
	return state.Key{Space: string(rest[:n]), ID: string(rest[n:])}, nil
}

func expiryKey(seconds int64, item []byte) []byte {
	b := make([]byte, 0, secondsLength+len(item))
	b = binary.BigEndian.AppendUint64(b, uint64(seconds))
	return append(b, item...)
}

// parseExpiryKey returns the expiry and the key of the item; the latter is part
// of b.
func parseExpiryKey(b []byte) (seconds int64, item []byte, err error) {
	if len(b) < secondsLength {
		return 0, nil, fmt.Errorf("%w: expiry entry of %d bytes", ErrCorrupt, len(b))
	}
	seconds = int64(binary.BigEndian.Uint64(b))
	if seconds <= 0 {
		return 0, nil, fmt.Errorf("%w: expiry entry for second %d", ErrCorrupt, seconds)
	}
	return seconds, b[secondsLength:], nil
}
