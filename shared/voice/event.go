package voice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// names are the events of the contract.
var names = []string{"textChunk", "audioChunk", "done", "error", "ping"}

// done is the event that End appends. A writer may append one as well, at the end of
// an answer for example; that ends nothing.
const done = "done"

// Names are the names that an event may have.
func Names() []string { return slices.Clone(names) }

// Event is one event of a dialogue. Numbers begin with 1 and have no gap.
type Event struct {
	Number int       `json:"number"`
	Event  string    `json:"event"`
	At     time.Time `json:"at"`
	// Data is compact JSON.
	Data json.RawMessage `json:"data"`
}

// FieldError is about one field of a request; its text is for the caller.
type FieldError struct{ Field, Must string }

func (e *FieldError) Error() string { return e.Field + " must be " + e.Must }

// NewEvent is an event to be appended.
type NewEvent struct {
	Event string
	// Data is compact JSON in UTF-8.
	Data json.RawMessage
	// Number is the number that the event must get, or 0 for the next one. With a
	// number an append may be repeated when its answer was lost: an event that is
	// there already and the same counts as appended.
	Number int
}

// ParseEvent reads {"event","data","number"}. Data is any JSON, null when it is absent,
// and number may be absent; other fields are ignored. The error is a *FieldError, whose
// Field is "body" for a text that is no JSON object. It does not judge the size of the
// data: that is the store's setting.
func ParseEvent(body []byte) (NewEvent, error) {
	var fields struct {
		Event  json.RawMessage `json:"event"`
		Data   json.RawMessage `json:"data"`
		Number json.RawMessage `json:"number"`
	}
	body = bytes.TrimSpace(body)
	// encoding/json takes null for an object, and invalid UTF-8 for a character.
	if !utf8.Valid(body) || !bytes.HasPrefix(body, []byte("{")) || json.Unmarshal(body, &fields) != nil {
		return NewEvent{}, &FieldError{"body", "a JSON object such as {\"event\":\"textChunk\",\"data\":{}}"}
	}
	var e NewEvent
	if len(fields.Event) == 0 || json.Unmarshal(fields.Event, &e.Event) != nil || !slices.Contains(names, e.Event) {
		return NewEvent{}, &FieldError{"event", "one of " + strings.Join(names, ", ")}
	}
	if number := string(fields.Number); number != "" && number != "null" {
		n, ok := parseNumber(number)
		if !ok || n == 0 {
			return NewEvent{}, &FieldError{"number", "the number of the event in the dialogue, from 1"}
		}
		e.Number = n
	}
	if len(fields.Data) == 0 {
		fields.Data = json.RawMessage("null")
	}
	var data bytes.Buffer
	if err := json.Compact(&data, fields.Data); err != nil {
		return NewEvent{}, &FieldError{"data", "JSON"}
	}
	e.Data = data.Bytes()
	return e, nil
}

// parseNumber reads a number as strconv writes it: one text per number.
func parseNumber(s string) (int, bool) {
	if s == "" || len(s) > 8 || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// ParseLastEventID reads the position from which a reader goes on: the id of the last
// event that it got, or "" or "0" for none. The error is a *FieldError.
func ParseLastEventID(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, ok := parseNumber(s)
	if !ok {
		return 0, &FieldError{"Last-Event-ID", "the id of an event of this stream"}
	}
	return n, nil
}

// check says whether an event may be appended to any dialogue.
func (d *Dialogues) check(e NewEvent) error {
	switch {
	case !slices.Contains(names, e.Event):
		return &FieldError{"event", "one of " + strings.Join(names, ", ")}
	case len(e.Data) > d.opt.MaxEventBytes:
		return &FieldError{"data", fmt.Sprintf("at most %d bytes of compact JSON", d.opt.MaxEventBytes)}
	case !utf8.Valid(e.Data) || !isCompact(e.Data):
		return &FieldError{"data", "compact JSON"}
	case e.Number < 0:
		return &FieldError{"number", "the number of the event in the dialogue, from 1"}
	}
	return nil
}

// isCompact reports whether the text is JSON without space between its parts, and so
// on one line.
func isCompact(text []byte) bool {
	var b bytes.Buffer
	return json.Compact(&b, text) == nil && bytes.Equal(b.Bytes(), text)
}
