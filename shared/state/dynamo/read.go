package dynamo

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"oipnode/shared/state"
)

// Get implements state.Store. Several keys are read in one transaction, so that
// no other Commit is seen half; only an answer of over 4 MB, which no transaction
// of DynamoDB can give, comes from several of them.
func (s *Store) Get(ctx context.Context, keys ...state.Key) (items []state.Item, err error) {
	if err := state.CheckGet(keys); err != nil {
		return nil, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	asked := make(map[state.Key]struct{}, len(keys))
	unique := make([]state.Key, 0, len(keys))
	for _, k := range keys {
		if _, twice := asked[k]; !twice {
			asked[k] = struct{}{}
			unique = append(unique, k)
		}
	}
	if items, err = s.get(ctx, unique); err != nil {
		return nil, fmt.Errorf("state get: %w", err)
	}
	return items, nil
}

// get reads different keys, each half by itself if they cannot be read at once.
func (s *Store) get(ctx context.Context, keys []state.Key) ([]state.Item, error) {
	switch len(keys) {
	case 0:
		return nil, nil
	case 1:
		return s.getOne(ctx, keys[0])
	}
	in := &dynamodb.TransactGetItemsInput{TransactItems: make([]types.TransactGetItem, len(keys))}
	for i, k := range keys {
		in.TransactItems[i].Get = &types.Get{TableName: &s.table, Key: keyOf(k)}
	}
	var out *dynamodb.TransactGetItemsOutput
	err := s.begin().do(ctx, "TransactGetItems", repeatable, func(ctx context.Context) (err error) {
		out, err = s.client.TransactGetItems(ctx, in, once)
		return err
	})
	if errors.Is(err, errSize) {
		first, err := s.get(ctx, keys[:len(keys)/2])
		if err != nil {
			return nil, err
		}
		second, err := s.get(ctx, keys[len(keys)/2:])
		return append(first, second...), err
	}
	if err != nil {
		return nil, err
	}
	items := make([]state.Item, 0, len(keys))
	second := s.now().Unix()
	for _, r := range out.Responses {
		if items, err = appendLiving(items, r.Item, second); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func (s *Store) getOne(ctx context.Context, k state.Key) ([]state.Item, error) {
	in := &dynamodb.GetItemInput{TableName: &s.table, Key: keyOf(k), ConsistentRead: aws.Bool(true)}
	var out *dynamodb.GetItemOutput
	err := s.begin().do(ctx, "GetItem", repeatable, func(ctx context.Context) (err error) {
		out, err = s.client.GetItem(ctx, in, once)
		return err
	})
	if err != nil {
		return nil, err
	}
	return appendLiving(nil, out.Item, s.now().Unix())
}

// appendLiving adds what was read to items, unless it is absent or expired.
func appendLiving(items []state.Item, a attributes, second int64) ([]state.Item, error) {
	if len(a) == 0 {
		return items, nil
	}
	v, err := parse(a)
	if err != nil {
		return nil, err
	}
	if !v.expired(second) {
		items = append(items, v.item())
	}
	return items, nil
}

// Range implements state.Store. It asks for more pages while expired items or
// large ones make a page short.
func (s *Store) Range(ctx context.Context, space, from, to string, limit int) ([]state.Item, error) {
	if err := state.CheckRange(space, from, to, limit); err != nil {
		return nil, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if to != "" && to <= from {
		return nil, nil
	}
	items, err := s.scan(ctx, s.query(space, from, to), to, min(limit, state.MaxRange))
	if err != nil {
		return nil, fmt.Errorf("state range of %q: %w", space, err)
	}
	return items, nil
}

// query is the request for a range. Only BETWEEN can bound a sort key on both
// sides, and includes its end.
func (s *Store) query(space, from, to string) *dynamodb.QueryInput {
	condition := "#space = :space"
	values := attributes{":space": &types.AttributeValueMemberS{Value: space}}
	if from != "" {
		values[":from"] = &types.AttributeValueMemberS{Value: from}
	}
	if to != "" {
		values[":to"] = &types.AttributeValueMemberS{Value: to}
	}
	switch {
	case from != "" && to != "":
		condition += " AND #id BETWEEN :from AND :to"
	case from != "":
		condition += " AND #id >= :from"
	case to != "":
		condition += " AND #id < :to"
	}
	return &dynamodb.QueryInput{
		TableName: &s.table, ConsistentRead: aws.Bool(true),
		KeyConditionExpression: &condition, ExpressionAttributeNames: namesIn(condition),
		ExpressionAttributeValues: values,
	}
}

// scan reads pages until it has limit living items or the range is at its end.
func (s *Store) scan(ctx context.Context, in *dynamodb.QueryInput, to string, limit int) ([]state.Item, error) {
	var items []state.Item
	for seen := 0; ; {
		// Beside what is missing, as many as were expired before: pages grow where
		// there are many of them.
		dead := seen - len(items)
		in.Limit = aws.Int32(int32(min(limit-len(items)+2*dead, state.MaxRange)))
		var out *dynamodb.QueryOutput
		err := s.begin().do(ctx, "Query", repeatable, func(ctx context.Context) (err error) {
			out, err = s.client.Query(ctx, in, once)
			return err
		})
		if err != nil {
			return nil, err
		}
		second := s.now().Unix()
		for _, a := range out.Items {
			if id, ok := a[attrID].(*types.AttributeValueMemberS); ok && to != "" && id.Value >= to {
				return items, nil
			}
			if items, err = appendLiving(items, a, second); err != nil {
				return nil, err
			}
			if len(items) == limit {
				return items, nil
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return items, nil
		}
		seen += len(out.Items)
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
