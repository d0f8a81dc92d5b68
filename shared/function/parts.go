package function

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/opensearch-project/opensearch-go/v2/signer"
	"github.com/opensearch-project/opensearch-go/v2/signer/awsv2"

	"oipnode/shared/config"
	"oipnode/shared/errs"
	"oipnode/shared/jobs/sqs"
	"oipnode/shared/memory"
	"oipnode/shared/metrics"
	"oipnode/shared/records"
	"oipnode/shared/records/opensearch"
	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
	"oipnode/shared/trace"
)

// openTime bounds the opening of the stores in one invocation.
const openTime = 10 * time.Second

// Parts are what a function's handler is made of. They are opened when they are first
// asked for and stay open; what could not be opened is tried again by the next
// invocation. Safe for concurrent use.
type Parts struct {
	Config config.Config
	Log    *slog.Logger
	// Metrics are written at the end of each invocation.
	Metrics metrics.Recorder
	// Memory watches over the process while an invocation runs.
	Memory *memory.Monitor
	// Writes says that the function makes the index when there is none, and looks whether
	// the table is as it must be. The roles of the others do not allow it, and a process
	// that starts should not begin with questions whose answer is always the same.
	Writes bool

	aws     aws.Config
	state   once[state.Store]
	records once[records.Store]
}

// Stores are the two stores, open.
type Stores struct {
	Records records.Store
	State   state.Store
}

func newParts(c config.Config, a aws.Config, m metrics.Recorder, log *slog.Logger) *Parts {
	watched := memory.New(memory.Options{
		Read: memory.Reader{Function: c.AWS.FunctionMemory}.Read, Thresholds: memory.Thresholds(c.Memory), Log: log,
	})
	return &Parts{Config: c, Log: log, Metrics: m, Memory: watched, aws: a}
}

// Stores opens OpenSearch and the DynamoDB table.
func (p *Parts) Stores(ctx context.Context) (s Stores, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	if s.State, err = p.State(ctx); err != nil {
		return Stores{}, err
	}
	s.Records, err = p.Records(ctx)
	return s, err
}

// Records opens OpenSearch alone.
func (p *Parts) Records(ctx context.Context) (records.Store, error) {
	s, err := p.records.get(ctx, p.openRecords)
	if err != nil {
		return nil, Unavailable("the record store", "OPENSEARCH_ENDPOINT", err)
	}
	return s, nil
}

// State opens the DynamoDB table alone, for a function that has no business with records.
func (p *Parts) State(ctx context.Context) (state.Store, error) {
	s, err := p.state.get(ctx, p.openState)
	if err != nil {
		return nil, Unavailable("the state store", "STATE_TABLE", err)
	}
	return s, nil
}

func (p *Parts) openState(ctx context.Context) (state.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	s, err := dynamo.Open(ctx, dynamo.Options{Client: dynamodb.NewFromConfig(p.aws), Table: p.Config.AWS.StateTable,
		Trusted: !p.Writes, Log: p.Log})
	if err != nil {
		return nil, err // not s: an interface that holds a nil pointer is not nil
	}
	return s, nil
}

func (p *Parts) openRecords(ctx context.Context) (records.Store, error) {
	c := p.Config.AWS
	sign, err := p.signer()
	if err != nil {
		return nil, err
	}
	s, err := opensearch.Open(ctx, opensearch.Options{
		Endpoints: []string{c.OpenSearchEndpoint}, Signer: sign, Prefix: c.OpenSearchIndex, Existing: !p.Writes,
		Transport: trace.HTTP("OpenSearch", opensearch.Transport()), Shards: c.OpenSearchShards, Replicas: c.OpenSearchReplicas, Log: p.Log,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Queue is the SQS queue at an address, with that of its dead letters, or "" for who buries
// nothing. Nothing is asked of it yet.
func (p *Parts) Queue(url, deadURL string) (*sqs.Queue, error) {
	return sqs.New(sqs.Options{Client: awssqs.NewFromConfig(p.aws), URL: url, DeadURL: deadURL})
}

// retryAfter is when a client may ask again that met a store that could not be opened.
const retryAfter = 5 * time.Second

// Unavailable is the error of a part that could not be opened: the caller reads which,
// the log which variable and why.
func Unavailable(part, variable string, err error) error {
	return errs.E(errs.Unavailable, part+" cannot be reached", fmt.Errorf("%s: %w", variable, err)).After(retryAfter)
}

// signer signs the requests to a domain of the OpenSearch service with the function's
// role. Whoever runs OpenSearch without the service's access control has plain HTTP,
// where a signature is of no use.
func (p *Parts) signer() (signer.Signer, error) {
	if !strings.HasPrefix(p.Config.AWS.OpenSearchEndpoint, "https://") {
		return nil, nil
	}
	return awsv2.NewSignerWithService(p.aws, "es")
}

// AWS is the SDK's own configuration, for a client that only one function has.
func (p *Parts) AWS() aws.Config { return p.aws }

// close closes what was opened.
func (p *Parts) close() error {
	var errs []error
	if s, ok := p.records.value(); ok {
		errs = append(errs, s.Close())
	}
	if s, ok := p.state.value(); ok {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// once makes a value once, as soon as that succeeds.
type once[T any] struct {
	mu   sync.Mutex
	made bool
	it   T
}

func (o *once[T]) get(ctx context.Context, make func(context.Context) (T, error)) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.made {
		return o.it, nil
	}
	it, err := make(ctx)
	o.it, o.made = it, err == nil
	return it, err
}

func (o *once[T]) value() (T, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.it, o.made
}
