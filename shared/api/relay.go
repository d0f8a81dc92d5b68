package api

import (
	"fmt"
	"net/http"

	"oipnode/shared/errs"
	"oipnode/shared/openapi"
	"oipnode/shared/relay"
)

// relayRows are the two calls of the node's own GUN relay that are passed through
// (spec gun section 1). A node without a relay says so.
func (s *server) relayRows() []row {
	return []row{
		{http.MethodGet, "/gun-relay/get", s.passed(s.relayGet), aboutRelayGet},
		{http.MethodPost, "/gun-relay/put", s.passed(s.relayPut), aboutRelayPut},
	}
}

// passed serves a call that is passed through. Its answer is a stream with bounds of
// its own; an error means that nothing of one was sent.
func (s *server) passed(call func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.opt.Relay == nil {
			s.noRelay(w, r)
			return
		}
		if err := call(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// noRelay is the answer of a node that passes nothing through. It is as it was set up, so
// there is nothing to log.
func (s *server) noRelay(w http.ResponseWriter, r *http.Request) {
	a, err := errorAnswer(errs.E(errs.Unavailable, "this node passes nothing through to a GUN relay", nil))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.send(w, r, a)
}

// relayRequest is what GET /gun-relay/get asks for.
type relayRequest struct{ soul string }

func (q *relayRequest) params() []param {
	return []param{{"soul", soulKind(&q.soul), "the soul to read"}}
}

// soulKind takes a soul: any text, since relays take any.
func soulKind(dst *string) kind {
	schema := func() openapi.Schema {
		s := openapi.Text(relay.MaxSoul)
		s.MinLength = 1
		return s
	}
	return kind{allowed: fmt.Sprintf("a soul of at most %d bytes", relay.MaxSoul), needed: true, schema: schema, set: func(s string) (any, bool) {
		*dst = s
		return s, len(s) <= relay.MaxSoul
	}}
}

// relayPut refuses a body that says itself that it is too large before the relay hears of
// it; another one breaks off on its way there.
func (s *server) relayPut(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength > s.opt.MaxBody {
		return errs.E(errs.TooLarge, fmt.Sprintf("the body is longer than %d bytes", s.opt.MaxBody), nil)
	}
	return s.opt.Relay.Put(w, r)
}

func (s *server) relayGet(w http.ResponseWriter, r *http.Request) error {
	var q relayRequest
	if _, err := parse(r.URL.RawQuery, q.params()); err != nil {
		return err
	}
	return s.opt.Relay.Get(w, r, q.soul)
}
