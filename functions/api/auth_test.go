package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/access"
	"oipnode/shared/config"
	"oipnode/shared/errs"
	"oipnode/shared/function"
)

// TestAuthenticator: with a key of the configuration nothing is asked of SSM, without any
// everybody is anonymous, and a parameter that cannot be read is a fault that passes.
func TestAuthenticator(t *testing.T) {
	for _, secret := range []string{"", strings.Repeat("k", 32)} {
		p := &function.Parts{Config: config.Config{HTTP: config.HTTP{JWTSecret: config.NewSecret(secret)}}}
		keys, err := authenticator(t.Context(), p)
		if err != nil || keys.Viewer(signed(t, secret)).Authenticated != (secret != "") {
			t.Errorf("%d letters: %v", len(secret), err)
		}
		if keys != nil && keys.read != nil {
			t.Error("a key of the configuration is read again")
		}
	}
	p := &function.Parts{Config: config.Config{HTTP: config.HTTP{JWTSecretParameter: "/oipnode/jwt"}}}
	_, err := authenticator(t.Context(), p) // the SDK has no region
	if !errs.IsTransient(err) || errs.Status(err) != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "JWT_SECRET_PARAMETER") ||
		strings.Contains(errs.Public(err), "JWT_SECRET_PARAMETER") {
		t.Errorf("%v; to the caller: %s", err, errs.Public(err))
	}
}

// signed is a request with a token of a key; without a key it has none.
func signed(t *testing.T, key string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/api/records", nil)
	if key != "" {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"userId": "u", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+text)
	}
	return r
}

// TestRenewal: a key that was replaced in SSM ends within keyLife in a process that lives
// on; SSM is asked for requests with a token only, once in that time, and left alone for a
// while when it does not answer, with the key before still in force.
func TestRenewal(t *testing.T) {
	const first, second = "the first key, as long as it has to be", "the second key, as long as it has to be"
	auth, err := access.NewAuthenticator(access.Settings{Secret: []byte(first)})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	now, asked, kept, down := time.Now(), 0, first, error(nil)
	k := &keyring{Authenticator: auth, now: func() time.Time { return now }, next: now.Add(keyLife), log: slog.New(slog.NewTextHandler(&log, nil)),
		read: func(ctx context.Context) ([]byte, error) {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("SSM may take for ever")
			}
			asked++
			return []byte(kept), down
		}}
	step := func(after time.Duration, request, holds string, want int) {
		t.Helper()
		now = now.Add(after)
		k.renew(signed(t, request))
		if !k.Viewer(signed(t, holds)).Authenticated || k.Viewer(signed(t, map[string]string{first: second, second: first}[holds])).Authenticated {
			t.Errorf("%q is not the key", holds)
		}
		if asked != want {
			t.Errorf("SSM was asked %d times, want %d", asked, want)
		}
	}
	kept = second
	step(keyLife-time.Second, first, first, 0) // not yet due
	step(time.Second, "", first, 0)            // nobody who would be judged by it
	down = errors.New("SSM is away")
	step(0, first, first, 1)
	step(keyPause-time.Second, first, first, 1) // left alone
	if n := strings.Count(log.String(), "could not be read again"); n != 1 {
		t.Errorf("%d lines: %s", n, &log)
	}
	down = nil
	step(time.Second, first, second, 2)
	step(keyLife-time.Second, second, second, 2)
	kept = first
	step(time.Second, second, first, 3)
	k.read = nil // a key of the configuration
	step(time.Hour, first, first, 3)
}
