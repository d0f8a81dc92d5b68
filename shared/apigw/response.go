package apigw

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// errTooLarge means that a response is over Options.MaxResponse.
var errTooLarge = errors.New("apigw: the response is too large")

// writer is the http.ResponseWriter of one request. It follows net/http: the first
// final status counts, and the headers are those at that moment.
//
// It has no Flush and no Hijack, so that http.ResponseController tells handlers the
// truth about what can be done here.
type writer struct {
	method string
	max    int // bytes of body
	header http.Header

	// mu is for handlers that write from several goroutines, and for those that are
	// still at it when the time is up.
	mu       sync.Mutex
	status   int         // 0 until the header is written
	sent     http.Header // as it was then
	declared int64       // Content-Length, or -1
	written  int64
	body     []byte
	over     bool // more than max was written
	closed   bool
}

func newWriter(method string, limit int) *writer {
	return &writer{method: method, max: limit, header: make(http.Header), declared: -1}
}

func (w *writer) Header() http.Header { return w.header }

// WriteHeader panics for what is no status at all, as net/http does.
func (w *writer) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(status)
}

func (w *writer) writeHeader(status int) {
	if w.closed || w.status != 0 {
		return
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		return // informational: a response has room for one status
	}
	w.status, w.sent = status, w.header.Clone()
	if length := w.sent.Get("Content-Length"); length != "" {
		if n, err := strconv.ParseInt(length, 10, 64); err == nil && n >= 0 {
			w.declared = n
		} else {
			w.sent.Del("Content-Length")
		}
	}
}

// Write keeps the body. Its errors are those of net/http, and errTooLarge once the
// body alone is over the limit, so that a long loop can stop.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, http.ErrHandlerTimeout
	}
	if w.status == 0 {
		w.writeHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !hasBody(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if w.declared >= 0 && w.written+int64(len(p)) > w.declared {
		return 0, http.ErrContentLength
	}
	w.written += int64(len(p))
	if w.over = w.over || w.written > int64(w.max); w.over {
		w.body = nil
		return 0, errTooLarge
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

// WriteString is for io.WriteString.
func (w *writer) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// abandon refuses everything that is written from now on.
func (w *writer) abandon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed, w.body = true, nil
}

// touched reports whether the handler has answered at all.
func (w *writer) touched() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status != 0
}

// response is what the handler has written. The error is errTooLarge, or says why
// the answer cannot be sent.
func (w *writer) response() (events.APIGatewayV2HTTPResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(http.StatusOK) // a handler that did nothing has answered 200
	w.closed = true
	var none events.APIGatewayV2HTTPResponse
	switch {
	case w.status < 200 || w.status > 599:
		return none, fmt.Errorf("apigw: the gateway cannot send the status %d", w.status)
	case w.over:
		return none, errTooLarge
	case w.declared > w.written && hasBody(w.status) && w.method != http.MethodHead:
		return none, fmt.Errorf("apigw: the handler wrote %d bytes of the %d that it announced", w.written, w.declared)
	}
	h := w.sent
	if hasBody(w.status) {
		if _, ok := h["Content-Type"]; !ok && h.Get("Content-Encoding") == "" && len(w.body) > 0 {
			h.Set("Content-Type", http.DetectContentType(w.body))
		}
	} else {
		h.Del("Content-Length")
		if w.status == http.StatusNotModified {
			h.Del("Content-Type")
		}
	}
	resp := assemble(w.method, w.status, h, w.body, false)
	ok := fits(resp, w.max)
	if !ok && !resp.IsBase64Encoded {
		// Text full of control characters is shorter in base64 than in JSON.
		resp = assemble(w.method, w.status, h, w.body, true)
		ok = fits(resp, w.max)
	}
	if !ok {
		return none, errTooLarge
	}
	return bodiless(w.method, resp), nil
}

// bodiless takes the body out of the answer to HEAD. This comes last, so that HEAD is
// answered with the status and the headers of GET.
func bodiless(method string, resp events.APIGatewayV2HTTPResponse) events.APIGatewayV2HTTPResponse {
	if method == http.MethodHead {
		resp.Body, resp.IsBase64Encoded = "", false
	}
	return resp
}

// hasBody reports whether a response of this status can have a body.
func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// connection are the headers that concern one connection, or what comes after the
// body. The gateway has its own connection to the client.
var connection = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// assemble puts a response together. The length is only given to HEAD: everywhere
// else the gateway counts what it sends.
func assemble(method string, status int, h http.Header, body []byte, binary bool) events.APIGatewayV2HTTPResponse {
	resp := events.APIGatewayV2HTTPResponse{StatusCode: status, Headers: make(map[string]string, len(h)), Cookies: []string{}}
	for _, key := range slices.Sorted(maps.Keys(h)) {
		name := textproto.CanonicalMIMEHeaderKey(key)
		if !isToken(name) || slices.Contains(connection, name) || strings.HasPrefix(key, http.TrailerPrefix) || len(h[key]) == 0 {
			continue
		}
		values := make([]string, len(h[key]))
		for i, v := range h[key] {
			values[i] = clean(v)
		}
		if name == "Set-Cookie" {
			resp.Cookies = append(resp.Cookies, values...)
			continue
		}
		if before, ok := resp.Headers[name]; ok {
			values = append([]string{before}, values...)
		}
		resp.Headers[name] = strings.Join(values, ", ")
	}
	if _, ok := resp.Headers["Content-Length"]; method != http.MethodHead {
		delete(resp.Headers, "Content-Length")
	} else if !ok && len(body) > 0 {
		resp.Headers["Content-Length"] = strconv.Itoa(len(body))
	}
	if len(body) > 0 && (binary || !isText(resp.Headers) || !utf8.Valid(body)) {
		resp.Body, resp.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	} else {
		resp.Body = string(body)
	}
	return resp
}

// clean makes a text fit to be the value of a header: no line breaks, no spaces
// around it, and none of the bytes that JSON could not carry.
func clean(v string) string {
	v = strings.Map(func(c rune) rune {
		if isControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(v, "\uFFFD"))
	return textproto.TrimString(v)
}

// isText reports whether a body of these headers is text, which is sent as it is. A
// body with a content encoding is compressed, whatever type is inside of it.
func isText(h map[string]string) bool {
	if h["Content-Encoding"] != "" {
		return false
	}
	kind, _, err := mime.ParseMediaType(h["Content-Type"])
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	switch kind {
	case "application/json", "application/javascript", "application/xml", "application/x-ndjson", "application/x-www-form-urlencoded":
		return true
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
}

// fits reports whether a response is at most so many bytes long as the JSON that
// lambda.Start sends, without making that JSON.
func fits(resp events.APIGatewayV2HTTPResponse, limit int) bool {
	body := resp.Body
	resp.Body = ""
	var head bytes.Buffer
	if err := json.NewEncoder(&head).Encode(resp); err != nil { // texts and numbers always encode
		panic(err)
	}
	left := limit - head.Len()
	if resp.IsBase64Encoded || left < len(body) {
		return len(body) <= left
	}
	// No byte becomes more than six: most answers need no closer look.
	return len(body)*6 <= left || jsonLen(body) <= left
}

// jsonLen is the length of a valid UTF-8 text between the quotes of JSON, as
// encoding/json writes it without its escapes for HTML.
func jsonLen(s string) int {
	n := len(s)
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f':
			n++
		case c < ' ':
			n += 5
		case c == 0xe2 && i+2 < len(s) && s[i+1] == 0x80 && s[i+2]&^1 == 0xa8:
			n += 3 // U+2028 and U+2029 are always escaped
		}
	}
	return n
}
