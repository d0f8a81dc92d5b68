// Command bootstrap is a Lambda function for the tests of the local runtime. The
// variable MODE says what it is, and the event what it does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"oipnode/shared/apigw"
)

type event struct {
	Do    string
	MS    int
	MiB   int
	Bytes int
	Text  string
}

var kept [][]byte

func handle(ctx context.Context, e event) (any, error) {
	switch e.Do {
	case "echo":
		return e.Text, nil
	case "log":
		fmt.Print(e.Text)
		fmt.Fprint(os.Stderr, e.Text)
		return nil, nil
	case "about":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{
			"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "left": time.Until(deadline).Milliseconds(),
			"trace": os.Getenv("_X_AMZN_TRACE_ID"), "environ": os.Environ(), "pid": os.Getpid(),
		}, nil
	case "sleep":
		time.Sleep(time.Duration(e.MS) * time.Millisecond)
		return "slept", nil
	case "eat":
		for range e.MiB {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = byte(i)
			}
			kept = append(kept, b)
			time.Sleep(200 * time.Microsecond)
		}
		return len(kept), nil
	case "error":
		return nil, errors.New(e.Text)
	case "panic":
		panic(e.Text)
	case "exit":
		os.Exit(3)
	case "large":
		return strings.Repeat("x", e.Bytes), nil
	}
	return nil, fmt.Errorf("cannot do %q", e.Do)
}

func main() {
	switch mode := os.Getenv("MODE"); mode {
	case "http":
		mux := http.NewServeMux()
		mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(err)
			}
			w.Header().Set("X-Method", r.Method)
			w.Header().Set("X-Query", r.URL.RawQuery)
			w.Header().Set("X-Cookie", r.Header.Get("Cookie"))
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
			w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write(body)
		})
		mux.HandleFunc("/pid", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(100 * time.Millisecond)
			_, _ = fmt.Fprint(w, os.Getpid())
		})
		mux.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(1) })
		mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { fmt.Println("hanging"); time.Sleep(time.Hour) })
		lambda.Start(apigw.Handler(mux, apigw.Options{}))
	case "sigterm":
		lambda.StartWithOptions(handle, lambda.WithEnableSIGTERM(func() { fmt.Println("flushed") }))
	case "exit at once":
		fmt.Println("no settings")
		os.Exit(7)
	case "never ready":
		time.Sleep(time.Hour)
	case "says why":
		url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
		body, err := json.Marshal(map[string]string{"errorType": "Function.BadConfig", "errorMessage": "the table has no name"})
		if err != nil {
			panic(err)
		}
		resp, err := http.Post(url, "application/json", strings.NewReader(string(body)))
		if err != nil {
			panic(err)
		}
		_ = resp.Body.Close()
		os.Exit(1)
	case "impolite":
		impolite()
	default:
		lambda.Start(handle)
	}
}

// impolite takes an event and answers it wrongly before it answers it right; the
// answer is what the runtime API said to that.
func impolite() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		resp, err := http.Get(base + "next")
		if err != nil {
			panic(err)
		}
		_ = resp.Body.Close()
		id := resp.Header.Get("Lambda-Runtime-Aws-Request-Id")
		var said []string
		for _, call := range [][2]string{{"other/response", "1"}, {id + "/response", ""}, {id + "/response", `"again"`}} {
			if call[1] == "" {
				call[1] = fmt.Sprintf("%q", said)
			}
			resp, err := http.Post(base+call[0], "application/json", strings.NewReader(call[1]))
			if err != nil {
				panic(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			said = append(said, fmt.Sprint(resp.StatusCode, " ", string(body)))
		}
		fmt.Println(said[2])
	}
}
