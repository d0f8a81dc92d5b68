package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"17", 17 * time.Second},
		{" 17 ", 17 * time.Second},
		{"3600", time.Hour},
		{"3601", time.Hour},
		{"18446744073709551615", time.Hour},
		{"99999999999999999999999", time.Hour},
		{"-5", 0},
		{"soon", 0},
		{"1.5", 0},
		{now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{now.Add(-time.Minute).Format(http.TimeFormat), 0},
		{now.Add(48 * time.Hour).Format(http.TimeFormat), time.Hour},
	} {
		h := http.Header{}
		h.Set("Retry-After", tc.header)
		if got := retryAfter(h, now); got != tc.want {
			t.Errorf("Retry-After %q: %s, want %s", tc.header, got, tc.want)
		}
	}
}

func TestTransient(t *testing.T) {
	for _, err := range []error{ErrBackoff, ErrUnavailable, ErrUnhealthy, ErrRateLimited, ErrProtocol, ErrGraphQL,
		ErrPending, ErrNotFound, ErrBlocked, ErrMismatch, ErrRedirect, ErrNoGateway, context.Canceled} {
		if !Transient(&Error{Err: err}) {
			t.Errorf("%v is not transient", err)
		}
	}
	for _, err := range []error{nil, ErrTooLarge, ErrInvalid, fmt.Errorf("x: %w", &Error{Err: ErrTooLarge})} {
		if Transient(err) {
			t.Errorf("%v is transient", err)
		}
	}
}

func TestErrorText(t *testing.T) {
	err := error(&Error{Gateway: "https://a", Op: "data", Status: 429, RetryAfter: 3 * time.Second, Detail: "slow down", Err: ErrRateLimited})
	want := "gateway https://a: data: rate limited (status 429) (retry after 3s): slow down"
	if err.Error() != want || !errors.Is(err, ErrRateLimited) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestExcerpt(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		" <h1>Bad\n\tGateway</h1>": "<h1>Bad Gateway</h1>",
		"a\x00\x1b[31mb\xff\u202e": "a [31mb",
	} {
		if got := excerpt([]byte(in)); got != want {
			t.Errorf("excerpt(%q) = %q, want %q", in, got, want)
		}
	}
	long := excerpt([]byte(strings.Repeat("ü", 100_000)))
	if utf8.RuneCountInString(long) != 120 || !strings.HasSuffix(long, "…") {
		t.Errorf("%d characters: %q", utf8.RuneCountInString(long), long)
	}
}
