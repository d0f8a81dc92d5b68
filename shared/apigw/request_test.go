package apigw

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// seen is what a handler can tell about a request.
type seen struct {
	method, uri, path, rawPath, query, host, remote, proto, body string
	length                                                       int64
	header                                                       map[string]string // of those that the test names
}

// look calls the function and returns what the handler saw.
func look(t *testing.T, e events.APIGatewayV2HTTPRequest, names map[string]string) (s seen, r *http.Request) {
	t.Helper()
	h := http.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) {
		body, err := io.ReadAll(got.Body)
		if err != nil {
			t.Error(err)
		}
		r = got
		s = seen{got.Method, got.RequestURI, got.URL.Path, got.URL.RawPath, got.URL.RawQuery, got.Host, got.RemoteAddr, got.Proto, string(body),
			got.ContentLength, map[string]string{}}
		for name := range names {
			if v, ok := got.Header[name]; ok {
				s.header[name] = v[0]
			}
		}
	})
	if resp := answer(t, t.Context(), Handler(h, Options{}), e); r == nil {
		t.Fatalf("the handler was not called: %+v", resp)
	}
	return s, r
}

const gatewayHost = "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"

// What the handler sees of each recorded event. Only what is special is written down.
func TestRecordedEvents(t *testing.T) {
	standard := seen{method: "GET", host: gatewayHost, remote: "203.0.113.24:0", proto: "HTTP/1.1"}
	tests := map[string]func(w *seen){
		"get": func(w *seen) {
			w.uri, w.path = "/api/health", "/api/health"
			w.header = map[string]string{"Content-Length": "-", "Host": "-", "User-Agent": "curl/8.5.0", "X-Request-Id": "eHdcAhCWliAEJbw"}
		},
		"bearer": func(w *seen) {
			w.uri, w.path, w.query, w.remote = "/api/records?limit=5", "/api/records", "limit=5", "[2001:db8:85a3::8a2e:370:7334]:0"
			w.header = map[string]string{
				"Authorization":   "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJzYW1wbGUiLCJleHAiOjE3MjcxNzkyMDd9.c2FtcGxlLXNpZ25hdHVyZS1vZi1ubyB1c2U",
				"X-Forwarded-For": "2001:db8:85a3::8a2e:370:7334", "Accept-Encoding": "gzip, deflate, br",
			}
		},
		"base64-body": func(w *seen) {
			w.method, w.uri, w.path, w.body, w.length = "POST", "/api/records", "/api/records", "q=%C3%BCber+den+Berg&limit=3", 28
			w.header = map[string]string{"Content-Length": "28", "Content-Type": "application/x-www-form-urlencoded"}
		},
		"json-body": func(w *seen) {
			w.method, w.uri, w.path, w.body, w.length = "POST", "/api/records", "/api/records", `{"search":"übrig \"quoted\" 日本","limit":3}`, 47
			w.header = map[string]string{"Content-Length": "47"}
		},
		"cookies": func(w *seen) {
			w.uri, w.path = "/api/records", "/api/records"
			w.header = map[string]string{"Cookie": "session=abc123; theme=dark; empty=", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
		},
		"encoded-slash": func(w *seen) {
			w.uri = "/api/records/did%3Aarweave%3AkP7bYq0y4m1Xn2Rr3Ss4Tt5Uu6Vv7Ww8Xx9Yy0Zz1Aa%2Fmedia"
			w.path, w.rawPath = "/api/records/did:arweave:kP7bYq0y4m1Xn2Rr3Ss4Tt5Uu6Vv7Ww8Xx9Yy0Zz1Aa/media", w.uri
		},
		"decoded-path": func(w *seen) {
			w.uri, w.path = "/api/records/100%25%20Brot%20&%20K%C3%A4se", "/api/records/100% Brot & Käse"
		},
		"query": func(w *seen) {
			w.path, w.query = "/api/records", "recordType=recipe&search=&tags=bread&tags=sour%20dough&tags=&limit=2&flag"
			w.uri = w.path + "?" + w.query
		},
		"stage": func(w *seen) { w.uri, w.path, w.query = "/api/records?limit=1", "/api/records", "limit=1" },
		"head":  func(w *seen) { w.method, w.uri, w.path, w.proto = "HEAD", "/api/health", "/api/health", "HTTP/2.0" },
		"options": func(w *seen) {
			w.method, w.uri, w.path = "OPTIONS", "/api/records", "/api/records"
			w.header = map[string]string{"Origin": "https://app.example"}
		},
	}
	files, err := filepath.Glob(filepath.Join(samples, "api-*.json"))
	if err != nil || len(files) != len(tests) {
		t.Errorf("%d files, %v, and %d tests", len(files), err, len(tests))
	}
	for name, special := range tests {
		t.Run(name, func(t *testing.T) {
			want := standard
			special(&want)
			got, r := look(t, sample(t, name), want.header)
			for header, value := range want.header {
				if value == "-" {
					value = ""
				}
				if got.header[header] != value {
					t.Errorf("%s: %q, want %q", header, got.header[header], value)
				}
			}
			got.header, want.header = nil, nil
			if got.uri != want.uri || got.path != want.path || got.rawPath != want.rawPath {
				t.Errorf("uri %q path %q raw %q\nwant %q %q %q", got.uri, got.path, got.rawPath, want.uri, want.path, want.rawPath)
			}
			got.uri, got.path, got.rawPath, want.uri, want.path, want.rawPath = "", "", "", "", "", ""
			if got.method != want.method || got.query != want.query || got.host != want.host || got.remote != want.remote ||
				got.proto != want.proto || got.body != want.body || got.length != want.length {
				t.Errorf("the handler saw %+v\nwant %+v", got, want)
			}
			if r.TLS == nil || !r.TLS.HandshakeComplete {
				t.Error("the request came over https and TLS is nil")
			}
		})
	}
}

// Where a path was decoded, and where the name of the stage ends.
func TestPaths(t *testing.T) {
	for _, c := range []struct{ raw, stage, path, uri string }{
		{"/", "$default", "/", "/"},
		{"/a%2Fb", "$default", "/a/b", "/a%2Fb"},
		{"/a%2fb", "$default", "/a/b", "/a%2fb"},
		{"/a b%2Fc", "$default", "/a b%2Fc", "/a%20b%252Fc"}, // the space proves that it was decoded
		{"/100%", "$default", "/100%", "/100%25"},
		{"/50%zz", "$default", "/50%zz", "/50%25zz"},
		{"/ä", "$default", "/ä", "/%C3%A4"},
		{"/%C3%A4", "$default", "/ä", "/%C3%A4"},
		{"/a\nb", "$default", "/a\nb", "/a%0Ab"},
		{"/a?b", "$default", "/a?b", "/a%3Fb"},
		{"/a#b", "$default", "/a#b", "/a%23b"},
		{"//host/x", "$default", "//host/x", "//host/x"},
		{"/a:b@c;d,e!'()*[x]", "$default", "/a:b@c;d,e!'()*[x]", "/a:b@c;d,e!'()*[x]"},
		{"/../a", "$default", "/../a", "/../a"},
		{"/prod", "prod", "/", "/"},
		{"/prod/", "prod", "/", "/"},
		{"/prod/a%2Fb", "prod", "/a/b", "/a%2Fb"},
		{"/production/a", "prod", "/production/a", "/production/a"},
		{"/a", "prod", "/a", "/a"},
		{"/$default/a", "$default", "/$default/a", "/$default/a"},
		{"/a", "", "/a", "/a"},
	} {
		e := sample(t, "get")
		e.RawPath, e.RequestContext.Stage = c.raw, c.stage
		if got, _ := look(t, e, nil); got.path != c.path || got.uri != c.uri {
			t.Errorf("%q in stage %q: path %q, uri %q, want %q, %q", c.raw, c.stage, got.path, got.uri, c.path, c.uri)
		}
	}
}

func TestHeaders(t *testing.T) {
	e := sample(t, "get")
	e.Headers = map[string]string{
		"x-list": "a,b, c", "X-LIST": "d", "cookie": "old=1", "content-length": "17", "transfer-encoding": "chunked",
		"x-request-id": "mine", "x-forwarded-proto": "http",
	}
	e.Cookies = []string{"new=1"}
	want := map[string]string{"X-List": "d,a,b, c", "Cookie": "new=1", "X-Request-Id": "mine"}
	asked := map[string]string{"Content-Length": "", "Transfer-Encoding": ""}
	for name := range want {
		asked[name] = ""
	}
	got, r := look(t, e, asked)
	if len(got.header) != len(want) {
		t.Errorf("headers %q, want %q", got.header, want)
	}
	for name, value := range want {
		if got.header[name] != value {
			t.Errorf("%s: %q, want %q", name, got.header[name], value)
		}
	}
	if got.host != gatewayHost { // from the domain name
		t.Errorf("host %q", got.host)
	}
	if r.TLS != nil {
		t.Error("the request came over http and has TLS")
	}
}

// Whatever is no event of an HTTP API is a 400 that says what is wrong with it, and
// the handler is not called.
func TestMalformedEvents(t *testing.T) {
	for name, change := range map[string]func(e *events.APIGatewayV2HTTPRequest){
		"an empty event":       func(e *events.APIGatewayV2HTTPRequest) { *e = events.APIGatewayV2HTTPRequest{} },
		"version 1.0":          func(e *events.APIGatewayV2HTTPRequest) { e.Version = "1.0" },
		"no method":            func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "" },
		"a method with space":  func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "GET /x" },
		"no path":              func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "" },
		"a relative path":      func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "api/records" },
		"no source":            func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.SourceIP = "" },
		"a name as the source": func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.SourceIP = "example.org" },
		"bad base64":           func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "%%%", true },
		"cut base64":           func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "YWJ", true },
		"a header's name":      func(e *events.APIGatewayV2HTTPRequest) { e.Headers = map[string]string{"a b": "c"} },
		"a header's line":      func(e *events.APIGatewayV2HTTPRequest) { e.Headers = map[string]string{"a": "b\r\nc: d"} },
		"a cookie's line":      func(e *events.APIGatewayV2HTTPRequest) { e.Cookies = []string{"a=b\r\nc: d"} },
		"a query's line":       func(e *events.APIGatewayV2HTTPRequest) { e.RawQueryString = "a=b\nc" },
	} {
		t.Run(name, func(t *testing.T) {
			log, text := logged()
			f := Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }), Options{Log: log})
			e := sample(t, "get")
			change(&e)
			wantError(t, answer(t, context.Background(), f, e), 400, "invalid")
			if text.Len() == 0 {
				t.Error("nothing was logged")
			}
		})
	}
}
