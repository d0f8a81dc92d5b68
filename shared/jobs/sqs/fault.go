package sqs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"oipnode/shared/jobs"
)

// once makes the SDK send a request a single time: repeating is this package's.
func once(o *sqs.Options) { o.Retryer = aws.NopRetryer{} }

// The pauses between two attempts; each is random between half and all of it.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// do sends a request until it is answered for good. wait is what the request is
// meant to take, besides the time of an attempt. It returns nil, an error of the
// contract or of this package, or the context's error.
func (q *Queue) do(ctx context.Context, operation string, wait time.Duration, send func(context.Context) error) error {
	pause := firstPause
	for until := time.Now().Add(q.patience + wait); ; {
		err := within(ctx, q.attempt+wait, send)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		passes, err := judge(operation, err)
		if !passes {
			return err
		}
		rest := pause/2 + rand.N(pause/2)
		pause = min(2*pause, lastPause)
		if time.Now().Add(rest).After(until) {
			return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
		}
		timer := time.NewTimer(rest)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// within makes one attempt.
func within(ctx context.Context, attempt time.Duration, send func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return send(ctx)
}

// finals are the codes that say what is wrong, with the error that says it here.
var finals = map[string]error{
	"QueueDoesNotExist":                       ErrQueue,
	"AWS.SimpleQueueService.NonExistentQueue": ErrQueue,
	"InvalidAddress":                          ErrQueue,
	codeReceipt:                               jobs.ErrReceipt,
	"MessageNotInflight":                      jobs.ErrReceipt,
	"InvalidMessageContents":                  jobs.ErrInvalid,
	"AccessDenied":                            ErrRefused,
	"AccessDeniedException":                   ErrRefused,
	"ExpiredToken":                            ErrRefused,
	"ExpiredTokenException":                   ErrRefused,
	"InvalidClientTokenId":                    ErrRefused,
	"InvalidSecurity":                         ErrRefused,
	"InvalidSignatureException":               ErrRefused,
	"KmsAccessDenied":                         ErrRefused,
	"MissingAuthenticationToken":              ErrRefused,
	"OptInRequired":                           ErrRefused,
	"SignatureDoesNotMatch":                   ErrRefused,
	"UnrecognizedClientException":             ErrRefused,
}

// passing are the codes whose reason passes although their status is that of a bad
// request.
var passing = map[string]bool{
	"KmsThrottled":         true,
	"OverLimit":            true, // too many jobs are received at once
	"RequestThrottled":     true,
	"ThrottlingException":  true,
	"Throttling":           true,
	"RequestLimitExceeded": true,
}

// judge says whether what the SDK returned may pass, and with which error the call
// ends if it does not. Its errors carry none of the SDK, whose texts may quote
// credentials, and an exceeded time of one request is not the caller's.
func judge(operation string, err error) (passes bool, cause error) {
	if errors.Is(err, errEntry) {
		return true, fmt.Errorf("%s: %w", operation, errEntry)
	}
	status, request := 0, ""
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status, request = response.HTTPStatusCode(), response.ServiceRequestID()
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return status/100 != 4 || status == http.StatusTooManyRequests,
			fmt.Errorf("%s: no answer (status %d): %s", operation, status, innermost(err))
	}
	code := api.ErrorCode()
	cause = fmt.Errorf("%s: %.60s (status %d, request %.80q)", operation, code, status, request)
	var queue *types.QueueDoesNotExist
	var receipt *types.ReceiptHandleIsInvalid
	var flight *types.MessageNotInflight
	meaning, final := finals[code]
	switch {
	case errors.As(err, &queue):
		meaning, final = ErrQueue, true
	case errors.As(err, &receipt), errors.As(err, &flight):
		meaning, final = jobs.ErrReceipt, true
	case !final && operation == "ChangeMessageVisibility" && (code == "InvalidParameterValue" || code == "InvalidParameterValueException"):
		// Every other parameter was checked: this is a job that is gone.
		meaning, final = jobs.ErrReceipt, true
	case passing[code]: // also with the status of a refusal, which SQS throttles with
		final = false
	case !final && (status == http.StatusForbidden || status == http.StatusUnauthorized):
		meaning, final = ErrRefused, true
	}
	if final {
		return false, fmt.Errorf("%w: %w", meaning, cause)
	}
	return passing[code] || status >= 500 || status == http.StatusTooManyRequests, cause
}

// innermost is what the first cause of a request without an answer says.
func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
