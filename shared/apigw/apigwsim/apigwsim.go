// Package apigwsim simulates an HTTP API of Amazon API Gateway in front of a Lambda
// function with payload format 2.0: it turns HTTP requests into events and the
// function's responses into HTTP. The local Lambda runtime serves with it, and tests
// hold package apigw against it.
//
// What the gateway does is not all in its manual. From what people captured of the
// real one: the path in an event is decoded, and ends at a question mark that was
// encoded in it; a body is text only for text/*, application/json, application/xml
// and application/javascript, and base64 for everything else, forms included.
package apigwsim

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

const (
	// MaxBody is the largest body in bytes that the gateway takes.
	MaxBody = 10 << 20
	// Timeout is the longest that the gateway waits for a function.
	Timeout = 30 * time.Second
)

// ErrBodyTooLarge means that a request is over MaxBody, or as an event over what
// Lambda takes.
var ErrBodyTooLarge = errors.New("apigwsim: the request is too large")

// Gateway are the settings of a simulated HTTP API. The zero value is one with the
// stage $default.
type Gateway struct {
	// Stage is the name of the stage; "" stands for $default. Another name becomes
	// the first segment of the path in every event.
	Stage string
	// EncodedPath leaves the path as the client sent it, like a function URL does,
	// which sends the same events otherwise.
	EncodedPath bool
}

// Event makes the event for a request, and reads its body. Its error is
// ErrBodyTooLarge, or that of the connection.
func (g Gateway) Event(r *http.Request) (events.APIGatewayV2HTTPRequest, error) {
	var e events.APIGatewayV2HTTPRequest
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return e, fmt.Errorf("apigwsim: read the body: %w", err)
	}
	if len(body) > MaxBody {
		return e, ErrBodyTooLarge
	}
	stage := g.Stage
	if stage == "" {
		stage = "$default"
	}
	path := g.path(r.URL)
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	domain, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		domain, port = r.Host, "443"
	}
	now := time.Now().UTC()
	e = events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: path, RawQueryString: r.URL.RawQuery,
		Headers: g.headers(r, source, port, len(body)), QueryStringParameters: joined(r.URL.Query()),
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "$default", AccountID: "000000000000", Stage: stage, RequestID: requestID(), APIID: "local",
			DomainName: domain, DomainPrefix: strings.Split(domain, ".")[0],
			Time: now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: path, Protocol: r.Proto, SourceIP: source, UserAgent: r.UserAgent(),
			},
		},
	}
	for _, line := range r.Header.Values("Cookie") {
		for cookie := range strings.SplitSeq(line, ";") {
			e.Cookies = append(e.Cookies, strings.TrimSpace(cookie))
		}
	}
	if len(body) > 0 && !isText(r.Header.Get("Content-Type"), body) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	} else {
		e.Body = string(body)
	}
	return e, nil
}

func (g Gateway) path(u *url.URL) string {
	path := u.EscapedPath()
	if !g.EncodedPath {
		path, _, _ = strings.Cut(u.Path, "?")
		path = strings.ToValidUTF8(path, "\uFFFD")
	}
	if g.Stage != "" && g.Stage != "$default" {
		path = "/" + g.Stage + path
	}
	return path
}

// headers are lower-cased, joined with commas, and followed by those that the gateway
// adds. The connection is plain here; the real gateway has only https.
func (g Gateway) headers(r *http.Request, source, port string, length int) map[string]string {
	h := make(map[string]string, len(r.Header)+6)
	for name, values := range r.Header {
		switch name {
		case "Cookie", "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Upgrade":
		default:
			h[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ","), "\uFFFD")
		}
	}
	h["host"] = r.Host
	h["content-length"] = fmt.Sprint(length)
	h["x-amzn-trace-id"] = traceID()
	if before := h["x-forwarded-for"]; before != "" {
		source = before + ", " + source
	}
	h["x-forwarded-for"], h["x-forwarded-port"], h["x-forwarded-proto"] = source, port, "http"
	if r.TLS != nil {
		h["x-forwarded-proto"] = "https"
	}
	return h
}

// joined are the parameters of a query as the gateway decodes them.
func joined(q url.Values) map[string]string {
	if len(q) == 0 {
		return nil
	}
	m := make(map[string]string, len(q))
	for name, values := range q {
		m[name] = strings.Join(values, ",")
	}
	return m
}

func isText(contentType string, body []byte) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || !utf8.Valid(body) {
		return false
	}
	switch kind {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

// Invoke runs a function once. An error is one of the function, and becomes a 500;
// ErrBodyTooLarge becomes a 413, and the end of the context a 503.
type Invoke func(ctx context.Context, event []byte) (response []byte, err error)

// Handler serves HTTP as the gateway does in front of a function.
func (g Gateway) Handler(invoke Invoke) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), Timeout)
		defer cancel()
		e, err := g.Event(r)
		var payload []byte
		if err == nil {
			w.Header().Set("Apigw-Requestid", e.RequestContext.RequestID)
			if payload, err = json.Marshal(e); err == nil {
				payload, err = invoke(ctx, payload)
			}
		}
		switch {
		case errors.Is(err, ErrBodyTooLarge):
			say(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		case err != nil && ctx.Err() != nil:
			say(w, http.StatusServiceUnavailable, "Service Unavailable")
		case err != nil || write(w, r.Method, payload) != nil:
			say(w, http.StatusInternalServerError, "Internal Server Error")
		}
	})
}

// say is an answer of the gateway itself.
func say(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"message":%q}`, message) // an error is the client's connection
}

// write sends a response. Its error means that the function has not answered in the
// form of the gateway; nothing was sent then.
func write(w http.ResponseWriter, method string, payload []byte) error {
	var resp events.APIGatewayV2HTTPResponse
	var has struct {
		StatusCode *int `json:"statusCode"`
	}
	if err := json.Unmarshal(payload, &has); err != nil || has.StatusCode == nil {
		// Valid JSON without a status is the body of a 200.
		if !json.Valid(payload) {
			return errors.New("apigwsim: the function's answer is no JSON")
		}
		resp = events.APIGatewayV2HTTPResponse{StatusCode: http.StatusOK, Headers: map[string]string{"Content-Type": "application/json"}, Body: string(payload)}
	} else if err := json.Unmarshal(payload, &resp); err != nil {
		return fmt.Errorf("apigwsim: the function's answer: %w", err)
	}
	body := []byte(resp.Body)
	if resp.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(resp.Body); err != nil {
			return fmt.Errorf("apigwsim: the body of the function's answer: %w", err)
		}
	}
	if resp.StatusCode < 200 || resp.StatusCode > 599 {
		return fmt.Errorf("apigwsim: the function's status is %d", resp.StatusCode)
	}
	h := w.Header()
	h["Content-Type"] = nil // nothing is guessed here
	for name, value := range resp.Headers {
		if http.CanonicalHeaderKey(name) == "Content-Length" && method != http.MethodHead {
			continue
		}
		h.Set(name, value)
	}
	for _, cookie := range resp.Cookies {
		h.Add("Set-Cookie", cookie)
	}
	if method != http.MethodHead && resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusNotModified {
		h.Set("Content-Length", fmt.Sprint(len(body)))
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(body) // an error is the client's connection, or that there can be no body
	return nil
}

// requestID looks like one of the gateway: 16 characters of base64.
func requestID() string {
	var b [11]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.URLEncoding.EncodeToString(b[:])
}

func traceID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("Root=1-%08x-%x", time.Now().Unix(), b)
}
