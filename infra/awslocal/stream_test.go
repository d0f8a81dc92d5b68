package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/infra/template"
)

// tableStream reads the stream of a deployment's table in the place of Lambda, and
// hands its records over as the template's trigger says.
type tableStream struct {
	*deployment
	arn     string
	trigger template.Stream
	// at is where each shard goes on.
	at map[string]string
}

// followTable turns the stream of the table on, with what the template says of it.
func (d *deployment) followTable() *tableStream {
	d.Helper()
	deployed, err := template.Load("../../template.yaml")
	if err != nil {
		d.Fatal(err)
	}
	s := &tableStream{deployment: d, at: make(map[string]string)}
	if s.trigger, err = deployed.Stream("expiry"); err != nil {
		d.Fatal(err)
	}
	out, err := dynamodb.NewFromConfig(d.options.AWS).UpdateTable(d.Context(), &dynamodb.UpdateTableInput{
		TableName:           aws.String(d.options.Table()),
		StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages},
	})
	if err != nil {
		d.Fatal(err)
	}
	s.arn = aws.ToString(out.TableDescription.LatestStreamArn)
	return s
}

// call asks for an operation of DynamoDB Streams. The SDK's own client would decode the
// records, which Lambda hands over nearly as they come.
func (s *tableStream) call(operation string, in, out any) {
	s.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		s.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.options.DynamoDB, bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDBStreams_20120810."+operation)
	keys, err := s.options.AWS.Credentials.Retrieve(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(s.Context(), keys, r, hex.EncodeToString(sum[:]), "dynamodb", s.options.AWS.Region, time.Now()); err != nil {
		s.Fatal(err)
	}
	res, err := s.options.AWS.HTTPClient.Do(r)
	if err != nil {
		s.Fatalf("%s: %v", operation, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.Fatalf("%s: status %d, %v: %s", operation, res.StatusCode, err, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		s.Fatalf("%s: %v", operation, err)
	}
}

// next returns the records that are new, in the form of an event.
func (s *tableStream) next() (records []map[string]any) {
	s.Helper()
	var stream struct {
		StreamDescription struct{ Shards []struct{ ShardID string } }
	}
	s.call("DescribeStream", map[string]any{"StreamArn": s.arn}, &stream)
	for _, shard := range stream.StreamDescription.Shards {
		at, known := s.at[shard.ShardID]
		if !known {
			var it struct{ ShardIterator string }
			s.call("GetShardIterator", map[string]any{"StreamArn": s.arn, "ShardId": shard.ShardID, "ShardIteratorType": "TRIM_HORIZON"}, &it)
			at = it.ShardIterator
		}
		for at != "" {
			var page struct {
				Records           []map[string]any
				NextShardIterator string
			}
			s.call("GetRecords", map[string]any{"ShardIterator": at}, &page)
			at = page.NextShardIterator
			if len(page.Records) == 0 {
				break
			}
			for _, record := range page.Records {
				record["eventSourceARN"] = s.arn
				if by, ok := record["userIdentity"].(map[string]any); ok {
					record["userIdentity"] = map[string]any{"principalId": by["PrincipalId"], "type": by["Type"]}
				}
				records = append(records, record)
			}
		}
		s.at[shard.ShardID] = at
	}
	return records
}

// filtered are the records that the trigger's filter lets through.
func (s *tableStream) filtered(records []map[string]any) (list []map[string]any) {
	for _, record := range records {
		if s.trigger.Matches(record) {
			list = append(list, record)
		}
	}
	return list
}

// sequenceOf is the number of a record.
func sequenceOf(record map[string]any) string {
	about, _ := record["dynamodb"].(map[string]any)
	number, _ := about["SequenceNumber"].(string)
	return number
}

// eventOf is the event of a batch of records.
func eventOf(t testing.TB, records []map[string]any) []byte {
	t.Helper()
	event, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// failures is the answer of a function that a stream starts.
type failures struct {
	BatchItemFailures []struct{ ItemIdentifier string }
}

// deliver hands records over in batches, again from where the function asks for it, at
// most so many times, and returns how many calls that took.
func (s *tableStream) deliver(f *sandbox.Sandbox, records []map[string]any, attempts int) (calls int) {
	s.Helper()
	for len(records) > 0 {
		if calls++; calls > attempts {
			s.Fatalf("%d records are left after %d calls: %s", len(records), attempts, s.log)
		}
		batch := records[:min(len(records), s.trigger.BatchSize)]
		var answer failures
		s.invoke(f, eventOf(s, batch), &answer)
		done := len(batch)
		for _, failure := range answer.BatchItemFailures {
			found := false
			for i, record := range batch {
				if sequenceOf(record) == failure.ItemIdentifier {
					found, done = true, min(done, i)
				}
			}
			if !found { // Lambda takes it for a failure of the whole batch, for ever
				s.Fatalf("the function names the record %q, which it did not get", failure.ItemIdentifier)
			}
		}
		records = records[done:]
	}
	return calls
}
