package relay

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/errs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal is a log that several goroutines write.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// node is a node in front of a relay, both real servers.
type node struct {
	*testing.T
	url    string
	relay  *Relay
	client *http.Client
	log    *journal
	// failed gets the error of each call that was answered with one.
	failed chan error
}

// maxBody bounds the body of a request at the node.
const maxBody = 1 << 20

// serve starts a node in front of a relay that h is.
func serve(t *testing.T, h http.HandlerFunc, change ...func(*Options)) *node {
	t.Helper()
	upstream := httptest.NewServer(h)
	t.Cleanup(upstream.Close)
	return front(t, upstream.URL+"/gun", change...)
}

// front starts a node in front of the relay at a URL.
func front(t *testing.T, url string, change ...func(*Options)) *node {
	t.Helper()
	n := &node{T: t, log: &journal{}, failed: make(chan error, 64)}
	o := Options{URL: url, UserAgent: "oipnode/test", Log: slog.New(slog.NewJSONHandler(n.log, nil))}
	for _, c := range change {
		c(&o)
	}
	var err error
	if n.relay, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.relay.Close)
	server := httptest.NewServer(http.HandlerFunc(n.handle))
	t.Cleanup(server.Close)
	n.url, n.client = server.URL, server.Client()
	return n
}

// handle is what the API does with the two calls.
func (n *node) handle(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	var err error
	if r.URL.Path == "/gun-relay/put" {
		err = n.relay.Put(w, r)
	} else {
		err = n.relay.Get(w, r, r.URL.Query().Get("soul"))
	}
	if err == nil {
		return
	}
	n.failed <- err
	w.WriteHeader(errs.Status(err))
	_, _ = io.WriteString(w, errs.Public(err))
}

// reply is an answer that has been read.
type reply struct {
	*http.Response
	body string
	err  error // of reading the body
}

// do sends a request, and reads the answer as far as it comes.
func (n *node) do(method, path string, body io.Reader, headers ...string) reply {
	n.Helper()
	req, err := http.NewRequestWithContext(n.Context(), method, n.url+path, body)
	if err != nil {
		n.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := n.client.Do(req)
	if err != nil {
		n.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return reply{resp, string(text), err}
}

func (n *node) get(soul string) reply {
	n.Helper()
	return n.do(http.MethodGet, "/gun-relay/get?soul="+soul, nil)
}

// refused: the answer is the error of a kind, with nothing of its cause in it.
func (n *node) refused(r reply, kind *errs.Kind, private ...string) error {
	n.Helper()
	err := <-n.failed
	if !errors.Is(err, kind) || r.StatusCode != errs.Status(kind) {
		n.Errorf("status %d, %v, want %v", r.StatusCode, err, kind)
	}
	for _, p := range private {
		if strings.Contains(r.body, p) {
			n.Errorf("%q tells %q", r.body, p)
		}
	}
	return err
}

// whenSilent gives a relay that falls silent little time for it, and every other one
// more than a busy machine needs.
func whenSilent(name string) func(*Options) {
	if strings.HasPrefix(name, "silent") {
		return shortIdle
	}
	return func(*Options) {}
}

func shortIdle(o *Options) { o.Idle = time.Second }
