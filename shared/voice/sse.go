package voice

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// retryStream is how long a client waits before it connects again after a stream
	// broke, and retryBuffered after a buffered answer, which always ends.
	retryStream   = 2 * time.Second
	retryBuffered = 250 * time.Millisecond
	// maxBuffered is about the most data that one buffered answer holds: with one event
	// more it is still within the 6 MB that Lambda takes, even in base64.
	maxBuffered = 3 << 20
	// answerTime is kept of a request's time to send the answer.
	answerTime = time.Second
)

// ping is the heartbeat. It has no id, so it does not move the reader's position.
const ping = "event: ping\ndata: {}\n\n"

// appendFrame writes an event as server-sent events have it. Its data is one line, since
// compact JSON has no line break.
func appendFrame(b []byte, e Event) []byte {
	b = append(b, "id: "...)
	b = strconv.AppendInt(b, int64(e.Number), 10)
	b = append(b, "\nevent: "...)
	b = append(b, e.Event...)
	b = append(b, "\ndata: "...)
	b = append(b, e.Data...)
	return append(b, "\n\n"...)
}

func appendRetry(b []byte, d time.Duration) []byte {
	b = append(b, "retry: "...)
	b = strconv.AppendInt(b, d.Milliseconds(), 10)
	return append(b, "\n\n"...)
}

// Serve answers with the events of a stream until it ends, and closes it. An error
// means that nothing was sent yet.
//
// Where the connection can be flushed, the stream is a true one: events leave when they
// are there, and a silent stream sends pings. A reader that does not take an event
// within Options.WriteTimeout is cut off; it connects again with Last-Event-ID and
// misses nothing. Where answers are buffered (Options.Buffered, or a writer that cannot
// flush), the answer ends as soon as there are events, or with a ping alone after
// Options.BufferedWait, and the client goes on in the same way.
//
// A reader that has all events of an ended dialogue gets 204, which tells an
// EventSource not to connect again.
func (s *Stream) Serve(w http.ResponseWriter, r *http.Request) error {
	defer s.Close()
	ctx := r.Context()
	buffered := s.d.opt.Buffered || !flushes(w)
	var wait time.Duration
	if buffered && r.Method != http.MethodHead {
		wait = s.d.opt.BufferedWait
		if deadline, ok := ctx.Deadline(); ok {
			wait = min(wait, time.Until(deadline)-answerTime)
		}
	}
	// The times that a server gives to a request do not hold for a stream. A writer that
	// has no connection below it has no deadlines either.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Now().Add(max(wait, 0) + s.d.opt.WriteTimeout))
	events, err := s.Next(ctx, wait)
	switch {
	case errors.Is(err, io.EOF):
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
		return nil
	case err != nil:
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies that buffer unless they are told
	w.WriteHeader(http.StatusOK)
	switch {
	case r.Method == http.MethodHead:
	case buffered:
		s.whole(ctx, w, events)
	default:
		s.send(ctx, w, rc, events)
	}
	return nil
}

// flushes reports whether what is written can reach the client before the answer ends.
func flushes(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case http.Flusher, interface{ FlushError() error }:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}

// whole writes a buffered answer: the first events and what else is there already. A
// failure ends it; what was not written comes with the next answer.
func (s *Stream) whole(ctx context.Context, w io.Writer, events []Event) {
	b := appendRetry(nil, retryBuffered)
	if len(events) == 0 {
		b = append(b, ping...)
	}
	for size := 0; len(events) > 0; {
		for _, e := range events {
			size += len(e.Data)
			b = appendFrame(b, e)
		}
		if size >= maxBuffered {
			break
		}
		var err error
		if events, err = s.Next(ctx, 0); err != nil {
			break
		}
	}
	_, _ = w.Write(b) // an error is the client's connection
}

// send writes a true stream until it ends or its reader is gone.
func (s *Stream) send(ctx context.Context, w io.Writer, rc *http.ResponseController, events []Event) {
	write := func(b []byte) error {
		_ = rc.SetWriteDeadline(time.Now().Add(s.d.opt.WriteTimeout))
		if _, err := w.Write(b); err != nil {
			return err
		}
		return rc.Flush()
	}
	b := appendRetry(nil, retryStream)
	for {
		for _, e := range events {
			if err := write(appendFrame(b, e)); err != nil {
				return // the reader is gone, or too slow: it goes on where it was
			}
			b = b[:0]
		}
		if len(events) == 0 {
			if err := write(append(b, ping...)); err != nil {
				return
			}
			b = b[:0]
		}
		var err error
		if events, err = s.Next(ctx, s.d.opt.Heartbeat); err != nil {
			s.logEnd(ctx, err)
			return
		}
	}
}

// logEnd tells the operator of a stream that a failure of the store ended; its client
// connects again. The other ends are everyday.
func (s *Stream) logEnd(ctx context.Context, err error) {
	for _, everyday := range []error{io.EOF, ErrNotFound, ErrClosed, ctx.Err()} {
		if everyday != nil && errors.Is(err, everyday) {
			return
		}
	}
	s.d.opt.Log.WarnContext(ctx, "a stream was broken off", "error", err)
}
