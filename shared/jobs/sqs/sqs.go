// Package sqs is the job queue of a node on AWS: a standard SQS queue, and a second
// one for its dead letters.
//
// On AWS the functions mostly see one side of it. Whoever has work calls Send; Lambda
// receives, and invokes a function with what it received, which FromEvent turns into
// jobs for jobs.Batch; Lambda deletes those that the function does not report as
// failed. Receive and Ack are for tools, and for jobs.Work.
//
// # The queues
//
// The queue needs a redrive policy to the dead letter queue, with a maxReceiveCount
// above jobs.Options.MaxAttempts: it catches what Bury does not, jobs that kill their
// receiver, and gives no reason. Its visibility timeout must be longer than the
// function's, SQS asks for six times as long. A job is kept for the queue's retention,
// so that of the dead letters should be the longest, 14 days. Its own delay and its own
// wait stay at 0, as they are by default: a Send without a delay, and a Receive without
// a wait, mean what the queue is set to.
//
// Bury sends the body to the dead letter queue with the attributes "reason", "job"
// and "attempt", and then deletes the job. If it fails in between, the job comes back
// and may be buried twice.
//
// # Faults
//
// The client's own retries are not used. Each request has its own time
// (Options.Attempt) and is repeated after growing pauses for Options.Patience; then
// the call ends with jobs.ErrUnavailable. A Send whose answer was lost is repeated as
// well, so the job may be there twice, which receivers must bear anyway.
//
// # Permissions
//
// On the queue: sqs:SendMessage for who sends; sqs:ReceiveMessage, sqs:DeleteMessage
// and sqs:GetQueueAttributes for Lambda's event source and for Work, with
// sqs:ChangeMessageVisibility for Extend. On the dead letter queue: sqs:SendMessage
// for Bury. Stats needs sqs:GetQueueAttributes on both.
//
// With AWS_CA_BUNDLE in the environment the SDK's LoadDefaultConfig refuses a plain
// *http.Client as an option: set the HTTPClient of the configuration afterwards.
package sqs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"oipnode/shared/jobs"
)

var (
	// ErrQueue is returned when there is no queue at an address.
	ErrQueue = errors.New("sqs: the queue cannot be used")
	// ErrRefused is returned when the credentials are not accepted or do not permit
	// the request that the text names.
	ErrRefused = errors.New("sqs: AWS refused the request")
)

// The attributes of a dead letter.
const (
	ReasonAttribute  = "reason"
	JobAttribute     = "job"
	AttemptAttribute = "attempt"
)

// Options are the settings of a Queue. Client and URL must be set.
type Options struct {
	// Client is not closed with the queue. Its own retries are not used.
	Client *sqs.Client
	// URL is the queue's address.
	URL string
	// DeadURL is that of the queue of dead letters. Without it Bury fails with
	// ErrQueue, and Stats counts none: for who only sends.
	DeadURL string
	// Patience is how long a request is repeated; 0 means 20 seconds.
	Patience time.Duration
	// Attempt is how long one request may take, besides what it waits for jobs; 0
	// means 5 seconds.
	Attempt time.Duration
}

// Queue is a jobs.Queue on SQS. Make it with New. It holds nothing open, so it needs
// no Close.
type Queue struct {
	client            *sqs.Client
	url, deadURL      string
	patience, attempt time.Duration
}

var _ jobs.Queue = (*Queue)(nil)

// New returns the queue at an address. It asks nothing of the network: a queue that
// is not there is ErrQueue of the first call.
func New(opts Options) (*Queue, error) {
	switch {
	case opts.Client == nil:
		return nil, errors.New("open job queue: no client")
	case opts.URL == "":
		return nil, errors.New("open job queue: no address")
	case opts.URL == opts.DeadURL:
		return nil, errors.New("open job queue: the queue of the dead letters is the queue itself")
	}
	return &Queue{
		client: opts.Client, url: opts.URL, deadURL: opts.DeadURL,
		patience: cmp.Or(opts.Patience, 20*time.Second), attempt: cmp.Or(opts.Attempt, 5*time.Second),
	}, nil
}

// Send implements jobs.Queue.
func (q *Queue) Send(ctx context.Context, body []byte, delay time.Duration) (id string, err error) {
	if err := cmp.Or(jobs.CheckSend(body, delay), ctx.Err()); err != nil {
		return "", err
	}
	in := &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String(string(body)), DelaySeconds: jobs.Seconds(delay)}
	err = q.do(ctx, "SendMessage", 0, func(ctx context.Context) error {
		out, err := q.client.SendMessage(ctx, in, once)
		if err == nil {
			id = aws.ToString(out.MessageId)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("send: %w", err)
	}
	return id, nil
}

// Receive implements jobs.Queue.
func (q *Queue) Receive(ctx context.Context, max int, wait, visibility time.Duration) (batch []jobs.Job, err error) {
	if err := cmp.Or(jobs.CheckReceive(max, wait, visibility), ctx.Err()); err != nil {
		return nil, err
	}
	in := &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: int32(max), WaitTimeSeconds: jobs.Seconds(wait), VisibilityTimeout: jobs.Seconds(visibility),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
		},
	}
	var out *sqs.ReceiveMessageOutput
	err = q.do(ctx, "ReceiveMessage", wait, func(ctx context.Context) (err error) {
		out, err = q.client.ReceiveMessage(ctx, in, once)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	for _, m := range out.Messages {
		batch = append(batch, newJob(aws.ToString(m.MessageId), aws.ToString(m.Body), aws.ToString(m.ReceiptHandle), m.Attributes))
	}
	return batch, nil
}

// newJob is a message as a job. Attributes that are not there, or no numbers, make it
// a first attempt that was sent at no known time.
func newJob(id, body, receipt string, attributes map[string]string) jobs.Job {
	j := jobs.Job{ID: id, Body: []byte(body), Receipt: receipt, Attempt: 1}
	if n, err := strconv.Atoi(attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil && n > 0 {
		j.Attempt = n
	}
	if ms, err := strconv.ParseInt(attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil && ms > 0 {
		j.Sent = time.UnixMilli(ms)
	}
	return j
}

// Extend implements jobs.Queue.
func (q *Queue) Extend(ctx context.Context, receipt string, visibility time.Duration) error {
	if err := cmp.Or(jobs.CheckExtend(visibility), checkReceipt(receipt), ctx.Err()); err != nil {
		return err
	}
	in := &sqs.ChangeMessageVisibilityInput{QueueUrl: &q.url, ReceiptHandle: &receipt, VisibilityTimeout: jobs.Seconds(visibility)}
	err := q.do(ctx, "ChangeMessageVisibility", 0, func(ctx context.Context) error {
		_, err := q.client.ChangeMessageVisibility(ctx, in, once)
		return err
	})
	if err != nil {
		return fmt.Errorf("extend: %w", err)
	}
	return nil
}

// maxReceipt is longer than any receipt of SQS.
const maxReceipt = 4 << 10

// checkReceipt refuses what SQS could not have made.
func checkReceipt(receipt string) error {
	if receipt == "" || len(receipt) > maxReceipt {
		return fmt.Errorf("%w: it has %d bytes", jobs.ErrReceipt, len(receipt))
	}
	return nil
}

// Bury implements jobs.Queue.
func (q *Queue) Bury(ctx context.Context, j jobs.Job, reason string) error {
	if err := cmp.Or(checkReceipt(j.Receipt), ctx.Err()); err != nil {
		return err
	}
	if q.deadURL == "" {
		return fmt.Errorf("bury: %w: no queue of dead letters is set", ErrQueue)
	}
	text := func(value string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	in := &sqs.SendMessageInput{
		QueueUrl: &q.deadURL, MessageBody: aws.String(string(j.Body)),
		MessageAttributes: map[string]types.MessageAttributeValue{
			ReasonAttribute: text(jobs.CleanReason(reason)), JobAttribute: text(cmp.Or(j.ID, "unknown")), AttemptAttribute: text(strconv.Itoa(j.Attempt)),
		},
	}
	err := q.do(ctx, "SendMessage", 0, func(ctx context.Context) error {
		_, err := q.client.SendMessage(ctx, in, once)
		return err
	})
	if err == nil {
		err = q.Ack(ctx, j.Receipt)
	}
	if err != nil {
		return fmt.Errorf("bury: %w", err)
	}
	return nil
}

// Stats implements jobs.Queue.
func (q *Queue) Stats(ctx context.Context) (jobs.Stats, error) {
	if err := ctx.Err(); err != nil {
		return jobs.Stats{}, err
	}
	visible, running, delayed, err := q.count(ctx, q.url)
	if err != nil {
		return jobs.Stats{}, fmt.Errorf("stats: %w", err)
	}
	s := jobs.Stats{Waiting: visible + delayed, Running: running}
	if q.deadURL != "" {
		visible, running, delayed, err := q.count(ctx, q.deadURL)
		if err != nil {
			return jobs.Stats{}, fmt.Errorf("stats of the dead letters: %w", err)
		}
		s.Dead = visible + running + delayed
	}
	return s, nil
}

func (q *Queue) count(ctx context.Context, url string) (visible, running, delayed int64, err error) {
	names := []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	var out *sqs.GetQueueAttributesOutput
	err = q.do(ctx, "GetQueueAttributes", 0, func(ctx context.Context) (err error) {
		out, err = q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names}, once)
		return err
	})
	if err != nil {
		return 0, 0, 0, err
	}
	numbers := make([]int64, len(names))
	for i, name := range names {
		if numbers[i], err = strconv.ParseInt(out.Attributes[string(name)], 10, 64); err != nil {
			return 0, 0, 0, fmt.Errorf("%w: GetQueueAttributes: %s is no number", jobs.ErrUnavailable, name)
		}
	}
	return numbers[0], numbers[1], numbers[2], nil
}
