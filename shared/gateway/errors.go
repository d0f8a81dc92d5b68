package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The ways in which a call ends. All but ErrInvalid and ErrNoGateway come wrapped
// in an *Error, and so does the error of a context that ended.
var (
	// ErrInvalid is a call that no gateway could answer: a malformed URL, id,
	// filter or window. Nothing was sent.
	ErrInvalid = errors.New("invalid call")
	// ErrBackoff is returned without a request while the gateway is in back-off;
	// Error.RetryAfter is how much longer.
	ErrBackoff = errors.New("in back-off")
	// ErrUnavailable is a gateway that does not answer: connection errors, time
	// outs, status 408 and 5xx.
	ErrUnavailable = errors.New("unavailable")
	// ErrUnhealthy is an answer that is not JSON where JSON was asked for, such
	// as the HTML of a proxy in between.
	ErrUnhealthy = errors.New("answer is not JSON")
	// ErrRateLimited is status 429, or 402 which some gateways use for it.
	ErrRateLimited = errors.New("rate limited")
	// ErrProtocol is an answer that this package cannot read, that is over a
	// bound, or that contradicts itself.
	ErrProtocol = errors.New("unreadable answer")
	// ErrGraphQL is a page with errors, warnings or extensions, with or without
	// data beside them.
	ErrGraphQL = errors.New("query failed")
	// ErrRowLimit is a window with more rows than the gateway's store wants to
	// read. Walk halves such windows; only that of a single height comes out.
	ErrRowLimit = errors.New("row limit of the gateway")
	// ErrLoop is a window that began again: a cursor that does not move, or a
	// page of ids that were all seen before.
	ErrLoop = errors.New("paging loop")
	// ErrTooManyPages is a Walk that needs more than Options.MaxPages requests,
	// or a Find whose pages hold next to nothing new.
	ErrTooManyPages = errors.New("too many pages in one window")
	// ErrHeight is a height that is no height, or not one this chain can have.
	ErrHeight = errors.New("implausible height")
	// ErrPending is status 202: known, not there yet.
	ErrPending = errors.New("pending")
	// ErrNotFound is status 404 or 410. It is never final: see spec/gateways.md.
	ErrNotFound = errors.New("not found")
	// ErrBlocked is status 451, 401 or 403: this gateway does not serve it.
	ErrBlocked = errors.New("blocked at this gateway")
	// ErrMismatch is data whose length is not the expected one.
	ErrMismatch = errors.New("wrong length")
	// ErrTooLarge is data over Options.MaxDataBytes.
	ErrTooLarge = errors.New("over the size limit")
	// ErrRedirect is a redirect to another host, to an unsafe scheme or another
	// port, or one too many.
	ErrRedirect = errors.New("redirect refused")
	// ErrGap is a fall-back gateway too far ahead of the checkpoint.
	ErrGap = errors.New("too far ahead of the checkpoint")
	// ErrNoGateway is returned by Pool.Choose when none can serve.
	ErrNoGateway = errors.New("no gateway can serve")
)

// Error is a failed call to a gateway.
type Error struct {
	// Gateway is the gateway's URL, Op what was asked: info, query or data.
	Gateway, Op string
	// Status is the HTTP status, 0 when there was none.
	Status int
	// RetryAfter is what the gateway asked to wait, or how long its back-off
	// still lasts; 0 when unknown, at most an hour.
	RetryAfter time.Duration
	// Detail is at most 120 printable characters for a log, perhaps of the
	// gateway's answer. It is never shown to clients.
	Detail string
	// Err is one of the sentinels above, or wraps one.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "gateway %s: %s: %v", e.Gateway, e.Op, e.Err)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (retry after %s)", e.RetryAfter.Round(time.Millisecond))
	}
	if e.Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Detail)
	}
	return b.String()
}

// Unwrap makes errors.Is see the sentinel.
func (e *Error) Unwrap() error { return e.Err }

// Transient reports whether a failure says something of the moment or of the
// gateway, and nothing final of what was asked for: trying later or elsewhere
// makes sense. Only ErrTooLarge and ErrInvalid are final. A 404 is transient.
func Transient(err error) bool {
	return err != nil && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrInvalid)
}

// maxRetryAfter bounds what a gateway can ask for.
const maxRetryAfter = time.Hour

// retryAfter reads a Retry-After header, seconds or a date; 0 when there is none
// or when it makes no sense.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	secs, err := strconv.ParseUint(v, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), secs > uint64(maxRetryAfter/time.Second):
		return maxRetryAfter
	case err != nil:
		return 0
	}
	return time.Duration(secs) * time.Second
}

// excerpt makes a short, printable, single-line piece of an answer.
func excerpt(body []byte) string {
	const most = 120
	words := strings.FieldsFunc(string(body[:min(len(body), 8*most)]), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar
	})
	text := []rune(strings.Join(words, " "))
	if len(text) > most {
		text = append(text[:most-1], '…')
	}
	return string(text)
}
