// Command bootstrap is a Lambda function for the tests of package xray: it makes the
// spans that its event asks for.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"oipnode/shared/errs"
	"oipnode/shared/trace"
	"oipnode/shared/trace/xray"
)

type event struct {
	Do string
	// Header replaces the one that Lambda gives when it is not null.
	Header *string
	URL    string
	N      int
}

// client is what functions have: made once, for all invocations.
var client = &http.Client{Transport: trace.HTTP("gateway", nil), Timeout: 10 * time.Second}

func handle(ctx context.Context, e event) (any, error) {
	header := ctx.Value("x-amzn-trace-id")
	switch e.Do {
	case "nested":
		ctx, cycle := trace.Start(ctx, "cycle")
		cycle.Annotate("phase", "forward")
		_, bulk := trace.Start(ctx, "bulk")
		bulk.Count("records", 5000)
		bulk.End(nil)
		cycle.End(nil)
	case "fail":
		_, span := trace.Start(ctx, "query")
		span.End(errs.E(errs.Unavailable, "", errors.New("password=hunter2")))
		return nil, errors.New("password=hunter2")
	case "panic":
		_, span := trace.Start(ctx, "open for ever")
		span.Annotate("kept", "yes")
		panic("password=hunter2")
	case "get":
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL, nil)
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return header, err
	case "many":
		for i := range e.N {
			_, span := trace.Start(ctx, "record")
			span.Count("number", int64(i))
			span.End(nil)
		}
		for i := range e.N {
			_, span := trace.Start(ctx, fmt.Sprint("step ", i))
			span.End(nil)
		}
	case "goroutines":
		return len(ended(ctx, e.N)), nil
	}
	return header, nil
}

// ended makes spans in goroutines.
func ended(ctx context.Context, n int) []struct{} {
	done := make(chan struct{}, n)
	for range n {
		go func() {
			_, span := trace.Start(ctx, "parallel")
			span.End(nil)
			done <- struct{}{}
		}()
	}
	var all []struct{}
	for range n {
		all = append(all, <-done)
	}
	return all
}

func main() {
	xray.Log(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	traced := xray.Handler("tested", handle).(func(context.Context, event) (any, error))
	lambda.Start(func(ctx context.Context, e event) (any, error) {
		if e.Header != nil {
			ctx = context.WithValue(ctx, "x-amzn-trace-id", *e.Header) //nolint:staticcheck // the key of aws-lambda-go
		}
		return traced(ctx, e)
	})
}
