package api

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"oipnode/shared/config"
	"oipnode/shared/errs"
)

// operationPause lies between two calls of one operation.
const operationPause = time.Second

// operation serves an endpoint that only operators may call, at most once per
// operationPause in this process. Who may not call it does not use the turn up.
func (s *server) operation(e endpoint) http.Handler {
	var turns pace
	return s.json(func(ctx context.Context, r *http.Request) (answer, error) {
		if err := s.mayOperate(r); err != nil {
			return answer{}, err
		}
		if wait := turns.take(s.opt.Now()); wait > 0 {
			return answer{}, errs.E(errs.TooMany, "this is done at most once per second", nil).After(wait)
		}
		return e(ctx, r)
	})
}

// mayOperate is nil for a caller whom Options.Operations lets do operations.
func (s *server) mayOperate(r *http.Request) error {
	needed := "this needs a valid token with isAdmin"
	switch s.opt.Operations {
	case config.OperationsOpen:
		return nil
	case config.OperationsLoopback:
		if direct(r) {
			return nil
		}
		needed += ", or a direct call from the node's own machine"
	}
	switch v := s.opt.Auth.Viewer(r); {
	case !v.Authenticated:
		return errs.E(errs.Unauthorized, needed, nil)
	case !v.Admin:
		return errs.E(errs.Forbidden, needed, nil)
	}
	return nil
}

// forwarding are headers by which a proxy says that it hands over what somebody else
// sent; besides them all that begin with X-Forwarded.
var forwarding = []string{"Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "Client-Ip", "True-Client-Ip",
	"Cf-Connecting-Ip", "Cf-Ray", "Fastly-Client-Ip", "Fly-Client-Ip", "X-Envoy-External-Address", "X-Original-Forwarded-For",
	"X-Amz-Cf-Id", "X-Amzn-Trace-Id", "X-Appengine-User-Ip", "X-Azure-Clientip"}

// direct reports whether a request was sent by a program on this machine and not by
// a proxy on it, nor by a browser on behalf of somebody else's page: that needs no
// preflight for a POST without a body, and its address is this machine's all the same.
//
// A connection always has a port. One that is not known is no connection to this
// process, whatever the address: package apigw makes such requests.
func direct(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() || from.Port() == 0 {
		return false
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Forwarded") {
			return false
		}
	}
	for _, name := range forwarding {
		if _, there := r.Header[name]; there {
			return false
		}
	}
	origins, page := r.Header["Origin"]
	return !page || len(origins) == 1 && ownOrigin(origins[0])
}

// ownOrigin reports whether an origin is a page that this machine served. The name of a
// stranger's page that leads to this machine is not among them.
func ownOrigin(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(u.Hostname())
	return err == nil && address.Unmap().IsLoopback()
}

// pace gives turns, each operationPause after the one before.
type pace struct {
	mu   sync.Mutex
	last time.Time
}

// take takes the turn, or returns how long it is until the next.
func (p *pace) take(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if gone := now.Sub(p.last); !p.last.IsZero() && gone >= 0 && gone < operationPause {
		return operationPause - gone
	}
	p.last = now
	return 0
}
