package apigw

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// A panic is a 500 whatever was written before it; its value and stack are logged and
// never shown.
func TestPanics(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		logged  string
	}{
		"at once": {func(http.ResponseWriter, *http.Request) { panic("the secret value") }, "the secret value"},
		"in the middle": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic("the secret value")
		}, "the secret value"},
		"broken off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "abort"},
		"nil":        {func(http.ResponseWriter, *http.Request) { panic(nil) }, "nil"},
		"Goexit":     {func(http.ResponseWriter, *http.Request) { runtime.Goexit() }, "ended its goroutine"},
	} {
		t.Run(name, func(t *testing.T) {
			log, text := logged()
			resp := answerTo(t, Options{Log: log}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Access-Control-Allow-Origin", "*")
				w.Header().Set("Etag", `"of the real answer"`)
				c.handler(w, r)
			})
			wantError(t, resp, 500, "internal")
			if strings.Contains(resp.Body, "secret") || strings.Contains(resp.Body, "handler_test") {
				t.Errorf("body %q", resp.Body)
			}
			if resp.Headers["Etag"] != "" || resp.Headers["Access-Control-Allow-Origin"] != "*" || resp.Headers["X-Request-Id"] == "" {
				t.Errorf("headers %q", resp.Headers)
			}
			if !strings.Contains(text.String(), c.logged) || !strings.Contains(text.String(), "eHdcAhCWliAEJbw=") {
				t.Errorf("log %q", text)
			}
			if name != "Goexit" && !strings.Contains(text.String(), "handler_test.go") {
				t.Errorf("no stack in the log: %q", text)
			}
		})
	}
}

// timed runs a handler with a deadline ten seconds away, on a clock of its own, and
// returns the time that the answer took.
func timed(t *testing.T, opt Options, h http.HandlerFunc) (resp events.APIGatewayV2HTTPResponse, took time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	start := time.Now()
	resp = answer(t, ctx, Handler(h, opt), sample(t, "get"))
	return resp, time.Since(start)
}

// A handler that heeds its context ends half a second before the function would.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resp, took := timed(t, Options{}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		wantError(t, resp, 504, "timeout")
		if took != 9500*time.Millisecond {
			t.Errorf("the answer took %v", took)
		}
	})
}

// What a handler says itself about its deadline is its answer.
func TestHandlersOwnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resp, took := timed(t, Options{Reserve: 2 * time.Second}, func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			time.Sleep(900 * time.Millisecond)
			w.WriteHeader(http.StatusGatewayTimeout)
			_, _ = io.WriteString(w, "mine")
		})
		if resp.StatusCode != 504 || resp.Body != "mine" || took != 8900*time.Millisecond {
			t.Errorf("%+v after %v", resp, took)
		}
	})
}

// A handler that does not heed its context is answered for, and what it writes later
// goes nowhere.
func TestStubbornHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, text := logged()
		late := make(chan error, 1)
		resp, took := timed(t, Options{Log: log}, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			time.Sleep(time.Minute)
			w.Header().Set("X-Late", "1")
			_, err := io.WriteString(w, "late")
			late <- err
		})
		wantError(t, resp, 504, "timeout")
		if took != 9750*time.Millisecond {
			t.Errorf("the answer took %v", took)
		}
		if !strings.Contains(text.String(), "goes on after its deadline") {
			t.Errorf("log %q", text)
		}
		if err := <-late; !errors.Is(err, http.ErrHandlerTimeout) {
			t.Errorf("a late write: %v", err)
		}
	})
}

// With little time left, half of it is the handler's.
func TestShortDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		f := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if end, ok := r.Context().Deadline(); !ok || time.Until(end) != 100*time.Millisecond {
				t.Errorf("deadline in %v, %v", time.Until(end), ok)
			}
			_, _ = io.WriteString(w, "quick")
		}), Options{})
		if resp := answer(t, ctx, f, sample(t, "get")); resp.Body != "quick" {
			t.Errorf("%+v", resp)
		}
	})
}

// Without a deadline there is none, as in tests and in other runtimes.
func TestNoDeadline(t *testing.T) {
	answerTo(t, Options{}, func(_ http.ResponseWriter, r *http.Request) {
		if _, ok := r.Context().Deadline(); ok {
			t.Error("the handler has a deadline")
		}
	})
}

// Streaming is impossible, and says so.
func TestNoFlush(t *testing.T) {
	answerTo(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err == nil {
			t.Error("the answer can be flushed")
		}
	})
}

// What is no event of an HTTP API is answered and logged, whatever it is.
func TestLambdaMalformed(t *testing.T) {
	var log bytes.Buffer
	serve := Lambda(http.NotFoundHandler(), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, bad := range []string{`[]`, `"x"`, `5`, `{"body":5}`, `{"headers":[]}`, ``} {
		log.Reset()
		r, err := serve(t.Context(), json.RawMessage(bad))
		if err != nil || r.StatusCode != http.StatusBadRequest || !strings.Contains(r.Body, `"code":"invalid"`) {
			t.Errorf("%s: %d %s, %v", bad, r.StatusCode, r.Body, err)
		}
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "malformed event") {
			t.Errorf("%s: logged %s", bad, &log)
		}
	}
	good, err := os.ReadFile("../../events/api-get.json")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := serve(t.Context(), good); err != nil || r.StatusCode != http.StatusNotFound {
		t.Errorf("a good event: %d, %v", r.StatusCode, err)
	}
}
