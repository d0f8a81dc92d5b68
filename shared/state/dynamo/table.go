package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The attributes of an item. The template of the deployment names the keys and
// the attribute of the time to live too.
const (
	attrSpace   = "space"
	attrID      = "id"
	attrVersion = "version"
	attrValue   = "value"
	attrCount   = "count"
	attrExpires = "expires"
)

var keySchema = []types.KeySchemaElement{
	{AttributeName: aws.String(attrSpace), KeyType: types.KeyTypeHash},
	{AttributeName: aws.String(attrID), KeyType: types.KeyTypeRange},
}

var keyTypes = []types.AttributeDefinition{
	{AttributeName: aws.String(attrSpace), AttributeType: types.ScalarAttributeTypeS},
	{AttributeName: aws.String(attrID), AttributeType: types.ScalarAttributeTypeS},
}

// verifyTable asks for the table's description and compares it with what the
// store needs.
func (s *Store) verifyTable(ctx context.Context) error {
	var table *dynamodb.DescribeTableOutput
	err := s.begin().do(ctx, "DescribeTable", repeatable, func(ctx context.Context) (err error) {
		table, err = s.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.table}, once)
		return err
	})
	if err != nil {
		return err
	}
	if err := checkDescription(table.Table); err != nil {
		return err
	}
	var ttl *dynamodb.DescribeTimeToLiveOutput
	err = s.begin().do(ctx, "DescribeTimeToLive", repeatable, func(ctx context.Context) (err error) {
		ttl, err = s.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &s.table}, once)
		return err
	})
	if err != nil {
		return err
	}
	return checkTimeToLive(ttl.TimeToLiveDescription)
}

// checkDescription looks at the table's status and keys.
func checkDescription(t *types.TableDescription) error {
	if t == nil {
		return fmt.Errorf("%w: it has no description", ErrTable)
	}
	switch t.TableStatus {
	case types.TableStatusActive, types.TableStatusUpdating:
	default:
		return fmt.Errorf("%w: its status is %s, not ACTIVE", ErrTable, t.TableStatus)
	}
	if got, want := keysOf(t.KeySchema, t.AttributeDefinitions), keysOf(keySchema, keyTypes); got != want {
		return fmt.Errorf("%w: its keys are %s, they must be %s; keys cannot be changed, so make another table", ErrTable, got, want)
	}
	return nil
}

// keysOf says in words which keys a table has.
func keysOf(schema []types.KeySchemaElement, definitions []types.AttributeDefinition) string {
	var words []string
	for _, k := range schema {
		name := aws.ToString(k.AttributeName)
		i := slices.IndexFunc(definitions, func(d types.AttributeDefinition) bool {
			return aws.ToString(d.AttributeName) == name
		})
		kind := "without a type"
		if i >= 0 {
			kind = string(definitions[i].AttributeType)
		}
		words = append(words, fmt.Sprintf("%q (%s, %s)", name, k.KeyType, kind))
	}
	return strings.Join(words, " and ")
}

// checkTimeToLive: a table without it would answer rightly but grow for ever, and
// nobody would notice; so it is refused.
func checkTimeToLive(d *types.TimeToLiveDescription) error {
	if d == nil {
		d = &types.TimeToLiveDescription{TimeToLiveStatus: types.TimeToLiveStatusDisabled}
	}
	switch d.TimeToLiveStatus {
	case types.TimeToLiveStatusEnabled, types.TimeToLiveStatusEnabling:
	default:
		return fmt.Errorf("%w: its time to live is %s; turn it on for the attribute %q", ErrTable, d.TimeToLiveStatus, attrExpires)
	}
	if name := aws.ToString(d.AttributeName); name != attrExpires {
		return fmt.Errorf("%w: its time to live is on for the attribute %q; turn it on for %q", ErrTable, name, attrExpires)
	}
	return nil
}

// creation is how long CreateTable waits for the table.
const creation = 2 * time.Minute

// CreateTable makes a table as Open wants it, billed on demand, and waits until
// it can be used. It is for tests and for a local DynamoDB: a deployment makes
// its table itself, with a stream and backups. A table that is there already is
// left as it is; Open tells whether it will do.
func CreateTable(ctx context.Context, client *dynamodb.Client, name string) error {
	_, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &name, KeySchema: keySchema, AttributeDefinitions: keyTypes,
		BillingMode: types.BillingModePayPerRequest,
	})
	var exists *types.ResourceInUseException
	if errors.As(err, &exists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create state table %q: %w", name, judge("CreateTable", err).err)
	}
	wait := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 5*time.Second
	})
	if err := wait.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, creation); err != nil {
		return fmt.Errorf("create state table %q: wait for it: %w", name, err)
	}
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: &name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(attrExpires), Enabled: aws.Bool(true),
		},
	})
	if err != nil {
		return fmt.Errorf("create state table %q: %w", name, judge("UpdateTimeToLive", err).err)
	}
	return nil
}
