package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"oipnode/shared/errs"
)

var (
	// errTime and errIdle are why an exchange was given up.
	errTime = errors.New("relay: the exchange took too long")
	errIdle = errors.New("relay: nothing moved for too long")
	// errOver is an answer of more than Options.MaxAnswer bytes.
	errOver = errors.New("relay: the answer is too large")
)

// watch ends the context of an exchange in which nothing moves for a while.
type watch struct {
	timer *time.Timer
	idle  time.Duration
	end   context.CancelCauseFunc
}

func newWatch(ctx context.Context, idle time.Duration) (context.Context, *watch) {
	ctx, end := context.WithCancelCause(ctx)
	return ctx, &watch{timer: time.AfterFunc(idle, func() { end(errIdle) }), idle: idle, end: end}
}

// touch says that something has moved.
func (a *watch) touch() { a.timer.Reset(a.idle) }

func (a *watch) stop() {
	a.timer.Stop()
	a.end(nil)
}

// upload is the body of a put on its way. A caller that sends nothing for a while loses
// its connection: a read that waits would hold the transport's goroutine.
type upload struct {
	from  io.ReadCloser
	alive *watch
	rc    *http.ResponseController
	idle  time.Duration
	// failed is why the caller's body could not be read, if that is so.
	failed atomic.Pointer[error]
}

func (u *upload) Read(p []byte) (int, error) {
	_ = u.rc.SetReadDeadline(time.Now().Add(u.idle))
	n, err := u.from.Read(p)
	switch {
	case err == nil:
		u.alive.touch()
	case errors.Is(err, io.EOF):
		// What is read from here on is the server's own look at whether the caller is
		// still there; a deadline would end the request.
		_ = u.rc.SetReadDeadline(time.Time{})
		u.alive.touch()
	default:
		u.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

// failure is why the body could not be read; nil also for a call without one.
func (u *upload) failure() error {
	if u == nil {
		return nil
	}
	if why := u.failed.Load(); why != nil {
		return *why
	}
	return nil
}

func (u *upload) Close() error { return u.from.Close() }

// answer is the body of the relay's answer, of at most left bytes more.
type answer struct {
	from  io.Reader
	left  int64
	alive *watch
	ended bool // it came to its end
}

func (a *answer) Read(p []byte) (int, error) {
	if int64(len(p)) > a.left+1 {
		p = p[:a.left+1] // one more tells that there is more
	}
	n, err := a.from.Read(p)
	if n > 0 {
		a.alive.touch()
	}
	if a.left -= int64(n); a.left < 0 {
		return 0, errOver
	}
	a.ended = a.ended || errors.Is(err, io.EOF)
	return n, err
}

// check refuses an answer that is none of a relay's, before anything of it is sent on.
// The words of a relay that failed are its own affair; those of a refusal are for the
// caller.
func check(resp *http.Response, most int64) error {
	cause := func(why string) error {
		return fmt.Errorf("relay: status %d, content type %.100q: %s", resp.StatusCode, resp.Header.Get("Content-Type"), why)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge:
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return errs.E(errs.Unavailable, "the GUN relay is busy, try again later", cause("busy")).After(pause(resp.Header))
	default:
		return failed(cause("not an answer to pass on"))
	}
	if resp.Header.Get("Content-Encoding") != "" {
		return failed(cause("it is encoded, which was not asked for"))
	}
	if !isJSON(resp.Header.Get("Content-Type")) {
		return failed(cause("not JSON"))
	}
	if resp.ContentLength > most {
		return tooLarge(most, cause("too large"))
	}
	return nil
}

// isJSON reports whether a content type is JSON. None at all, and that of a server that
// guessed, may be.
func isJSON(header string) bool {
	kind, _, err := mime.ParseMediaType(header)
	if header == "" || err != nil && errors.Is(err, mime.ErrInvalidMediaParameter) {
		return true
	}
	return kind == "application/json" || kind == "text/json" || kind == "text/plain" || strings.HasSuffix(kind, "+json")
}

// maxPause is the longest pause that a relay can ask the node's callers for.
const maxPause = time.Minute

// pause is how long a busy relay wants to be left alone.
func pause(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil || seconds == 0 {
		return time.Second
	}
	return min(time.Duration(seconds)*time.Second, maxPause)
}

func errBusy() error {
	return errs.E(errs.Unavailable, "too many calls of the GUN relay are under way, try again later", nil).After(time.Second)
}

func failed(cause error) error {
	return errs.E(errs.BadGateway, "the GUN relay failed or cannot be reached, try again later", cause)
}

func tooLarge(most int64, cause error) error {
	return errs.E(errs.TooLarge, fmt.Sprintf("the GUN relay's answer is larger than %d bytes", most), cause)
}

// explain gives a failed exchange its kind: the caller's own fault, a relay that is slow,
// or one that fails.
func explain(ctx context.Context, up *upload, err error) error {
	if why := up.failure(); why != nil {
		return unreadable(why)
	}
	cause := context.Cause(ctx)
	var timeout net.Error
	switch {
	case errors.Is(err, errOver):
		return errs.E(errs.TooLarge, "the GUN relay's answer is too large", err)
	case errors.Is(cause, errIdle), errors.Is(cause, errTime):
		return errs.E(errs.Timeout, "the GUN relay did not answer in time, try again later", errors.Join(cause, err))
	case ctx.Err() != nil:
		return ctx.Err() // the caller's own end
	case errors.As(err, &timeout) && timeout.Timeout():
		return errs.E(errs.Timeout, "the GUN relay did not answer in time, try again later", err)
	}
	return failed(err)
}

// unreadable is the error for a caller's body that could not be read to its end.
func unreadable(err error) error {
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return errs.E(errs.TooLarge, fmt.Sprintf("the body is longer than %d bytes", over.Limit), nil)
	}
	return errs.E(errs.Invalid, "the body could not be read to its end", err)
}
