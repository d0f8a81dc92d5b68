// Package xray records the spans of package trace with AWS X-Ray. Only the Lambda
// functions link it.
//
// Lambda makes the segment of an invocation itself and decides whether it is sampled;
// the context of an invocation says so. Below that segment, Handler makes a subsegment
// for the invocation, and each span is one further below. Nothing is recorded for an
// invocation that is not sampled, and the SDK is not even asked then.
//
// What of the SDK is used, and how, is chosen by what it does:
//   - Never xray.Capture: when the segment is missing, a panic of the function is lost
//     behind one of its own, it files the texts of errors with the working directory and
//     a stack, and a subsegment under a parent that has ended is kept for ever.
//   - Never BeginSegment: it asks for a sampling decision, which starts goroutines that
//     poll the daemon for rules, and a goroutine for each segment.
//   - A subsegment is sent when it ends, in a datagram of its own. The SDK would keep
//     those below it until the whole tree has ended, one that never ends would keep them
//     from being sent at all, and a large tree does not fit into a datagram.
//   - An error is never passed to it; see trace.Outcome.
//   - A subsegment is begun only below a valid header of Lambda's, so that the strategy
//     for missing contexts, which Lambda sets by a variable that no program can
//     overrule, never has anything to do.
//   - As soon as it is linked it reads AWS_XRAY_DAEMON_ADDRESS and panics at a malformed
//     one; that variable is Lambda's own. It opens its socket with the first span.
package xray

import (
	"context"
	"regexp"

	"github.com/aws/aws-xray-sdk-go/header"
	sdk "github.com/aws/aws-xray-sdk-go/xray"

	"oipnode/shared/trace"
)

// Begin begins the span of an invocation, to be called with its context and once for
// each. Spans below it that are still open when it ends, end with it. Where nothing is
// sampled it returns the context as it was.
func Begin(ctx context.Context, name string) (context.Context, trace.Span) {
	if !sampled(ctx) || sdk.SdkDisabled() {
		return ctx, trace.Span{}
	}
	_, segment := sdk.BeginSubsegment(ctx, cleanName(name))
	if segment == nil { // there is none of Lambda's: sampled has seen to that
		return ctx, trace.Span{}
	}
	ctx = trace.Into(ctx, newInvocation(segment))
	return ctx, trace.Current(ctx)
}

// maxHeader bounds the header in bytes; Lambda's has a quarter of it.
const maxHeader = 1024

var (
	traceID   = regexp.MustCompile(`^1-[0-9a-f]{8}-[0-9a-f]{24}$`)
	segmentID = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

// sampled reports whether the invocation belongs to a trace that is recorded. X-Ray
// throws away what has a malformed id.
func sampled(ctx context.Context) bool {
	value, ok := ctx.Value(sdk.LambdaTraceHeaderKey).(string)
	if !ok || value == "" || len(value) > maxHeader {
		return false
	}
	h := header.FromString(value)
	return h.SamplingDecision == header.Sampled && traceID.MatchString(h.TraceID) && segmentID.MatchString(h.ParentID)
}
