package dynamo

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"oipnode/shared/state"
)

// ErrRecord is returned for what is no record of the table's stream. The text says what
// is wrong with it, and quotes none of the item's values.
var ErrRecord = errors.New("dynamo: not a record of the state table's stream")

// Change is one record of the table's stream: somebody wrote or removed an item.
type Change struct {
	Key state.Key
	// Sequence is the record's number in its part of the stream, by which Lambda is told
	// where to begin again.
	Sequence string
	// Expired says that the table's time to live removed the item. All other changes are
	// those of a process, which knew what it did.
	Expired bool
	// Expires is the expiry of an item that expired.
	Expires time.Time
}

// The names by which DynamoDB says that its time to live removed an item.
const (
	streamSource   = "aws:dynamodb"
	streamRemoval  = "REMOVE"
	timeToLive     = "dynamodb.amazonaws.com"
	timeToLiveKind = "Service"
)

// maxSequence is more than the longest number of a record, in digits.
const maxSequence = 40

// image is what of an item its removal is judged by. Its value is of no meaning any more
// and is not decoded.
type image struct {
	Space   struct{ S *string } `json:"space"`
	ID      struct{ S *string } `json:"id"`
	Expires struct{ N *string } `json:"expires"`
}

// key returns the item's key, and whether it is one that this package could have
// written.
func (i *image) key() (state.Key, bool) {
	if i == nil || i.Space.S == nil || i.ID.S == nil {
		return state.Key{}, false
	}
	k := state.Key{Space: *i.Space.S, ID: *i.ID.S}
	return k, state.CheckGet([]state.Key{k}) == nil
}

// ParseChange reads a record of the table's stream in the form in which Lambda hands it
// over. A removal by the time to live must have the old image, which the stream holds
// if its view type is NEW_AND_OLD_IMAGES or OLD_IMAGE. The error is ErrRecord.
func ParseChange(record []byte) (Change, error) {
	var r struct {
		EventName    string
		EventSource  string
		UserIdentity *struct{ Type, PrincipalID string }
		DynamoDB     struct {
			Keys           *image
			OldImage       *image
			SequenceNumber string
		}
	}
	wrong := func(format string, args ...any) (Change, error) {
		return Change{}, fmt.Errorf("%w: %s", ErrRecord, fmt.Sprintf(format, args...))
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return wrong("no JSON of its form")
	}
	c := Change{Sequence: r.DynamoDB.SequenceNumber}
	if r.EventSource != streamSource {
		return wrong("its eventSource is not %s", streamSource)
	}
	if c.Sequence == "" || len(c.Sequence) > maxSequence || strings.Trim(c.Sequence, "0123456789") != "" {
		return wrong("its SequenceNumber is no number")
	}
	var ok bool
	if c.Key, ok = r.DynamoDB.Keys.key(); !ok {
		return wrong("its Keys are not %q and %q of an item", attrSpace, attrID)
	}
	by := r.UserIdentity
	if r.EventName != streamRemoval || by == nil || by.Type != timeToLiveKind || by.PrincipalID != timeToLive {
		return c, nil
	}
	c.Expired = true
	old := r.DynamoDB.OldImage
	if old == nil {
		return wrong("it has no OldImage; the stream's view type must be NEW_AND_OLD_IMAGES")
	}
	if k, ok := old.key(); !ok || k != c.Key {
		return wrong("its OldImage is that of another item")
	}
	if old.Expires.N == nil {
		return wrong("its OldImage has no %q", attrExpires)
	}
	seconds, err := strconv.ParseInt(*old.Expires.N, 10, 64)
	if err != nil || seconds < 1 {
		return wrong("%q of its OldImage is no number of seconds", attrExpires)
	}
	c.Expires = time.Unix(seconds, 0).UTC()
	return c, nil
}
