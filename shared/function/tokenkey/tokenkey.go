// Package tokenkey reads the key of the API's tokens. It stands apart from package
// function because the client of SSM costs the start of a process 2 ms, and few functions
// have tokens.
package tokenkey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"oipnode/shared/function"
)

// keyTime bounds the reading of the key of the tokens.
const keyTime = 10 * time.Second

// Read reads the key: that of the configuration, or of the SSM parameter that it names.
// Without either it is empty.
func Read(ctx context.Context, p *function.Parts) ([]byte, error) {
	name := p.Config.HTTP.JWTSecretParameter
	if name == "" {
		return p.Config.HTTP.JWTSecret.Reveal(), nil
	}
	key, err := parameter(ctx, p.AWS(), name)
	if err != nil {
		return nil, function.Unavailable("the key of the tokens", "JWT_SECRET_PARAMETER", err)
	}
	return key, nil
}

// parameter reads a SecureString of SSM's parameter store.
func parameter(ctx context.Context, a aws.Config, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	out, err := ssm.NewFromConfig(a).GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return nil, withoutWords("GetParameter", err)
	}
	if out.Parameter == nil || aws.ToString(out.Parameter.Value) == "" {
		return nil, errors.New("the parameter is empty")
	}
	return []byte(*out.Parameter.Value), nil
}

// withoutWords is an error of AWS without what AWS says: some messages quote the session
// token, and the cause goes into the log. What remains is the operation, the code and the
// id of the request; without an answer, the first cause.
func withoutWords(operation string, err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
			err = next
		}
		return fmt.Errorf("%s: no answer: %w", operation, err)
	}
	status, request := 0, ""
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status, request = response.HTTPStatusCode(), response.ServiceRequestID()
	}
	return fmt.Errorf("%s: %s (status %d, request %q)", operation, api.ErrorCode(), status, request)
}
