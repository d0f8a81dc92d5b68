package sqs_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go/logging"
	"go.uber.org/goleak"

	"oipnode/infra/engines"
	"oipnode/shared/awsclient"
	"oipnode/shared/jobs"
	"oipnode/shared/jobs/jobstest"
	"oipnode/shared/jobs/sqs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const maxReceives = 4

func TestQueue(t *testing.T) {
	client := newClient(t)
	var deadURLs sync.Map // by queue
	jobstest.Run(t, jobstest.Harness{
		Open: func(t *testing.T) jobs.Queue {
			url, deadURL := newQueues(t, client)
			q := openQueue(t, sqs.Options{Client: client, URL: url, DeadURL: deadURL})
			deadURLs.Store(q, deadURL)
			return q
		},
		Dead: func(t *testing.T, q jobs.Queue) []jobstest.Dead {
			url, _ := deadURLs.Load(q)
			return dead(t, client, url.(string))
		},
		MaxReceives: maxReceives,
	})
}

// newClient returns a client of the engine with connections of its own.
func newClient(t testing.TB, options ...func(*awssqs.Options)) *awssqs.Client {
	t.Helper()
	cfg := engines.SQS.AWS(t)
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	cfg.HTTPClient = awsclient.HTTP(&http.Client{Transport: transport})
	return awssqs.NewFromConfig(cfg, append([]func(*awssqs.Options){func(o *awssqs.Options) {
		o.Logger = logging.Nop{} // the tests cut connections, which the SDK warns of
	}}, options...)...)
}

// newQueues makes a queue with its dead letter queue, which the test's end removes.
func newQueues(t testing.TB, client *awssqs.Client) (url, deadURL string) {
	t.Helper()
	name := "jobs-" + rand.Text()
	deadURL = newQueue(t, client, name+"-dead", nil)
	out, err := client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{QueueUrl: &deadURL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatal(err)
	}
	policy := fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%q}`, out.Attributes["QueueArn"], strconv.Itoa(maxReceives))
	return newQueue(t, client, name, map[string]string{"RedrivePolicy": policy}), deadURL
}

func newQueue(t testing.TB, client *awssqs.Client, name string, attributes map[string]string) string {
	t.Helper()
	out, err := client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteQueue(context.WithoutCancel(t.Context()), &awssqs.DeleteQueueInput{QueueUrl: out.QueueUrl}); err != nil {
			t.Errorf("remove the queue of the test: %v", err)
		}
	})
	return *out.QueueUrl
}

func openQueue(t testing.TB, opts sqs.Options) *sqs.Queue {
	t.Helper()
	q, err := sqs.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// dead reads all dead letters and leaves them there.
func dead(t testing.TB, client *awssqs.Client, url string) (list []jobstest.Dead) {
	t.Helper()
	var receipts []*string
	for {
		out, err := client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 60, MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			break
		}
		for _, m := range out.Messages {
			attempt, _ := strconv.Atoi(aws.ToString(m.MessageAttributes[sqs.AttemptAttribute].StringValue)) // 0 where SQS made it
			list = append(list, jobstest.Dead{
				Body: aws.ToString(m.Body), Reason: aws.ToString(m.MessageAttributes[sqs.ReasonAttribute].StringValue),
				Job: aws.ToString(m.MessageAttributes[sqs.JobAttribute].StringValue), Attempt: attempt,
			})
			receipts = append(receipts, m.ReceiptHandle)
		}
	}
	for _, receipt := range receipts {
		if _, err := client.ChangeMessageVisibility(t.Context(), &awssqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: receipt}); err != nil {
			t.Fatal(err)
		}
	}
	return list
}
