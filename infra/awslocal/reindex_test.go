package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"oipnode/infra/lambdalocal/sandbox"
)

// holding is a proxy in front of OpenSearch that keeps the first reads of documents
// waiting for ever; reached is closed when there is one.
func holding(t *testing.T, engine string, reads int64, reached chan struct{}) string {
	t.Helper()
	u, err := url.Parse(engine)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(u) }}
	var seen atomic.Int64
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !strings.HasSuffix(q.URL.Path, "/_mget") || seen.Add(1) > reads {
			proxy.ServeHTTP(w, q)
			return
		}
		_, _ = io.Copy(io.Discard, q.Body) // so that the server sees the client go
		if seen.Load() == 1 {
			close(reached)
		}
		select {
		case <-q.Context().Done():
		case <-over:
		}
	}))
	t.Cleanup(func() {
		close(over)
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL
}

// reindexed is what the task reindex answers.
type reindexed struct {
	Reindexed, Again  bool
	Documents, Copied int64
}

// maintain starts the function maintenance before an engine.
func (d *deployment) maintain(engine string, timeout time.Duration) *sandbox.Sandbox {
	d.Helper()
	f := d.function("maintenance")
	f.Timeout, f.Env = timeout, append(f.Env, "OPENSEARCH_ENDPOINT="+engine)
	s, err := sandbox.Start(d.Context(), f)
	if err != nil {
		d.Fatal(err)
	}
	return s
}

// TestReindexInParts: a re-index that needs longer than its function may take says so in
// time, keeps nobody from writing, and the next one ends it. One that is killed leaves an
// index that the next cycle opens again.
func TestReindexInParts(t *testing.T) {
	d := deploy(t)
	keepdb := d.start("keepdb")
	d.invoke(keepdb, event(t, "keepdb.json"), nil)
	all := documents(d)

	slow := d.maintain(holding(t, d.options.OpenSearch, 1000, make(chan struct{})), 12*time.Second)
	defer slow.Close()
	var r reindexed
	d.invoke(slow, event(t, "maintenance-reindex.json"), &r)
	if r.Reindexed || !r.Again {
		t.Errorf("a re-index whose time was over answers %+v", r)
	}
	var c cycle
	if d.invoke(keepdb, event(t, "keepdb.json"), &c); c.Skipped != "" {
		t.Errorf("the next cycle was skipped: the lease was not given up")
	}
	if blocked(t, d) {
		t.Error("the index takes no writes between two parts")
	}
	r = reindexed{}
	if d.invoke(d.start("maintenance"), event(t, "maintenance-reindex.json"), &r); !r.Reindexed || r.Again || r.Documents != all || documents(d) != all {
		t.Errorf("the second part: %+v of %d documents", r, all)
	}

	reached := make(chan struct{})
	killed := d.maintain(holding(t, d.options.OpenSearch, 1000, reached), time.Minute)
	defer killed.Close()
	ctx, kill := context.WithCancel(t.Context())
	go func() {
		<-reached
		kill()
	}()
	if _, err := killed.Invoke(ctx, event(t, "maintenance-reindex.json")); !errors.Is(err, context.Canceled) {
		t.Fatalf("the invocation that was killed ended with %v", err)
	}
	if !blocked(t, d) {
		t.Fatal("a killed re-index left the index open: the test shows nothing")
	}
	expireLease(t, d)
	c = cycle{}
	if d.invoke(keepdb, event(t, "keepdb.json"), &c); c.Skipped != "" || blocked(t, d) {
		t.Errorf("the cycle behind a kill: %+v, blocked %v", c, blocked(t, d))
	}
	if documents(d) != all {
		t.Errorf("%d documents, want %d", documents(d), all)
	}
}

// blocked reports whether the index in use takes no writes.
func blocked(t *testing.T, d *deployment) bool {
	t.Helper()
	res, err := http.Get(d.options.OpenSearch + "/" + d.options.Name + "-w/_settings/index.blocks.write?flat_settings=true")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %v %s", res.StatusCode, err, text)
	}
	return strings.Contains(string(text), `"index.blocks.write":"true"`)
}

// expireLease has the lease of a killed process run out.
func expireLease(t *testing.T, d *deployment) {
	t.Helper()
	table := d.options.Table()
	_, err := dynamodb.NewFromConfig(d.options.AWS).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		"space": &types.AttributeValueMemberS{Value: "lease"}, "id": &types.AttributeValueMemberS{Value: "keepdb"},
		"version": &types.AttributeValueMemberN{Value: "1"}, "value": &types.AttributeValueMemberB{Value: []byte("killed")},
		"expires": &types.AttributeValueMemberN{Value: strconv.FormatInt(time.Now().Add(-time.Second).Unix(), 10)},
	}})
	if err != nil {
		t.Fatal(err)
	}
}
