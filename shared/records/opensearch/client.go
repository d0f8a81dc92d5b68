package opensearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"oipnode/shared/records"
)

// smallAnswer bounds the answers that hold no documents, in bytes.
const smallAnswer = 16 << 20

// request is one request of the engine.
type request struct {
	method, path string
	// body is JSON, or lines of JSON for a bulk and a multiple search.
	body []byte
	// limit bounds the answer in bytes, smallAnswer by default.
	limit int
	// attempts overrides Options.Attempts when it is not 0. A request that was cut off
	// may have been done, so only what may be done twice is repeated.
	attempts int
	// allow are statuses from 400 on that are answers and no errors.
	allow []int
}

// failure is an answer of the engine that is an error.
type failure struct {
	status int
	// kind is the engine's name of the fault, such as index_not_found_exception.
	kind   string
	reason string
	after  time.Duration
}

func (f *failure) Error() string {
	return fmt.Sprintf("status %d, %s: %s", f.status, f.kind, clip(f.reason, maxReason))
}

// Unwrap makes a failure what callers know: unavailable or refused.
func (f *failure) Unwrap() error {
	switch {
	case f.passes():
		return records.ErrUnavailable
	case f.status == http.StatusUnauthorized || f.status == http.StatusForbidden && f.kind != blocked:
		return ErrRefused
	}
	return nil
}

// blocked is the kind of a write to an index that takes none at the moment: it is being
// copied (Reindex), or its disk is full.
const blocked = "cluster_block_exception"

// passes reports whether the same request may succeed later.
func (f *failure) passes() bool {
	return f.status == http.StatusTooManyRequests || f.status >= 500 || f.kind == blocked || f.kind == "circuit_breaking_exception"
}

// ofBody reports whether the engine refused what was sent: smaller parts of it may do.
func (f *failure) ofBody() bool {
	return (f.status == http.StatusBadRequest || f.status == http.StatusRequestEntityTooLarge) && !f.passes()
}

// errAnswerTooLarge means that an answer is over its bound.
var errAnswerTooLarge = errors.New("opensearch: the answer is too large")

// json sends a request and decodes the answer into v, if that is not nil.
func (s *Store) json(ctx context.Context, r request, v any) error {
	_, text, err := s.send(ctx, r)
	if err != nil || v == nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil { // a Decoder would copy the text first
		return fmt.Errorf("%w: %s %s: %w", ErrEngine, r.method, r.path, err)
	}
	return nil
}

// send sends a request until there is an answer, an error that will not pass, or no
// attempt left. The error is a *failure, records.ErrUnavailable, errAnswerTooLarge or
// the context's.
func (s *Store) send(ctx context.Context, r request) (status int, answer []byte, err error) {
	attempts := s.opt.Attempts
	if r.attempts > 0 {
		attempts = r.attempts
	}
	for n := 1; ; n++ {
		status, answer, err = s.once(ctx, r)
		var f *failure
		known := errors.As(err, &f)
		if err == nil || ctx.Err() != nil || errors.Is(err, errAnswerTooLarge) || known && !f.passes() || n == attempts {
			break
		}
		var after time.Duration
		if known {
			after = f.after
		}
		if e := sleep(ctx, pause(n, after)); e != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return 0, nil, s.ended(ctx)
	}
	if err != nil {
		err = fmt.Errorf("opensearch: %s %s: %w", r.method, r.path, err)
	}
	return status, answer, err
}

// maxAfter is how long the engine can make a request wait (Retry-After).
const maxAfter = 5 * time.Second

// pause is the time behind the nth attempt: it doubles up to two seconds, with a half of
// it left to chance so that many callers do not come back at once, and is no shorter than
// what the engine asked for.
func pause(n int, after time.Duration) time.Duration {
	p := min(50*time.Millisecond<<min(n-1, 10), 2*time.Second)
	return max(p/2+rand.N(p/2), min(after, maxAfter))
}

// ended is the error of a call whose context has ended: the caller's, or the Store's.
func (s *Store) ended(ctx context.Context) error {
	if s.closed.Err() != nil {
		return errClosed
	}
	return ctx.Err()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// once sends a request one time, with a body of its own, so that it is signed whole.
func (s *Store) once(ctx context.Context, r request) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	e := &exchange{limit: r.limit}
	if e.limit == 0 {
		e.limit = smallAnswer
	}
	ctx = context.WithValue(ctx, exchangeKey{}, e)
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, r.path, body)
	if err != nil {
		return 0, nil, err
	}
	if r.body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	res, err := s.client.Perform(q)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", records.ErrUnavailable, err)
	}
	defer func() { _ = res.Body.Close() }() // the transport has read and closed the answer
	if e.err != nil {
		return 0, nil, e.err
	}
	text := e.text
	if res.StatusCode < 300 {
		return res.StatusCode, text, nil
	}
	for _, status := range r.allow {
		if status == res.StatusCode {
			return status, text, nil
		}
	}
	return 0, nil, readFailure(res.StatusCode, res.Header, text)
}

// notAuthorized is in the message of AWS that names the role and the action that it
// lacks. No other message is kept: some of them quote the request's session token.
const notAuthorized = "is not authorized to perform"

// readFailure reads an error of the engine; in front of it something else may answer,
// in any form.
func readFailure(status int, h http.Header, text []byte) *failure {
	f := &failure{status: status, kind: "no reason given"}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		f.kind = "refused"
		f.reason = "the role may not make this request"
	}
	var said struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	var cause struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	}
	if json.Unmarshal(text, &said) == nil {
		switch {
		case json.Unmarshal(said.Error, &cause) == nil && cause.Type != "":
			f.kind, f.reason = cause.Type, cause.Reason
		case f.kind == "refused" && strings.Contains(said.Message, notAuthorized):
			f.reason += ": " + said.Message
		}
	}
	if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil && n > 0 {
		f.after = time.Duration(n) * time.Second
	}
	return f
}
