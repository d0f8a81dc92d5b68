package xray

import (
	"context"
	"reflect"

	"oipnode/shared/trace"
)

// Handler puts the span of each invocation around a Lambda function, which is of one of
// the forms that lambda.Start takes. What it returns has the same form. A function that
// takes no context cannot start spans and comes back as it is.
//
// A func is wrapped as one of its own type, and not as bytes to bytes: the answer's way
// through aws-lambda-go stays the same, with its streams and its content type.
func Handler(name string, function any) any {
	if h, ok := function.(invoker); ok {
		return &handler{name, h}
	}
	f := reflect.ValueOf(function)
	if f.Kind() != reflect.Func || f.Type().IsVariadic() || f.Type().NumIn() == 0 || f.Type().In(0) != reflect.TypeFor[context.Context]() {
		return function
	}
	return reflect.MakeFunc(f.Type(), func(args []reflect.Value) (results []reflect.Value) {
		ctx, span := Begin(args[0].Interface().(context.Context), name)
		args[0] = reflect.ValueOf(ctx)
		finish(span, func() error {
			results = f.Call(args)
			if len(results) == 0 {
				return nil
			}
			err, _ := results[len(results)-1].Interface().(error)
			return err
		})
		return results
	}).Interface()
}

// invoker is lambda.Handler.
type invoker interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

type handler struct {
	name string
	next invoker
}

// Invoke is what aws-lambda-go calls.
func (h *handler) Invoke(ctx context.Context, payload []byte) (response []byte, err error) {
	ctx, span := Begin(ctx, h.name)
	finish(span, func() error {
		response, err = h.next.Invoke(ctx, payload)
		return err
	})
	return response, err
}

// finish calls the function and ends its span; a panic goes on.
func finish(span trace.Span, call func() error) {
	defer span.Panicked() // of no effect when the span has ended
	span.End(call())
}
