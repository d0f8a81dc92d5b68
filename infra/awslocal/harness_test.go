package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/infra/awslocal/stack"
	"oipnode/infra/engines"
	"oipnode/infra/lambdalocal/sandbox"
)

// binaries is where the functions lie that these tests run, built for this machine as
// they ship for another.
var binaries string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "awslocal")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binaries = dir
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

var built sync.Map // name -> func() error

// binary builds a function, or another program of this module, once.
func binary(t testing.TB, name, folder string) string {
	t.Helper()
	out := filepath.Join(binaries, name, "bootstrap")
	build := sync.OnceValue(func() error {
		c := exec.Command("go", "build", "-tags", "lambda.norpc,grpcnotrace", "-trimpath", "-ldflags", "-s -w", "-o", out, folder)
		c.Dir = "../.."
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", name, err, text)
		}
		return nil
	})
	once, _ := built.LoadOrStore(name, build)
	if err := once.(func() error)(); err != nil {
		t.Fatal(err)
	}
	return out
}

// deployment is a stack of a test's own, and what its functions log.
type deployment struct {
	testing.TB
	stack   *stack.Stack
	options stack.Options
	// env are variables in place of the stack's or besides them.
	env []string
	log *journal
}

// deploy makes an empty stack over the sample chain.
func deploy(t testing.TB, env ...string) *deployment {
	t.Helper()
	o := stack.Options{
		AWS: engines.DynamoDB.AWS(t), DynamoDB: engines.DynamoDB.URL(t), OpenSearch: engines.OpenSearch.URL(t),
		S3: engines.S3.URL(t), SQS: engines.SQS.URL(t),
		Name: "awslocal-" + strings.ToLower(rand.Text()[:10]), Listen: "127.0.0.1:0",
	}
	s, err := stack.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), stack.Delete(context.Background(), o)); err != nil {
			t.Error(err)
		}
	})
	return &deployment{TB: t, stack: s, options: o, env: env, log: &journal{}}
}

// function is how the template configures a function, but for the shorter times that
// tests have.
func (d *deployment) function(name string) sandbox.Function {
	d.Helper()
	env, err := d.stack.Environ(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	return sandbox.Function{
		Binary: binary(d.TB, name, "./functions/"+name), Name: name, Timeout: time.Minute, Memory: 256,
		Env: append(env, d.env...), Logs: d.log,
	}
}

// start starts a process of a function, which ends with the test.
func (d *deployment) start(name string) *sandbox.Sandbox {
	d.Helper()
	s, err := sandbox.Start(d.Context(), d.function(name))
	if err != nil {
		d.Fatalf("%s: %v\n%s", name, err, d.log)
	}
	d.Cleanup(s.Close)
	return s
}

// invoke hands an event over; the invocation must succeed. v gets the answer.
func (d *deployment) invoke(s *sandbox.Sandbox, event []byte, v any) sandbox.Result {
	d.Helper()
	r, err := s.Invoke(d.Context(), event)
	if err != nil {
		d.Fatal(err)
	}
	if r.Status != sandbox.StatusOK {
		d.Fatalf("%s: %s\n%s", r.Status, r.Payload, d.log)
	}
	if v != nil {
		if err := json.Unmarshal(r.Payload, v); err != nil {
			d.Fatalf("%v: %s", err, r.Payload)
		}
	}
	return r
}

// event reads a file of the folder events.
func event(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../events", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// journal keeps a log.
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

// serving is the URL at which a node says that it serves, empty until then.
func (j *journal) serving() string {
	for line := range strings.Lines(j.String()) {
		var said struct{ Msg, URL string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "serving" {
			return said.URL
		}
	}
	return ""
}

// errorLines are the lines of level ERROR.
func (j *journal) errorLines() []string {
	var list []string
	for line := range strings.Lines(j.String()) {
		if strings.Contains(line, `"level":"ERROR"`) {
			list = append(list, line)
		}
	}
	return list
}
