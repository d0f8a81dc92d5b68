package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"oipnode/shared/state"
)

// Commit implements state.Store: one operation is one conditional write, several
// are a transaction.
func (s *Store) Commit(ctx context.Context, ops ...state.Op) error {
	if err := state.CheckCommit(ops); err != nil {
		return err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if len(ops) == 0 {
		return nil
	}
	if err := s.commit(ctx, ops); err != nil {
		return fmt.Errorf("state commit: %w", err)
	}
	return nil
}

// commit sends the operations, again in another form when an expired item was in
// the way.
func (s *Store) commit(ctx context.Context, ops []state.Op) error {
	a := s.begin()
	forms := make([]form, len(ops))
	for round := 1; ; round++ {
		second := s.now().Unix()
		writes := make([]write, len(ops))
		for i, op := range ops {
			writes[i] = newWrite(op, forms[i], second)
		}
		var err error
		switch {
		case len(ops) > 1:
			err = s.transact(ctx, a, writes)
		case ops[0].Kind == state.OpCheck:
			return s.check(ctx, ops[0])
		default:
			err = s.single(ctx, a, writes[0])
		}
		var conditions failed
		if !errors.As(err, &conditions) {
			return err
		}
		if err := revise(ops, forms, conditions, second); err != nil {
			return err
		}
		if a.doubt {
			// The earlier request may still come about and would do it twice: the
			// new one is another one to DynamoDB.
			return unavailable(errors.New("an answer was lost, and the items are others now"))
		}
		if round > 1 { // somebody else writes the same items
			if err := a.wait(ctx, conditions); err != nil {
				return err
			}
		}
	}
}

// revise looks at the conditions that did not hold. It returns the error of the
// Commit, or nil when another form of the same operations can succeed. A conflict
// behind a lost answer is one too: DynamoDB would know the token of what it did.
func revise(ops []state.Op, forms []form, conditions failed, second int64) error {
	for i, f := range conditions {
		if f == nil || i >= len(ops) {
			continue
		}
		op := ops[i]
		if op.Kind != state.OpPut && op.Kind != state.OpAdd {
			return conflict(op)
		}
		forms[i] = counting
		if len(f.found) == 0 {
			continue // removed meanwhile
		}
		v, err := parse(f.found)
		switch {
		case err != nil:
			return err
		case v.expired(second):
			forms[i] = starting
		case op.Kind == state.OpAdd:
			if err := addable(op, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func conflict(op state.Op) error {
	if op.Kind == state.OpCreate || op.Item.Version == 0 {
		return fmt.Errorf("%w: %q %q exists", state.ErrConflict, op.Item.Space, op.Item.ID)
	}
	return fmt.Errorf("%w: %q %q is not at version %d", state.ErrConflict, op.Item.Space, op.Item.ID, op.Item.Version)
}

// addable says why an OpAdd to an item cannot be done, nil if it can.
func addable(op state.Op, v stored) error {
	if !v.counter {
		return fmt.Errorf("%w: %q %q is not a counter", state.ErrInvalid, op.Item.Space, op.Item.ID)
	}
	if op.Delta > 0 && v.count > math.MaxInt64-op.Delta || op.Delta < 0 && v.count < math.MinInt64-op.Delta {
		return fmt.Errorf("%w: %d and %d overflow counter %q %q",
			state.ErrInvalid, v.count, op.Delta, op.Item.Space, op.Item.ID)
	}
	return nil
}

// transact sends several writes as one transaction. Its token lets DynamoDB
// recognise a repetition for ten minutes, which is longer than any patience.
func (s *Store) transact(ctx context.Context, a *attempts, writes []write) error {
	in := &dynamodb.TransactWriteItemsInput{
		ClientRequestToken: aws.String(rand.Text()),
		TransactItems:      make([]types.TransactWriteItem, len(writes)),
	}
	for i, w := range writes {
		in.TransactItems[i] = w.transact(s.table)
	}
	return a.do(ctx, "TransactWriteItems", repeatable, func(ctx context.Context) error {
		_, err := s.client.TransactWriteItems(ctx, in, once)
		return err
	})
}

// single sends one write by itself, at half the price of a transaction.
func (s *Store) single(ctx context.Context, a *attempts, w write) error {
	t := w.transact(s.table)
	switch {
	case t.Put != nil:
		in := &dynamodb.PutItemInput{
			TableName: t.Put.TableName, Item: t.Put.Item, ConditionExpression: t.Put.ConditionExpression,
			ExpressionAttributeNames: t.Put.ExpressionAttributeNames, ExpressionAttributeValues: t.Put.ExpressionAttributeValues,
			ReturnValuesOnConditionCheckFailure: t.Put.ReturnValuesOnConditionCheckFailure,
		}
		return a.do(ctx, "PutItem", onceOnly, func(ctx context.Context) error {
			_, err := s.client.PutItem(ctx, in, once)
			return err
		})
	case t.Update != nil:
		in := &dynamodb.UpdateItemInput{
			TableName: t.Update.TableName, Key: t.Update.Key,
			UpdateExpression: t.Update.UpdateExpression, ConditionExpression: t.Update.ConditionExpression,
			ExpressionAttributeNames: t.Update.ExpressionAttributeNames, ExpressionAttributeValues: t.Update.ExpressionAttributeValues,
			ReturnValuesOnConditionCheckFailure: t.Update.ReturnValuesOnConditionCheckFailure,
		}
		return a.do(ctx, "UpdateItem", onceOnly, func(ctx context.Context) error {
			_, err := s.client.UpdateItem(ctx, in, once)
			return err
		})
	}
	in := &dynamodb.DeleteItemInput{
		TableName: t.Delete.TableName, Key: t.Delete.Key, ConditionExpression: t.Delete.ConditionExpression,
		ExpressionAttributeNames: t.Delete.ExpressionAttributeNames, ExpressionAttributeValues: t.Delete.ExpressionAttributeValues,
	}
	return a.do(ctx, "DeleteItem", onceOnly, func(ctx context.Context) error {
		_, err := s.client.DeleteItem(ctx, in, once)
		return err
	})
}

// check does a Commit of a lone check, which is a read.
func (s *Store) check(ctx context.Context, op state.Op) error {
	items, err := s.getOne(ctx, op.Item.Key)
	if err != nil {
		return err
	}
	version := uint64(0)
	if len(items) > 0 {
		version = items[0].Version
	}
	if version != op.Item.Version {
		return conflict(op)
	}
	return nil
}
