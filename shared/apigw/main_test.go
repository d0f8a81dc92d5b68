package apigw

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// samples is the folder of recorded events, which sam local invoke reads, too.
const samples = "../../events"

// sample reads a recorded event.
func sample(t testing.TB, name string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(samples, "api-"+name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields() // a misspelt name would be an empty field
	var e events.APIGatewayV2HTTPRequest
	if err := decoder.Decode(&e); err != nil {
		t.Fatal(err)
	}
	return e
}

// answer calls a function as Lambda does.
func answer(t testing.TB, ctx context.Context, f Function, e events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	resp, err := f(ctx, e)
	if err != nil {
		t.Fatalf("the function returned the error %v", err)
	}
	return resp
}

// answerTo calls a handler with GET /api/health.
func answerTo(t testing.TB, opt Options, h http.HandlerFunc) events.APIGatewayV2HTTPResponse {
	t.Helper()
	return answer(t, t.Context(), Handler(h, opt), sample(t, "get"))
}

// bodyOf is the body as the client gets it.
func bodyOf(t testing.TB, resp events.APIGatewayV2HTTPResponse) string {
	t.Helper()
	if !resp.IsBase64Encoded {
		return resp.Body
	}
	b, err := base64.StdEncoding.DecodeString(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantError checks that a response is one of the function's own errors.
func wantError(t testing.TB, resp events.APIGatewayV2HTTPResponse, status int, code string) {
	t.Helper()
	var body struct{ Error, Code string }
	if err := json.Unmarshal([]byte(resp.Body), &body); err != nil {
		t.Errorf("body %q: %v", resp.Body, err)
	}
	if resp.StatusCode != status || body.Code != code || body.Error == "" || resp.Headers["Content-Type"] != "application/json; charset=utf-8" {
		t.Errorf("response %+v, want status %d with code %q", resp, status, code)
	}
}

// logged gives a logger, and what was logged with it.
func logged() (*slog.Logger, *strings.Builder) {
	var text strings.Builder
	return slog.New(slog.NewJSONHandler(&text, nil)), &text
}
