package sqs_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"oipnode/shared/jobs/sqs"
)

// nowhere is a client of an engine that is not there.
func nowhere(t testing.TB) *awssqs.Client {
	return newClient(t, func(o *awssqs.Options) { o.BaseEndpoint = aws.String("http://127.0.0.1:1") })
}

// event is what Lambda invokes a function with, in its own form.
const event = `{"Records": [
	{"messageId": "059f36b4-87a3-44ab-83d2-661975830a7d", "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
	 "body": "{\"did\":\"did:arweave:x\"}", "attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1545082649183",
	 "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": "1545082649185"}, "messageAttributes": {},
	 "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3", "eventSource": "aws:sqs",
	 "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue", "awsRegion": "us-east-2"},
	{"messageId": "2", "receiptHandle": "b", "body": "x", "attributes": {"ApproximateReceiveCount": "-1", "SentTimestamp": "soon"}},
	{"messageId": "3", "receiptHandle": "c", "body": "y"}]}`

// TestFromEvent: an event as AWS sends it, and attributes that say nothing.
func TestFromEvent(t *testing.T) {
	var e events.SQSEvent
	if err := json.Unmarshal([]byte(event), &e); err != nil {
		t.Fatal(err)
	}
	batch := sqs.FromEvent(e)
	if len(batch) != 3 {
		t.Fatalf("%d jobs", len(batch))
	}
	if j := batch[0]; j.ID != "059f36b4-87a3-44ab-83d2-661975830a7d" || string(j.Body) != `{"did":"did:arweave:x"}` ||
		j.Receipt != "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a" || j.Attempt != 3 || !j.Sent.Equal(time.UnixMilli(1545082649183)) {
		t.Errorf("the first job is %+v", j)
	}
	for _, j := range batch[1:] {
		if j.Attempt != 1 || !j.Sent.IsZero() || j.ID == "" || len(j.Body) != 1 {
			t.Errorf("a job without numbers is %+v", j)
		}
	}
}

// TestFailures: Lambda reads the list by these names, and that there is one.
func TestFailures(t *testing.T) {
	for want, failed := range map[string][]string{
		`{"batchItemFailures":[]}`: nil,
		`{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}`: {"a", "b"},
	} {
		if got, err := json.Marshal(sqs.Failures(failed)); err != nil || string(got) != want {
			t.Errorf("the answer is %s, %v, want %s", got, err, want)
		}
	}
}

// FuzzFromEvent: whatever the attributes say, each message is a job of its own.
func FuzzFromEvent(f *testing.F) {
	f.Add("3", "1545082649183", "x")
	f.Add("", "", "")
	f.Add("99999999999999999999", "-1", "\xff")
	f.Fuzz(func(t *testing.T, count, sent, body string) {
		m := events.SQSMessage{MessageId: "id", Body: body, ReceiptHandle: "r", Attributes: map[string]string{"ApproximateReceiveCount": count, "SentTimestamp": sent}}
		batch := sqs.FromEvent(events.SQSEvent{Records: []events.SQSMessage{m, m}})
		if len(batch) != 2 {
			t.Fatalf("%d jobs", len(batch))
		}
		for _, j := range batch {
			if j.Attempt < 1 || j.Sent.Before(time.Time{}) || string(j.Body) != body || j.ID != "id" || j.Receipt != "r" {
				t.Errorf("%q, %q became %+v", count, sent, j)
			}
		}
	})
}
