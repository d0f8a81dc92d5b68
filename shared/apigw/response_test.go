package apigw

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

// respond writes one answer.
func respond(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		if status != 0 {
			w.WriteHeader(status)
		}
		if body != "" {
			_, _ = io.WriteString(w, body) // some statuses have no body
		}
	}
}

func TestResponses(t *testing.T) {
	type headers = map[string]string
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		status  int
		body    string
		base64  bool
		headers headers
		cookies []string
	}{
		{"nothing", respond(0, ""), 200, "", false, headers{}, nil},
		{"empty 200", respond(200, ""), 200, "", false, headers{}, nil},
		{"implicit 200", respond(0, "hello"), 200, "hello", false, headers{"Content-Type": "text/plain; charset=utf-8"}, nil},
		{"JSON", respond(201, `{"a":"ü"}`, "Content-Type", "application/json"), 201, `{"a":"ü"}`, false, headers{"Content-Type": "application/json"}, nil},
		{"problem", respond(422, "{}", "Content-Type", "application/problem+json"), 422, "{}", false, headers{"Content-Type": "application/problem+json"}, nil},
		{"SVG", respond(0, "<svg/>", "Content-Type", "image/svg+xml"), 200, "<svg/>", false, headers{"Content-Type": "image/svg+xml"}, nil},
		{"sniffed HTML", respond(0, "<html>"), 200, "<html>", false, headers{"Content-Type": "text/html; charset=utf-8"}, nil},
		{"sniffed image", respond(0, "GIF89a\x00\xff"), 200, "GIF89a\x00\xff", true, headers{"Content-Type": "image/gif"}, nil},
		{"binary that is UTF-8", respond(0, "abc", "Content-Type", "application/octet-stream"), 200, "abc", true, headers{"Content-Type": "application/octet-stream"}, nil},
		{"text that is not", respond(0, "a\xffb", "Content-Type", "text/plain"), 200, "a\xffb", true, headers{"Content-Type": "text/plain"}, nil},
		{"an unreadable type", respond(0, "abc", "Content-Type", ";;"), 200, "abc", true, headers{"Content-Type": ";;"}, nil},
		{"compressed", respond(0, "abc", "Content-Type", "text/plain", "Content-Encoding", "gzip"), 200, "abc", true, headers{"Content-Type": "text/plain", "Content-Encoding": "gzip"}, nil},
		{"compressed is not sniffed", respond(0, "abc", "Content-Encoding", "br"), 200, "abc", true, headers{"Content-Encoding": "br"}, nil},
		{"its own length", respond(0, "abc", "Content-Length", "3", "Content-Type", "text/plain"), 200, "abc", false, headers{"Content-Type": "text/plain"}, nil},
		{"a length that is none", respond(0, "abc", "Content-Length", "x", "Content-Type", "text/plain"), 200, "abc", false, headers{"Content-Type": "text/plain"}, nil},
		{"304", respond(304, "body", "Etag", `"1"`, "Content-Type", "text/plain", "Content-Length", "4"), 304, "", false, headers{"Etag": `"1"`}, nil},
		{"204", respond(204, "body", "Allow", "GET"), 204, "", false, headers{"Allow": "GET"}, nil},
		{"many of one name", respond(0, "", "Vary", "Origin", "vary", "Accept", "Link", "<a>", "Link", "<b>"), 200, "", false, headers{"Vary": "Origin, Accept", "Link": "<a>, <b>"}, nil},
		{"cookies", respond(0, "", "Set-Cookie", "a=1; Path=/", "Set-Cookie", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"), 200, "", false, headers{},
			[]string{"a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"}},
		{"the connection's own", respond(0, "", "Connection", "close", "Transfer-Encoding", "chunked", "Keep-Alive", "x", "Upgrade", "h2c"), 200, "", false, headers{}, nil},
		{"line breaks", respond(0, "", "X-A", " b\r\nX-C: d "), 200, "", false, headers{"X-A": "b  X-C: d"}, nil},
		{"a name that is none", respond(0, "", "X A", "b"), 200, "", false, headers{}, nil},
		{"an error", respond(503, "busy\n", "Content-Type", "text/plain"), 503, "busy\n", false, headers{"Content-Type": "text/plain"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp := answerTo(t, Options{}, c.handler)
			if resp.StatusCode != c.status || bodyOf(t, resp) != c.body || resp.IsBase64Encoded != c.base64 {
				t.Errorf("status %d, body %q, base64 %v, want %d, %q, %v", resp.StatusCode, bodyOf(t, resp), resp.IsBase64Encoded, c.status, c.body, c.base64)
			}
			if !maps.Equal(resp.Headers, c.headers) || !slices.Equal(resp.Cookies, c.cookies) {
				t.Errorf("headers %q, cookies %q, want %q, %q", resp.Headers, resp.Cookies, c.headers, c.cookies)
			}
		})
	}
}

// The first final status counts, with the headers of that moment.
func TestFirstStatusWins(t *testing.T) {
	resp := answerTo(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusContinue)
		w.Header().Set("X-A", "before")
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
		w.Header().Set("X-A", "after")
		w.Header().Set("X-B", "after")
	})
	if want := (map[string]string{"Link": "</style.css>", "X-A": "before"}); resp.StatusCode != 418 || !maps.Equal(resp.Headers, want) {
		t.Errorf("status %d, headers %q, want 418, %q", resp.StatusCode, resp.Headers, want)
	}
}

func TestTrailersAreLeftOut(t *testing.T) {
	resp := answerTo(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set(http.TrailerPrefix+"X-Early", "1")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "1")
	})
	if len(resp.Headers) != 1 || resp.Body != "body" {
		t.Errorf("headers %q, body %q", resp.Headers, resp.Body)
	}
}

// HEAD has the status and the headers of GET, and no body.
func TestHead(t *testing.T) {
	e := sample(t, "head")
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		length  string
	}{
		"its own length":         {respond(0, "", "Content-Length", "1234", "Content-Type", "text/plain"), "1234"},
		"written all the same":   {respond(0, "hello", "Content-Type", "text/plain"), "5"},
		"written as announced":   {respond(0, "hello", "Content-Length", "5", "Content-Type", "text/plain"), "5"},
		"nothing is known of it": {respond(0, "", "Content-Type", "text/plain"), ""},
		"binary":                 {respond(0, "\xff\xff\xff\xff", "Content-Type", "text/plain"), "4"},
	} {
		resp := answer(t, t.Context(), Handler(c.handler, Options{}), e)
		if resp.StatusCode != 200 || resp.Body != "" || resp.IsBase64Encoded || resp.Headers["Content-Length"] != c.length || resp.Headers["Content-Type"] != "text/plain" {
			t.Errorf("%s: %+v", name, resp)
		}
	}
	panics := Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("x") }), Options{})
	if resp := answer(t, t.Context(), panics, e); resp.StatusCode != 500 || resp.Body != "" || resp.Headers["Content-Length"] == "" {
		t.Errorf("an error: %+v", resp)
	}
}

// A handler is told as by net/http when it writes what cannot be sent.
func TestWriteErrors(t *testing.T) {
	for _, c := range []struct {
		status int
		length string
		want   error
	}{
		{304, "", http.ErrBodyNotAllowed}, {204, "", http.ErrBodyNotAllowed}, {200, "2", http.ErrContentLength}, {200, "3", nil}, {200, "", nil},
	} {
		answerTo(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
			if c.length != "" {
				w.Header().Set("Content-Length", c.length)
			}
			w.WriteHeader(c.status)
			if _, err := w.Write([]byte("abc")); !errors.Is(err, c.want) {
				t.Errorf("status %d, length %q: %v, want %v", c.status, c.length, err, c.want)
			}
		})
	}
}

// An answer that is not whole is not sent as if it were, and a status that the
// gateway would not take is an error of ours that says so.
func TestAnswersThatCannotBeSent(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"cut":          respond(0, "ab", "Content-Length", "3"),
		"101":          respond(101, ""),
		"600":          respond(600, ""),
		"no status":    respond(42, ""),
		"four figures": respond(1000, ""),
	} {
		t.Run(name, func(t *testing.T) {
			log, text := logged()
			wantError(t, answerTo(t, Options{Log: log}, h), 500, "internal")
			if !strings.Contains(text.String(), `"level":"ERROR"`) {
				t.Errorf("log %q", text)
			}
		})
	}
}

// A response is bounded as the JSON that Lambda gets, to the byte, and never makes
// the function fail.
func TestResponseTooLarge(t *testing.T) {
	const limit = 1000
	for name, piece := range map[string]string{
		"text": "a", "quotes": `"`, "control characters": "\x01", "line separators": "\u2028", "umlauts": "ü", "HTML": "<", "binary": "\xff",
	} {
		t.Run(name, func(t *testing.T) {
			kept := 0 // the most pieces that went through
			for n := limit / len(piece) * 2; n > 0; n-- {
				resp := answerTo(t, Options{MaxResponse: limit}, respond(0, strings.Repeat(piece, n), "Content-Type", "text/plain", "Access-Control-Allow-Origin", "*"))
				if got := sent(t, resp); got > limit {
					t.Fatalf("%d pieces: %d bytes are sent, more than %d", n, got, limit)
				}
				if resp.Headers["Access-Control-Allow-Origin"] != "*" {
					t.Fatal("the error cannot be read from another origin")
				}
				if resp.StatusCode == 200 {
					kept = n
					break
				}
				wantError(t, resp, 413, CodeTooLarge)
			}
			// Base64 costs a third, and the head of the response about 200 bytes.
			if least := (limit - 250) * 3 / 4 / len(piece); kept < least {
				t.Errorf("%d pieces went through, want at least %d", kept, least)
			}
		})
	}
}

// sent is how many bytes lambda.Start sends.
func sent(t testing.TB, resp events.APIGatewayV2HTTPResponse) int {
	t.Helper()
	h := lambda.NewHandler(func() (events.APIGatewayV2HTTPResponse, error) { return resp, nil })
	payload, err := h.Invoke(t.Context(), []byte("null"))
	if err != nil {
		t.Fatal(err)
	}
	return len(payload)
}

// A handler that would write for ever is stopped, and no more than the limit is kept.
func TestEndlessWriter(t *testing.T) {
	wrote := 0
	resp := answerTo(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		for {
			n, err := w.Write(make([]byte, 64<<10))
			if wrote += n; err != nil {
				return
			}
		}
	})
	wantError(t, resp, 413, CodeTooLarge)
	if wrote > DefaultMaxResponse {
		t.Errorf("%d bytes were kept", wrote)
	}
	if !strings.Contains(resp.Body, fmt.Sprint(DefaultMaxResponse)) || !strings.Contains(resp.Body, "limit") {
		t.Errorf("the error does not say what to do: %s", resp.Body)
	}
}

// What the adapter costs for a page of 64 KiB, beside encoding it as lambda.Start does.
func BenchmarkHandler(b *testing.B) {
	page := []byte(strings.Repeat(`{"name":"Sauerteigbrot","n":12},`, 2048))
	f := Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(page)
	}), Options{})
	e := sample(b, "bearer")
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if resp := answer(b, b.Context(), f, e); resp.StatusCode != http.StatusOK {
			b.Fatal(resp)
		}
	}
}

func FuzzJSONLen(f *testing.F) {
	f.Add("a\"\\\n\r\t\b\f\x00\x1f\x7fü\u2028\u2029\u2027\u202a😀<>&")
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
		if got, want := jsonLen(s), b.Len()-len("\"\"\n"); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	})
}
