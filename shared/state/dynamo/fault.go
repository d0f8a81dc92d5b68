package dynamo

import (
	"errors"
	"fmt"
	"net"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"oipnode/shared/state"
)

// outcome is what is known of a request that failed.
type outcome int

const (
	// final: it was not done, and would not be if it were repeated.
	final outcome = iota + 1
	// again: it was not done, for a reason that passes.
	again
	// unknown: it may or may not have been done.
	unknown
)

// fault is the judgement over a request that failed. Its error is one of this
// package's and carries no error of the SDK: their texts may quote credentials,
// and an exceeded time of one request is not the caller's.
type fault struct {
	outcome outcome
	err     error
}

// failed is the error of a request whose conditions did not hold. It has an
// element per operation: nil for one whose condition held or was not looked at.
type failed []*failure

// failure is a condition that did not hold. found is the item that was there,
// for the operations that ask for it.
type failure struct{ found attributes }

func (failed) Error() string { return "a condition does not hold" }

// errSize is the error of a transaction that DynamoDB did not accept, because
// its items are too many bytes together.
var errSize = errors.New("not accepted as one transaction")

// codes are the error codes of DynamoDB that mean the same for each request.
var codes = map[string]outcome{
	"ProvisionedThroughputExceededException": again,
	"ThrottlingException":                    again,
	"RequestLimitExceeded":                   again,
	"LimitExceededException":                 again,
	"TransactionConflictException":           again,
	"ReplicatedWriteConflictException":       again,
	"TransactionInProgressException":         unknown,
	"InternalServerError":                    unknown,
	"ServiceUnavailable":                     unknown,
}

// refusals are the codes about who asks.
var refusals = map[string]bool{
	"AccessDeniedException":               true,
	"UnrecognizedClientException":         true,
	"InvalidSignatureException":           true,
	"IncompleteSignatureException":        true,
	"IncompleteSignature":                 true,
	"SignatureDoesNotMatch":               true,
	"MissingAuthenticationTokenException": true,
	"MissingAuthenticationToken":          true,
	"InvalidClientTokenId":                true,
	"ExpiredTokenException":               true,
	"ExpiredToken":                        true,
	"NotAuthorized":                       true,
	"OptInRequired":                       true,
	"SubscriptionRequiredException":       true,
}

// judge turns what the SDK returned for an operation into a fault.
func judge(operation string, err error) fault {
	var cancelled *types.TransactionCanceledException
	var condition *types.ConditionalCheckFailedException
	var missing *types.ResourceNotFoundException
	var api smithy.APIError
	switch {
	case errors.As(err, &cancelled):
		return judgeReasons(operation, cancelled.CancellationReasons)
	case errors.As(err, &condition):
		return fault{final, failed{{condition.Item}}}
	case errors.As(err, &missing):
		return fault{final, fmt.Errorf("%w: %s found no table of this name in this account and region", ErrTable, operation)}
	case errors.As(err, &api):
		return judgeCode(operation, api, err)
	}
	cause := fmt.Errorf("%s: no answer: %v", operation, innermost(err))
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fault{again, cause} // it never left
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode()/100 == 4 {
		// Something on the way to DynamoDB answered, and passed nothing on.
		return fault{again, fmt.Errorf("%s: status %d without a code", operation, response.HTTPStatusCode())}
	}
	return fault{unknown, cause}
}

// judgeCode judges an error that DynamoDB answered with.
func judgeCode(operation string, api smithy.APIError, err error) fault {
	status, request := 0, ""
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status, request = response.HTTPStatusCode(), response.ServiceRequestID()
	}
	code := api.ErrorCode()
	cause := fmt.Errorf("%s: %s (status %d, request %q)", operation, code, status, request)
	switch known, ok := codes[code]; {
	case refusals[code]:
		// The message stays out: for a bad signature it quotes the session token.
		return fault{final, fmt.Errorf("%w: %w", ErrRefused, cause)}
	case ok:
		return fault{known, cause}
	case status >= 500:
		return fault{unknown, cause}
	case status == 429:
		return fault{again, cause}
	case code == "ValidationException":
		return fault{final, fmt.Errorf("%w: %w: %.300s", errSize, cause, api.ErrorMessage())}
	}
	return fault{final, fmt.Errorf("%w: %.300s", cause, api.ErrorMessage())}
}

// judgeReasons judges a transaction that was cancelled. A condition that does
// not hold outweighs what else was wrong: repeating it would not help.
func judgeReasons(operation string, reasons []types.CancellationReason) fault {
	conditions := make(failed, len(reasons))
	var transient, other string
	for i, r := range reasons {
		switch code := aws.ToString(r.Code); code {
		case "", "None":
		case "ConditionalCheckFailed":
			conditions[i] = &failure{r.Item}
		case "TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError":
			transient = code
		default:
			other = fmt.Sprintf("%s: %.300s", code, aws.ToString(r.Message))
		}
	}
	for _, f := range conditions {
		if f != nil {
			return fault{final, conditions}
		}
	}
	switch {
	case other != "":
		return fault{final, fmt.Errorf("%w: %s: %s", errSize, operation, other)}
	case transient != "":
		return fault{again, fmt.Errorf("%s: cancelled: %s", operation, transient)}
	}
	return fault{again, fmt.Errorf("%s: cancelled without a reason", operation)}
}

// innermost is the first cause of a request without an answer.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// unavailable is the end of a call that was repeated in vain, or that must not
// be repeated.
func unavailable(cause error) error { return fmt.Errorf("%w: %w", state.ErrUnavailable, cause) }
