package stack

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// maxReceives is the maxReceiveCount of the template's queue.
const maxReceives = 5

// hasMedia says whether there are engines for media.
func (o Options) hasMedia() bool { return o.S3 != "" && o.SQS != "" }

// Bucket, Queue and DeadLetters are the names of what holds the media and their jobs.
func (o Options) Bucket() string      { return o.Name + "-media" }
func (o Options) Queue() string       { return o.Name + "-media-jobs" }
func (o Options) DeadLetters() string { return o.Name + "-media-dead" }

// S3Client is a client of the S3 server.
func (o Options) S3Client() *s3.Client {
	return s3.NewFromConfig(o.AWS, func(p *s3.Options) { p.UsePathStyle, p.BaseEndpoint = true, &o.S3 })
}

// SQSClient is a client of the SQS server, by default the one that AWS names.
func (o Options) SQSClient() *sqs.Client {
	return sqs.NewFromConfig(o.AWS, func(p *sqs.Options) {
		if o.SQS != "" {
			p.BaseEndpoint = &o.SQS
		}
	})
}

// makeMedia makes the bucket and the queues, as far as they are not there.
func (s *Stack) makeMedia(ctx context.Context) error {
	bucket := s.opt.Bucket()
	_, err := s.opt.S3Client().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	var mine *s3types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &mine) {
		return fmt.Errorf("bucket %s: %w", bucket, err)
	}
	client := s.opt.SQSClient()
	queue := func(name string, attributes map[string]string) (string, error) {
		out, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			return "", fmt.Errorf("queue %s: %w", name, err)
		}
		return aws.ToString(out.QueueUrl), nil
	}
	if s.deadLetters, err = queue(s.opt.DeadLetters(), nil); err != nil {
		return err
	}
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &s.deadLetters, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return fmt.Errorf("queue %s: %w", s.opt.DeadLetters(), err)
	}
	policy := fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%q}`, out.Attributes["QueueArn"], strconv.Itoa(maxReceives))
	s.queue, err = queue(s.opt.Queue(), map[string]string{"RedrivePolicy": policy})
	return err
}

// mediaEnviron is what the functions find in their environment about media.
func (s *Stack) mediaEnviron() []string {
	if !s.opt.hasMedia() {
		return nil
	}
	return []string{
		"AWS_ENDPOINT_URL_S3=" + s.opt.S3, "AWS_ENDPOINT_URL_SQS=" + s.opt.SQS,
		"MEDIA_BUCKET=" + s.opt.Bucket(), "MEDIA_QUEUE_URL=" + s.queue, "MEDIA_DEAD_LETTERS_URL=" + s.deadLetters,
	}
}

// deleteMedia removes bucket and queues with what is in them; they may be gone already.
func deleteMedia(ctx context.Context, o Options) error {
	if !o.hasMedia() {
		return nil
	}
	return errors.Join(deleteBucket(ctx, o), deleteQueues(ctx, o, o.Queue(), o.DeadLetters()))
}

func deleteBucket(ctx context.Context, o Options) error {
	client, bucket := o.S3Client(), o.Bucket()
	var absent *s3types.NoSuchBucket
	for {
		page, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
		if errors.As(err, &absent) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("stack: empty the bucket: %w", err)
		}
		for _, object := range page.Contents {
			if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: object.Key}); err != nil {
				return fmt.Errorf("stack: empty the bucket: %w", err)
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			break
		}
	}
	if _, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket}); err != nil && !errors.As(err, &absent) {
		return fmt.Errorf("stack: delete the bucket: %w", err)
	}
	return nil
}

func deleteQueues(ctx context.Context, o Options, names ...string) error {
	client := o.SQSClient()
	for _, name := range names {
		out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
		var absent *sqstypes.QueueDoesNotExist
		if errors.As(err, &absent) {
			continue
		}
		if err == nil {
			_, err = client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
		}
		if err != nil {
			return fmt.Errorf("stack: delete the queue %s: %w", name, err)
		}
	}
	return nil
}
