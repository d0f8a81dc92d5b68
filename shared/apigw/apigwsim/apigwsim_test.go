package apigwsim

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// received sends a request through a gateway and returns the event that it made.
func received(t *testing.T, g Gateway, r *http.Request) (e events.APIGatewayV2HTTPRequest) {
	t.Helper()
	h := g.Handler(func(_ context.Context, event []byte) ([]byte, error) {
		if err := json.Unmarshal(event, &e); err != nil {
			t.Error(err)
		}
		return []byte("{}"), nil
	})
	h.ServeHTTP(httptest.NewRecorder(), r)
	return e
}

func TestEvent(t *testing.T) {
	r := httptest.NewRequest("POST", "http://node.example:8080/a%20b/%3Fc?x=1&x=&y=%20", strings.NewReader("{}"))
	r.RemoteAddr = "[2001:db8::1]:4711"
	r.Header = http.Header{"Content-Type": {"application/json"}, "X-List": {"a", "b"}, "Cookie": {"c=1; d=2", "e=3"}, "X-Forwarded-For": {"192.0.2.7"}, "Connection": {"close"}}
	e := received(t, Gateway{Stage: "prod"}, r)
	h, about := e.Headers, e.RequestContext
	if e.Version != "2.0" || e.RawPath != "/prod/a b/" || about.HTTP.Path != e.RawPath || e.RawQueryString != "x=1&x=&y=%20" || e.QueryStringParameters["x"] != "1," {
		t.Errorf("path %q, query %q, %q", e.RawPath, e.RawQueryString, e.QueryStringParameters)
	}
	if h["x-list"] != "a,b" || h["content-length"] != "2" || h["host"] != "node.example:8080" || h["x-forwarded-for"] != "192.0.2.7, 2001:db8::1" || h["x-forwarded-port"] != "8080" {
		t.Errorf("headers %q", h)
	}
	if h["cookie"] != "" || h["connection"] != "" || strings.Join(e.Cookies, "|") != "c=1|d=2|e=3" {
		t.Errorf("headers %q, cookies %q", h, e.Cookies)
	}
	if about.HTTP.SourceIP != "2001:db8::1" || about.Stage != "prod" || about.DomainName != "node.example" || len(about.RequestID) != 16 || e.Body != "{}" || e.IsBase64Encoded {
		t.Errorf("%+v", e)
	}
	r = httptest.NewRequest("GET", "/a%20b/%3Fc", nil)
	if e := received(t, Gateway{EncodedPath: true}, r); e.RawPath != "/a%20b/%3Fc" {
		t.Errorf("path %q", e.RawPath)
	}
}

// Which bodies the gateway takes for text.
func TestBase64(t *testing.T) {
	for kind, binary := range map[string]bool{
		"application/json": false, "text/csv": false, "application/xml": false, "application/javascript": false, "text/plain; charset=utf-8": false,
		"": true, "application/x-www-form-urlencoded": true, "application/problem+json": true, "image/png": true,
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("a"))
		r.Header.Set("Content-Type", kind)
		if e := received(t, Gateway{}, r); e.IsBase64Encoded != binary {
			t.Errorf("%q: base64 %v", kind, e.IsBase64Encoded)
		}
	}
}

// What the gateway makes of answers, right and wrong.
func TestAnswers(t *testing.T) {
	const internal = `{"message":"Internal Server Error"}`
	for name, c := range map[string]struct {
		answer string
		err    error
		status int
		body   string
	}{
		"in full":        {`{"statusCode":201,"headers":{"X-A":"b"},"body":"aGk=","isBase64Encoded":true,"cookies":["c=1"]}`, nil, 201, "hi"},
		"no status":      {`{"a":1}`, nil, 200, `{"a":1}`},
		"a text":         {`"hi"`, nil, 200, `"hi"`},
		"no JSON":        {`hi`, nil, 500, internal},
		"a wrong type":   {`{"statusCode":200,"body":1}`, nil, 500, internal},
		"bad base64":     {`{"statusCode":200,"body":"%","isBase64Encoded":true}`, nil, 500, internal},
		"a bad status":   {`{"statusCode":99}`, nil, 500, internal},
		"another status": {`{"statusCode":600}`, nil, 500, internal},
		"an error":       {"", errors.New("it failed"), 500, internal},
		"too large":      {"", ErrBodyTooLarge, 413, `{"message":"Request Entity Too Large"}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			Gateway{}.Handler(func(context.Context, []byte) ([]byte, error) { return []byte(c.answer), c.err }).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("status %d, body %q", w.Code, w.Body)
			}
			if name == "in full" && (w.Header().Get("X-A") != "b" || w.Header().Get("Set-Cookie") != "c=1" || w.Header().Get("Apigw-Requestid") == "") {
				t.Errorf("headers %q", w.Header())
			}
		})
	}
}

func TestLimits(t *testing.T) {
	g := Gateway{}.Handler(func(ctx context.Context, _ []byte) ([]byte, error) { return nil, ctx.Err() })
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest("POST", "/", io.LimitReader(zeros{}, MaxBody+1)))
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over the limit: status %d", w.Code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w = httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != `{"message":"Service Unavailable"}` {
		t.Errorf("a function that takes too long: status %d, %s", w.Code, w.Body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
