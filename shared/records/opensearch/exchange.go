package opensearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"oipnode/shared/records"
)

// exchange is one request and its answer, as the Store's own transport sees them. The
// client reads answers whole, of any size, and forgets an answer that broke off; so the
// transport reads the answer itself, up to a limit, and hands it past the client.
type exchange struct {
	limit int // of the answer, in bytes
	text  []byte
	err   error
}

type exchangeKey struct{}

// transport is between the client and the network. Each request must carry an exchange
// in its context.
type transport struct{ next http.RoundTripper }

// RoundTrip sends the request once. It never returns a bare io.EOF: the client would
// take that as a reason to repeat the request with what is left of its body, nothing.
func (t transport) RoundTrip(q *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(q)
	if err != nil {
		return nil, fmt.Errorf("round trip: %w", err)
	}
	e := q.Context().Value(exchangeKey{}).(*exchange)
	e.text, e.err = readAnswer(res, e.limit)
	if err := res.Body.Close(); err != nil && e.err == nil {
		e.err = fmt.Errorf("%w: %w", records.ErrUnavailable, err)
	}
	res.Body = http.NoBody
	return res, nil
}

// readAnswer reads an answer of at most limit bytes.
func readAnswer(res *http.Response, limit int) ([]byte, error) {
	if res.ContentLength > int64(limit) {
		return nil, errAnswerTooLarge
	}
	text, err := readAll(io.LimitReader(res.Body, int64(limit)+1), res.ContentLength)
	switch {
	case errors.Is(err, context.Canceled):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: the answer broke off: %w", records.ErrUnavailable, err)
	case len(text) > limit:
		return nil, errAnswerTooLarge
	}
	return text, nil
}

// readAll reads to the end. What the engine has promised is read at once and not in growing
// pieces; an answer without a length grows by quarters, as io.ReadAll does it: a buffer
// that doubles, beside the one before, would be three times as large as the answer.
func readAll(body io.Reader, promised int64) ([]byte, error) {
	if promised <= 0 {
		return io.ReadAll(body)
	}
	var text bytes.Buffer
	text.Grow(int(promised) + bytes.MinRead) // room in which the reader sees the end
	_, err := text.ReadFrom(body)
	return text.Bytes(), err
}
