package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/apigw"
	"oipnode/shared/config"
)

// hand is a clock that only a test moves.
type hand struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hand) move(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

const (
	clearPath = "/api/health/memory/clear-cache"
	forcePath = "/api/health/gun-sync/force"
)

// operation is a POST from an address, with headers by name and value in turn.
func operation(path, from string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, nil)
	r.RemoteAddr = from
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

const here = "127.0.0.1:50000"

// TestOperationsAccess: who may call an operation under each setting.
func TestOperationsAccess(t *testing.T) {
	admin := "Bearer " + token(t, "key", jwt.MapClaims{"isAdmin": true})
	user := "Bearer " + token(t, "key")
	expired := "Bearer " + token(t, "key", jwt.MapClaims{"isAdmin": true, "exp": noon.Add(-time.Hour).Unix()})
	const ok, unknown, refused = http.StatusOK, http.StatusUnauthorized, http.StatusForbidden
	for _, c := range []struct {
		name                  string
		r                     *http.Request
		loopback, admin, open int
	}{
		{"direct", operation(clearPath, here), ok, unknown, ok},
		{"another loopback address", operation(clearPath, "127.8.9.1:1"), ok, unknown, ok},
		{"IPv6", operation(clearPath, "[::1]:50000"), ok, unknown, ok},
		{"IPv4 in IPv6", operation(clearPath, "[::ffff:127.0.0.1]:50000"), ok, unknown, ok},
		{"the network", operation(clearPath, "192.0.2.1:50000"), unknown, unknown, ok},
		{"a private network", operation(clearPath, "[fe80::1%eth0]:50000"), unknown, unknown, ok},
		{"no connection", operation(clearPath, "127.0.0.1:0"), unknown, unknown, ok},
		{"no address", operation(clearPath, "@"), unknown, unknown, ok},
		{"a page of the node", operation(clearPath, here, "Origin", "http://localhost:3005"), ok, unknown, ok},
		{"a page of the node, by address", operation(clearPath, here, "Origin", "http://[::1]:3005"), ok, unknown, ok},
		{"a page of somebody else", operation(clearPath, here, "Origin", "https://evil.example"), unknown, unknown, ok},
		{"a name that leads here", operation(clearPath, here, "Origin", "http://localhost.evil.example:3005"), unknown, unknown, ok},
		{"a page without an origin", operation(clearPath, here, "Origin", "null"), unknown, unknown, ok},
		{"admin from afar", operation(clearPath, "192.0.2.1:1", "Authorization", admin), ok, ok, ok},
		{"admin behind a proxy", operation(clearPath, here, "Authorization", admin, "X-Forwarded-For", "192.0.2.1"), ok, ok, ok},
		{"a user from afar", operation(clearPath, "192.0.2.1:1", "Authorization", user), refused, refused, ok},
		{"a user here", operation(clearPath, here, "Authorization", user), ok, refused, ok},
		{"an expired token", operation(clearPath, "192.0.2.1:1", "Authorization", expired), unknown, unknown, ok},
	} {
		t.Run(c.name, func(t *testing.T) {
			for setting, want := range map[config.Operations]int{
				config.OperationsLoopback: c.loopback, config.OperationsAdmin: c.admin, config.OperationsOpen: c.open, "": c.admin,
			} {
				w := newWorld(t, func(o *Options) { o.Operations = setting })
				res := w.do(c.r.Clone(t.Context()))
				if res.Code != want {
					t.Errorf("%q: status %d, want %d: %s", setting, res.Code, want, res.Body)
				}
				if res.Code != ok && !strings.Contains(res.Body.String(), "isAdmin") {
					t.Errorf("%q: %s does not say what is needed", setting, res.Body)
				}
			}
		})
	}
}

// TestForwarded: every header by which a proxy shows itself makes a caller one from afar.
func TestForwarded(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Operations = config.OperationsLoopback })
	for _, name := range append([]string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything", "x-real-ip"}, forwarding...) {
		for _, value := range []string{"127.0.0.1", ""} {
			if res := w.do(operation(clearPath, here, name, value)); res.Code != http.StatusUnauthorized {
				t.Errorf("%s: %q: status %d", name, value, res.Code)
			}
		}
		if name != http.CanonicalHeaderKey(name) && name != "x-real-ip" {
			t.Errorf("%s would never be found", name)
		}
	}
}

// TestOperationsRate: one call per second of each operation; a call that was not
// allowed takes nobody's turn.
func TestOperationsRate(t *testing.T) {
	clock := &hand{now: noon}
	forced := 0
	w := newWorld(t, func(o *Options) {
		o.Operations, o.Now = config.OperationsLoopback, clock.Now
		o.GunSync = &GunSync{Force: func(context.Context) error { forced++; return nil }}
	})
	for _, path := range []string{clearPath, forcePath} { // each has its own turns
		if res := w.do(operation(path, "192.0.2.1:1")); res.Code != http.StatusUnauthorized {
			t.Errorf("%s from afar: %d", path, res.Code)
		}
		if res := w.do(operation(path, here)); res.Code >= 300 {
			t.Errorf("%s: %d %s", path, res.Code, res.Body)
		}
	}
	for _, wait := range []time.Duration{0, 300 * time.Millisecond, 699 * time.Millisecond} {
		clock.move(wait)
		for _, path := range []string{clearPath, forcePath} {
			res := w.do(operation(path, here))
			if res.Code != http.StatusTooManyRequests || res.json["code"] != "too_many_requests" || res.Header().Get("Retry-After") != "1" {
				t.Errorf("%s %v later: %d, Retry-After %q, %s", path, wait, res.Code, res.Header().Get("Retry-After"), res.Body)
			}
		}
	}
	if forced != 1 {
		t.Errorf("%d cycles were forced", forced)
	}
	clock.move(time.Millisecond)
	for _, path := range []string{clearPath, forcePath} {
		if res := w.do(operation(path, here)); res.Code >= 300 {
			t.Errorf("%s a second later: %d %s", path, res.Code, res.Body)
		}
	}
	clock.move(-time.Hour) // a clock that was set back must not lock anybody out
	if res := w.do(operation(clearPath, here)); res.Code != http.StatusOK {
		t.Errorf("an hour earlier: %d", res.Code)
	}
}

// TestOperationsBehindAPIGateway: whatever an event says of its sender, nobody is on
// this machine there: the address of an event has no connection to this process.
func TestOperationsBehindAPIGateway(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Operations = config.OperationsLoopback })
	text, err := os.ReadFile(filepath.Join("../../events", "api-get.json"))
	if err != nil {
		t.Fatal(err)
	}
	call := apigw.Handler(w.handler, apigw.Options{})
	for _, source := range []string{"203.0.113.24", "127.0.0.1", "::1"} {
		for _, forwarded := range []bool{true, false} {
			var e events.APIGatewayV2HTTPRequest
			if err := json.Unmarshal(text, &e); err != nil {
				t.Fatal(err)
			}
			e.RawPath, e.RequestContext.HTTP.Path, e.RequestContext.HTTP.Method = clearPath, clearPath, http.MethodPost
			e.RequestContext.HTTP.SourceIP = source
			if !forwarded {
				e.Headers = map[string]string{}
			}
			resp, err := call(t.Context(), e)
			if err != nil || resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("from %s, forwarded %v: %d %s, %v", source, forwarded, resp.StatusCode, resp.Body, err)
			}
			e.Headers["authorization"] = "Bearer " + token(t, "key", jwt.MapClaims{"isAdmin": true})
			if resp, err = call(t.Context(), e); err != nil || resp.StatusCode == http.StatusUnauthorized {
				t.Errorf("from %s, forwarded %v, as an admin: %d %s, %v", source, forwarded, resp.StatusCode, resp.Body, err)
			}
		}
	}
}

// TestOperationsOverHTTP: a real connection on loopback is a direct one, and a real
// proxy's is not.
func TestOperationsOverHTTP(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Operations = config.OperationsLoopback })
	server := httptest.NewServer(w.handler)
	defer server.Close()
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	defer proxy.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections() // the proxy's
	for base, want := range map[string]int{server.URL: http.StatusOK, proxy.URL: http.StatusUnauthorized} {
		resp, err := server.Client().Post(base+clearPath, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("through the proxy %v: %d, want %d", base == proxy.URL, resp.StatusCode, want)
		}
	}
}
