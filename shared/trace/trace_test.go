package trace_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"oipnode/shared/trace"
)

func TestSpans(t *testing.T) {
	root := newKept()
	ctx := trace.Into(t.Context(), root)
	outer, cycle := trace.Start(ctx, "cycle")
	inner, call := trace.StartCall(outer, trace.AWS, "DynamoDB")
	call.Call(trace.Call{Operation: "Query", Retries: 2})
	call.End(nil)
	cycle.Annotate("phase", "forward")
	cycle.Count("records", 1<<40)
	cycle.End(errors.New("the text stays here"))

	got := root.only(t)
	if got.name != "cycle" || got.service != trace.Step {
		t.Errorf("%+v", got)
	}
	if got.notes["phase"] != "forward" || got.notes["records"] != int64(1<<40) || len(got.notes) != 2 {
		t.Errorf("notes %v", got.notes)
	}
	if o := got.outcome(t); o != (trace.Outcome{Code: "internal", Blame: trace.Fault}) {
		t.Errorf("outcome %+v", o)
	}
	below := got.only(t)
	if below.name != "DynamoDB" || below.service != trace.AWS || below.call.Operation != "Query" || below.call.Retries != 2 {
		t.Errorf("%+v", below)
	}
	if o := below.outcome(t); o != (trace.Outcome{}) {
		t.Errorf("outcome %+v", o)
	}
	if trace.Current(inner) != call || trace.Current(outer) != cycle || !trace.Current(ctx).Recording() {
		t.Error("Current is not the innermost span")
	}
}

// A span that is over the bound is none; what is below goes to the one around it.
func TestTooMany(t *testing.T) {
	root := newKept()
	root.full = true
	ctx := trace.Into(t.Context(), root)
	below, span := trace.Start(ctx, "one more")
	if span.Recording() || trace.Current(below) != trace.Current(ctx) || below != ctx {
		t.Error("a span that was refused is recorded, or hides the one around it")
	}
	span.Annotate("a", "b")
	span.End(nil)
	if len(root.notes)+len(root.ends) != 0 {
		t.Errorf("a span that was refused writes into the one around it: %+v", root)
	}
}

func TestNothingRecords(t *testing.T) {
	ctx, span := trace.Start(t.Context(), "step")
	if ctx != t.Context() || span.Recording() || span != (trace.Span{}) {
		t.Error("there is a span without a Recorder")
	}
	span.Annotate("a", "b")
	span.Count("n", 1)
	span.Call(trace.Call{Status: 200})
	span.End(errors.New("x"))
	span.End(nil)
	span.Panicked()
}

// Texts are bounded and cannot carry what a terminal or a log would obey to.
func TestTexts(t *testing.T) {
	root := newKept()
	span := trace.Current(trace.Into(t.Context(), root))
	for text, want := range map[string]string{
		"":                        "",
		"plain ~!":                "plain ~!",
		"a\nb\x1b[31m\x00\x7f":    "a_b_[31m__",
		"é":                       "__",
		strings.Repeat("x", 5000): strings.Repeat("x", 100),
	} {
		span.Annotate("key", text)
		if root.notes["key"] != want {
			t.Errorf("%q became %q, want %q", text, root.notes["key"], want)
		}
		span.Call(trace.Call{Method: text, Host: text, Operation: text, Region: text, RequestID: text})
		if c := root.call; c != (trace.Call{Method: want, Host: want, Operation: want, Region: want, RequestID: want}) {
			t.Errorf("%q became %+v", text, c)
		}
	}
}

func TestPanicked(t *testing.T) {
	root := newKept()
	ctx := trace.Into(t.Context(), root)
	func() {
		defer func() { _ = recover() }()
		_, span := trace.Start(ctx, "step")
		defer span.Panicked()
		panic("private")
	}()
	if o := root.only(t).outcome(t); o != (trace.Outcome{Code: trace.CodePanic, Blame: trace.Fault}) {
		t.Errorf("outcome %+v", o)
	}
}

// What is not recorded costs nothing: no step of the way allocates.
func TestNoAllocations(t *testing.T) {
	ctx := deep(t.Context())
	err := errors.New("x")
	client := trace.HTTP("gateway", reply{})
	req, reqErr := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/", nil)
	if reqErr != nil {
		t.Fatal(reqErr)
	}
	for name, f := range map[string]func(){
		"a step": func() { step(ctx, err) },
		"a call": func() {
			_, span := trace.StartCall(ctx, trace.AWS, "DynamoDB")
			span.Call(trace.Call{Operation: "Query", Region: "eu-north-1", Status: 200})
			span.End(err)
		},
		"HTTP": func() {
			resp, err := client.RoundTrip(req)
			if err != nil || resp != &answer || resp.Body.Close() != nil {
				t.Error("another answer")
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s makes %v allocations", name, n)
		}
	}
}

// deep is a context as an invocation has it, with other values on top.
func deep(ctx context.Context) context.Context {
	type other int
	for i := range 5 {
		ctx = context.WithValue(ctx, other(i), i)
	}
	return ctx
}

func step(ctx context.Context, err error) {
	_, span := trace.Start(ctx, "settle")
	span.Annotate("phase", "forward")
	span.Count("records", 5000)
	span.End(err)
}

// reply is a RoundTripper without a network.
type reply struct{}

var answer = http.Response{StatusCode: http.StatusOK, Body: http.NoBody}

func (reply) RoundTrip(*http.Request) (*http.Response, error) { return &answer, nil }

func BenchmarkNothingRecords(b *testing.B) {
	ctx, err := deep(b.Context()), errors.New("x")
	b.ReportAllocs()
	for b.Loop() {
		step(ctx, err)
	}
}
