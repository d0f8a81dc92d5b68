package dynamo

import (
	"math"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"oipnode/shared/state"
)

// The conditions of writes, in DynamoDB's language. An expired item satisfies
// absent and nothing else.
const (
	living = "(attribute_not_exists(#expires) OR #expires > :now)"
	absent = "attribute_not_exists(#space) OR #expires <= :now"
	// sound is an item that a write can count on from; another one is damaged.
	sound     = "attribute_type(#version, :number) AND #version >= :one"
	atVersion = "#version = :version AND " + living
	onto      = "attribute_not_exists(#space) OR (" + sound + " AND " + living
)

// nextVersion is the part of an update that counts the version.
const nextVersion = "SET #version = if_not_exists(#version, :zero) + :one"

// write is an operation in DynamoDB's terms: a put (item), an update, a delete,
// or none of them, which is a check.
type write struct {
	key       attributes
	item      attributes
	update    string
	remove    bool
	condition string
	values    attributes
	// tells asks for the item that was there when the condition fails.
	tells bool
}

// form is how an unconditional write is sent, since no one request can both count
// on from a living item and start an expired one again.
type form int

const (
	// counting goes on from a living item, or starts where none is.
	counting form = iota
	// starting writes version 1 where none is or an expired one.
	starting
)

// newWrite puts an operation into DynamoDB's terms, as of that second.
func newWrite(op state.Op, f form, second int64) write {
	w := write{key: keyOf(op.Item.Key), values: attributes{":now": number(second)}}
	v := stored{key: op.Item.Key, version: 1, value: op.Item.Value, expires: state.Seconds(op.Item.Expires)}
	if op.Kind == state.OpAdd {
		v.counter, v.count = true, op.Delta
	}
	switch op.Kind {
	case state.OpPut, state.OpAdd:
		w.tells = true
		if f == starting {
			w.item, w.condition = v.attributes(second), absent
			break
		}
		w.counting(v, second)
	case state.OpCreate:
		w.item, w.condition = v.attributes(second), absent
	case state.OpUpdate:
		v.version = op.Item.Version + 1
		w.item = v.attributes(second)
		w.at(op.Item.Version)
	case state.OpDelete:
		w.remove = true
		w.values = nil
	case state.OpDeleteIf:
		w.remove = true
		w.at(op.Item.Version)
	case state.OpCheck:
		w.condition = absent
		if op.Item.Version > 0 {
			w.at(op.Item.Version)
		}
	}
	return w
}

// at makes the write depend on a version.
func (w *write) at(version uint64) {
	w.condition = atVersion
	w.values[":version"] = &types.AttributeValueMemberN{Value: strconv.FormatUint(version, 10)}
}

// counting makes the write an update that goes on from what is there.
func (w *write) counting(v stored, second int64) {
	w.condition = onto
	w.values[":number"] = &types.AttributeValueMemberS{Value: "N"}
	w.values[":zero"], w.values[":one"] = number(0), number(1)
	set, remove := nextVersion, ""
	if v.counter {
		set += ", #count = if_not_exists(#count, :zero) + :delta"
		w.values[":delta"] = number(v.count)
		w.condition += " AND attribute_type(#count, :number) AND attribute_not_exists(#value)"
		// The sum must stay an int64.
		switch {
		case v.count > 0:
			w.condition += " AND #count <= :limit"
			w.values[":limit"] = number(math.MaxInt64 - v.count)
		case v.count < 0:
			w.condition += " AND #count >= :limit"
			w.values[":limit"] = number(math.MinInt64 - v.count)
		}
	} else {
		set, remove = set+", #value = :value", " REMOVE #count"
		w.values[":value"] = binary(v.value)
	}
	w.condition += ")"
	switch {
	case v.expires != 0:
		set += ", #expires = :expires"
		w.values[":expires"] = expiry(v.expires, second)
	case remove == "":
		remove = " REMOVE #expires"
	default:
		remove += ", #expires"
	}
	w.update = set + remove
}

// transact is the write as part of a transaction.
func (w write) transact(table string) types.TransactWriteItem {
	names, old := namesIn(w.condition+w.update), types.ReturnValuesOnConditionCheckFailureNone
	if w.tells {
		old = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	switch {
	case w.item != nil:
		return types.TransactWriteItem{Put: &types.Put{
			TableName: &table, Item: w.item, ConditionExpression: &w.condition,
			ExpressionAttributeNames: names, ExpressionAttributeValues: w.values, ReturnValuesOnConditionCheckFailure: old,
		}}
	case w.update != "":
		return types.TransactWriteItem{Update: &types.Update{
			TableName: &table, Key: w.key, UpdateExpression: &w.update, ConditionExpression: &w.condition,
			ExpressionAttributeNames: names, ExpressionAttributeValues: w.values, ReturnValuesOnConditionCheckFailure: old,
		}}
	case w.remove:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: &table, Key: w.key, ConditionExpression: given(w.condition),
			ExpressionAttributeNames: names, ExpressionAttributeValues: w.values,
		}}
	}
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &table, Key: w.key, ConditionExpression: &w.condition,
		ExpressionAttributeNames: names, ExpressionAttributeValues: w.values,
	}}
}

// given is nil for an empty expression, which DynamoDB does not accept.
func given(expression string) *string {
	if expression == "" {
		return nil
	}
	return &expression
}

// namesIn returns the names of the attributes that an expression uses. All of
// them are written with a #, since several are reserved words.
func namesIn(expression string) map[string]string {
	var names map[string]string
	for _, name := range []string{attrSpace, attrID, attrVersion, attrValue, attrCount, attrExpires} {
		if strings.Contains(expression, "#"+name) {
			if names == nil {
				names = make(map[string]string)
			}
			names["#"+name] = name
		}
	}
	return names
}
