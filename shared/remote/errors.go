package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"oipnode/shared/errs"
)

// The sentinels. Those of the first group are permanent, the others transient.
var (
	// ErrURL is a URL that its text refuses.
	ErrURL = errors.New("remote: the URL is refused")
	// ErrAddress is a URL that leads to an address that no stranger may send us to.
	ErrAddress = errors.New("remote: the address is refused")
	// ErrRedirect is a redirect that is not followed, or one too many.
	ErrRedirect = errors.New("remote: the redirect is refused")
	// ErrNotFound is status 404 or 410.
	ErrNotFound = errors.New("remote: not found")
	// ErrDenied is status 401, 402, 403, 407 or 451.
	ErrDenied = errors.New("remote: denied")
	// ErrAnswer is an answer that holds no file as it is: an unexpected status, an
	// encoding that nobody asked for, a head that is too long or no HTTP.
	ErrAnswer = errors.New("remote: not an answer with a file")
	// ErrTooLarge is a file over Options.MaxBytes.
	ErrTooLarge = errors.New("remote: over the size limit")

	// ErrBusy is status 429.
	ErrBusy = errors.New("remote: too many requests")
	// ErrUnavailable is a source that cannot be reached, or a status that says that
	// it is out of order.
	ErrUnavailable = errors.New("remote: unavailable")
	// ErrTimeout is one of the times of Options that was exceeded.
	ErrTimeout = errors.New("remote: timed out")
	// ErrBroken is a stream that broke and could not be continued.
	ErrBroken = errors.New("remote: broken off")
	// ErrChanged is a file that became another one while it was read.
	ErrChanged = errors.New("remote: changed meanwhile")
	// ErrLength is a source that sends more than it said.
	ErrLength = errors.New("remote: longer than announced")
)

// kinds is what each sentinel means to the API and to a retry loop.
var kinds = map[error]*errs.Kind{
	ErrURL:         errs.Invalid,
	ErrAddress:     errs.Invalid,
	ErrRedirect:    errs.Invalid,
	ErrNotFound:    errs.NotFound,
	ErrDenied:      errs.Forbidden,
	ErrAnswer:      errs.Invalid,
	ErrTooLarge:    errs.TooLarge,
	ErrBusy:        errs.TooMany,
	ErrUnavailable: errs.Unavailable,
	ErrTimeout:     errs.Timeout,
	ErrBroken:      errs.Unavailable,
	ErrChanged:     errs.Unavailable,
	ErrLength:      errs.Unavailable,
}

// The messages that are said in more than one place.
const (
	saysPrivate  = "the url leads to an address that is not public"
	saysNoAnswer = "the source of the file cannot be reached"
)

// fail makes an error: public is for the caller, cause for the log. Only the text of
// the cause is kept, so that the end of a timer of ours in its chain is not taken
// for the end of the caller's context.
func fail(sentinel error, public string, cause error) *errs.Error {
	kind := kinds[sentinel]
	if cause != nil {
		sentinel = fmt.Errorf("%w: %s", sentinel, clip(cause.Error()))
	}
	return errs.E(kind, public, sentinel)
}

// clip keeps a text short and valid that may hold what a source wrote.
func clip(text string) string {
	const most = 200
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.ToValidUTF8(text, "")
}

// ended is the error of a stream whose context is over: that of the caller as it is,
// or ErrTimeout when it was Options.Timeout.
func (c *Client) ended(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), ErrTimeout) {
		return fail(ErrTimeout, fmt.Sprintf("the file could not be fetched within %s", c.opts.Timeout), nil)
	}
	return ctx.Err()
}

// unreached explains why there is no answer. The head's own timer is over when late
// is set.
func (c *Client) unreached(err error, late bool) error {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, ErrAddress):
		return errs.E(kinds[ErrAddress], saysPrivate, err)
	case errors.Is(err, errHead), errors.Is(err, errHTTP):
		return fail(ErrAnswer, "the source does not answer as HTTP servers do", err)
	case late, errors.Is(err, os.ErrDeadlineExceeded):
		return fail(ErrTimeout, fmt.Sprintf("the source of the file did not answer within %s", c.opts.FirstByte), err)
	case errors.As(err, &name) && name.IsNotFound:
		return fail(ErrUnavailable, "the host of the url is not known", err)
	case errors.As(err, &certificate):
		return fail(ErrUnavailable, "the certificate of the source is not valid", err)
	}
	return fail(ErrUnavailable, saysNoAnswer, err)
}

// refused turns a status that is neither a file nor a redirect into an error.
func refused(status int, header http.Header) error {
	said := fmt.Sprintf("the source of the file answered with status %d", status)
	switch {
	case status == http.StatusNotFound, status == http.StatusGone:
		return fail(ErrNotFound, said, nil)
	case status == http.StatusUnauthorized, status == http.StatusPaymentRequired, status == http.StatusForbidden,
		status == http.StatusProxyAuthRequired, status == http.StatusUnavailableForLegalReasons:
		return fail(ErrDenied, said, nil)
	case status == http.StatusTooManyRequests:
		return fail(ErrBusy, said, nil).After(retryAfter(header, time.Now()))
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		return fail(ErrUnavailable, said, nil).After(retryAfter(header, time.Now()))
	}
	return fail(ErrAnswer, said, nil)
}

// maxRetryAfter bounds what a source can ask for.
const maxRetryAfter = time.Hour

// retryAfter reads a Retry-After header, seconds or a date; 0 when there is none or
// when it makes no sense.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	seconds, err := strconv.ParseUint(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
}
