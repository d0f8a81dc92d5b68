// Package stack is what surrounds the functions on AWS, made of engines on this
// machine: the DynamoDB table, a name for the indexes in OpenSearch, a bucket and queues,
// and a gateway that serves the sample chain. Its Environ is what the template would set, so
// that the very binaries that ship run against it.
package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"oipnode/infra/sample"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/state/dynamo"
)

// Options are where the engines are.
type Options struct {
	// AWS has the region, the keys and the endpoints of DynamoDB and SQS.
	AWS aws.Config
	// DynamoDB, OpenSearch and SQS are base URLs, and so is S3; without it there are no
	// media.
	DynamoDB, OpenSearch, S3, SQS string
	// Name begins the names of the table, the queues and the indexes: lower-case letters,
	// digits and dashes.
	Name string
	// Gateways are live gateways, comma-separated; empty means the sample chain.
	Gateways string
	// Listen is where the sample chain is served, host:port; a port of 0 is a free one.
	Listen string
}

// Stack is ready when New has returned.
type Stack struct {
	opt      Options
	gateway  *http.Server
	served   chan struct{}
	gateways string
	gunQueue string // its URL
	// bootstrap is the sample's first registration; empty with live gateways.
	bootstrap string
	// queue and deadLetters are the addresses of the queues; empty without media.
	queue, deadLetters string
}

// New makes what is not there yet: everything in it may be from an earlier Stack of
// that name.
func New(ctx context.Context, o Options) (*Stack, error) {
	s := &Stack{opt: o, gateways: o.Gateways}
	if err := dynamo.CreateTable(ctx, dynamodb.NewFromConfig(o.AWS), o.Table()); err != nil {
		return nil, fmt.Errorf("stack: table %s: %w", o.Table(), err)
	}
	queue, err := o.SQSClient().CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(o.gunQueue())})
	if err != nil {
		return nil, fmt.Errorf("stack: queue %s: %w", o.gunQueue(), err)
	}
	s.gunQueue = aws.ToString(queue.QueueUrl)
	if o.hasMedia() {
		if err := s.makeMedia(ctx); err != nil {
			return nil, fmt.Errorf("stack: %w", err)
		}
	}
	if o.Gateways != "" {
		return s, nil
	}
	if err := s.serveSample(ctx); err != nil {
		return nil, fmt.Errorf("stack: sample chain: %w", err)
	}
	return s, nil
}

// serveSample serves the sample chain, with what its gateways unpack late.
func (s *Stack) serveSample(ctx context.Context) error {
	chain, err := sample.Load()
	if err != nil {
		return err
	}
	manifest, err := sample.ReadManifest()
	if err != nil {
		return err
	}
	chain.Step()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.opt.Listen)
	if err != nil {
		return err
	}
	s.gateway = &http.Server{Handler: gatewaysim.NewServer(chain, gatewaysim.Options{IndexesBundles: true}), ReadHeaderTimeout: 10 * time.Second}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		_ = s.gateway.Serve(l) // ends with Close
	}()
	s.gateways, s.bootstrap = "http://"+l.Addr().String(), manifest.Bootstrap
	return nil
}

// Table is the name of the DynamoDB table.
func (o Options) Table() string { return o.Name + "-state" }

func (o Options) gunQueue() string { return o.Name + "-gun" }

// GunQueue is the URL of the queue that starts the function gunsync, as nothing does
// here by itself.
func (s *Stack) GunQueue() string { return s.gunQueue }

// Environ is what the functions find in their environment, as NAME=value.
func (s *Stack) Environ(ctx context.Context) ([]string, error) {
	keys, err := s.opt.AWS.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("stack: keys: %w", err)
	}
	env := []string{
		"AWS_REGION=" + s.opt.AWS.Region,
		"AWS_ACCESS_KEY_ID=" + keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_DYNAMODB=" + s.opt.DynamoDB,
		"AWS_ENDPOINT_URL_SQS=" + s.opt.SQS,
		"OPENSEARCH_ENDPOINT=" + s.opt.OpenSearch,
		"OPENSEARCH_INDEX=" + s.opt.Name,
		"STATE_TABLE=" + s.opt.Table(),
		"GUN_QUEUE_URL=" + s.gunQueue,
		"ARWEAVE_GATEWAYS=" + s.gateways,
	}
	if s.bootstrap != "" {
		env = append(env, "BOOTSTRAP_CREATORS="+s.bootstrap)
	}
	return append(env, s.mediaEnviron()...), nil
}

// Close ends the gateway. What is stored stays.
func (s *Stack) Close() error {
	if s.gateway == nil {
		return nil
	}
	err := s.gateway.Close()
	<-s.served
	return err
}

// Delete removes what is stored: table, indexes, bucket and queues. All of it may be gone
// already.
func Delete(ctx context.Context, o Options) error {
	table := o.Table()
	_, err := dynamodb.NewFromConfig(o.AWS).DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &table})
	var absent *types.ResourceNotFoundException
	if errors.As(err, &absent) {
		err = nil
	}
	return errors.Join(err, deleteQueues(ctx, o, o.gunQueue()), deleteIndexes(ctx, o), deleteMedia(ctx, o))
}

// deleteIndexes removes the indexes of this name; the name has no wildcards in it.
func deleteIndexes(ctx context.Context, o Options) error {
	url := strings.TrimRight(o.OpenSearch, "/") + "/" + o.Name + "-*?ignore_unavailable=true&allow_no_indices=true"
	r, err := http.NewRequestWithContext(ctx, http.MethodDelete, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	if res.StatusCode >= 300 && res.StatusCode != http.StatusNotFound {
		return fmt.Errorf("stack: delete the indexes: status %d", res.StatusCode)
	}
	return nil
}
