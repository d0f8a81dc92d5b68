package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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

// nowhere is an address that nobody listens at, whatever runs beside a test.
const nowhere = "127.0.0.1:1"

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
		{"no such table", "STATE_TABLE=" + d.options.Name + "-absent", []string{"STATE_TABLE", d.options.Name + "-absent"}, "cannot be reached"},
		{"a table without its TTL", "STATE_TABLE=" + plain, []string{"STATE_TABLE", "time to live"}, "cannot be reached"},
		{"a wrong endpoint", "OPENSEARCH_ENDPOINT=http://" + nowhere, []string{"OPENSEARCH_ENDPOINT"}, "cannot be reached"},
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

// refusing is a service that lets nobody in, in the words of AWS, which quote what must
// not come into a log.
func refusing(t *testing.T, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20))
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestMissingPermissions: a role that lacks something ends in one line that names the
// variable and that AWS has refused, without a word that AWS may have quoted; nothing is
// changed.
func TestMissingPermissions(t *testing.T) {
	const quoted = "the-session-token"
	denied := `{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"User: ` + quoted + ` is not authorized"}`
	d := deploy(t)
	d.invoke(d.start("keepdb"), []byte(`{}`), nil)
	stats := event(t, "maintenance-stats.json")
	before := d.invoke(d.start("maintenance"), stats, nil)
	for _, c := range []struct {
		name, function string
		env            []string
		says           []string
	}{
		{"the table", "keepdb", []string{"AWS_ENDPOINT_URL_DYNAMODB=" + refusing(t, denied)}, []string{"STATE_TABLE", "refused", "AccessDeniedException"}},
		{"the index", "keepdb", []string{"OPENSEARCH_ENDPOINT=" + refusing(t, `{"Message":"The security token `+quoted+` is invalid"}`)}, []string{"OPENSEARCH_ENDPOINT", "403"}},
		{"the key", "api", []string{"JWT_SECRET_PARAMETER=/oipnode/jwt", "AWS_ENDPOINT_URL_SSM=" + refusing(t, `{"__type":"InvalidSignatureException","message":"`+quoted+`"}`)},
			[]string{"JWT_SECRET_PARAMETER", "GetParameter", "InvalidSignatureException"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &journal{}
			f := d.function(c.function)
			f.Env, f.Logs = append(f.Env, c.env...), log
			s, err := sandbox.Start(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			input := []byte(`{}`)
			if c.function == "api" {
				input = event(t, "api-get.json")
			}
			r, err := s.Invoke(t.Context(), input)
			if err != nil || c.function == "keepdb" && r.Status != sandbox.StatusError || c.function == "api" && !strings.Contains(string(r.Payload), `"statusCode":503`) {
				t.Fatalf("%v, %s %s", err, r.Status, r.Payload)
			}
			lines := log.errorLines()
			if len(lines) != 1 {
				t.Fatalf("%d lines: %s", len(lines), log)
			}
			for _, want := range c.says {
				if !strings.Contains(lines[0], want) {
					t.Errorf("%q is not in %s", want, lines[0])
				}
			}
			if strings.Contains(log.String(), quoted) || strings.Contains(string(r.Payload), quoted) {
				t.Errorf("AWS's own words are in the log or the answer: %s", log)
			}
		})
	}
	if after := d.invoke(d.start("maintenance"), stats, nil); string(withoutMemory(t, before.Payload)) != string(withoutMemory(t, after.Payload)) {
		t.Errorf("state before:\n%s\nafter:\n%s", before.Payload, after.Payload)
	}
}

// TestTerm: a process that Lambda ends has its clean end, with nothing left unsaid.
func TestTerm(t *testing.T) {
	d := deploy(t)
	for _, name := range []string{"api", "keepdb", "cacherefresh", "maintenance", "expiry"} {
		s := d.start(name)
		if name == "cacherefresh" {
			d.invoke(s, []byte(`{}`), nil) // one with a store that is open
		}
		s.Close()
		if code, ok := s.Exit(); !ok || code != 0 {
			t.Errorf("%s ended with %d, %v\n%s", name, code, ok, d.log)
		}
	}
	if lines := d.log.errorLines(); len(lines) > 0 {
		t.Errorf("errors were logged: %s", lines)
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
