package s3

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"oipnode/shared/media"
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

// fault is the judgement over a request that failed. Its error is one of the
// contract or of this package and carries no error of the SDK, whose texts may quote
// credentials, and signed URLs.
type fault struct {
	outcome outcome
	err     error
}

// errPrecondition is the end of a request whose condition does not hold; the caller
// knows which one it made. errUpload says that a multipart upload is gone, completed
// or aborted.
var (
	errPrecondition = errors.New("a condition does not hold")
	errUpload       = errors.New("the upload is gone")
)

// finals are the codes that say what is wrong, with the error that says it here.
var finals = map[string]error{
	"NoSuchKey":             media.ErrNotFound,
	"NotFound":              media.ErrNotFound, // HeadObject's answer has no body
	"InvalidRange":          media.ErrRange,
	"PreconditionFailed":    errPrecondition,
	"NoSuchUpload":          errUpload,
	"NoSuchBucket":          ErrBucket,
	"PermanentRedirect":     ErrBucket, // it is in another region
	"AccessDenied":          ErrRefused,
	"AccountProblem":        ErrRefused,
	"AllAccessDisabled":     ErrRefused,
	"ExpiredToken":          ErrRefused,
	"InvalidAccessKeyId":    ErrRefused,
	"InvalidObjectState":    ErrRefused, // it was moved to an archive
	"InvalidToken":          ErrRefused,
	"NotSignedUp":           ErrRefused,
	"RequestTimeTooSkewed":  ErrRefused,
	"SignatureDoesNotMatch": ErrRefused,
}

// passing are codes whose reason passes although their status may be that of a bad
// request: the body did not arrive as it was sent, or somebody else writes the same.
var passing = map[string]outcome{
	"BadDigest":                   again,
	"ConditionalRequestConflict":  again,
	"IncompleteBody":              again,
	"OperationAborted":            again,
	"RequestTimeout":              again,
	"SlowDown":                    again,
	"ThrottlingException":         again,
	"XAmzContentChecksumMismatch": again,
	"XAmzContentSHA256Mismatch":   again,
	"InternalError":               unknown,
	"ServiceUnavailable":          unknown,
}

// judge turns what the SDK returned for an operation into a fault.
func judge(operation string, err error) fault {
	status, request := 0, ""
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status, request = response.HTTPStatusCode(), response.ServiceRequestID()
	}
	var op *net.OpError
	if status == 0 && errors.As(err, &op) && op.Op == "dial" {
		return fault{again, fmt.Errorf("%s: no connection: %s", operation, innermost(err))}
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		cause := fmt.Errorf("%s: no answer (status %d): %s", operation, status, innermost(err))
		if status/100 == 4 {
			return judgeStatus(status, cause) // something on the way to S3 answered
		}
		return fault{unknown, cause}
	}
	code := api.ErrorCode()
	// The message stays out: for a bad signature it quotes what was signed.
	cause := fmt.Errorf("%s: %.60s (status %d, request %.80q)", operation, code, status, request)
	switch meaning, known := finals[code]; {
	case known:
		return fault{final, fmt.Errorf("%w: %w", meaning, cause)}
	case passing[code] != 0:
		return fault{passing[code], cause}
	}
	return judgeStatus(status, cause)
}

// judgeStatus judges an answer whose code is not known.
func judgeStatus(status int, cause error) fault {
	switch status {
	case http.StatusNotFound:
		return fault{final, fmt.Errorf("%w: %w", media.ErrNotFound, cause)}
	case http.StatusPreconditionFailed:
		return fault{final, fmt.Errorf("%w: %w", errPrecondition, cause)}
	case http.StatusRequestedRangeNotSatisfiable:
		return fault{final, fmt.Errorf("%w: %w", media.ErrRange, cause)}
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault{final, fmt.Errorf("%w: %w", ErrRefused, cause)}
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect:
		return fault{final, fmt.Errorf("%w: %w", ErrBucket, cause)}
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return fault{again, cause}
	}
	if status >= 500 {
		return fault{unknown, cause}
	}
	return fault{final, cause}
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
