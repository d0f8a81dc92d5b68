package voice

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"oipnode/shared/state"
)

// Status says whether a dialogue goes on.
type Status string

// The states of a dialogue that can be read.
const (
	Active Status = "active"
	// Ended is a dialogue that its owner ended: it takes no more events, and can be
	// read for Options.EndedLife.
	Ended Status = "ended"
)

// Dialogue is what is told about a dialogue.
type Dialogue struct {
	ID     string `json:"dialogueId"`
	Status Status `json:"status"`
	// StartTime and LastActivity are by the node's clock; from ExpiresAt on there is
	// no such dialogue.
	StartTime    time.Time `json:"startTime"`
	LastActivity time.Time `json:"lastActivity"`
	ExpiresAt    time.Time `json:"expiresAt"`
	// Events is the number of events so far, and so the number of the last one.
	Events int `json:"events"`
}

// row is the dialogue's row. All others of its space are events.
type row struct {
	Dialogue
	Owner Owner `json:"owner"`
	// Key is the hash of the stream's key.
	Key Owner `json:"key"`
	// Bytes is the data of all events.
	Bytes int64 `json:"bytes"`
	// Limit is the end of the longest life: ExpiresAt is never later, and the events'
	// rows expire then.
	Limit time.Time `json:"limit"`

	version uint64
}

// Each dialogue has a space of its own, which a DynamoDB table keeps as a partition of
// its own, and each owner one.
const (
	dialoguePrefix = "voice:"
	ownerPrefix    = "voice-owner:"
	dialogueID     = "dialogue"
	ownerID        = "dialogues"
	eventPrefix    = "event/"
	// maxNumber is the largest number of an event that has its place in the order.
	maxNumber = 99_999_999
)

func dialogueKey(id string) state.Key { return state.Key{Space: dialoguePrefix + id, ID: dialogueID} }
func ownerKey(o Owner) state.Key      { return state.Key{Space: ownerPrefix + string(o), ID: ownerID} }
func eventID(number int) string       { return fmt.Sprintf("%s%08d", eventPrefix, number) }
func eventKey(id string, number int) state.Key {
	return state.Key{Space: dialoguePrefix + id, ID: eventID(number)}
}

// Part is what a row of the state store is to a dialogue.
type Part int

// The parts.
const (
	// Other is a row that is not of this package.
	Other Part = iota
	// DialoguePart is the row that decides whether there is the dialogue.
	DialoguePart
	// EventPart is one event.
	EventPart
	// OwnerPart is the list of an owner's dialogues.
	OwnerPart
)

// Classify tells what a row of the state store is, and of which dialogue; the list of
// an owner is of none.
func Classify(k state.Key) (Part, string) {
	if id, ok := strings.CutPrefix(k.Space, dialoguePrefix); ok && validID(id) {
		switch {
		case k.ID == dialogueID:
			return DialoguePart, id
		case strings.HasPrefix(k.ID, eventPrefix):
			return EventPart, id
		}
	}
	if strings.HasPrefix(k.Space, ownerPrefix) && k.ID == ownerID {
		return OwnerPart, ""
	}
	return Other, ""
}

// random is 128 bits as 32 hexadecimal digits, which nobody guesses.
func random() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func validID(id string) bool { return len(id) == 32 && strings.Trim(id, "0123456789abcdef") == "" }

// decode reads the value of a row.
func decode(item state.Item, v any) error {
	if err := json.Unmarshal(item.Value, v); err != nil {
		return fmt.Errorf("%w: %q %q: %w", ErrCorrupt, item.Space, item.ID, err)
	}
	return nil
}
