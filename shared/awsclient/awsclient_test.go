package awsclient_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"

	"oipnode/shared/awsclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slow is a connection on which the write that brings the request's last byte does not
// return until the answer is being read.
type slow struct {
	net.Conn
	request []byte
	reading <-chan struct{}
}

func (c *slow) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.request = append(c.request, p[:n]...)
	if bytes.HasSuffix(c.request, []byte("}")) {
		<-c.reading
	}
	return n, err
}

// late tells when the SDK begins to read an answer, and lets whatever then happens to the
// connection happen first.
type late struct {
	io.ReadCloser
	begin func()
}

func (l late) Read(p []byte) (int, error) {
	l.begin()
	return l.ReadCloser.Read(p)
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// TestAnswerBeforeWritersEnd: an answer that comes before the request's writer has come to
// its end is read to the end of the answer, and the request is sent once.
func TestAnswerBeforeWritersEnd(t *testing.T) {
	value := strings.Repeat("v", 100_000)
	requests, reading := 0, make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		_, _ = io.Copy(io.Discard, r.Body)
		_ = http.NewResponseController(w).Flush()
		<-reading
		_, _ = io.WriteString(w, `{"Attributes":{"v":{"S":"`+value+`"}}}`)
	}))
	defer server.Close()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return &slow{Conn: c, reading: reading}, err
	}}
	defer transport.CloseIdleConnections()
	begin := sync.OnceFunc(func() {
		close(reading)
		time.Sleep(50 * time.Millisecond)
	})
	through := doer(func(r *http.Request) (*http.Response, error) {
		answer, err := transport.RoundTrip(r)
		if err == nil {
			answer.Body = late{answer.Body, begin}
		}
		return answer, err
	})
	client := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsclient.HTTP(through),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
	})
	item := func(v string) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{"v": &types.AttributeValueMemberS{Value: v}}
	}
	out, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("table"), Item: item(value)})
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := out.Attributes["v"].(*types.AttributeValueMemberS); !ok || got.Value != value || requests != 1 {
		t.Errorf("%d requests, %+.50v", requests, out.Attributes)
	}
}
