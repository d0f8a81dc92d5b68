package dynamo_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"oipnode/infra/engines"
	"oipnode/shared/state/dynamo"
)

// misbehaviour is what a proxy does to a request instead of passing it on.
type misbehaviour struct {
	// status and body are the answer, and the engine hears of nothing.
	status int
	body   string
	// cut ends the connection without an answer; hold gives none until the client
	// gives up.
	cut, hold bool
	// done lets the engine do the request first.
	done bool
	// keep keeps the request, to be sent with release.
	keep bool
}

// code is DynamoDB's answer with an error code. The message is one that must not
// get out.
func code(name string) misbehaviour {
	status := 400
	if name == "InternalServerError" || name == "ServiceUnavailable" {
		status = 500
	}
	return misbehaviour{status: status, body: `{"__type":"com.amazonaws.dynamodb.v20120810#` + name + `","message":"the token SECRET is bad"}`}
}

// cancelled is DynamoDB's answer for a transaction that it cancelled.
func cancelled(reasons ...string) misbehaviour {
	list := make([]string, len(reasons))
	for i, r := range reasons {
		list[i] = `{"Code":"` + r + `","Message":"because"}`
	}
	return misbehaviour{status: 400, body: `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",` +
		`"Message":"cancelled","CancellationReasons":[` + strings.Join(list, ",") + `]}`}
}

// proxy is an HTTP server in front of the engine. It passes on what rule does not
// speak of.
type proxy struct {
	t         testing.TB
	engine    string
	transport http.Transport
	opts      dynamo.Options

	mu   sync.Mutex
	rule func(n int, operation string) *misbehaviour
	seen []string // the operations since the last rule, in order
	kept []*http.Request
}

// newProxy returns a proxy, and a store that is opened through it.
func newProxy(t testing.TB, opts dynamo.Options) (*proxy, *dynamo.Store) {
	t.Helper()
	p := &proxy{t: t, engine: engines.DynamoDB.URL(t)}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.Close()
		p.transport.CloseIdleConnections()
	})
	opts.Table = newTable(t, newClient(t, nil))
	opts.Client = newClient(t, nil, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(server.URL) })
	p.opts = opts
	return p, openStore(t, opts)
}

// open opens the same table once more.
func (p *proxy) open(ctx context.Context) (*dynamo.Store, error) { return dynamo.Open(ctx, p.opts) }

// set gives the proxy a rule and forgets what was seen. The rule is asked with
// the number of the request, from 1.
func (p *proxy) set(rule func(n int, operation string) *misbehaviour) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule, p.seen = rule, nil
}

// first makes the first n requests misbehave.
func (p *proxy) first(n int, m misbehaviour) {
	p.set(func(i int, _ string) *misbehaviour {
		if i <= n {
			return &m
		}
		return nil
	})
}

// operations are the requests since the last rule.
func (p *proxy) operations() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.seen...)
}

// release sends the requests that were kept and returns how they ended.
func (p *proxy) release() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var statuses []int
	for _, r := range p.kept {
		answer, err := p.transport.RoundTrip(r)
		if err != nil {
			p.t.Fatalf("send what was kept: %v", err)
		}
		if err := answer.Body.Close(); err != nil {
			p.t.Fatal(err)
		}
		statuses = append(statuses, answer.StatusCode)
	}
	p.kept = nil
	return statuses
}

// judge notes a request and says how it goes on.
func (p *proxy) judge(r *http.Request) misbehaviour {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, operation)
	if p.rule != nil {
		if m := p.rule(len(p.seen), operation); m != nil {
			return *m
		}
	}
	return misbehaviour{}
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	m := p.judge(r)
	send := func(ctx context.Context) *http.Request {
		out, err := http.NewRequestWithContext(ctx, r.Method, p.engine+r.URL.Path, bytes.NewReader(body))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		out.Header = r.Header.Clone()
		return out
	}
	if m.keep {
		p.mu.Lock()
		p.kept = append(p.kept, send(context.WithoutCancel(r.Context())))
		p.mu.Unlock()
	}
	var answer *http.Response
	if m == (misbehaviour{}) || m.done {
		answer, err = p.transport.RoundTrip(send(context.WithoutCancel(r.Context())))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer answer.Body.Close()
	}
	switch {
	case m.hold:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case m.cut, m.keep:
		panic(http.ErrAbortHandler)
	case m.status != 0:
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(m.status)
		_, _ = io.WriteString(w, m.body)
	default:
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}
}

// logged is a log whose text can be read.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// patience is short, so that a test sees its end.
const patience = 300 * time.Millisecond

// briefly are options with a short patience. How long one request may take is not among
// them: the engine's answers must come also on a busy machine.
func briefly() dynamo.Options { return dynamo.Options{Patience: patience} }
