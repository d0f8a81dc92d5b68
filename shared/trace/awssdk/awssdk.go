// Package awssdk makes the calls of AWS's SDK spans of package trace.
package awssdk

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"oipnode/shared/trace"
)

// Instrument lets every client that is made from the configuration afterwards record
// its operations: one span for each, with all its attempts. A stream in an answer, such
// as the bytes of an object, is read behind the end of its span.
func Instrument(c *aws.Config) {
	c.APIOptions = append(slices.Clip(c.APIOptions), func(stack *middleware.Stack) error {
		return stack.Initialize.Add(operation{}, middleware.Before)
	})
}

// operation is the outermost step of a call, around its validation and its attempts.
type operation struct{}

func (operation) ID() string { return "oipnode trace" }

func (operation) HandleInitialize(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, metadata middleware.Metadata, err error,
) {
	ctx, span := trace.StartCall(ctx, trace.AWS, awsmiddleware.GetServiceID(ctx))
	if !span.Recording() {
		return next.HandleInitialize(ctx, in)
	}
	returned := false
	defer func() {
		if !returned {
			span.Panicked()
		}
	}()
	out, metadata, err = next.HandleInitialize(ctx, in)
	returned = true
	span.Call(called(ctx, metadata, err))
	var api smithy.APIError
	if errors.As(err, &api) {
		// The vendor's own word for it, which is one of a documented list.
		span.Annotate("aws_error", api.ErrorCode())
	}
	span.End(err)
	return out, metadata, err
}

// called is what is known of the call afterwards.
func called(ctx context.Context, metadata middleware.Metadata, err error) trace.Call {
	c := trace.Call{Operation: awsmiddleware.GetOperationName(ctx), Region: awsmiddleware.GetRegion(ctx)}
	if id, ok := awsmiddleware.GetRequestIDMetadata(metadata); ok {
		c.RequestID = id
	}
	if attempts, ok := retry.GetAttemptResults(metadata); ok {
		c.Retries = max(len(attempts.Results)-1, 0)
	}
	var failed interface{ HTTPStatusCode() int }
	if errors.As(err, &failed) {
		c.Status = failed.HTTPStatusCode()
	} else if r, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response); ok {
		c.Status = r.StatusCode
	}
	return c
}
