// Package engines tells tests where the real engines are: OpenSearch, DynamoDB
// Local, an S3 server and an SQS server. The script engines beside this file
// fetches and starts them, and writes the variables that this package reads; a
// user who sets the variables by hand has the tests run on engines of their own.
//
// A test without its engine is skipped by name, and fails where CI is set.
package engines

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"oipnode/shared/awsclient"
)

// An Engine is one of the servers.
type Engine struct {
	// Name is how a skip calls it.
	Name string
	// Variable holds the engine's base URL.
	Variable string
}

// The engines, each under the variable that the product's own client knows.
var (
	OpenSearch = Engine{"OpenSearch", "OPENSEARCH_ENDPOINT"}
	DynamoDB   = Engine{"DynamoDB Local", "AWS_ENDPOINT_URL_DYNAMODB"}
	S3         = Engine{"S3 server", "AWS_ENDPOINT_URL_S3"}
	SQS        = Engine{"SQS server", "AWS_ENDPOINT_URL_SQS"}
)

// All is every engine.
var All = []Engine{OpenSearch, DynamoDB, S3, SQS}

// URL returns the base URL of the engine without a trailing slash. Without one it
// ends the test: skipped, or failed where CI is set.
func (e Engine) URL(t testing.TB) string {
	t.Helper()
	url := strings.TrimRight(os.Getenv(e.Variable), "/")
	switch {
	case url != "":
	case os.Getenv("CI") != "":
		t.Fatalf("%s is not there: %s is not set, and in CI every engine must run (make engines)", e.Name, e.Variable)
	default:
		t.Skipf("%s is not there: %s is not set (make engines starts it)", e.Name, e.Variable)
	}
	return url
}

// AWS returns the SDK's configuration for the engine; the region, the keys and the
// endpoints come from the SDK's own variables. Its connections are closed at the end
// of the test. It ends the test like URL.
func (e Engine) AWS(t testing.TB) aws.Config {
	t.Helper()
	e.URL(t)
	c, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Set afterwards: with AWS_CA_BUNDLE the SDK refuses a plain client at loading.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 32
	t.Cleanup(transport.CloseIdleConnections)
	c.HTTPClient = awsclient.HTTP(&http.Client{Transport: transport})
	return c
}
