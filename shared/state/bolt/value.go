package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"oipnode/shared/state"
)

// A stored value is one byte for its kind, the version and the expiry (8 bytes
// each, big endian) and the item's Value.
const headerLength = 1 + 8 + 8

// The kinds of stored value. They are apart so that an Add to an ordinary item
// is refused even if its Value happens to be a number, as in DynamoDB.
const (
	kindPlain   = 1
	kindCounter = 2
)

// stored is the parsed form of what the items bucket holds for a key.
type stored struct {
	kind    byte
	version uint64
	// expires is in seconds since 1970; 0 is never.
	expires int64
	value   []byte
}

// expired says whether no reader sees it any more at that second.
func (v stored) expired(second int64) bool { return v.expires != 0 && v.expires <= second }

// item returns the value as readers get it, as a copy.
func (v stored) item(k state.Key) state.Item {
	item := state.Item{Key: k, Value: bytes.Clone(v.value), Version: v.version}
	if v.expires != 0 {
		item.Expires = time.Unix(v.expires, 0).UTC()
	}
	return item
}

// number returns the value of a counter.
func (v stored) number() (int64, error) {
	n, err := strconv.ParseInt(string(v.value), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: counter: %w", ErrCorrupt, err)
	}
	return n, nil
}

func (v stored) encode() []byte {
	b := make([]byte, 0, headerLength+len(v.value))
	b = append(b, v.kind)
	b = binary.BigEndian.AppendUint64(b, v.version)
	b = binary.BigEndian.AppendUint64(b, uint64(v.expires))
	return append(b, v.value...)
}

// parseStored reads a stored value; its value field is part of b.
func parseStored(b []byte) (stored, error) {
	if len(b) < headerLength {
		return stored{}, fmt.Errorf("%w: value of %d bytes", ErrCorrupt, len(b))
	}
	v := stored{
		kind:    b[0],
		version: binary.BigEndian.Uint64(b[1:]),
		expires: int64(binary.BigEndian.Uint64(b[9:])),
		value:   b[headerLength:],
	}
	switch {
	case v.kind != kindPlain && v.kind != kindCounter:
		return stored{}, fmt.Errorf("%w: value of kind %d", ErrCorrupt, v.kind)
	case v.version == 0:
		return stored{}, fmt.Errorf("%w: value of version 0", ErrCorrupt)
	case v.expires < 0:
		return stored{}, fmt.Errorf("%w: value that expires at second %d", ErrCorrupt, v.expires)
	}
	return v, nil
}
