package trace

import (
	"context"
	"errors"
	"net"
	"net/http"

	"oipnode/shared/errs"
)

// Blame says whose fault an end was.
type Blame int

// The blames. Caller is a refusal that the caller has earned, or a call that the caller
// gave up; Throttled one that came too often; Fault all else that went wrong.
const (
	Nobody Blame = iota
	Caller
	Throttled
	Fault
)

// Outcome is how a span ended. It holds nothing of an error but its kind.
type Outcome struct {
	// Code is that of package errs, or one of those below; empty when all went well.
	Code  string
	Blame Blame
}

// Codes besides those of package errs.
const (
	// CodeCancelled: the caller did not want it any more.
	CodeCancelled = "cancelled"
	// CodeRefused: the other side answered with a status between 400 and 499.
	CodeRefused = "refused"
	// CodeUnfinished: the span was open when the one around it ended.
	CodeUnfinished = "unfinished"
	// CodePanic: the code of the span panicked.
	CodePanic = "panic"
)

// OutcomeOf finds the kind of an error, and never its text: by package errs; else by
// the status of HTTP, if it is an error of a vendor that knows one; else a failure of
// the network is told from all others.
func OutcomeOf(err error) Outcome {
	var status interface{ HTTPStatusCode() int }
	var network net.Error
	switch {
	case err == nil:
		return Outcome{}
	case errors.Is(err, context.Canceled):
		return Outcome{CodeCancelled, Caller}
	case errs.KindOf(err) != errs.Internal:
		return Outcome{errs.Code(err), OutcomeOfStatus(errs.Status(err)).Blame}
	case errors.As(err, &status) && status.HTTPStatusCode() >= 400:
		return OutcomeOfStatus(status.HTTPStatusCode())
	case !errors.As(err, &network):
		return Outcome{errs.Internal.Error(), Fault}
	case network.Timeout():
		return Outcome{errs.Timeout.Error(), Fault}
	default:
		return Outcome{errs.Unavailable.Error(), Fault}
	}
}

// OutcomeOfStatus judges the answer of another service by its status of HTTP.
func OutcomeOfStatus(status int) Outcome {
	switch {
	case status == http.StatusTooManyRequests:
		return Outcome{errs.TooMany.Error(), Throttled}
	case status >= 500:
		return Outcome{errs.Unavailable.Error(), Fault}
	case status >= 400:
		return Outcome{CodeRefused, Caller}
	default:
		return Outcome{}
	}
}
