package s3_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"oipnode/infra/engines"
	"oipnode/shared/media/s3"
)

// misbehaviour is what a proxy does to a request instead of passing it on.
type misbehaviour struct {
	// status and code are the answer.
	status int
	code   string
	// cut ends the connection without an answer; hold gives none until the client
	// gives up.
	cut, hold bool
	// done lets the engine do the request first.
	done bool
	// after lets so many bytes of the answer's body through before it misbehaves.
	after int64
	// spoil changes the first byte of the request's body, garble that of the answer's.
	spoil, garble bool
	// late passes the second half of the request's body on when this is closed, though
	// nobody waits for the answer any more.
	late chan struct{}
}

// proxy is an HTTP server in front of the engine. It passes on what rule does not
// speak of.
type proxy struct {
	engine    string
	transport http.Transport
	opts      s3.Options

	mu   sync.Mutex
	rule func(n int, operation string) *misbehaviour
	seen []string // the operations since the last rule, in order
}

// newProxy returns a proxy, a store that is opened through it, a client that goes
// past it, and the bucket.
func newProxy(t testing.TB, opts s3.Options) (*proxy, *s3.Store, *awss3.Client, string) {
	t.Helper()
	p := &proxy{engine: engines.S3.URL(t)}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.Close()
		p.transport.CloseIdleConnections()
	})
	direct := newClient(t)
	opts.Bucket = newBucket(t, direct)
	opts.Client = newClient(t, func(o *awss3.Options) { o.BaseEndpoint = aws.String(server.URL) })
	p.opts = opts
	return p, openStore(t, opts), direct, opts.Bucket
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

// operations are the requests since the last rule.
func (p *proxy) operations() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.seen...)
}

func (p *proxy) judge(r *http.Request) misbehaviour {
	operation := operationOf(r)
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

// operationOf is what S3 calls a request.
func operationOf(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodHead:
		return "HeadObject"
	case r.Method == http.MethodGet && q.Has("uploads"):
		return "ListMultipartUploads"
	case r.Method == http.MethodGet && q.Has("list-type"):
		return "ListObjectsV2"
	case r.Method == http.MethodGet:
		return "GetObject"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return "AbortMultipartUpload"
	case r.Method == http.MethodDelete:
		return "DeleteObject"
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Method == http.MethodPost:
		return "CompleteMultipartUpload"
	case q.Has("partNumber") && r.Header.Get("X-Amz-Copy-Source") != "":
		return "UploadPartCopy"
	case q.Has("partNumber"):
		return "UploadPart"
	case r.Header.Get("X-Amz-Copy-Source") != "":
		return "CopyObject"
	default:
		return "PutObject"
	}
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	m := p.judge(r)
	if m.spoil && len(body) > 0 {
		body[0] ^= 1
	}
	var answer *http.Response
	if m == (misbehaviour{}) || m.done || m.after > 0 || m.spoil || m.garble {
		if answer, err = p.pass(r, body); err != nil {
			panic(http.ErrAbortHandler)
		}
		defer answer.Body.Close()
	}
	switch {
	case m.late != nil:
		p.passLate(r, body, m.late)
		panic(http.ErrAbortHandler)
	case m.after > 0:
		p.copyHead(w, answer)
		_, _ = io.CopyN(w, answer.Body, m.after)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		if m.hold {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	case m.hold:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case m.cut:
		panic(http.ErrAbortHandler)
	case m.status != 0:
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(m.status)
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, "<Error><Code>"+m.code+"</Code><Message>the token SECRET is bad</Message></Error>")
		}
	case m.garble:
		content, err := io.ReadAll(answer.Body)
		if err != nil || len(content) == 0 {
			panic(http.ErrAbortHandler)
		}
		content[0] ^= 1
		p.copyHead(w, answer)
		_, _ = w.Write(content)
	default:
		p.copyHead(w, answer)
		_, _ = io.Copy(w, answer.Body)
	}
}

// pass sends a request to the engine as it was signed.
func (p *proxy) pass(r *http.Request, body []byte) (*http.Response, error) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, p.engine+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header, out.Host = r.Header.Clone(), r.Host
	return p.transport.RoundTrip(out)
}

// passLate is pass with the second half of the body when late is closed.
func (p *proxy) passLate(r *http.Request, body []byte, late <-chan struct{}) {
	reader, writer := io.Pipe()
	go func() {
		_, err := writer.Write(body[:len(body)/2])
		<-late
		if err == nil {
			_, err = writer.Write(body[len(body)/2:])
		}
		_ = writer.CloseWithError(err)
	}()
	out := r.Clone(context.WithoutCancel(r.Context()))
	out.RequestURI, out.Body, out.ContentLength = "", reader, int64(len(body))
	out.URL.Scheme, out.URL.Host = "http", strings.TrimPrefix(p.engine, "http://")
	if answer, err := p.transport.RoundTrip(out); err == nil {
		_ = answer.Body.Close()
	}
}

func (p *proxy) copyHead(w http.ResponseWriter, answer *http.Response) {
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
}

// count is how many of the operations have this name.
func count(operations []string, name string) int {
	return strings.Count(" "+strings.Join(operations, "  ")+" ", " "+name+" ")
}

// patience is short, so that a test sees its end.
const patience = 400 * time.Millisecond

// briefly are options with a short patience. How long one request may take is not among
// them: the engine's answers must come also on a busy machine.
func briefly() s3.Options { return s3.Options{Patience: patience} }
