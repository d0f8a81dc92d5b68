package xray

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"

	"oipnode/shared/errs"
	"oipnode/shared/trace"
)

// streaming is a func type of its own, as that of package apigw.
type streaming func(context.Context, string) (io.Reader, error)

// Every form of a function stays what it is, and its spans are below its own.
func TestHandlerForms(t *testing.T) {
	inside := func(ctx context.Context) {
		if !trace.Current(ctx).Recording() {
			t.Error("the function cannot start spans")
		}
		_, span := trace.Start(ctx, "inside")
		span.End(nil)
	}
	for name, call := range map[string]func(ctx context.Context, name string) error{
		"nothing": func(ctx context.Context, name string) error {
			Handler(name, func(ctx context.Context) { inside(ctx) }).(func(context.Context))(ctx)
			return nil
		},
		"only an error": func(ctx context.Context, name string) error {
			return Handler(name, func(ctx context.Context, n int) error {
				inside(ctx)
				return nil
			}).(func(context.Context, int) error)(ctx, 7)
		},
		"a type of its own": func(ctx context.Context, name string) error {
			r, err := Handler(name, streaming(func(ctx context.Context, text string) (io.Reader, error) {
				inside(ctx)
				return strings.NewReader(text), nil
			})).(streaming)(ctx, "a stream")
			if text, e := io.ReadAll(r); e != nil || string(text) != "a stream" {
				t.Errorf("%q, %v", text, e)
			}
			return err
		},
		"lambda Handler": func(ctx context.Context, name string) error {
			h := Handler(name, lambda.NewHandler(func(ctx context.Context, text string) (string, error) {
				inside(ctx)
				return text, nil
			}))
			out, err := h.(lambda.Handler).Invoke(ctx, []byte(`"bytes"`))
			if strings.TrimSpace(string(out)) != `"bytes"` {
				t.Errorf("%q", out)
			}
			return err
		},
	} {
		header := newHeader()
		if err := call(invoked(t.Context(), header), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		all := daemon.whole(t, header, name)
		if root := one(t, all, name); len(all) != 2 || root.Fault || one(t, all, "inside").ParentID != root.ID {
			t.Errorf("%s: %+v", name, all)
		}
	}
}

// What cannot be traced is handed back, whatever it is: lambda.Start says what it is.
func TestHandlerLeaves(t *testing.T) {
	if Handler("x", nil) != nil || Handler("x", 7) != 7 {
		t.Error("what is no function has changed")
	}
	if got := Handler("x", func(n int) int { return n + 1 }).(func(int) int)(1); got != 2 {
		t.Errorf("a function without a context returns %d", got)
	}
	f := Handler("x", func(_ context.Context, all ...int) int { return len(all) }).(func(context.Context, ...int) int)
	if f(t.Context(), 1, 2, 3) != 3 {
		t.Error("a variadic function has changed")
	}
}

func TestHandlerFails(t *testing.T) {
	refused := errs.E(errs.Invalid, "", errors.New("private"))
	header := newHeader()
	f := Handler("refuses", func(context.Context) (int, error) { return 5, refused }).(func(context.Context) (int, error))
	if n, err := f(invoked(t.Context(), header)); n != 5 || !errors.Is(err, refused) {
		t.Errorf("%d, %v", n, err)
	}
	if root := one(t, daemon.whole(t, header, "refuses"), "refuses"); !root.Error || root.Fault || root.Annotations["outcome"] != "invalid" {
		t.Errorf("%+v", root)
	}
}

func TestHandlerPanics(t *testing.T) {
	for name, f := range map[string]func(context.Context){
		"panicking": Handler("panicking", func(context.Context) { panic("private") }).(func(context.Context)),
		"panicking too": func(ctx context.Context) {
			_, _ = Handler("panicking too", panics{}).(invoker).Invoke(ctx, nil)
		},
	} {
		header := newHeader()
		func() {
			defer func() {
				if v := recover(); v != "private" {
					t.Errorf("%s: the panic became %v", name, v)
				}
			}()
			f(invoked(t.Context(), header))
		}()
		if root := one(t, daemon.whole(t, header, name), name); !root.Fault || root.Annotations["outcome"] != "panic" {
			t.Errorf("%+v", root)
		}
	}
}

type panics struct{}

func (panics) Invoke(context.Context, []byte) ([]byte, error) { panic("private") }

// A function that is not traced is called directly, as it were.
func TestHandlerNotSampled(t *testing.T) {
	f := Handler("x", func(ctx context.Context) bool { return trace.Current(ctx).Recording() }).(func(context.Context) bool)
	if f(t.Context()) {
		t.Error("an invocation that is not sampled is recorded")
	}
}
