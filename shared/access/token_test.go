package access

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

var (
	secret = []byte("a secret of the tests")
	now    = time.Unix(1_700_000_000, 0)
)

// token signs claims; an exp an hour ahead is added unless they have one.
func token(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	if _, ok := claims["exp"]; !ok {
		claims["exp"] = now.Add(time.Hour).Unix()
	}
	text, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func request(authorization string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/records", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

func authenticator(t *testing.T, s Settings) *Authenticator {
	t.Helper()
	s.Now = func() time.Time { return now }
	a, err := NewAuthenticator(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestViewer(t *testing.T) {
	a := authenticator(t, Settings{Secret: secret})
	full := jwt.MapClaims{"userId": "u1", "email": "u@example.com", "publicKey": "key", "publisherPubKey": "other",
		"isAdmin": true, "scope": "read", "tokenType": "app"}
	want := Viewer{Authenticated: true, UserID: "u1", Email: "u@example.com", PublicKey: "key", Admin: true, Scope: "read", TokenType: "app"}
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
		got := a.Viewer(request(scheme + token(t, jwt.SigningMethodHS256, secret, full)))
		if !got.Expires.Equal(now.Add(time.Hour)) {
			t.Errorf("expires %v", got.Expires)
		}
		got.Expires = time.Time{}
		if got != want {
			t.Errorf("%q: %+v, want %+v", scheme, got, want)
		}
	}
	got := a.Viewer(request("Bearer " + token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"publisherPubKey": "other", "userId": 42, "isAdmin": "true"})))
	if got.PublicKey != "other" || got.UserID != "42" || got.Admin {
		t.Errorf("publisherPubKey, a number as id, a text as isAdmin: %+v", got)
	}
}

// TestViewerLeeway: clocks may differ by half a minute, and no more.
// TestRenew: with another key the tokens of the one before hold no longer, and without any
// nobody's do; requests go on meanwhile.
func TestRenew(t *testing.T) {
	a := authenticator(t, Settings{Secret: secret})
	other := []byte("another secret of the tests, long enough")
	with := func(key []byte) *http.Request {
		return request("Bearer " + token(t, jwt.SigningMethodHS256, key, jwt.MapClaims{"userId": "u1"}))
	}
	old, renewed := with(secret), with(other)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				a.Viewer(old)
			}
		})
	}
	a.Renew(other)
	all.Wait()
	if a.Viewer(old).Authenticated || !a.Viewer(renewed).Authenticated {
		t.Errorf("the old key holds: %v, the new one: %v", a.Viewer(old).Authenticated, a.Viewer(renewed).Authenticated)
	}
	if a.Renew(nil); a.Viewer(old).Authenticated || a.Viewer(renewed).Authenticated {
		t.Error("a token holds without a key")
	}
}

func TestViewerLeeway(t *testing.T) {
	a := authenticator(t, Settings{Secret: secret})
	for late, want := range map[time.Duration]bool{0: true, 29 * time.Second: true, 31 * time.Second: false} {
		text := token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"exp": now.Add(-late).Unix()})
		if got := a.Viewer(request("Bearer " + text)).Authenticated; got != want {
			t.Errorf("%v after its end: %v, want %v", late, got, want)
		}
	}
}

// TestBadTokens: each is anonymous, with everything else of the Viewer empty, and
// the log gives a reason but never the token.
func TestBadTokens(t *testing.T) {
	var log bytes.Buffer
	a := authenticator(t, Settings{Secret: secret, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	claims := func() jwt.MapClaims { return jwt.MapClaims{"publicKey": "key", "isAdmin": true} }
	good := token(t, jwt.SigningMethodHS256, secret, claims())
	parts := strings.Split(good, ".")
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	for name, header := range map[string]string{
		"other secret":    "Bearer " + token(t, jwt.SigningMethodHS256, []byte("another"), claims()),
		"HS384":           "Bearer " + token(t, jwt.SigningMethodHS384, secret, claims()),
		"HS512":           "Bearer " + token(t, jwt.SigningMethodHS512, secret, claims()),
		"none":            "Bearer " + token(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims()),
		"none, renamed":   "Bearer " + encode(object{"alg": "nOnE"}) + "." + parts[1] + ".",
		"no alg":          "Bearer " + encode(object{"typ": "JWT"}) + "." + parts[1] + "." + parts[2],
		"other payload":   "Bearer " + parts[0] + "." + encode(object{"publicKey": "victim", "exp": now.Add(time.Hour).Unix()}) + "." + parts[2],
		"no signature":    "Bearer " + parts[0] + "." + parts[1] + ".",
		"expired":         "Bearer " + token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"exp": now.Add(-time.Hour).Unix()}),
		"exp as text":     "Bearer " + token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"exp": "2099-01-01"}),
		"exp null":        "Bearer " + token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"exp": nil}),
		"not yet":         "Bearer " + token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"nbf": now.Add(time.Hour).Unix()}),
		"basic":           "Basic " + good,
		"no scheme":       good,
		"no token":        "Bearer ",
		"two parts":       "Bearer " + parts[0] + "." + parts[1],
		"garbage":         "Bearer not.a.token",
		"payload no JSON": "Bearer " + parts[0] + ".AAAA." + parts[2],
		"too long":        "Bearer " + strings.Repeat("a", maxToken+1),
	} {
		log.Reset()
		if got := a.Viewer(request(header)); got != (Viewer{}) {
			t.Errorf("%s: %+v", name, got)
		}
		if !strings.Contains(log.String(), "reason=") {
			t.Errorf("%s: no reason in the log: %q", name, log.String())
		}
		if strings.Contains(log.String(), parts[1]) {
			t.Errorf("%s: the log holds the token", name)
		}
	}
	if got := a.Viewer(request("")); got != (Viewer{}) {
		t.Errorf("no header: %+v", got)
	}
	noSecret := authenticator(t, Settings{})
	for _, key := range [][]byte{secret, {}} {
		if got := noSecret.Viewer(request("Bearer " + token(t, jwt.SigningMethodHS256, key, claims()))); got != (Viewer{}) {
			t.Errorf("without a secret: %+v", got)
		}
	}
}

// TestServerDomain: only an e-mail at exactly the server's host acts for the
// server's wallet, and only when both are configured.
func TestServerDomain(t *testing.T) {
	wallet := oiptest.NewSigner("access wallet", 2048)
	full := Settings{Secret: secret, PublicBaseURL: "https://API.Example.com:8443/v1", ServerAddress: wallet.Address}
	noKey, noURL := full, full
	noKey.ServerAddress, noURL.PublicBaseURL = "", ""
	for _, c := range []struct {
		settings Settings
		email    string
		want     string
	}{
		{full, "a@api.example.com", oip.DID(wallet.Address)},
		{full, "a@example.com", ""},
		{full, "a@sub.api.example.com", ""},
		{full, "a@xapi.example.com", ""},
		{full, "a@api.example.com.evil.org", ""},
		{full, "a@evil.org@api.example.com", ""},
		{full, "@api.example.com", ""},
		{full, "api.example.com", ""},
		{full, "", ""},
		{noKey, "a@api.example.com", ""},
		{noURL, "a@", ""},
		{noURL, "a@api.example.com", ""},
	} {
		a := authenticator(t, c.settings)
		v := a.Viewer(request("Bearer " + token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"email": c.email})))
		if !v.Authenticated || v.signerDID != c.want {
			t.Errorf("%q: acts for %q, want %q", c.email, v.signerDID, c.want)
		}
	}
	for _, bad := range []Settings{
		{PublicBaseURL: "https://api.example.com", ServerAddress: "no address"},
		{PublicBaseURL: "/path", ServerAddress: wallet.Address},
		{PublicBaseURL: "://", ServerAddress: wallet.Address},
	} {
		if _, err := NewAuthenticator(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}
