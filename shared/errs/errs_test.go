package errs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"oipnode/shared/errs"
)

// private is the text that no caller may ever read.
const private = "dial tcp 10.0.0.7:9200: password=hunter2"

var errCause = errors.New(private)

func TestTable(t *testing.T) {
	for _, c := range []struct {
		kind   *errs.Kind
		status int
		code   string
		class  errs.Class
	}{
		{errs.Invalid, http.StatusBadRequest, "invalid", errs.Permanent},
		{errs.Unauthorized, http.StatusUnauthorized, "unauthorized", errs.Permanent},
		{errs.Forbidden, http.StatusForbidden, "forbidden", errs.Permanent},
		{errs.NotFound, http.StatusNotFound, "not_found", errs.Permanent},
		{errs.MethodNotAllowed, http.StatusMethodNotAllowed, "method_not_allowed", errs.Permanent},
		{errs.Conflict, http.StatusConflict, "conflict", errs.Permanent},
		{errs.TooLarge, http.StatusRequestEntityTooLarge, "too_large", errs.Permanent},
		{errs.TooMany, http.StatusTooManyRequests, "too_many_requests", errs.Transient},
		{errs.Internal, http.StatusInternalServerError, "internal", errs.Transient},
		{errs.Unavailable, http.StatusServiceUnavailable, "unavailable", errs.Transient},
		{errs.BadGateway, http.StatusBadGateway, "bad_gateway", errs.Transient},
		{errs.Timeout, http.StatusGatewayTimeout, "timeout", errs.Transient},
	} {
		t.Run(c.code, func(t *testing.T) {
			// The bare kind, an Error, and an Error that travelled up a few calls
			// must all be understood alike.
			inner := errs.E(c.kind, "say this", errCause)
			for name, err := range map[string]error{
				"bare":    c.kind,
				"error":   inner,
				"wrapped": fmt.Errorf("a: %w", fmt.Errorf("b: %w", inner)),
				"joined":  errors.Join(inner, errCause),
			} {
				if got := errs.Status(err); got != c.status {
					t.Errorf("%s: Status = %d, want %d", name, got, c.status)
				}
				if got := errs.Code(err); got != c.code {
					t.Errorf("%s: Code = %q, want %q", name, got, c.code)
				}
				if got := errs.ClassOf(err); got != c.class {
					t.Errorf("%s: ClassOf = %v, want %v", name, got, c.class)
				}
				if got := errs.IsTransient(err); got != (c.class == errs.Transient) {
					t.Errorf("%s: IsTransient = %v", name, got)
				}
				if !errors.Is(err, c.kind) {
					t.Errorf("%s: errors.Is does not find the kind", name)
				}
				if strings.Contains(errs.Public(err), "hunter2") {
					t.Errorf("%s: Public = %q shows the cause", name, errs.Public(err))
				}
			}
			if got := errs.Public(inner); got != "say this" {
				t.Errorf("Public = %q, want the message", got)
			}
			if bare, silent := errs.Public(c.kind), errs.Public(errs.E(c.kind, "", errCause)); bare == "" || bare != silent {
				t.Errorf("without a message Public = %q and %q, want the kind's sentence twice", bare, silent)
			}
		})
	}
}

func TestErrorsWithoutKind(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want *errs.Kind
	}{
		{"unknown", errCause, errs.Internal},
		{"wrapped unknown", fmt.Errorf("read %q: %w", private, errCause), errs.Internal},
		{"deadline", fmt.Errorf("%s: %w", private, context.DeadlineExceeded), errs.Timeout},
		{"cancelled", fmt.Errorf("%s: %w", private, context.Canceled), errs.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := errs.KindOf(c.err); got != c.want {
				t.Errorf("KindOf = %v, want %v", got, c.want)
			}
			if got, want := errs.Public(c.err), errs.Public(c.want); got != want {
				t.Errorf("Public = %q, want %q", got, want)
			}
			if !errs.IsTransient(c.err) {
				t.Error("an error that nobody classified must be tried again")
			}
		})
	}
}

// The layer nearest to the caller knows best what to say.
func TestOutermostKindWins(t *testing.T) {
	inner := errs.E(errs.NotFound, "no such key", errCause)
	err := fmt.Errorf("resolve: %w", errs.E(errs.Unavailable, "the store is away", inner))
	if got := errs.Status(err); got != http.StatusServiceUnavailable {
		t.Errorf("Status = %d, want 503", got)
	}
	if got := errs.Public(err); got != "the store is away" {
		t.Errorf("Public = %q", got)
	}
	if !errors.Is(err, errs.NotFound) || !errors.Is(err, errCause) {
		t.Error("errors.Is must still find the inner kind and the cause")
	}
	if got := errs.KindOf(errs.E(errs.Invalid, "", context.Canceled)); got != errs.Invalid {
		t.Errorf("KindOf = %v, want the given kind, not the context's", got)
	}
}

func TestErrorTextIsForTheLog(t *testing.T) {
	err := errs.E(errs.Conflict, "this handle is taken", errCause)
	if got, want := err.Error(), "conflict: this handle is taken: "+private; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
	if got, want := errs.E(errs.Conflict, "", nil).Error(), "conflict: "+errs.Public(errs.Conflict); got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
}

func TestRetryAfter(t *testing.T) {
	plain := errs.E(errs.TooMany, "", nil)
	told := plain.After(3 * time.Second)
	if got := errs.RetryAfter(fmt.Errorf("clear: %w", told)); got != 3*time.Second {
		t.Errorf("RetryAfter = %v, want 3s", got)
	}
	if errs.RetryAfter(plain) != 0 {
		t.Error("After must not change the error that it was called on")
	}
	if got := errs.RetryAfter(plain.After(-time.Second)); got != 0 {
		t.Errorf("RetryAfter = %v, want 0 for a moment in the past", got)
	}
	if got := errs.RetryAfter(errCause); got != 0 {
		t.Errorf("RetryAfter = %v, want 0 for an unknown error", got)
	}
}

func TestWrap(t *testing.T) {
	call := func(fail error) (err error) {
		defer errs.Wrap(&err, "fetch(%q, %d)", "abc", 7)
		return fail
	}
	if err := call(nil); err != nil {
		t.Errorf("Wrap made an error of nil: %v", err)
	}
	err := call(errs.E(errs.NotFound, "no such transaction", nil))
	if want := `fetch("abc", 7): not_found: no such transaction`; err.Error() != want {
		t.Errorf("Error = %q, want %q", err, want)
	}
	if errs.Public(err) != "no such transaction" || errs.Status(err) != http.StatusNotFound {
		t.Errorf("Wrap hid the kind: %q, %d", errs.Public(err), errs.Status(err))
	}
}

func TestNil(t *testing.T) {
	if errs.KindOf(nil) != nil || errs.Code(nil) != "" || errs.Public(nil) != "" || errs.IsTransient(nil) {
		t.Error("nil has no kind, code, message or class")
	}
	if errs.Status(nil) != http.StatusOK {
		t.Errorf("Status(nil) = %d, want 200", errs.Status(nil))
	}
	if got := errs.ClassOf(nil).String() + errs.Permanent.String() + errs.Transient.String(); got != "nonepermanenttransient" {
		t.Errorf("classes = %q", got)
	}
}

// The README promises codes and statuses to clients; it must list all of them.
func TestReadmeListsEveryKind(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*errs.Kind{errs.Invalid, errs.Unauthorized, errs.Forbidden, errs.NotFound, errs.MethodNotAllowed, errs.Conflict,
		errs.TooLarge, errs.TooMany, errs.Internal, errs.BadGateway, errs.Unavailable, errs.Timeout} {
		if row := fmt.Sprintf("\n| %d | `%s` | ", errs.Status(k), errs.Code(k)); !strings.Contains(string(readme), row) {
			t.Errorf("the README has no row that begins with %q", row[1:])
		}
	}
}
