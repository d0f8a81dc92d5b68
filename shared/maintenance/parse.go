package maintenance

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// MaxRequest is the longest request in bytes.
const MaxRequest = 64 << 10

// Parse reads a request out of its JSON, and checks it. Unknown fields are refused, since
// a misspelt one would be a task that does something else. The error is errs.Invalid.
func Parse(text []byte) (q Request, err error) {
	if len(text) > MaxRequest {
		return q, invalid("the request has %d bytes, at most %d are allowed", len(text), MaxRequest)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return q, invalid("the request is no JSON object of a task: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return q, invalid("the request has something behind its JSON object")
	}
	return q, q.Check()
}
