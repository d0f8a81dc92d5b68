package library_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"oipnode/infra/engines"
	"oipnode/shared/awsclient"
	"oipnode/shared/jobs/sqs"
	"oipnode/shared/library"
	"oipnode/shared/media/s3"
	"oipnode/shared/state/dynamo"
)

// eachWorld runs a test over the embedded stores and over the engines of AWS.
func eachWorld(t *testing.T, test func(t *testing.T, w *world), change ...func(*library.Options)) {
	t.Run("embedded", func(t *testing.T) { test(t, newWorld(t, change...)) })
	t.Run("aws", func(t *testing.T) { test(t, newCloud(t, change...)) })
}

// newCloud is a world over DynamoDB, S3 and SQS. Its clock is the real one, as the
// engines have their own.
func newCloud(t testing.TB, change ...func(*library.Options)) *world {
	t.Helper()
	cfg := engines.S3.AWS(t)
	engines.DynamoDB.URL(t)
	engines.SQS.URL(t)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	cfg.HTTPClient = awsclient.HTTP(&http.Client{Transport: transport})
	ctx := context.Background()
	name := "library-" + strings.ToLower(rand.Text()[:16])
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}

	tables := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true })
	must(dynamo.CreateTable(ctx, tables, name))
	t.Cleanup(func() {
		_, err := tables.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
		closed(t, err)
	})
	kept, err := dynamo.Open(ctx, dynamo.Options{Client: tables, Table: name})
	must(err)
	t.Cleanup(func() { closed(t, kept.Close()) })

	buckets := awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true })
	_, err = buckets.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &name})
	must(err)
	t.Cleanup(func() { empty(t, buckets, name) })
	objects, err := s3.New(s3.Options{Client: buckets, Bucket: name})
	must(err)

	queues := awssqs.NewFromConfig(cfg)
	made := func(name string, attributes map[string]string) string {
		out, err := queues.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		must(err)
		t.Cleanup(func() {
			_, err := queues.DeleteQueue(ctx, &awssqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
			closed(t, err)
		})
		return *out.QueueUrl
	}
	dead := made(name+"-dead", nil)
	out, err := queues.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &dead, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn}})
	must(err)
	url := made(name, map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"%d"}`, out.Attributes["QueueArn"], library.MaxAttempts+1)})
	q, err := sqs.New(sqs.Options{Client: queues, URL: url, DeadURL: dead})
	must(err)
	return worldOver(t, newClock(), stores{state: kept, media: objects, queue: cloudQueue{q, queues, dead}}, append([]func(*library.Options){func(o *library.Options) { o.Now = nil }}, change...)...)
}

// cloudQueue is SQS with a look at the dead letters.
type cloudQueue struct {
	*sqs.Queue
	client *awssqs.Client
	dead   string
}

func (q cloudQueue) deadReasons(t testing.TB) (reasons []string) {
	t.Helper()
	for {
		out, err := q.client.ReceiveMessage(context.Background(), &awssqs.ReceiveMessageInput{QueueUrl: &q.dead, MaxNumberOfMessages: 10, VisibilityTimeout: 60, MessageAttributeNames: []string{"All"}})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return reasons
		}
		for _, m := range out.Messages {
			reasons = append(reasons, aws.ToString(m.MessageAttributes[sqs.ReasonAttribute].StringValue))
		}
	}
}

// empty removes a bucket with what is in it.
func empty(t testing.TB, client *awss3.Client, bucket string) {
	ctx := context.Background()
	page, err := client.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		t.Error(err)
		return
	}
	for _, o := range page.Contents {
		_, err := client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &bucket, Key: o.Key})
		closed(t, err)
	}
	_, err = client.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: &bucket})
	closed(t, err)
}
