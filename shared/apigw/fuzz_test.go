package apigw

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

// FuzzEvent: whatever JSON comes in, the function answers with a response that the
// gateway can send, and the handler never sees a request that net/http could not have
// made. The handler sends back what it got, so the other direction is fuzzed, too.
func FuzzEvent(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(samples, "api-*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no sample events: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var small bytes.Buffer
		if err := json.Compact(&small, text); err != nil {
			f.Fatal(err)
		}
		f.Add(small.Bytes())
	}
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"version":"2.0","rawPath":"/%","requestContext":{"http":{"method":"A","sourceIp":"::1%eth0"}},"body":"\ud800"}`))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "" || r.Body == nil || r.RemoteAddr == "" || !strings.HasPrefix(r.RequestURI, "/") || strings.ContainsFunc(r.RequestURI, isControl) {
			f.Errorf("request %+v", r)
		}
		for name, values := range r.Header {
			w.Header()[name] = values
			if name == "X-Panic" {
				panic(values)
			}
			if name == "X-Status" {
				w.WriteHeader(len(values[0]))
			}
		}
		_, _ = io.Copy(w, r.Body) // the limit may be in the way
	})
	const limit = 10_000
	function := lambda.NewHandler(Handler(handler, Options{MaxResponse: limit}))
	f.Fuzz(func(t *testing.T, event []byte) {
		var e events.APIGatewayV2HTTPRequest
		if json.Unmarshal(event, &e) != nil {
			t.Skip("no event") // what cannot be decoded is answered by package lambda
		}
		payload, err := function.Invoke(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		if len(payload) > limit {
			t.Errorf("%d bytes are sent", len(payload))
		}
		var resp events.APIGatewayV2HTTPResponse
		if err := json.Unmarshal(payload, &resp); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode < 200 || resp.StatusCode > 599 || resp.Headers == nil || !utf8.Valid(payload) {
			t.Errorf("response %s", payload)
		}
		if _, err := base64.StdEncoding.DecodeString(resp.Body); resp.IsBase64Encoded && err != nil {
			t.Errorf("body %q: %v", resp.Body, err)
		}
		for name, value := range resp.Headers {
			if !isToken(name) || strings.ContainsFunc(value, isControl) {
				t.Errorf("header %q: %q", name, value)
			}
		}
		for _, cookie := range resp.Cookies {
			if strings.ContainsFunc(cookie, isControl) {
				t.Errorf("cookie %q", cookie)
			}
		}
	})
}
