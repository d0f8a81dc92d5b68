package dynamo

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"oipnode/shared/state"
)

// attributes is an item as DynamoDB has it.
type attributes = map[string]types.AttributeValue

// stored is the parsed form of an item. A counter is of a kind of its own, so
// that an Add to an ordinary item is refused even if its Value is a number.
type stored struct {
	key     state.Key
	version uint64
	counter bool
	count   int64
	value   []byte
	// expires is in seconds since 1970; 0 is never.
	expires int64
}

// expired says whether no reader sees it any more at that second.
func (v stored) expired(second int64) bool { return v.expires != 0 && v.expires <= second }

// item returns what readers get.
func (v stored) item() state.Item {
	item := state.Item{Key: v.key, Value: v.value, Version: v.version}
	if v.counter {
		item.Value = strconv.AppendInt(nil, v.count, 10)
	}
	if v.expires != 0 {
		item.Expires = time.Unix(v.expires, 0).UTC()
	}
	return item
}

// forgotten is the age beyond which DynamoDB does not remove an expired item any
// more, with a year to spare: it takes five years for a mistake.
const forgotten = 4 * 365 * 24 * 60 * 60

// attributes returns the item as it is written at that second.
func (v stored) attributes(second int64) attributes {
	a := keyOf(v.key)
	a[attrVersion] = &types.AttributeValueMemberN{Value: strconv.FormatUint(v.version, 10)}
	if v.counter {
		a[attrCount] = number(v.count)
	} else {
		a[attrValue] = binary(v.value)
	}
	if v.expires != 0 {
		a[attrExpires] = expiry(v.expires, second)
	}
	return a
}

// expiry is the attribute of an expiry. Nobody sees an item that expired long
// ago, so it may as well have expired when the clean-up still takes it.
func expiry(expires, second int64) types.AttributeValue {
	return number(max(expires, second-forgotten))
}

func keyOf(k state.Key) attributes {
	return attributes{
		attrSpace: &types.AttributeValueMemberS{Value: k.Space},
		attrID:    &types.AttributeValueMemberS{Value: k.ID},
	}
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// binary copies the value: a request may still be read when its call has ended.
func binary(value []byte) types.AttributeValue {
	return &types.AttributeValueMemberB{Value: append([]byte{}, value...)}
}

// parse reads an item. Anything that this package would not have written is
// ErrCorrupt.
func parse(a attributes) (stored, error) {
	var v stored
	space, ok := a[attrSpace].(*types.AttributeValueMemberS)
	id, ok2 := a[attrID].(*types.AttributeValueMemberS)
	if !ok || !ok2 {
		return v, fmt.Errorf("%w: it has no key", ErrCorrupt)
	}
	v.key = state.Key{Space: space.Value, ID: id.Value}
	damaged := func(name string) (stored, error) {
		return stored{}, fmt.Errorf("%w: %q %q: attribute %q", ErrCorrupt, v.key.Space, v.key.ID, name)
	}
	version, ok := a[attrVersion].(*types.AttributeValueMemberN)
	if !ok {
		return damaged(attrVersion)
	}
	var err error
	if v.version, err = strconv.ParseUint(version.Value, 10, 64); err != nil || v.version == 0 {
		return damaged(attrVersion)
	}
	if expires := a[attrExpires]; expires != nil {
		if v.expires, ok = integer(expires); !ok || v.expires < 1 {
			return damaged(attrExpires)
		}
	}
	value, isValue := a[attrValue].(*types.AttributeValueMemberB)
	switch {
	case a[attrCount] != nil && a[attrValue] != nil:
		return damaged(attrCount)
	case a[attrCount] != nil:
		v.counter = true
		if v.count, ok = integer(a[attrCount]); !ok {
			return damaged(attrCount)
		}
	case isValue:
		v.value = bytes.Clone(value.Value)
	default:
		return damaged(attrValue)
	}
	return v, nil
}

// integer reads a number attribute that is an int64.
func integer(a types.AttributeValue) (int64, bool) {
	n, ok := a.(*types.AttributeValueMemberN)
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	return i, err == nil
}
