package iam

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"go.uber.org/goleak"

	"oipnode/infra/engines"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record serves a proxy before an engine, with a client whose connections end with the
// test.
func record(t *testing.T, r *Recorder, s Service, engine string) (url string, client *http.Client) {
	t.Helper()
	handler, closeIdle, err := r.Proxy(s, engine)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		closeIdle()
	})
	return server.URL, &http.Client{Transport: transport}
}

// through is an SDK configuration whose requests pass the proxy.
func through(t *testing.T, r *Recorder, s Service, e engines.Engine) aws.Config {
	t.Helper()
	c := e.AWS(t)
	url, client := record(t, r, s, e.URL(t))
	c.BaseEndpoint, c.HTTPClient = &url, client
	return c
}

// seen checks what a Recorder has noted.
func seen(t *testing.T, r *Recorder, want ...string) {
	t.Helper()
	if got := r.Actions(); !slices.Equal(got, want) {
		t.Errorf("actions %q, want %q", got, want)
	}
	if got := r.Unknown(); len(got) > 0 {
		t.Errorf("unknown requests: %q", got)
	}
}

func unique(prefix string) *string {
	return aws.String(prefix + strings.ToLower(rand.Text()[:12]))
}

func TestDynamoDB(t *testing.T) {
	r := NewRecorder()
	// Only what AWS_ENDPOINT_URL_DYNAMODB would do: the proxy takes the engine's place.
	cfg := through(t, r, DynamoDB, engines.DynamoDB)
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.BaseEndpoint = cfg.BaseEndpoint
		o.DisableValidateResponseChecksum = true // DynamoDB Local sends a wrong one with errors
	})
	table := unique("iam-")
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: table, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
	})
	if err != nil {
		t.Fatal(err)
	}
	key := func(id string) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}}
	}
	_, err = client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: table, Item: key("a")}},
		{ConditionCheck: &types.ConditionCheck{TableName: table, Key: key("b"), ConditionExpression: aws.String("attribute_not_exists(id)")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
		{Get: &types.Get{TableName: table, Key: key("a")}}}})
	if err != nil || len(got.Responses) != 1 || got.Responses[0].Item == nil {
		t.Fatalf("what went through the proxy is not there: %v, %v", got, err)
	}
	if _, err := client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: table}); err != nil {
		t.Error(err)
	}
	seen(t, r, "dynamodb:ConditionCheckItem", "dynamodb:CreateTable", "dynamodb:DeleteTable", "dynamodb:GetItem", "dynamodb:PutItem")
}

// The S3 server checks signatures, so it shows that the proxy changes nothing of a
// request that was signed.
func TestS3(t *testing.T) {
	r := NewRecorder()
	cfg := through(t, r, S3, engines.S3)
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle = cfg.BaseEndpoint, true
	})
	bucket, key := unique("iam-"), aws.String("a key/ä")
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("media "), 100_000)
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
	out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	back, err := io.ReadAll(out.Body)
	_ = out.Body.Close()
	if err != nil || !bytes.Equal(back, body) {
		t.Errorf("%d bytes came back of %d: %v", len(back), len(body), err)
	}
	if _, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: bucket}); err != nil {
		t.Error(err)
	}
	upload, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: bucket, Key: key, UploadId: upload.UploadId})
	if err != nil {
		t.Error(err)
	}
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: key}); err != nil {
		t.Error(err)
	}
	// The folder that a key with a slash lies in may outlive its object in this server.
	if _, err := client.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: bucket}); err != nil {
		t.Error(err)
	}
	seen(t, r, "s3:AbortMultipartUpload", "s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject")
}

// The requests are written by hand, in the protocol of the SDK: nothing else here needs
// its client for queues.
func TestSQS(t *testing.T) {
	r := NewRecorder()
	url, client := record(t, r, SQS, engines.SQS.URL(t))
	call := func(operation string, in map[string]any) (out struct{ QueueUrl string }) {
		t.Helper()
		body, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/x-amz-json-1.0")
		q.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
		res, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s, %v", operation, res.Status, text, err)
		}
		if len(text) > 0 {
			if err := json.Unmarshal(text, &out); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	queue := call("CreateQueue", map[string]any{"QueueName": *unique("iam-")}).QueueUrl
	call("SendMessageBatch", map[string]any{"QueueUrl": queue, "Entries": []any{map[string]any{"Id": "1", "MessageBody": "{}"}}})
	call("DeleteQueue", map[string]any{"QueueUrl": queue})
	seen(t, r, "sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SendMessage")
}

func TestOpenSearch(t *testing.T) {
	r := NewRecorder()
	url, client := record(t, r, OpenSearch, engines.OpenSearch.URL(t))
	index := url + "/" + *unique("iam-")
	for _, c := range []struct{ method, url, body string }{
		{http.MethodPut, index, `{}`}, {http.MethodGet, index + "/_search?size=0", ``}, {http.MethodHead, index, ``}, {http.MethodDelete, index, ``},
	} {
		q, err := http.NewRequestWithContext(t.Context(), c.method, c.url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/json")
		res, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s %s: %s", c.method, c.url, res.Status)
		}
	}
	seen(t, r, "es:ESHttpDelete", "es:ESHttpGet", "es:ESHttpHead", "es:ESHttpPut")
}

// TestSSM has no engine, but a server that answers one parameter: it is the client's
// request that counts.
func TestSSM(t *testing.T) {
	var host string
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		host = q.Host
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = io.WriteString(w, `{"Parameter":{"Name":"/oip/key","Type":"SecureString","Value":"v"}}`)
	}))
	t.Cleanup(engine.Close)
	r := NewRecorder()
	url, client := record(t, r, SSM, engine.URL)
	s := ssm.New(ssm.Options{Region: "eu-central-1", BaseEndpoint: &url, HTTPClient: client,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, nil
		})})
	out, err := s.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/oip/key"), WithDecryption: aws.Bool(true)})
	if err != nil || aws.ToString(out.Parameter.Value) != "v" {
		t.Fatalf("%v, %v", out, err)
	}
	if "http://"+host != url {
		t.Errorf("the engine was called by the host %s, and the client signed %s", host, url)
	}
	seen(t, r, "ssm:GetParameter")
}

func TestProxyRefuses(t *testing.T) {
	for _, c := range []struct {
		service Service
		engine  string
	}{
		{DynamoDB, ""}, {DynamoDB, "127.0.0.1:8000"}, {DynamoDB, "ftp://127.0.0.1"}, {DynamoDB, "http://127.0.0.1/path"},
		{DynamoDB, "http://%"}, {"sts", "http://127.0.0.1"}, {"", "http://127.0.0.1"},
	} {
		if _, _, err := NewRecorder().Proxy(c.service, c.engine); err == nil || !strings.Contains(err.Error(), "must be") && !strings.Contains(err.Error(), "no rules") {
			t.Errorf("%s %q: %v", c.service, c.engine, err)
		}
	}
}

// What the engine never gets was not done; what it does not answer is a 502.
func TestProxyFaults(t *testing.T) {
	engine := httptest.NewServer(http.NotFoundHandler())
	engine.Close()
	r := NewRecorder()
	url, client := record(t, r, DynamoDB, engine.URL)
	post := func(body io.Reader) int {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("X-Amz-Target", "DynamoDB_20120810."+strings.Repeat("x", 2*maxNoted)+"!")
		res, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if status := post(io.LimitReader(zeros{}, maxBody+1)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over the bound: %d", status)
	}
	if len(r.Unknown()) != 0 {
		t.Error("a request that was refused is noted")
	}
	if status := post(strings.NewReader("{}")); status != http.StatusBadGateway {
		t.Errorf("an engine that is down: %d", status)
	}
	if u := r.Unknown(); len(u) != 1 || len(u[0]) > maxNoted+len("…") {
		t.Errorf("an operation without rules is noted as %q", u)
	}
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
