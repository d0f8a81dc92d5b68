package awssdk_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	"go.uber.org/goleak"

	"oipnode/infra/engines"
	"oipnode/shared/trace"
	"oipnode/shared/trace/awssdk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kept is a Recorder that keeps what it is told; its spans are flat.
type kept struct {
	mu    sync.Mutex
	spans []*span
}

type span struct {
	*kept
	service trace.Service
	name    string
	call    trace.Call
	notes   map[string]any
	ends    []trace.Outcome
}

func (k *kept) Start(s trace.Service, name string) (trace.Recorder, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	child := &span{kept: k, service: s, name: name, notes: make(map[string]any)}
	k.spans = append(k.spans, child)
	return child, true
}
func (k *kept) Annotate(string, any)           {}
func (k *kept) Call(trace.Call)                {}
func (k *kept) End(trace.Outcome)              {}
func (s *span) Annotate(key string, value any) { s.notes[key] = value }
func (s *span) Call(c trace.Call)              { s.call = c }
func (s *span) End(o trace.Outcome)            { s.ends = append(s.ends, o) }

// only is the only span, which has ended once with the outcome.
func (k *kept) only(t *testing.T, want trace.Outcome) *span {
	t.Helper()
	if len(k.spans) != 1 {
		t.Fatalf("%d spans, want 1", len(k.spans))
	}
	s := k.spans[0]
	if s.name != "DynamoDB" || s.service != trace.AWS || len(s.ends) == 0 || s.ends[0] != want {
		t.Errorf("%+v, want the outcome %+v", s, want)
	}
	return s
}

// client is one of the configuration, whose operations are spans.
func client(t *testing.T, c aws.Config) *dynamodb.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c.HTTPClient = &http.Client{Transport: transport}
	awssdk.Instrument(&c)
	return dynamodb.NewFromConfig(c, func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true })
}

func TestEngine(t *testing.T) {
	c := client(t, engines.DynamoDB.AWS(t))
	root := &kept{}
	ctx := trace.Into(t.Context(), root)
	if _, err := c.ListTables(ctx, &dynamodb.ListTablesInput{Limit: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	s := root.only(t, trace.Outcome{})
	if s.call.Operation != "ListTables" || s.call.Region == "" || s.call.RequestID == "" || s.call.Status != 200 || s.call.Retries != 0 || len(s.notes) != 0 {
		t.Errorf("%+v, %v", s.call, s.notes)
	}

	*root = kept{}
	table := "secret-" + rand.Text()
	_, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "secret"}}})
	if missing := new(types.ResourceNotFoundException); !errors.As(err, &missing) {
		t.Fatalf("%v: the error has changed on its way", err)
	}
	s = root.only(t, trace.Outcome{Code: "refused", Blame: trace.Caller})
	if s.call.Operation != "GetItem" || s.call.Status != 400 || s.notes["aws_error"] != "ResourceNotFoundException" || len(s.notes) != 1 {
		t.Errorf("%+v, %v", s.call, s.notes)
	}

	// What is not valid is not sent, and is a span all the same.
	*root = kept{}
	if _, err := c.GetItem(ctx, &dynamodb.GetItemInput{}); err == nil {
		t.Fatal("no error")
	}
	if s = root.only(t, trace.Outcome{Code: "internal", Blame: trace.Fault}); s.call.Status != 0 {
		t.Errorf("%+v", s.call)
	}
}

// One operation is one span, however often it is tried.
func TestRetries(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("X-Amzn-Requestid", "R1")
		_, _ = io.WriteString(w, `{"TableNames":[]}`)
	}))
	defer server.Close()
	c := client(t, aws.Config{
		Region: "eu-north-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	root := &kept{}
	if _, err := c.ListTables(trace.Into(t.Context(), root), nil); err != nil {
		t.Fatal(err)
	}
	want := trace.Call{Operation: "ListTables", Region: "eu-north-1", RequestID: "R1", Status: 200, Retries: 2}
	if s := root.only(t, trace.Outcome{}); s.call != want {
		t.Errorf("%+v, want %+v", s.call, want)
	}
}

// A panic below ends the span and goes on.
func TestPanics(t *testing.T) {
	c := aws.Config{Region: "eu-north-1", Credentials: aws.AnonymousCredentials{}}
	awssdk.Instrument(&c)
	failing := dynamodb.NewFromConfig(c, func(o *dynamodb.Options) {
		o.HTTPClient = doer(func(*http.Request) (*http.Response, error) { panic("private") })
	})
	root := &kept{}
	func() {
		defer func() {
			if v := recover(); v != "private" {
				t.Errorf("the panic became %v", v)
			}
		}()
		_, _ = failing.ListTables(trace.Into(t.Context(), root), nil)
	}()
	root.only(t, trace.Outcome{Code: trace.CodePanic, Blame: trace.Fault})
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// Without a Recorder the calls are as they were, and another configuration that shares
// the first one's options is not changed.
func TestInstrument(t *testing.T) {
	options := make([]func(*middleware.Stack) error, 0, 4)
	first := aws.Config{APIOptions: options}
	second := first
	awssdk.Instrument(&first)
	if len(second.APIOptions) != 0 || options[:1][0] != nil {
		t.Error("the options of another configuration have changed")
	}
	c := client(t, engines.DynamoDB.AWS(t))
	if _, err := c.ListTables(context.WithoutCancel(t.Context()), nil); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(operationID(t, first), "oipnode") {
		t.Error("the step is not the outermost")
	}
}

// operationID is the first step of a stack.
func operationID(t *testing.T, c aws.Config) string {
	t.Helper()
	stack := middleware.NewStack("x", func() any { return nil })
	if err := c.APIOptions[0](stack); err != nil {
		t.Fatal(err)
	}
	return stack.Initialize.List()[0]
}
