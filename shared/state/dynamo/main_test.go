package dynamo_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"
	"go.uber.org/goleak"

	"oipnode/infra/engines"
	"oipnode/shared/awsclient"
	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newClient returns a client of the engine whose requests go through a
// transport, nil for one of its own. Options change it further.
func newClient(t testing.TB, through http.RoundTripper, options ...func(*dynamodb.Options)) *dynamodb.Client {
	t.Helper()
	if through == nil {
		transport := &http.Transport{MaxIdleConnsPerHost: 16}
		t.Cleanup(transport.CloseIdleConnections)
		through = transport
	}
	cfg := engines.DynamoDB.AWS(t)
	cfg.HTTPClient = awsclient.HTTP(&http.Client{Transport: through})
	return dynamodb.NewFromConfig(cfg, append([]func(*dynamodb.Options){func(o *dynamodb.Options) {
		o.DisableValidateResponseChecksum = true // DynamoDB Local sends a wrong one with errors
		o.Logger = logging.Nop{}                 // the tests cut connections, which the SDK warns of
	}}, options...)...)
}

// newTable makes a table that the test's end removes.
func newTable(t testing.TB, client *dynamodb.Client) string {
	t.Helper()
	name := "state-" + rand.Text()
	if err := dynamo.CreateTable(t.Context(), client, name); err != nil {
		t.Fatal(err)
	}
	dropTable(t, client, name)
	return name
}

// dropTable removes a table at the end of the test.
func dropTable(t testing.TB, client *dynamodb.Client, name string) {
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Errorf("remove the table of the test: %v", err)
		}
	})
}

// openStore opens a store that the test's end closes.
func openStore(t testing.TB, opts dynamo.Options) *dynamo.Store {
	t.Helper()
	s, err := dynamo.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func key(id string) state.Key { return state.Key{Space: "space", ID: id} }

// commit does operations that must succeed.
func commit(t testing.TB, s state.Store, ops ...state.Op) {
	t.Helper()
	if err := s.Commit(t.Context(), ops...); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

// want checks what a key holds, "" for nothing.
func want(t testing.TB, s state.Store, k state.Key, value string, version uint64) {
	t.Helper()
	item, ok, err := state.GetOne(t.Context(), s, k)
	switch {
	case err != nil:
		t.Fatalf("Get %q: %v", k, err)
	case ok != (version > 0) || string(item.Value) != value || item.Version != version:
		t.Errorf("%q holds %q at version %d, want %q at version %d", k, item.Value, item.Version, value, version)
	}
}

// puts returns writes of n items, numbered from the given number on.
func puts(from, n int, value []byte) []state.Op {
	ops := make([]state.Op, n)
	for i := range ops {
		ops[i] = state.Put(key(fmt.Sprintf("%08d", from+i)), value)
	}
	return ops
}

// tomorrow is a clock that stands still a day ahead, so that what it calls
// expired is not yet expired to the table's own clean-up.
func tomorrow() time.Time {
	return time.Now().Truncate(time.Second).Add(24*time.Hour + 250*time.Millisecond)
}
