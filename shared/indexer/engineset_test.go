package indexer_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"oipnode/infra/awslocal/stack"
	"oipnode/infra/engines"
	"oipnode/shared/records/opensearch"
	"oipnode/shared/state/dynamo"
)

// needEngines ends a test that lacks an engine before it has opened anything.
func needEngines(t *testing.T) {
	t.Helper()
	for _, e := range []engines.Engine{engines.OpenSearch, engines.DynamoDB, engines.SQS} {
		e.URL(t)
	}
}

// engineSet opens OpenSearch and DynamoDB under names of the test's own.
func engineSet(t *testing.T, now func() time.Time, name string) *set {
	t.Helper()
	config := engines.DynamoDB.AWS(t)
	o := stack.Options{AWS: config, DynamoDB: engines.DynamoDB.URL(t), OpenSearch: engines.OpenSearch.URL(t),
		Name: name + "-" + strings.ToLower(rand.Text()[:8]), Gateways: "none"}
	_, err := stack.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Delete(context.Background(), o); err != nil {
			t.Error(err)
		}
	})
	st, err := dynamo.Open(t.Context(), dynamo.Options{Client: dynamodb.NewFromConfig(config), Table: o.Table(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := opensearch.Open(t.Context(), opensearch.Options{Endpoints: []string{o.OpenSearch}, Prefix: o.Name})
	if err != nil {
		t.Fatal(err)
	}
	return &set{name: "engines", records: rec, state: st}
}
