package trace_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"oipnode/shared/errs"
	"oipnode/shared/trace"
)

// vendor is an error that knows a status.
type vendor int

func (v vendor) Error() string       { return fmt.Sprintf("request id and table: %d", int(v)) }
func (v vendor) HTTPStatusCode() int { return int(v) }

// slow is a failure of the network that took too long.
type slow struct{ error }

func (slow) Timeout() bool   { return true }
func (slow) Temporary() bool { return true }

func TestOutcomeOf(t *testing.T) {
	private := errors.New("password=hunter2")
	for _, c := range []struct {
		err  error
		want trace.Outcome
	}{
		{nil, trace.Outcome{}},
		{private, trace.Outcome{Code: "internal", Blame: trace.Fault}},
		{context.Canceled, trace.Outcome{Code: "cancelled", Blame: trace.Caller}},
		{context.DeadlineExceeded, trace.Outcome{Code: "timeout", Blame: trace.Fault}},
		{errs.E(errs.Invalid, "hunter2", private), trace.Outcome{Code: "invalid", Blame: trace.Caller}},
		{errs.E(errs.TooMany, "", private), trace.Outcome{Code: "too_many_requests", Blame: trace.Throttled}},
		{errs.E(errs.Unavailable, "", vendor(400)), trace.Outcome{Code: "unavailable", Blame: trace.Fault}},
		{errs.NotFound, trace.Outcome{Code: "not_found", Blame: trace.Caller}},
		{fmt.Errorf("put: %w", vendor(400)), trace.Outcome{Code: "refused", Blame: trace.Caller}},
		{vendor(429), trace.Outcome{Code: "too_many_requests", Blame: trace.Throttled}},
		{vendor(503), trace.Outcome{Code: "unavailable", Blame: trace.Fault}},
		{vendor(200), trace.Outcome{Code: "internal", Blame: trace.Fault}},
		{slow{private}, trace.Outcome{Code: "timeout", Blame: trace.Fault}},
		{&net.OpError{Op: "dial", Err: private}, trace.Outcome{Code: "unavailable", Blame: trace.Fault}},
		{fmt.Errorf("x: %w", &net.DNSError{Name: "secret.internal"}), trace.Outcome{Code: "unavailable", Blame: trace.Fault}},
	} {
		got := trace.OutcomeOf(c.err)
		if got != c.want {
			t.Errorf("%v: %+v, want %+v", c.err, got, c.want)
		}
		if strings.Contains(got.Code, "hunter2") || strings.Contains(got.Code, "secret") {
			t.Errorf("%v: the text is in the code", c.err)
		}
	}
}

func TestOutcomeOfStatus(t *testing.T) {
	for status, want := range map[int]trace.Outcome{
		0: {}, 101: {}, 200: {}, 206: {}, 304: {},
		http.StatusBadRequest:        {Code: "refused", Blame: trace.Caller},
		http.StatusNotFound:          {Code: "refused", Blame: trace.Caller},
		http.StatusTooManyRequests:   {Code: "too_many_requests", Blame: trace.Throttled},
		http.StatusBadGateway:        {Code: "unavailable", Blame: trace.Fault},
		http.StatusLoopDetected + 50: {Code: "unavailable", Blame: trace.Fault},
	} {
		if got := trace.OutcomeOfStatus(status); got != want {
			t.Errorf("%d: %+v, want %+v", status, got, want)
		}
	}
}
