// Package errs is how an error travels from where it happens to whoever must
// react to it: the caller of the API, the retry loop, the log.
//
// A Kind is a sentinel with three properties: the HTTP status, a code that
// clients may rely on, and the Class, which says whether trying again can help.
// E joins a Kind with a message for the caller and a private cause. The message
// is all that a client ever sees; the cause goes to the log, through Error.
//
//	return errs.E(errs.NotFound, "no record with this did", err)
//
// An adapter turns the errors of its vendor into these kinds, so that nothing
// above it branches on a vendor's type or on a text. Code that has no caller to
// speak to, such as a parser, keeps its own sentinels and is given a Kind above.
package errs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Class says whether the same call may succeed later without a change.
type Class int

// The classes. A Permanent failure is acknowledged, kept with its reason and
// not tried again; a Transient one is retried with growing pauses.
const (
	Permanent Class = iota + 1
	Transient
)

// String is the class as it stands in a log line or in the name of a metric.
func (c Class) String() string {
	switch c {
	case Permanent:
		return "permanent"
	case Transient:
		return "transient"
	default:
		return "none"
	}
}

// Kind is a sentinel: compare with errors.Is. The ones below are all there are,
// and they are the table from an error to its HTTP status.
type Kind struct {
	status int
	code   string
	class  Class
	// public is what the caller reads when the Error has no message of its own.
	public string
}

// The kinds. Codes are part of the API's contract and never change.
var (
	Invalid          = &Kind{400, "invalid", Permanent, "the request is not valid"}
	Unauthorized     = &Kind{401, "unauthorized", Permanent, "a valid token is needed"}
	Forbidden        = &Kind{403, "forbidden", Permanent, "this is not allowed"}
	NotFound         = &Kind{404, "not_found", Permanent, "not found"}
	MethodNotAllowed = &Kind{405, "method_not_allowed", Permanent, "this method is not allowed here"}
	Conflict         = &Kind{409, "conflict", Permanent, "this conflicts with what is there"}
	TooLarge         = &Kind{413, "too_large", Permanent, "the request is too large"}
	TooMany          = &Kind{429, "too_many_requests", Transient, "too many requests, try again later"}
	// Internal is also the kind of every error that has none. It counts as
	// transient: a failure that nobody understood must not cost a record.
	Internal = &Kind{500, "internal", Transient, "internal error"}
	// BadGateway: a server that this node asks on the caller's behalf failed.
	BadGateway  = &Kind{502, "bad_gateway", Transient, "a server that was asked for this failed"}
	Unavailable = &Kind{503, "unavailable", Transient, "not available at the moment, try again later"}
	Timeout     = &Kind{504, "timeout", Transient, "this took too long"}
)

// Error is the kind's code, so that a Kind can be returned as it is.
func (k *Kind) Error() string { return k.code }

// Error is a failure with a Kind. Make it with E.
type Error struct {
	kind       *Kind
	public     string
	cause      error
	retryAfter time.Duration
}

// E makes an error. public is shown to the caller, so it names parameters and
// limits and nothing from inside; "" stands for the kind's own sentence. cause is
// private and may be nil.
func E(kind *Kind, public string, cause error) *Error {
	return &Error{kind: kind, public: public, cause: cause}
}

// After returns a copy that tells the caller to wait at least d before the next
// try. Zero or less means nothing is known.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.retryAfter = max(d, 0)
	return &c
}

// Error is for the log: code, message and private cause.
func (e *Error) Error() string {
	text := e.kind.code + ": " + e.message()
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap gives the kind and the cause, so errors.Is and errors.As see both.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

func (e *Error) message() string {
	if e.public != "" {
		return e.public
	}
	return e.kind.public
}

// Wrap puts the name and arguments of a call in front of the error that it
// returns, and does nothing for nil. It is deferred over a named result:
//
//	defer errs.Wrap(&err, "fetch(%q)", id)
func Wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), *err)
	}
}

// KindOf finds the kind of an error: that of the outermost Error, else a bare
// Kind, else Timeout for an exceeded deadline, Unavailable for a cancelled context, and
// Internal for everything unknown. It is nil for nil only.
func KindOf(err error) *Kind {
	if err == nil {
		return nil
	}
	var e *Error
	var k *Kind
	switch {
	case errors.As(err, &e):
		return e.kind
	case errors.As(err, &k):
		return k
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Unavailable
	default:
		return Internal
	}
}

// Status is the HTTP status for an error; 200 for nil.
func Status(err error) int {
	if k := KindOf(err); k != nil {
		return k.status
	}
	return 200
}

// Code is the stable code for an error; "" for nil.
func Code(err error) string {
	if k := KindOf(err); k != nil {
		return k.code
	}
	return ""
}

// Public is the sentence for the caller: the message given to the outermost
// Error, or the sentence of the kind. It never holds the text of a cause. It is
// "" for nil.
func Public(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.message()
	}
	if k := KindOf(err); k != nil {
		return k.public
	}
	return ""
}

// RetryAfter is the wait that the outermost Error asks for; 0 when it is unknown.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.retryAfter
	}
	return 0
}

// ClassOf says whether trying again can help; 0 for nil.
func ClassOf(err error) Class {
	if k := KindOf(err); k != nil {
		return k.class
	}
	return 0
}

// IsTransient reports whether trying again can help.
func IsTransient(err error) bool { return ClassOf(err) == Transient }
