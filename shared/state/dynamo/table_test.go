package dynamo_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

// tableOf makes a table with these string or other keys, "name:type", the first
// the partition key.
func tableOf(t *testing.T, client *dynamodb.Client, keys ...string) string {
	t.Helper()
	in := &dynamodb.CreateTableInput{TableName: aws.String("state-" + rand.Text()), BillingMode: types.BillingModePayPerRequest}
	for i, k := range keys {
		name, kind, _ := strings.Cut(k, ":")
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{
			AttributeName: &name, KeyType: []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i],
		})
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: &name, AttributeType: types.ScalarAttributeType(kind),
		})
	}
	if _, err := client.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	dropTable(t, client, *in.TableName)
	return *in.TableName
}

// expireBy turns the table's time to live on.
func expireBy(t *testing.T, client *dynamodb.Client, table, attribute string) {
	t.Helper()
	_, err := client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName:               &table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &attribute, Enabled: aws.Bool(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpenNamesWhatIsWrong: each fault of a table, with the words that an
// operator needs.
func TestOpenNamesWhatIsWrong(t *testing.T) {
	client := newClient(t, nil)
	otherTTL := tableOf(t, client, "space:S", "id:S")
	expireBy(t, client, otherTTL, "ttl")
	for name, c := range map[string]struct{ table, words string }{
		"no table":     {"state-that-is-not-there", "found no table of this name"},
		"one key":      {tableOf(t, client, "space:S"), `"space" (HASH, S), they must be "space" (HASH, S) and "id" (RANGE, S)`},
		"other names":  {tableOf(t, client, "pk:S", "sk:S"), `"pk" (HASH, S) and "sk" (RANGE, S)`},
		"other order":  {tableOf(t, client, "id:S", "space:S"), `"id" (HASH, S)`},
		"other type":   {tableOf(t, client, "space:S", "id:B"), `"id" (RANGE, B)`},
		"no expiry":    {tableOf(t, client, "space:S", "id:S"), `time to live is DISABLED; turn it on for the attribute "expires"`},
		"other expiry": {otherTTL, `on for the attribute "ttl"; turn it on for "expires"`},
	} {
		s, err := dynamo.Open(t.Context(), dynamo.Options{Client: client, Table: c.table})
		if !errors.Is(err, dynamo.ErrTable) || s != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), c.table) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q does not say %q", name, err, c.words)
		}
	}
}

// TestOpenByAnswer: what a table on AWS may say that the engine never does.
func TestOpenByAnswer(t *testing.T) {
	p, s := newProxy(t, dynamo.Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good := `"KeySchema":[{"AttributeName":"space","KeyType":"HASH"},{"AttributeName":"id","KeyType":"RANGE"}],` +
		`"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"},{"AttributeName":"space","AttributeType":"S"}]`
	for name, c := range map[string]struct {
		table, ttl string
		want       error
		words      string
	}{
		"being made":        {`{"Table":{"TableStatus":"CREATING",` + good + `}}`, "", dynamo.ErrTable, "status is CREATING"},
		"being removed":     {`{"Table":{"TableStatus":"DELETING",` + good + `}}`, "", dynamo.ErrTable, "status is DELETING"},
		"locked key":        {`{"Table":{"TableStatus":"INACCESSIBLE_ENCRYPTION_CREDENTIALS",` + good + `}}`, "", dynamo.ErrTable, "INACCESSIBLE"},
		"no description":    {`{}`, "", dynamo.ErrTable, "no description"},
		"no types":          {`{"Table":{"TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"space","KeyType":"HASH"}]}}`, "", dynamo.ErrTable, "without a type"},
		"no expiry at all":  {"", `{}`, dynamo.ErrTable, "DISABLED"},
		"expiry going off":  {"", `{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLING","AttributeName":"expires"}}`, dynamo.ErrTable, "DISABLING"},
		"expiry coming on":  {"", `{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLING","AttributeName":"expires"}}`, nil, ""},
		"table is updating": {`{"Table":{"TableStatus":"UPDATING",` + good + `}}`, "", nil, ""},
	} {
		p.set(func(_ int, operation string) *misbehaviour {
			body := map[string]string{"DescribeTable": c.table, "DescribeTimeToLive": c.ttl}[operation]
			if body == "" {
				return nil
			}
			return &misbehaviour{status: 200, body: body}
		})
		s, err := p.open(t.Context())
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestOpenFails: what keeps the two questions from being answered.
func TestOpenFails(t *testing.T) {
	p, _ := newProxy(t, briefly())
	for _, operation := range []string{"DescribeTable", "DescribeTimeToLive"} {
		for _, c := range []struct {
			m    misbehaviour
			want error
		}{
			{code("AccessDeniedException"), dynamo.ErrRefused}, {code("ExpiredTokenException"), dynamo.ErrRefused},
			{code("ThrottlingException"), state.ErrUnavailable}, {misbehaviour{hold: true}, state.ErrUnavailable},
			{misbehaviour{cut: true}, state.ErrUnavailable}, {misbehaviour{status: 404, body: "?"}, state.ErrUnavailable},
		} {
			p.set(func(_ int, seen string) *misbehaviour {
				if seen == operation {
					return &c.m
				}
				return nil
			})
			p.opts.Attempt = 0
			if c.m.hold {
				p.opts.Attempt = time.Second // the other question has as much
			}
			if _, err := p.open(t.Context()); !errors.Is(err, c.want) || !strings.Contains(err.Error(), operation) {
				t.Errorf("%s with %+v: %v", operation, c.m, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestCreateTableLeavesOthersAlone: what is there is not changed, however wrong.
func TestCreateTableLeavesOthersAlone(t *testing.T) {
	client := newClient(t, nil)
	good := newTable(t, client)
	s := openStore(t, dynamo.Options{Client: client, Table: good})
	commit(t, s, state.Put(key("a"), []byte("1")))
	if err := dynamo.CreateTable(t.Context(), client, good); err != nil {
		t.Error(err)
	}
	want(t, s, key("a"), "1", 1)
	bad := tableOf(t, client, "pk:S")
	if err := dynamo.CreateTable(t.Context(), client, bad); err != nil {
		t.Error(err)
	}
	if _, err := dynamo.Open(t.Context(), dynamo.Options{Client: client, Table: bad}); !errors.Is(err, dynamo.ErrTable) {
		t.Errorf("Open: %v", err)
	}
	if err := dynamo.CreateTable(t.Context(), client, "a name that no table can have"); err == nil {
		t.Error("CreateTable accepted a bad name")
	}
}
