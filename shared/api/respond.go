package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/records"
)

// retryAfter is what a caller is told when a store cannot be reached.
const retryAfter = 5 * time.Second

// answer is a response that is complete before its first byte is sent, so that a
// failure while it is made can still become an error with the right status.
type answer struct {
	status int
	body   []byte
	// tag is the ETag of an answer that the caller may keep, as long as it asks each
	// time whether it still holds; private says that nobody else may.
	tag     string
	private bool
	// packed is the body compressed, if packing was tried already; nil for one that is
	// not worth it.
	packed []byte
	tried  bool
	// media is the media type, JSON by default; policy a Content-Security-Policy, for what
	// a browser renders. common says that the answer is the same whoever asks.
	media, policy string
	common        bool
}

// endpoint makes the answer to a request.
type endpoint func(ctx context.Context, r *http.Request) (answer, error)

// reply is an answer out of a value.
func reply(status int, v any) (answer, error) {
	body, err := encode(v)
	return answer{status: status, body: body}, err
}

// replyList is an answer out of a value, which must encode as an object with at
// least one member, and a list of documents as its last member. The documents are
// JSON already and are copied byte for byte. Of documents that are together over
// Options.MaxAnswer nothing is copied.
func (s *server) replyList(v any, name string, documents [][]byte) (answer, error) {
	head, err := encode(v)
	if err != nil {
		return answer{}, err
	}
	size := len(head) + len(name) + 8
	for _, d := range documents {
		if size += len(d) + 1; size > s.opt.MaxAnswer {
			return answer{}, errTooLarge(nil)
		}
	}
	body := append(make([]byte, 0, size), head[:len(head)-1]...)
	body = append(body, `,"`+name+`":[`...)
	for i, d := range documents {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, d...)
	}
	return answer{status: http.StatusOK, body: append(body, "]}"...)}, nil
}

// errTooLarge is the error for a page that is over a bound, the store's or ours.
func errTooLarge(cause error) error {
	return errs.E(errs.TooLarge, "the answer would be too large: ask for fewer at once with a smaller limit", cause)
}

// encode is json.Marshal without the escaping of <, > and &.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("api: encode answer: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// errorBody is the answer to a request that failed.
type errorBody struct {
	Error     string `json:"error"`
	Code      string `json:"code"`
	Parameter string `json:"parameter,omitempty"`
}

// errorAnswer words an error for the caller; its cause stays here.
func errorAnswer(err error) (answer, error) {
	body := errorBody{Error: errs.Public(err), Code: errs.Code(err)}
	var bad *badParameter
	if errors.As(err, &bad) {
		body.Code, body.Parameter = "invalid_parameter", bad.name
	}
	return reply(errs.Status(err), body)
}

// classify gives the errors of the record store their kind.
func classify(err error) error {
	if errors.Is(err, records.ErrUnavailable) {
		return unavailable(err)
	}
	return err
}

// errState is the error of a read of the state store. That store has no answer
// which is the caller's fault, so whatever went wrong, it is not available.
func errState(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return unavailable(err)
}

func unavailable(cause error) error {
	return errs.E(errs.Unavailable, "the index cannot be reached at the moment, try again later", cause).After(retryAfter)
}

// json serves an endpoint: within its time, and with its errors in their form.
func (s *server) json(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.opt.Timeout)
		defer cancel()
		a, err := e(ctx, r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.send(w, r, a)
	})
}

// fail answers with an error, and logs the cause of one that is ours.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	err = classify(err)
	if errs.Status(err) >= http.StatusInternalServerError {
		level := s.opt.Log.ErrorContext
		if r.Context().Err() != nil { // the caller went away; nobody reads the answer
			level = s.opt.Log.DebugContext
		}
		level(r.Context(), "request failed", "method", r.Method, "path", clip(r.URL.Path, maxLoggedPath), "request", requestID(r), "error", err)
	}
	if wait := errs.RetryAfter(err); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	a, encodeErr := errorAnswer(err)
	if encodeErr != nil { // a struct of texts always encodes
		panic(encodeErr)
	}
	s.send(w, r, a)
}

// send writes a complete answer, compressed for who understands it and where it is worth
// it. To HEAD it is the header alone, and to who has it already, that it still holds.
func (s *server) send(w http.ResponseWriter, r *http.Request, a answer) {
	h := w.Header()
	zipped := acceptsGzip(r.Header)
	if a.tag != "" && !a.common {
		vary(h, "Authorization")
	}
	vary(h, "Accept-Encoding")
	if a.tag != "" {
		h.Set("Cache-Control", "no-cache")
		if a.private {
			h.Set("Cache-Control", "private, no-cache")
		}
		if tag := held(r, a.tag, zipped); tag != "" {
			h.Set("ETag", tag)
			w.WriteHeader(http.StatusNotModified)
			return
		}
	} else {
		h.Set("Cache-Control", "no-store")
	}
	if zipped && !a.tried {
		a.packed = s.packer.pack(r.Context(), a.body)
	}
	suffix := ""
	if zipped && a.packed != nil {
		a.body, suffix = a.packed, gzipTag
	}
	size := int64(len(a.body))
	if a.common { // there is one for all
		size = 0
	}
	release, ok := s.unsent.hold(size)
	if !ok {
		s.fail(w, r, errCrowded())
		return
	}
	defer release()
	if suffix != "" {
		h.Set("Content-Encoding", "gzip")
	}
	if a.tag != "" {
		h.Set("ETag", `"`+a.tag+suffix+`"`)
	}
	if a.policy != "" {
		h.Set("Content-Security-Policy", a.policy)
	}
	h.Set("Content-Type", cmp.Or(a.media, "application/json; charset=utf-8"))
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		// An error here is the caller's connection; the access log has the bytes.
		_, _ = w.Write(a.body)
	}
}
