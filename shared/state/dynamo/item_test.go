package dynamo_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue    { return &types.AttributeValueMemberS{Value: s} }
func numeral(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
func octets(b string) types.AttributeValue  { return &types.AttributeValueMemberB{Value: []byte(b)} }

// TestDamagedItems: what another program wrote into the table is neither read,
// nor taken for absent, nor written over as if it were good.
func TestDamagedItems(t *testing.T) {
	client := newClient(t, nil)
	table := newTable(t, client)
	s := openStore(t, dynamo.Options{Client: client, Table: table})
	for name, c := range map[string]struct {
		change attributes // a nil value removes the attribute
		// putPasses: an unconditional Put does not look at what is damaged.
		putPasses bool
	}{
		"no version":          {attributes{"version": nil}, false},
		"version is a text":   {attributes{"version": text("1")}, false},
		"version 0":           {attributes{"version": numeral("0")}, false},
		"version is negative": {attributes{"version": numeral("-1")}, false},
		"version is broken":   {attributes{"version": numeral("1.5")}, true},
		"value is a text":     {attributes{"value": text("x")}, true},
		"neither":             {attributes{"value": nil}, true},
		"both":                {attributes{"count": numeral("1")}, true},
		"count is a text":     {attributes{"value": nil, "count": text("1")}, true},
		"count is broken":     {attributes{"value": nil, "count": numeral("0.5")}, true},
		"count is too large":  {attributes{"value": nil, "count": numeral("9223372036854775808")}, true},
		"expires is a text":   {attributes{"expires": text("tomorrow")}, false},
		"expires is broken":   {attributes{"expires": numeral("99999999999.5")}, true},
		"expires is 0":        {attributes{"expires": numeral("0")}, false},
	} {
		item := attributes{"space": text("space"), "id": text("bad"), "version": numeral("1"), "value": octets("x")}
		for attr, value := range c.change {
			item[attr] = value
			if value == nil {
				delete(item, attr)
			}
		}
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
			t.Fatal(err)
		}
		_, one := s.Get(t.Context(), key("bad"))
		_, two := s.Get(t.Context(), key("good"), key("bad"))
		_, page := s.Range(t.Context(), "space", "", "", 10)
		for what, err := range map[string]error{
			"Get": one, "Get of two": two, "Range": page, "Check": s.Commit(t.Context(), state.Check(key("bad"), 1)),
		} {
			if !errors.Is(err, dynamo.ErrCorrupt) || !strings.Contains(err.Error(), "bad") {
				t.Errorf("%s: %s returned %v", name, what, err)
			}
		}
		add := s.Commit(t.Context(), state.Put(key("other"), nil), state.Add(key("bad"), 1))
		if !errors.Is(add, dynamo.ErrCorrupt) && !(errors.Is(add, state.ErrInvalid) && c.change["count"] == nil) && name != "count is broken" {
			t.Errorf("%s: Add returned %v", name, add)
		}
		put := s.Commit(t.Context(), state.Put(key("bad"), []byte("new")))
		if c.putPasses != (put == nil) || put != nil && !errors.Is(put, dynamo.ErrCorrupt) {
			t.Errorf("%s: Put returned %v", name, put)
		}
		commit(t, s, state.Delete(key("bad")), state.Delete(key("other")))
	}
}

// TestLongExpired: what is written with an expiry of long ago is still one that
// DynamoDB's clean-up takes, which leaves alone what is older than five years.
func TestLongExpired(t *testing.T) {
	client := newClient(t, nil)
	table := newTable(t, client)
	c := newClock()
	s := openStore(t, dynamo.Options{Client: client, Table: table, Now: c.Now})
	past := time.Unix(-5, 0)
	commit(t, s, state.Put(key("put"), nil).Until(past), state.Create(key("create"), nil).Until(past),
		state.Add(key("add"), 1).Until(past))
	out, err := client.Query(t.Context(), &dynamodb.QueryInput{TableName: &table,
		KeyConditions: map[string]types.Condition{"space": {
			ComparisonOperator: types.ComparisonOperatorEq, AttributeValueList: []types.AttributeValue{text("space")},
		}}})
	if err != nil || len(out.Items) != 3 {
		t.Fatalf("the table holds %v, %v", out, err)
	}
	for _, item := range out.Items {
		expires, _ := strconv.ParseInt(item["expires"].(*types.AttributeValueMemberN).Value, 10, 64)
		if age := c.Now().Sub(time.Unix(expires, 0)); age < 365*24*time.Hour || age > 5*365*24*time.Hour {
			t.Errorf("%v expired %v ago", item["id"], age)
		}
	}
	for _, id := range []string{"put", "create", "add"} {
		want(t, s, key(id), "", 0)
	}
}
