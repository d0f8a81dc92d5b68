package dynamo_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

// removal is a record of a stream as Lambda hands it over, for an item that the table's
// time to live removed.
const removal = `{"eventID":"2f0cce2f6c5f1e2d7a0f5b1c0d9e8f7a","eventName":"REMOVE","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"eu-west-1",` +
	`"dynamodb":{"ApproximateCreationDateTime":1772370123.0,"Keys":{"space":{"S":"space"},"id":{"S":"a/1"}},` +
	`"OldImage":{"space":{"S":"space"},"id":{"S":"a/1"},"version":{"N":"7"},"value":{"B":"c2VjcmV0"},"expires":{"N":"1772370000"}},` +
	`"SequenceNumber":"4421584500000000017450439091","SizeBytes":59,"StreamViewType":"NEW_AND_OLD_IMAGES"},` +
	`"eventSourceARN":"arn:aws:dynamodb:eu-west-1:000000000000:table/state/stream/2026-03-01T00:00:00.000",` +
	`"userIdentity":{"principalId":"dynamodb.amazonaws.com","type":"Service"}}`

func TestParseChange(t *testing.T) {
	want := dynamo.Change{
		Key: state.Key{Space: "space", ID: "a/1"}, Sequence: "4421584500000000017450439091",
		Expired: true, Expires: time.Unix(1772370000, 0).UTC(),
	}
	if got, err := dynamo.ParseChange([]byte(removal)); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	// What a process did is a change, and nobody's expiry.
	want.Expired, want.Expires = false, time.Time{}
	for name, change := range map[string]string{
		"a user's delete":   strings.Replace(removal, `"userIdentity":{"principalId":"dynamodb.amazonaws.com","type":"Service"}`, `"userIdentity":null`, 1),
		"another service":   strings.Replace(removal, "dynamodb.amazonaws.com", "replication.dynamodb.amazonaws.com", 1),
		"somebody's name":   strings.Replace(removal, `"type":"Service"`, `"type":"User"`, 1),
		"a write":           strings.Replace(removal, "REMOVE", "MODIFY", 1),
		"without any image": `{"eventName":"INSERT","eventSource":"aws:dynamodb","dynamodb":{"SequenceNumber":"4421584500000000017450439091","Keys":{"id":{"S":"a/1"},"space":{"S":"space"}}}}`,
	} {
		if got, err := dynamo.ParseChange([]byte(change)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestParseChangeRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, says string }{
		{`{"eventID"`, `{eventID`, "no JSON"},
		{removal, `[]`, "no JSON"},
		{removal, `{}`, "eventSource"},
		{"aws:dynamodb", "aws:sqs", "eventSource"},
		{"4421584500000000017450439091", "", "SequenceNumber"},
		{"4421584500000000017450439091", "shardId-1", "SequenceNumber"},
		{"4421584500000000017450439091", strings.Repeat("1", 41), "SequenceNumber"},
		{`"Keys":{"space":{"S":"space"},`, `"Keys":{`, "Keys"},
		{`"Keys":{"space":{"S":"space"}`, `"Keys":{"space":{"N":"1"}`, "Keys"},
		{`"Keys":{"space":{"S":"space"}`, `"Keys":{"space":{"S":""}`, "Keys"},
		{`"Keys":{"space":{"S":"space"}`, `"Keys":{"space":{"S":"` + strings.Repeat("x", 600) + `"}`, "Keys"},
		{`"OldImage"`, `"NewImage"`, "NEW_AND_OLD_IMAGES"},
		{`"OldImage":{"space":{"S":"space"}`, `"OldImage":{"space":{"S":"other"}`, "another item"},
		{`"expires":{"N":"1772370000"}`, `"expires":{"S":"1772370000"}`, `no "expires"`},
		{"1772370000", "-5", "seconds"},
		{"1772370000", "soon", "seconds"},
	} {
		if !strings.Contains(removal, c.old) {
			t.Fatalf("%q is not in the record", c.old)
		}
		got, err := dynamo.ParseChange([]byte(strings.Replace(removal, c.old, c.new, 1)))
		if !errors.Is(err, dynamo.ErrRecord) || !strings.Contains(err.Error(), c.says) || got != (dynamo.Change{}) {
			t.Errorf("%.40q for %.40q: %+v, %v, want %q", c.new, c.old, got, err, c.says)
		}
		if err != nil && (strings.Contains(err.Error(), "c2VjcmV0") || len(err.Error()) > 200) {
			t.Errorf("the error quotes the item: %v", err)
		}
	}
}

// FuzzParseChange: any text is a record of the stream or refused, and what is taken has
// a key that the store takes and a number.
func FuzzParseChange(f *testing.F) {
	for _, seed := range []string{removal, `{}`, `null`, `{"eventSource":"aws:dynamodb","dynamodb":{"Keys":null}}`,
		strings.Replace(removal, "1772370000", "1e9", 1), strings.Replace(removal, "space", `\ud800`, 2)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		c, err := dynamo.ParseChange(record)
		if err != nil {
			if !errors.Is(err, dynamo.ErrRecord) || c != (dynamo.Change{}) {
				t.Errorf("%+v, %v", c, err)
			}
			return
		}
		if state.CheckGet([]state.Key{c.Key}) != nil || c.Sequence == "" || c.Expired != !c.Expires.IsZero() {
			t.Errorf("%+v", c)
		}
	})
}
