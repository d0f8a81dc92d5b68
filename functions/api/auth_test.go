package main

import (
	"net/http"
	"strings"
	"testing"

	"oipnode/shared/config"
	"oipnode/shared/errs"
	"oipnode/shared/function"
)

// TestAuthenticator: with a key of the configuration nothing is asked of SSM, without any
// everybody is anonymous, and a parameter that cannot be read is a fault that passes.
func TestAuthenticator(t *testing.T) {
	for _, secret := range []string{"", strings.Repeat("k", 32)} {
		p := &function.Parts{Config: config.Config{HTTP: config.HTTP{JWTSecret: config.NewSecret(secret)}}}
		auth, err := authenticator(t.Context(), p)
		if err != nil || auth == nil {
			t.Errorf("%d letters: %v", len(secret), err)
		}
	}
	p := &function.Parts{Config: config.Config{HTTP: config.HTTP{JWTSecretParameter: "/oipnode/jwt"}}}
	_, err := authenticator(t.Context(), p) // the SDK has no region
	if !errs.IsTransient(err) || errs.Status(err) != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "JWT_SECRET_PARAMETER") ||
		strings.Contains(errs.Public(err), "JWT_SECRET_PARAMETER") {
		t.Errorf("%v; to the caller: %s", err, errs.Public(err))
	}
}
