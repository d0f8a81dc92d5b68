package apigw

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

const requestIDHeader = "X-Request-Id"

// errMalformed is wrapped by every error of newRequest. Their texts are ours and
// hold nothing private, so the client may read them.
var errMalformed = errors.New("not an event of an HTTP API, payload format 2.0")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMalformed, fmt.Sprintf(format, args...))
}

// newRequest turns an event into the request that a net/http server would make of
// what the client sent. The error is errMalformed.
func newRequest(ctx context.Context, e events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	about := e.RequestContext
	if e.Version != "2.0" {
		return nil, malformed("version is %.20q", e.Version)
	}
	if !isToken(about.HTTP.Method) {
		return nil, malformed("the method is %.20q", about.HTTP.Method)
	}
	address, err := netip.ParseAddr(about.HTTP.SourceIP)
	if err != nil {
		return nil, malformed("the source IP is %.50q", about.HTTP.SourceIP)
	}
	target, err := requestURL(e)
	if err != nil {
		return nil, err
	}
	body, err := requestBody(e)
	if err != nil {
		return nil, err
	}
	header, host, err := requestHeader(e)
	if err != nil {
		return nil, err
	}
	major, minor, ok := http.ParseHTTPVersion(about.HTTP.Protocol)
	protocol := about.HTTP.Protocol
	if !ok {
		protocol, major, minor = "HTTP/1.1", 1, 1
	}
	r := &http.Request{
		Method: about.HTTP.Method, URL: target, RequestURI: target.EscapedPath(), Host: host, Header: header,
		Proto: protocol, ProtoMajor: major, ProtoMinor: minor, Body: http.NoBody,
		// The gateway does not tell the port, and net/http promises one.
		RemoteAddr: net.JoinHostPort(address.String(), "0"),
	}
	if target.RawQuery != "" {
		r.RequestURI += "?" + target.RawQuery
	}
	header.Del("Content-Length") // that of the event counts base64 or a body of nothing
	if len(body) > 0 {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	// TLS ends at the gateway, so nothing is known of it but that it was there. A
	// handler that asks for r.TLS to tell https from http gets the right answer.
	if strings.EqualFold(header.Get("X-Forwarded-Proto"), "https") {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: about.DomainName}
	}
	return r.WithContext(ctx), nil
}

// requestURL is path and query. The name of a stage other than $default is the first
// segment of the path in the event and no part of what the handler serves.
//
// An HTTP API decodes the path before it makes the event; a function URL and other
// senders of the same format do not. A path that is a valid encoded path is taken as
// one, so an encoded slash stays inside of its segment. Anything else (a space, a
// bare percent sign, a letter over ASCII) can only have come from decoding and stands
// for itself. What cannot be told apart is a percent sign that the client encoded and
// that has two hexadecimal digits behind it.
func requestURL(e events.APIGatewayV2HTTPRequest) (*url.URL, error) {
	path := e.RawPath
	if !strings.HasPrefix(path, "/") {
		return nil, malformed("rawPath is %.50q", path)
	}
	if stage := e.RequestContext.Stage; stage != "" && stage != "$default" {
		if rest, ok := strings.CutPrefix(path, "/"+stage); ok && (rest == "" || rest[0] == '/') {
			path = "/" + strings.TrimPrefix(rest, "/")
		}
	}
	if strings.ContainsFunc(e.RawQueryString, isControl) {
		return nil, malformed("rawQueryString has control characters")
	}
	u := &url.URL{Path: path, RawQuery: e.RawQueryString}
	if decoded, err := url.PathUnescape(path); err == nil && isEncodedPath(path) {
		u.Path = decoded
		if u.EscapedPath() != path {
			u.RawPath = path
		}
	}
	return u, nil
}

// isEncodedPath reports whether every character may stand in a path as it is sent.
// The sub-delimiters and the few that browsers leave alone count as well.
func isEncodedPath(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`?#"<>\^`+"`{}", c) >= 0 {
			return false
		}
	}
	return true
}

func requestBody(e events.APIGatewayV2HTTPRequest) ([]byte, error) {
	if !e.IsBase64Encoded {
		return []byte(e.Body), nil
	}
	body, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return nil, malformed("the body is not base64")
	}
	return body, nil
}

// requestHeader gives the headers under their canonical names, and the host, which
// net/http keeps elsewhere. A value that the gateway joined out of several stays one:
// there are commas inside of values, too.
func requestHeader(e events.APIGatewayV2HTTPRequest) (h http.Header, host string, err error) {
	h = make(http.Header, len(e.Headers)+2)
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		value := e.Headers[name]
		if !isToken(name) {
			return nil, "", malformed("a header is called %.50q", name)
		}
		if strings.ContainsFunc(value, isControl) {
			return nil, "", malformed("the header %.50q has control characters", name)
		}
		if before := h.Get(name); before != "" {
			value = before + "," + value
		}
		h.Set(name, value)
	}
	if len(e.Cookies) > 0 {
		cookies := strings.Join(e.Cookies, "; ")
		if strings.ContainsFunc(cookies, isControl) {
			return nil, "", malformed("a cookie has control characters")
		}
		h.Set("Cookie", cookies)
	}
	if host = h.Get("Host"); host == "" {
		host = e.RequestContext.DomainName
	}
	// net/http takes these out of the headers of a request.
	for _, name := range []string{"Host", "Transfer-Encoding", "Trailer"} {
		h.Del(name)
	}
	// Base64 padding at the end of the gateway's id says nothing, and an equals sign
	// is not among the characters that ids of requests may have.
	if id := strings.TrimRight(e.RequestContext.RequestID, "="); h.Get(requestIDHeader) == "" && id != "" && !strings.ContainsFunc(id, isControl) {
		h.Set(requestIDHeader, id)
	}
	return h, host, nil
}

// isControl reports whether a character may not stand in the value of a header.
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// isToken reports whether a text is a token of RFC 9110, as methods and the names of
// headers are.
func isToken(s string) bool {
	const good = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
	return s != "" && strings.Trim(s, good) == ""
}
