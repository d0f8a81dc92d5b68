package sqs_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"oipnode/infra/engines"
	"oipnode/shared/jobs/sqs"
)

// misbehaviour is what a proxy does to a request instead of passing it on.
type misbehaviour struct {
	// status and body are the answer.
	status int
	body   string
	// cut ends the connection without an answer; hold gives none until the client
	// gives up.
	cut, hold bool
	// done lets the engine do the request first.
	done bool
	// spoil changes the text "body" in the engine's answer.
	spoil bool
}

// code is SQS's answer with an error code. The message is one that must not get out.
func code(status int, name string) misbehaviour {
	return misbehaviour{status: status, body: `{"__type":"com.amazonaws.sqs#` + name + `","message":"the token SECRET is bad"}`}
}

// proxy is an HTTP server in front of the engine. It passes on what rule does not
// speak of.
type proxy struct {
	engine    string
	transport http.Transport
	// url and deadURL are the queue's.
	url, deadURL string
	// direct is a client that goes past the proxy, and through one that goes through it.
	direct, through *awssqs.Client

	mu   sync.Mutex
	rule func(n int, operation string) *misbehaviour
	seen []string // the operations since the last rule, in order
}

// newProxy returns a proxy, and a queue that is reached through it.
func newProxy(t testing.TB, opts sqs.Options) (*proxy, *sqs.Queue) {
	t.Helper()
	p := &proxy{engine: engines.SQS.URL(t), direct: newClient(t)}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.Close()
		p.transport.CloseIdleConnections()
	})
	p.url, p.deadURL = newQueues(t, p.direct)
	p.through = newClient(t, func(o *awssqs.Options) { o.BaseEndpoint = aws.String(server.URL) })
	return p, p.open(t, opts)
}

// open opens the same queue once more.
func (p *proxy) open(t testing.TB, opts sqs.Options) *sqs.Queue {
	t.Helper()
	opts.URL, opts.DeadURL, opts.Client = p.url, p.deadURL, p.through
	return openQueue(t, opts)
}

// set gives the proxy a rule and forgets what was seen. The rule is asked with the
// number of the request, from 1.
func (p *proxy) set(rule func(n int, operation string) *misbehaviour) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule, p.seen = rule, nil
}

// first makes the first n requests of an operation misbehave; "" stands for any.
func (p *proxy) first(n int, operation string, m misbehaviour) {
	met := 0
	p.set(func(_ int, op string) *misbehaviour {
		if operation != "" && op != operation {
			return nil
		}
		if met++; met > n {
			return nil
		}
		return &m
	})
}

// always makes every request misbehave.
func (p *proxy) always(m misbehaviour) {
	p.set(func(int, string) *misbehaviour { return &m })
}

// operations are the requests since the last rule.
func (p *proxy) operations() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.seen...)
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
	var answer *http.Response
	var content []byte
	if m == (misbehaviour{}) || m.done || m.spoil {
		out, err := http.NewRequestWithContext(r.Context(), r.Method, p.engine+r.URL.Path, bytes.NewReader(body))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		out.Header = r.Header.Clone()
		if answer, err = p.transport.RoundTrip(out); err != nil {
			panic(http.ErrAbortHandler)
		}
		defer answer.Body.Close()
		if content, err = io.ReadAll(answer.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case m.hold:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case m.cut:
		panic(http.ErrAbortHandler)
	case m.status != 0:
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(m.status)
		_, _ = io.WriteString(w, m.body)
	default:
		if m.spoil {
			content = bytes.ReplaceAll(content, []byte("body"), []byte("dody"))
		}
		w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(content)
	}
}

// patience is short, so that a test sees its end.
const patience = 400 * time.Millisecond

// briefly are options with a short patience. How long one request may take is not among
// them: the engine's answers must come also on a busy machine.
func briefly() sqs.Options { return sqs.Options{Patience: patience} }
