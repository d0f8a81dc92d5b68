package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"oipnode/infra/lambdalocal/sandbox"
)

// slowGateway answers nothing for longer than a test's function may take.
func slowGateway(t *testing.T) string {
	t.Helper()
	done := make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-done:
		}
	}), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() {
		close(done)
		_ = server.Close()
	})
	return l.Addr().String()
}

// closed is the URL of a port that nobody listens at.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return "http://" + l.Addr().String()
}

// TestMisconfigured: what an operator can get wrong ends in one line that names the
// variable; callers of the API learn which part is away, and no more.
func TestMisconfigured(t *testing.T) {
	d := deploy(t)
	client := dynamodb.NewFromConfig(d.options.AWS)
	plain := d.options.Name + "-plain"
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &plain, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("space"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("id"), KeyType: types.KeyTypeRange}},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("space"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &plain}); err != nil {
			t.Error(err)
		}
	})
	for _, c := range []struct {
		name  string
		env   string
		log   []string // what the line names
		reply string   // what a caller of the API reads
	}{
		{"no such table", "STATE_TABLE=" + d.options.Name + "-absent", []string{"STATE_TABLE", d.options.Name + "-absent"}, "the state store cannot be reached"},
		{"a table without its TTL", "STATE_TABLE=" + plain, []string{"STATE_TABLE", "time to live"}, "the state store cannot be reached"},
		{"a wrong endpoint", "OPENSEARCH_ENDPOINT=" + closed(t), []string{"OPENSEARCH_ENDPOINT"}, "cannot be reached"},
		{"an endpoint of something else", "OPENSEARCH_ENDPOINT=" + d.options.DynamoDB, []string{"OPENSEARCH_ENDPOINT"}, "cannot be reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &journal{}
			f := d.function("keepdb")
			f.Env, f.Logs = append(f.Env, c.env), log
			s, err := sandbox.Start(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r, err := s.Invoke(t.Context(), []byte(`{}`))
			if err != nil || r.Status != sandbox.StatusError {
				t.Fatalf("%v, %s %s", err, r.Status, r.Payload)
			}
			lines := log.errorLines()
			if len(lines) != 1 {
				t.Fatalf("%d lines: %s", len(lines), log)
			}
			for _, want := range c.log {
				if !strings.Contains(lines[0], want) {
					t.Errorf("%q is not in %s", want, lines[0])
				}
			}
			f = d.function("api")
			f.Env, f.Logs = append(f.Env, c.env), log
			api, err := sandbox.Start(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			defer api.Close()
			r, err = api.Invoke(t.Context(), event(t, "api-get.json"))
			if err != nil {
				t.Fatal(err)
			}
			var answer struct {
				StatusCode int
				Body       string
				Headers    map[string]string
			}
			if err := json.Unmarshal(r.Payload, &answer); err != nil || answer.StatusCode != 503 || !strings.Contains(answer.Body, c.reply) {
				t.Errorf("%v: %s", err, r.Payload)
			}
			if strings.Contains(answer.Body, "STATE_TABLE") || strings.Contains(answer.Body, "127.0.0.1") || strings.Contains(answer.Body, d.options.Name) {
				t.Errorf("the answer tells of the inside: %s", answer.Body)
			}
		})
	}
}

// TestFaultsAtStart: a configuration with several mistakes names all of them before
// anything else happens.
func TestFaultsAtStart(t *testing.T) {
	d := deploy(t)
	f := d.function("keepdb")
	f.Env = []string{"START_HEIGHT=-1", "LOG_LEVEL=loud"}
	_, err := sandbox.Start(t.Context(), f)
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"START_HEIGHT", "LOG_LEVEL", "OPENSEARCH_ENDPOINT", "STATE_TABLE"} {
		if !strings.Contains(d.log.String(), want) {
			t.Errorf("%s is not named: %s", want, d.log)
		}
	}
	f = d.function("keepdb")
	f.Env = append(f.Env, "ARWEAVE_GATEWAYS=sample")
	if _, err := sandbox.Start(t.Context(), f); err == nil || !strings.Contains(d.log.String(), "only the local node has") {
		t.Errorf("%v: %s", err, d.log)
	}
}

// TestHeldLease: while another runner holds the lease, a cycle is skipped, which is no
// fault; when the lease has run out, the next cycle does its work.
func TestHeldLease(t *testing.T) {
	d := deploy(t)
	client := dynamodb.NewFromConfig(d.options.AWS)
	table := d.options.Table()
	hold := func(until time.Time) {
		t.Helper()
		_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
			"space": &types.AttributeValueMemberS{Value: "lease"}, "id": &types.AttributeValueMemberS{Value: "keepdb"},
			"version": &types.AttributeValueMemberN{Value: "1"}, "value": &types.AttributeValueMemberB{Value: []byte("somebody else")},
			"expires": &types.AttributeValueMemberN{Value: strconv.FormatInt(until.Unix(), 10)},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	s := d.start("keepdb")
	hold(time.Now().Add(time.Hour))
	var c cycle
	if d.invoke(s, []byte(`{}`), &c); c.Skipped == "" {
		t.Errorf("not skipped: %+v", c)
	}
	hold(time.Now().Add(-time.Second))
	c = cycle{}
	if d.invoke(s, []byte(`{}`), &c); c.Skipped != "" || !c.Report.Complete {
		t.Errorf("skipped although the lease had run out: %+v", c)
	}
	if lines := d.log.errorLines(); len(lines) > 0 {
		t.Errorf("errors were logged: %s", lines)
	}
}
