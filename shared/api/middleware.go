package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"oipnode/shared/metrics"
	"oipnode/shared/trace"
)

const (
	requestIDHeader = "X-Request-Id"
	// maxRequestID is the longest id, in bytes, that is taken over from a caller.
	maxRequestID = 64
	// maxLoggedPath is how many characters of a path the log shows.
	maxLoggedPath = 200
)

type requestIDKey struct{}

// requestID is the id of a request that went through outer.
func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}

// outer is what every request goes through, the outermost first: its id, the
// access log, the recovery from a panic (inside of the log, which shows its 500),
// the bound on its body, and the headers of every answer. The time is bounded by
// server.json, since a stream has another bound than an answer.
func (s *server) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !saneID(id) {
			id = newID()
		}
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		h := w.Header()
		h.Set(requestIDHeader, id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		s.allowOrigin(h, r)

		rec := &recorder{ResponseWriter: w}
		if r.Body != nil {
			r.Body = http.MaxBytesReader(w, r.Body, s.opt.MaxBody)
		}
		start := s.opt.Now()
		defer s.logRequest(rec, r, start)
		defer s.rescue(rec, r)
		next.ServeHTTP(rec, r)
	})
}

// allowOrigin tells a browser whether the page that asks may have the answer. By default
// anybody's may: tokens are sent explicitly, never by a cookie, so another origin gains
// nothing by it.
func (s *server) allowOrigin(h http.Header, r *http.Request) {
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
	if len(s.opt.Origins) == 0 {
		h.Set("Access-Control-Allow-Origin", "*")
		return
	}
	vary(h, "Origin")
	if o := r.Header.Get("Origin"); slices.Contains(s.opt.Origins, o) {
		h.Set("Access-Control-Allow-Origin", o)
	}
}

// vary adds a header to those on which the answer depends, once.
func vary(h http.Header, name string) {
	if before := h.Get("Vary"); before != "" {
		if slices.Contains(strings.Split(before, ", "), name) {
			return
		}
		name = before + ", " + name
	}
	h.Set("Vary", name)
}

// logRequest writes the line of a request into the log, and counts it. A query is left
// out: it can hold what its sender keeps private.
func (s *server) logRequest(rec *recorder, r *http.Request, start time.Time) {
	metrics.Request(s.opt.Metrics, rec.status, s.opt.Now().Sub(start))
	trace.Current(r.Context()).Count("status", int64(rec.status)) // the function itself never fails
	s.opt.Log.InfoContext(r.Context(), "request", "method", clip(r.Method, 20), "path", clip(r.URL.Path, maxLoggedPath),
		"status", rec.status, "bytes", rec.bytes, "duration", s.opt.Now().Sub(start), "request", requestID(r))
}

// rescue turns a panic of a handler into a 500. Its value and stack are logged and
// never shown. A response that has begun is broken off, so that nobody takes it
// for a whole one.
func (s *server) rescue(rec *recorder, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v) // the way to break a connection off; net/http knows it
	}
	s.opt.Log.ErrorContext(r.Context(), "panic", "value", v, "path", clip(r.URL.Path, maxLoggedPath),
		"request", requestID(r), "stack", string(debug.Stack()))
	if rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	s.fail(rec, r, errPanic)
}

var errPanic = errors.New("api: the handler panicked")

// allowedHeaders are those that pages of other origins may send.
const allowedHeaders = "Authorization, Content-Type, If-None-Match, If-Range, Last-Event-ID, Range, " + secretHeader

// exposedHeaders are those that such pages may read: what tells them which part of a
// file they have, too.
const exposedHeaders = requestIDHeader + ", Retry-After, Accept-Ranges, Content-Disposition, Content-Range, ETag"

// preflight answers OPTIONS.
func preflight(w http.ResponseWriter, allow string) {
	h := w.Header()
	h.Set("Allow", allow)
	h.Set("Access-Control-Allow-Methods", allow)
	h.Set("Access-Control-Allow-Headers", allowedHeaders)
	h.Set("Access-Control-Max-Age", "3600")
	w.WriteHeader(http.StatusNoContent)
}

// saneID reports whether an id of a caller can be used in the log and in headers.
func saneID(id string) bool {
	const good = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:"
	return id != "" && len(id) <= maxRequestID && strings.Trim(id, good) == ""
}

func newID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// recorder notes status and size of a response.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController find what the connection can do.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
