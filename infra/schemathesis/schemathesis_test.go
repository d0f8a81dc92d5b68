package schemathesis

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/openapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script runs the script and returns its exit code and all output.
func script(t *testing.T, arguments ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", append([]string{"./run"}, arguments...)...)
	cmd.Env = append(os.Environ(), "EXAMPLES=3", "JWT_SECRET=a secret of the tests of this package")
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %q: %v\n%s", arguments, err, out)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestUsage(t *testing.T) {
	for _, c := range []struct{ arguments, want string }{
		{"lint", `no command is called "lint"`},
		{"fetch it", "fetch takes no arguments"},
		{"folder it", "folder takes no arguments"},
		{"against", "against takes a URL"},
	} {
		code, out := script(t, strings.Fields(c.arguments)...)
		if code != 2 || !strings.Contains(out, c.want) {
			t.Errorf("run %s: exit code %d, want 2 and %q:\n%s", c.arguments, code, c.want, out)
		}
	}
}

// node is a server with a description of two routes, which it keeps to or not.
func node(t *testing.T, faulty bool) string {
	t.Helper()
	number := openapi.Closed([]string{"n"}, openapi.With("n", openapi.Whole(0, 9)))
	limit := openapi.Whole(0, 9)
	operation := func(id string) openapi.Ordered[*openapi.Operation] {
		content := openapi.Ordered[openapi.Media]{{Name: "application/json", Value: openapi.Media{Schema: &number}}}
		return openapi.Ordered[*openapi.Operation]{{Name: "get", Value: &openapi.Operation{ID: id, Tags: []string{"all"}, Summary: id, Security: []openapi.Ordered[[]string]{},
			Parameters: []openapi.Parameter{{Name: "limit", In: "query", Description: "A number.", Schema: &limit}},
			Responses:  openapi.Ordered[*openapi.Response]{{Name: "200", Value: &openapi.Response{Description: "A number.", Content: content}}, {Name: "405", Value: &openapi.Response{Description: "Not this."}}}}}}
	}
	d := &openapi.Document{OpenAPI: openapi.Version, Info: openapi.Info{Title: "A node", Version: "1.0.0"}, Servers: []openapi.Server{{URL: "/"}}, Tags: []openapi.Tag{{Name: "all"}}}
	d.Paths.Set("/api/number", operation("number"))
	d.Paths.Set("/api/crash", operation("crash"))
	text, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	answer := func(status int, body any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				w.Header().Set("Allow", "GET")
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(body)
		}
	}
	mux.HandleFunc("/api/openapi.json", answer(http.StatusOK, json.RawMessage(text)))
	mux.HandleFunc("/api/number", answer(http.StatusOK, map[string]any{"n": 1}))
	mux.HandleFunc("/api/crash", answer(http.StatusOK, map[string]any{"n": 2}))
	if faulty {
		mux = http.NewServeMux()
		mux.HandleFunc("/api/openapi.json", answer(http.StatusOK, json.RawMessage(text)))
		mux.HandleFunc("/api/number", answer(http.StatusOK, map[string]any{"n": 1, "more": true}))
		mux.HandleFunc("/api/crash", answer(http.StatusInternalServerError, map[string]any{"n": 2}))
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// TestFinds: a node that keeps to its description passes, and one that does not fails for
// each of its faults.
func TestFinds(t *testing.T) {
	switch code, out := script(t, "folder"); {
	case code == 0:
	case os.Getenv("CI") != "":
		t.Fatalf("schemathesis is not there (make schemathesis fetches it): %s", out)
	default:
		t.Skipf("schemathesis is not there (make schemathesis fetches it): %s", out)
	}
	code, out := script(t, "against", node(t, false))
	if code != 0 || !strings.Contains(out, "right requests: ") {
		t.Errorf("a good node: exit code %d\n%s", code, out)
	}
	code, out = script(t, "against", node(t, true))
	if code != 1 {
		t.Errorf("a faulty node: exit code %d, want 1", code)
	}
	for _, want := range []string{"Server error", "Response violates schema", "Undocumented", "there are findings"} {
		if !strings.Contains(out, want) {
			t.Errorf("a faulty node: the output lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
