package xray

import (
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-xray-sdk-go/xray"
	"github.com/aws/aws-xray-sdk-go/xraylog"

	"oipnode/shared/trace"
)

func TestBegin(t *testing.T) {
	header := newHeader()
	ctx, span := Begin(invoked(t.Context(), header), "begun")
	_, call := trace.StartCall(ctx, trace.AWS, "DynamoDB")
	call.Call(trace.Call{Operation: "Query", Region: "eu-north-1", RequestID: "R1", Retries: 2, Status: 200})
	call.End(nil)
	span.End(nil)

	got := one(t, daemon.whole(t, header, "begun"), "DynamoDB")
	want := map[string]any{"operation": "Query", "region": "eu-north-1", "request_id": "R1", "retries": 2.0}
	if got.Namespace != "aws" || !reflect.DeepEqual(got.AWS, want) || got.HTTP.Response.Status != 200 {
		t.Errorf("%+v", got)
	}
}

// The value of the context need not be a text: the SDK would panic.
func TestBeginRefuses(t *testing.T) {
	for _, value := range []any{nil, 7, []byte(newHeader()), "", strings.ToUpper(newHeader())} {
		base := invoked(t.Context(), value)
		if ctx, span := Begin(base, "x"); span.Recording() || ctx != base {
			t.Errorf("%v: there is a span", value)
		}
	}
	if _, span := Begin(t.Context(), "x"); span.Recording() {
		t.Error("there is a span outside of an invocation")
	}
}

// What ends twice, late or in the wrong order is sent once and complete.
func TestOrder(t *testing.T) {
	header := newHeader()
	ctx, root := Begin(invoked(t.Context(), header), "order")
	outerCtx, outer := trace.Start(ctx, "outer")
	innerCtx, inner := trace.Start(outerCtx, "inner")
	_, innermost := trace.Start(innerCtx, "innermost")
	outer.End(nil)
	outer.End(errors.New("too late"))
	inner.Annotate("after", "its end")
	inner.End(nil)
	innermost.Call(trace.Call{Status: 500})
	innermost.End(errors.New("too late"))
	if _, span := trace.Start(outerCtx, "below one that has ended"); span.Recording() {
		t.Error("a span below one that has ended")
	}
	root.End(nil)
	if _, span := trace.Start(ctx, "after the invocation"); span.Recording() {
		t.Error("a span after the invocation")
	}
	root.End(errors.New("too late"))

	all := daemon.whole(t, header, "order")
	if len(all) != 4 {
		t.Errorf("%d documents, want 4", len(all))
	}
	for i, name := range []string{"innermost", "inner", "outer", "order"} {
		if all[i].Name != name {
			t.Errorf("document %d is %s, want %s", i, all[i].Name, name)
		}
		want := "unfinished"
		if name == "outer" || name == "order" {
			want = ""
		}
		if got, _ := all[i].Annotations["outcome"].(string); got != want || all[i].Fault || all[i].Annotations["after"] != nil {
			t.Errorf("%+v", all[i])
		}
	}
}

// Neither we nor the SDK keep what has been sent, and what is counted is bounded.
func TestMemory(t *testing.T) {
	_, segment := sdk.BeginSubsegment(invoked(t.Context(), newHeader()), "memory")
	s := newInvocation(segment)
	ctx := trace.Into(t.Context(), s)
	for i := range 10_000 {
		below, span := trace.Start(ctx, "batch "+strings.Repeat("x", i%200))
		_, call := trace.StartCall(below, trace.Remote, "gateway")
		for range 50 {
			call.Annotate("key", strings.Repeat("x", 1000))
		}
		call.End(nil)
		span.End(nil)
	}
	if len(s.in.open) != 1 || len(s.in.ofName) > maxSpans || len(s.in.droppedOf) > maxNames+1 {
		t.Errorf("%d open spans, %d names, %d dropped names", len(s.in.open), len(s.in.ofName), len(s.in.droppedOf))
	}
	if n := reflect.ValueOf(s.segment).Elem().FieldByName("rawSubsegments").Len(); n != 0 {
		t.Errorf("the SDK keeps %d subsegments", n)
	}
	if s.in.begun+s.in.dropped > 20_000 || s.in.begun != maxSpans {
		t.Errorf("%d begun, %d dropped", s.in.begun, s.in.dropped)
	}
	trace.Current(ctx).End(nil)
}

// What is over the number that X-Ray indexes can still be read, and the invocation's own
// values are always indexed.
func TestIndexed(t *testing.T) {
	header := newHeader()
	ctx, root := Begin(invoked(t.Context(), header), "indexed")
	for i := range maxSpansOfName {
		_, span := trace.Start(ctx, "batch")
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			span.Count(key, int64(i))
		}
		span.End(nil)
	}
	root.Count("status", 503)
	root.End(nil)
	all := daemon.whole(t, header, "indexed")
	indexed, read := 0, 0
	for _, d := range named(all, "batch") {
		indexed += len(d.Annotations)
		read += len(d.Metadata["default"])
	}
	if indexed != maxIndexed || indexed+read != 5*maxSpansOfName {
		t.Errorf("%d values are indexed and %d only kept", indexed, read)
	}
	if status := one(t, all, "indexed").Annotations["status"]; status != 503.0 {
		t.Errorf("status %v", status)
	}
}

func TestConcurrently(t *testing.T) {
	header := newHeader()
	ctx, root := Begin(invoked(t.Context(), header), "concurrent")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				below, outer := trace.Start(ctx, "outer")
				_, inner := trace.StartCall(below, trace.Remote, "inner")
				inner.Annotate("a", "b")
				inner.Call(trace.Call{Status: 200})
				all.Go(func() { outer.End(nil) })
				inner.End(nil)
				outer.End(nil)
			}
		})
	}
	all.Wait()
	root.End(nil)
	got := daemon.whole(t, header, "concurrent")
	if len(got) > maxSpans+1 || len(named(got, "outer")) != maxSpansOfName {
		t.Errorf("%d documents, %d of them outer", len(got), len(named(got, "outer")))
	}
	seen := make(map[string]bool)
	for _, d := range got {
		if seen[d.ID] {
			t.Errorf("%s was sent twice", d.Name)
		}
		seen[d.ID] = true
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "_",
		"gateway: a/b @1 (x)":     "gateway: a/b @1 _x_",
		"größe":                   "größe",
		"a\nb\xffc":               "a_b_c",
		strings.Repeat("é", 5000): strings.Repeat("é", maxName),
	} {
		if got := cleanName(in); got != want {
			t.Errorf("name %q became %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"": "_", "aws_error": "aws_error", "a-b.c ö": "a_b_c__"} {
		if got := cleanKey(in); got != want {
			t.Errorf("key %q became %q, want %q", in, got, want)
		}
	}
}

// The SDK's errors are told of once, and nothing else that it says.
func TestLog(t *testing.T) {
	var text strings.Builder
	Log(slog.New(slog.NewTextHandler(&text, nil)))
	t.Cleanup(func() { lost.log.Store(nil) })
	for level := xraylog.LogLevelDebug; level <= xraylog.LogLevelError+1; level++ {
		lost.Log(level, level)
	}
	if n := strings.Count(text.String(), "\n"); n != 1 || !strings.Contains(text.String(), "error=ERROR") {
		t.Errorf("log %q", text.String())
	}
}

// FuzzBegin: no header makes this package or the SDK panic, and what is begun ends.
func FuzzBegin(f *testing.F) {
	for _, seed := range []string{newHeader(), "", "Root=1-1;Parent=;Sampled=1", "=;=;Self=1", "Sampled=1;Sampled=0"} {
		f.Add(seed, "name")
	}
	f.Fuzz(func(t *testing.T, header, name string) {
		ctx, root := Begin(invoked(t.Context(), header), name)
		_, span := trace.Start(ctx, name)
		span.Annotate(name, header)
		if root.Recording() != span.Recording() {
			t.Errorf("header %q: the invocation is recorded: %v, a span below: %v", header, root.Recording(), span.Recording())
		}
		span.End(nil)
		root.End(nil)
	})
}

func BenchmarkSpan(b *testing.B) {
	base := invoked(b.Context(), newHeader())
	b.ReportAllocs()
	for b.Loop() {
		_, span := Begin(base, "benchmark")
		span.End(nil)
	}
}

func BenchmarkDropped(b *testing.B) {
	ctx, root := Begin(invoked(b.Context(), newHeader()), "benchmark")
	defer root.End(nil)
	b.ReportAllocs()
	for b.Loop() {
		_, span := trace.Start(ctx, "record")
		span.End(nil)
	}
}
