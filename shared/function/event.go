package function

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"oipnode/shared/errs"
)

// maxEvent bounds what an event may hold for a function that takes a few fields: far
// more than any schedule or operator sends.
const maxEvent = 64 << 10

// Decode reads the event of a function that is started by a schedule or by hand into
// v, a pointer to a struct. An absent event is an empty one. Whatever else v does not
// know, as the wrapping of a schedule, is allowed with lenient, and an error without it.
// The error is errs.Invalid, and says what is allowed.
func Decode(event json.RawMessage, v any, lenient bool) error {
	trimmed := bytes.TrimSpace(event)
	switch {
	case len(trimmed) == 0 || string(trimmed) == "null":
		return nil
	case len(trimmed) > maxEvent:
		return errs.E(errs.TooLarge, fmt.Sprintf("the event has %d bytes, at most %d are allowed", len(trimmed), maxEvent), nil)
	case trimmed[0] != '{':
		return errs.E(errs.Invalid, "the event is not a JSON object", nil)
	}
	d := json.NewDecoder(bytes.NewReader(trimmed))
	if !lenient {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return errs.E(errs.Invalid, "the event is not valid: "+err.Error(), nil)
	}
	if _, err := d.Token(); err != io.EOF { //nolint:errorlint // Token returns io.EOF itself
		return errs.E(errs.Invalid, "the event has something behind its JSON object", nil)
	}
	return nil
}
