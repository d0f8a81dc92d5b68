package iam

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// maxBody is the longest body of a request to DynamoDB, in bytes: 16 MiB in a batch,
// and as JSON somewhat more. Bodies for other services are not looked at and have no
// bound here.
const maxBody = 32 << 20

// maxNoted is how much of a request's path is noted.
const maxNoted = 80

// Proxy returns a handler that passes requests on to an engine of a service, and notes
// what they need. The engine is a base URL without a path. Requests are passed on as
// they were sent, with the host that the client signed. Whoever serves the handler
// closes the connections to the engine with close when all is done.
func (r *Recorder) Proxy(s Service, engine string) (handler http.Handler, close func(), err error) {
	target, err := url.Parse(engine)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" || strings.Trim(target.Path, "/") != "" {
		return nil, nil, fmt.Errorf("iam: the engine of %s is %q, must be an http or https URL without a path", s, engine)
	}
	if s != S3 && s != OpenSearch && targets[s] == nil {
		return nil, nil, fmt.Errorf("iam: the service is %q, which has no rules here", s)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // else the engine would be asked for what the client did not
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = target.Scheme, target.Host
			p.Out.Host = p.In.Host // it is part of the signature
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var body []byte
		if s == DynamoDB {
			var err error
			if body, err = peek(w, q); err != nil {
				var large *http.MaxBytesError
				status := http.StatusBadRequest
				if errors.As(err, &large) {
					status = http.StatusRequestEntityTooLarge
				}
				w.WriteHeader(status)
				return
			}
		}
		r.note(describe(s, q), actionsOf(s, q.Method, q.URL.Path, q.URL.Query(), q.Header, body))
		proxy.ServeHTTP(w, q)
	}), transport.CloseIdleConnections, nil
}

// peek reads a body, and puts it back.
func peek(w http.ResponseWriter, q *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxBody))
	if err != nil {
		return nil, err
	}
	q.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

// describe names a request in a message: the operation where the service has names, else
// method and path. A query is left out, it can hold a signature; but what it asks for
// remains.
func describe(s Service, q *http.Request) string {
	if targets[s] != nil {
		return clip(q.Header.Get("X-Amz-Target"))
	}
	text := q.Method + " " + clip(q.URL.Path)
	if what := subresource(q.URL.Query()); what != "" && s == S3 {
		text += "?" + strings.ReplaceAll(what, " ", "&")
	}
	return text
}

// clip shortens what a message repeats.
func clip(s string) string {
	if len(s) > maxNoted {
		return strings.ToValidUTF8(s[:maxNoted], "") + "…"
	}
	return s
}
