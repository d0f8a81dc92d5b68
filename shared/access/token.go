package access

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/oip"
)

const (
	// maxToken is the longest token, in bytes, that is looked at.
	maxToken = 16 << 10
	// leeway is how far the clocks of the issuer and of this node may differ.
	leeway = 30 * time.Second
)

// Settings are what an Authenticator works with.
type Settings struct {
	// Secret is the HMAC key of the tokens. Without one every request is anonymous.
	Secret []byte
	// PublicBaseURL names the server; users whose e-mail is at its host own what
	// the server's wallet signed. Both this and ServerAddress must be set for that
	// rule to exist.
	PublicBaseURL string
	// ServerAddress is the address of the server's wallet.
	ServerAddress string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log gets the reason why a token was refused, at debug level; nil discards it.
	Log *slog.Logger
}

// Authenticator tells who sends a request. It is safe for concurrent use.
type Authenticator struct {
	secret atomic.Pointer[[]byte]
	parser *jwt.Parser
	log    *slog.Logger
	// domain and signerDID belong together; both are empty without that rule.
	domain, signerDID string
}

// NewAuthenticator checks the settings. It fails for an address that is none and
// for a base URL without a host.
func NewAuthenticator(s Settings) (*Authenticator, error) {
	a := &Authenticator{log: s.Log}
	a.Renew(s.Secret)
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	// Only HS256: a token that names another algorithm is refused before its
	// signature is looked at, "none" and the public-key ones above all.
	a.parser = jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(s.Now), jwt.WithJSONNumber())
	if s.ServerAddress == "" || s.PublicBaseURL == "" {
		return a, nil
	}
	u, err := url.Parse(s.PublicBaseURL)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("access: the public base URL has no host")
	}
	if !oip.ValidID(s.ServerAddress) {
		return nil, errors.New("access: the server's address is none")
	}
	a.domain = strings.ToLower(u.Hostname())
	a.signerDID = oip.DID(s.ServerAddress)
	return a, nil
}

// Renew replaces the key of the tokens: those that were signed with the one before hold
// no longer. Requests that are under way have been judged already.
func (a *Authenticator) Renew(secret []byte) { a.secret.Store(&secret) }

// Viewer tells who sends a request. Without a token, or with one that does not
// hold, that is the anonymous Viewer: reading needs no token, and a stale one
// must not take away what everybody may read. The reason goes to the debug log,
// without the token.
func (a *Authenticator) Viewer(r *http.Request) Viewer {
	header := r.Header.Get("Authorization")
	if header == "" {
		return Viewer{}
	}
	v, err := a.viewer(header)
	if err != nil {
		a.log.DebugContext(r.Context(), "token refused", "reason", err)
		return Viewer{}
	}
	return v
}

var (
	errNoSecret = errors.New("no secret is configured")
	errScheme   = errors.New("not a bearer token")
	errTooLong  = errors.New("the token is too long")
)

// viewer reads the value of an Authorization header.
func (a *Authenticator) viewer(header string) (Viewer, error) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	secret := *a.secret.Load()
	switch {
	case len(secret) == 0:
		return Viewer{}, errNoSecret
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return Viewer{}, errScheme
	case len(token) > maxToken:
		return Viewer{}, errTooLong
	}
	claims := jwt.MapClaims{}
	_, err := a.parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return secret, nil })
	if err != nil {
		return Viewer{}, err
	}
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil { // the parser has seen to that
		return Viewer{}, jwt.ErrTokenRequiredClaimMissing
	}
	v := Viewer{
		Authenticated: true,
		UserID:        claim(claims, "userId"),
		Email:         claim(claims, "email"),
		PublicKey:     claim(claims, "publicKey"),
		Scope:         claim(claims, "scope"),
		TokenType:     claim(claims, "tokenType"),
		Admin:         claims["isAdmin"] == true,
		Expires:       expires.Time,
	}
	if v.PublicKey == "" {
		v.PublicKey = claim(claims, "publisherPubKey")
	}
	if a.domain != "" && domainOf(v.Email) == a.domain {
		v.signerDID = a.signerDID
	}
	return v, nil
}

// claim is a claim that is a text, or a number as its digits; empty otherwise.
func claim(claims jwt.MapClaims, name string) string {
	switch value := claims[name].(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	}
	return ""
}

// domainOf is what follows the only @ of an address, exactly as it stands: an
// address at a subdomain, or one with two @, is of no domain of ours.
func domainOf(email string) string {
	local, domain, ok := strings.Cut(email, "@")
	if !ok || local == "" || strings.Contains(domain, "@") {
		return ""
	}
	return domain
}
