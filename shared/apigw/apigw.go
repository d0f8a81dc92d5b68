// Package apigw serves an http.Handler behind an HTTP API of Amazon API Gateway,
// payload format 2.0:
//
//	lambda.Start(apigw.Handler(handler, apigw.Options{Log: log}))
//
// The handler meets what net/http would give it, with the differences that the
// gateway makes: names of headers have lost their case, several headers of one name
// arrive as one, joined by commas, and an HTTP API has decoded the path. Answers are
// whole before they leave, so a handler cannot flush, hijack or send trailers, and a
// panic becomes a 500 even after the first byte was written.
//
// Whatever comes in, the function returns a response and no error: an error would
// reach the client as an opaque 500 of the gateway.
package apigw

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"oipnode/shared/errs"
)

const (
	// DefaultReserve is how long before the function's deadline the handler's
	// context ends, so that there is time to answer.
	DefaultReserve = 500 * time.Millisecond
	// DefaultMaxResponse is the largest response in bytes, as the JSON that Lambda
	// takes. Lambda refuses more than 6 MiB and a hundred bytes; this is 6 MB.
	DefaultMaxResponse = 6_000_000
)

// CodeTooLarge is the code of the error that stands for a response over
// Options.MaxResponse. Its status is 413.
const CodeTooLarge = "response_too_large"

// Options are the settings of Handler. The zero value is usable.
type Options struct {
	// Log gets panics, answers that could not be sent, and malformed events. nil
	// discards them.
	Log *slog.Logger
	// Reserve is taken from the function's deadline; 0 stands for DefaultReserve.
	// When less than twice as much time is left, it is half of what is left.
	Reserve time.Duration
	// MaxResponse bounds a response in bytes of JSON; 0 stands for
	// DefaultMaxResponse. The body is buffered up to it, never beyond.
	MaxResponse int
}

// Function is the type of function that lambda.Start takes for an HTTP API.
type Function func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// Handler makes a Lambda function out of h. The error of the function is always nil.
//
// The function answers for the handler, with JSON of the form {"error","code"}:
//   - 400 "invalid" to an event that is no request of an HTTP API,
//   - 413 CodeTooLarge when the response is over Options.MaxResponse,
//   - 500 "internal" when the handler panics (also with http.ErrAbortHandler), when
//     it writes less than its Content-Length, or sets a status that cannot be sent,
//   - 504 "timeout" when the time is up and the handler has not answered itself.
//
// The handler's context ends Options.Reserve before the deadline of the function. A
// handler that returns then within half of the reserve has its own answer sent. One
// that does not heed its context is left running behind the 504, which is logged:
// waiting for it would end in Lambda killing the process without any answer.
func Handler(h http.Handler, opt Options) Function {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Reserve <= 0 {
		opt.Reserve = DefaultReserve
	}
	if opt.MaxResponse <= 0 {
		opt.MaxResponse = DefaultMaxResponse
	}
	a := &adapter{h, opt}
	return func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		return a.serve(ctx, e), nil
	}
}

// Lambda is Handler for events as they come: what is no JSON object of a request is
// answered like any other malformed event, and logged, where the library would fail the
// invocation before anybody here hears of it.
func Lambda(h http.Handler, opt Options) func(context.Context, json.RawMessage) (events.APIGatewayV2HTTPResponse, error) {
	serve, log := Handler(h, opt), opt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return func(ctx context.Context, text json.RawMessage) (events.APIGatewayV2HTTPResponse, error) {
		var e events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(text, &e); err != nil {
			log.ErrorContext(ctx, "malformed event", "error", err)
			return failure(http.MethodPost, errs.E(errs.Invalid, "the event is not one of an HTTP API, payload format 2.0", err), nil), nil
		}
		return serve(ctx, e)
	}
}

type adapter struct {
	handler http.Handler
	opt     Options
}

// outcome is how a handler ended.
type outcome struct {
	panicked bool
	value    any
	stack    []byte
}

func (a *adapter) serve(ctx context.Context, e events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	log := a.opt.Log.With("gatewayRequest", e.RequestContext.RequestID)
	reserve := a.opt.Reserve
	if deadline, ok := ctx.Deadline(); ok {
		reserve = max(min(reserve, time.Until(deadline)/2), 0)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	r, err := newRequest(ctx, e)
	if err != nil {
		log.WarnContext(ctx, "malformed event", "error", err)
		return failure(e.RequestContext.HTTP.Method, errs.E(errs.Invalid, "the request is not valid: "+err.Error(), nil), nil)
	}
	id := r.Header.Get(requestIDHeader)
	w := newWriter(r.Method, a.opt.MaxResponse)
	ended := make(chan outcome, 1)
	go run(a.handler, w, r, ended)

	select {
	case o := <-ended:
		return a.finish(ctx, log, w, o, id)
	case <-ctx.Done():
	}
	grace := time.NewTimer(reserve / 2)
	defer grace.Stop()
	select {
	case o := <-ended:
		return a.finish(ctx, log, w, o, id)
	case <-grace.C:
	}
	w.abandon()
	log.ErrorContext(ctx, "the handler goes on after its deadline", "method", r.Method, "path", clip(r.URL.Path))
	return failure(r.Method, errs.Timeout, withID(nil, id))
}

// run calls the handler. It reports also when the handler ends its goroutine.
func run(h http.Handler, w *writer, r *http.Request, ended chan<- outcome) {
	o := outcome{panicked: true, value: "the handler ended its goroutine"}
	defer func() {
		if v := recover(); v != nil {
			o = outcome{panicked: true, value: v, stack: debug.Stack()}
		}
		ended <- o
	}()
	h.ServeHTTP(w, r)
	o = outcome{}
}

// finish makes the response of a handler that has ended. The writer and the headers
// of the handler are then nobody else's.
func (a *adapter) finish(ctx context.Context, log *slog.Logger, w *writer, o outcome, id string) events.APIGatewayV2HTTPResponse {
	keep := withID(w.header, id)
	if o.panicked {
		log.ErrorContext(ctx, "panic", "value", fmt.Sprint(o.value), "stack", string(o.stack))
		return failure(w.method, errs.Internal, keep)
	}
	if !w.touched() && ctx.Err() != nil {
		log.WarnContext(ctx, "the handler gave up at its deadline")
		return failure(w.method, errs.Timeout, keep)
	}
	resp, err := w.response()
	switch {
	case errors.Is(err, errTooLarge):
		log.WarnContext(ctx, "response too large", "limit", a.opt.MaxResponse)
		public := fmt.Sprintf("the answer would be over %d bytes, the most that can be sent at once: ask for fewer records with a smaller limit, or for a smaller part", a.opt.MaxResponse)
		return errorResponse(w.method, http.StatusRequestEntityTooLarge, public, CodeTooLarge, keep)
	case err != nil:
		log.ErrorContext(ctx, "the answer cannot be sent", "error", err)
		return failure(w.method, errs.Internal, keep)
	}
	return resp
}

func failure(method string, err error, keep http.Header) events.APIGatewayV2HTTPResponse {
	return errorResponse(method, errs.Status(err), errs.Public(err), errs.Code(err), keep)
}

// errorResponse is an answer in the form of the API's errors. Of the handler's own
// headers it keeps those that say who may read the answer and which request it
// belongs to: without them a page of another origin could not see the error.
func errorResponse(method string, status int, public, code string, keep http.Header) events.APIGatewayV2HTTPResponse {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(struct {
		Error string `json:"error"`
		Code  string `json:"code"`
	}{public, code}); err != nil { // two texts always encode
		panic(err)
	}
	h := make(http.Header)
	for name, values := range keep {
		if name == requestIDHeader || name == "Vary" || strings.HasPrefix(name, "Access-Control-") {
			h[name] = values
		}
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	return bodiless(method, assemble(method, status, h, bytes.TrimRight(body.Bytes(), "\n"), false))
}

// withID gives the headers an id of the request when they have none. An id that is
// longer than any that we know is left out.
func withID(h http.Header, id string) http.Header {
	if h.Get(requestIDHeader) != "" || id == "" || len(id) > 128 {
		return h
	}
	h = h.Clone()
	if h == nil {
		h = make(http.Header)
	}
	h.Set(requestIDHeader, id)
	return h
}

// clip bounds a path for the log.
func clip(s string) string { return s[:min(len(s), 200)] }
