package xray

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-xray-sdk-go/xray"
	"go.uber.org/goleak"
)

// folder is where the test function is built.
var folder string

// binary builds the test function as a function is built that ships, when it is first
// needed: the workers of a fuzz test do without.
var binary = sync.OnceValues(func() (string, error) {
	file := filepath.Join(folder, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", file, "./testdata/bootstrap")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return file, nil
})

// daemon stands in the place of X-Ray's, for the test function and for this process.
var daemon *listener

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "xray"); err != nil {
		panic(err)
	}
	if daemon, err = listen(); err != nil {
		panic(err)
	}
	if err := sdk.Configure(sdk.Config{DaemonAddr: daemon.address()}); err != nil {
		panic(err)
	}
	code := m.Run()
	daemon.close()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	_ = os.RemoveAll(folder) // a temporary folder
	os.Exit(code)
}

// document is a subsegment as it is sent.
type document struct {
	TraceID     string  `json:"trace_id"`
	ID          string  `json:"id"`
	ParentID    string  `json:"parent_id"`
	Type        string  `json:"type"`
	Name        string  `json:"name"`
	Namespace   string  `json:"namespace"`
	Start       float64 `json:"start_time"`
	End         float64 `json:"end_time"`
	InProgress  bool    `json:"in_progress"`
	Fault       bool    `json:"fault"`
	Error       bool    `json:"error"`
	Throttle    bool    `json:"throttle"`
	Annotations map[string]any
	Metadata    map[string]map[string]any
	AWS         map[string]any
	HTTP        struct {
		Request  struct{ Method, URL string }
		Response struct{ Status int }
	}
	Cause       json.RawMessage
	Subsegments []json.RawMessage

	size int
}

// listener keeps what arrives.
type listener struct {
	conn *net.UDPConn
	done chan struct{}

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced when something arrives
	raw       bytes.Buffer
	documents []document
	malformed []string
}

func listen() (*listener, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	l := &listener{conn: conn, done: make(chan struct{}), changed: make(chan struct{})}
	go l.read()
	return l, nil
}

func (l *listener) address() string { return l.conn.LocalAddr().String() }

func (l *listener) read() {
	defer close(l.done)
	buf := make([]byte, 64<<10)
	for {
		n, _, err := l.conn.ReadFromUDP(buf)
		if err != nil {
			return // closed
		}
		var d document
		before, text, ok := bytes.Cut(buf[:n], []byte("\n"))
		l.mu.Lock()
		if err := json.Unmarshal(text, &d); err != nil || !ok || string(before) != `{"format": "json", "version": 1}` {
			l.malformed = append(l.malformed, string(buf[:n]))
		}
		d.size = n
		l.raw.Write(buf[:n])
		l.documents = append(l.documents, d)
		close(l.changed)
		l.changed = make(chan struct{})
		l.mu.Unlock()
	}
}

func (l *listener) close() {
	_ = l.conn.Close() // ends read
	<-l.done
}

// whole waits for the span of the invocation of a trace, which is sent last, and
// returns all documents of that trace. Whatever the documents, they must be
// subsegments that are complete.
func (l *listener) whole(t *testing.T, header, root string) []document {
	t.Helper()
	id, parent := ids(t, header)
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		l.mu.Lock()
		var found []document
		ended := false
		for _, d := range l.documents {
			if d.TraceID == id {
				found = append(found, d)
				ended = ended || d.Name == root && d.ParentID == parent
			}
		}
		changed := l.changed
		if len(l.malformed) > 0 {
			t.Errorf("malformed: %q", l.malformed)
		}
		l.mu.Unlock()
		if ended {
			for _, d := range found {
				check(t, d)
			}
			return found
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("no span of the invocation; there are %+v", found)
		}
	}
}

// check is what must hold for each document.
func check(t *testing.T, d document) {
	t.Helper()
	if d.Type != "subsegment" || !segmentID.MatchString(d.ID) || d.InProgress || d.Start <= 0 || d.End < d.Start || len(d.Subsegments) > 0 {
		t.Errorf("not a complete subsegment: %+v", d)
	}
	if d.Cause != nil {
		t.Errorf("%s has a cause: %s", d.Name, d.Cause)
	}
	if d.size > 16<<10 {
		t.Errorf("%s has %d bytes", d.Name, d.size)
	}
}

// count is how many documents have arrived in all.
func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.documents)
}

// has reports whether a text has arrived anywhere.
func (l *listener) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.raw.Bytes(), []byte(text))
}

// ids are those of a header.
func ids(t *testing.T, header string) (traceID, parent string) {
	t.Helper()
	for part := range strings.SplitSeq(header, ";") {
		if v, ok := strings.CutPrefix(part, "Root="); ok {
			traceID = v
		}
		if v, ok := strings.CutPrefix(part, "Parent="); ok {
			parent = v
		}
	}
	if traceID == "" || parent == "" {
		t.Fatalf("header %q", header)
	}
	return traceID, parent
}

// newHeader is a header as Lambda makes them.
func newHeader() string {
	return "Root=" + sdk.NewTraceID() + ";Parent=" + sdk.NewSegmentID() + ";Sampled=1;Lineage=1:a87bd80c:0"
}

// invoked is the context of an invocation.
func invoked(ctx context.Context, header any) context.Context {
	//lint:ignore SA1029 aws-lambda-go has this key
	return context.WithValue(ctx, sdk.LambdaTraceHeaderKey, header)
}

// named finds the documents of a name.
func named(all []document, name string) []document {
	var found []document
	for _, d := range all {
		if d.Name == name {
			found = append(found, d)
		}
	}
	return found
}

// one finds the only document of a name.
func one(t *testing.T, all []document, name string) document {
	t.Helper()
	found := named(all, name)
	if len(found) != 1 {
		t.Fatalf("%d documents %q, want 1, of %+v", len(found), name, all)
	}
	return found[0]
}
