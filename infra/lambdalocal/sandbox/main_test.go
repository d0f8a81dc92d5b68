package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// binary is the test function, built as a function is that ships.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lambdalocal")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", binary, "../testdata/bootstrap")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, out))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir) // a temporary folder
		os.Exit(code)
	}))
}

// output is a log that tests read.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// function is the test function with time and memory for what it does.
func function(o *output, env ...string) Function {
	return Function{Binary: binary, Name: "tested", Timeout: 20 * time.Second, Memory: 512, Logs: o, Env: env}
}

func start(t *testing.T, f Function) *Sandbox {
	t.Helper()
	s, err := Start(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// invoke hands over {"do": what, …}.
func invoke(t *testing.T, s *Sandbox, what string, more ...any) Result {
	t.Helper()
	r, err := s.Invoke(t.Context(), event(t, what, more...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func event(t *testing.T, what string, more ...any) []byte {
	t.Helper()
	e := map[string]any{"do": what}
	for i := 0; i < len(more); i += 2 {
		e[more[i].(string)] = more[i+1]
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wantFault checks a status and how Lambda words it.
func wantFault(t *testing.T, r Result, status Status, kind, message string) {
	t.Helper()
	var said struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(r.Payload, &said); err != nil {
		t.Errorf("%v: %.200s", err, r.Payload)
	}
	if r.Status != status || said.ErrorType != kind || !strings.Contains(said.ErrorMessage, message) {
		t.Errorf("%s: %+v, want %s: %s %q", r.Status, said, status, kind, message)
	}
}

// wantGone checks that a process is not there any more.
func wantGone(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, 0); err == nil {
		t.Errorf("process %d is still there", pid)
	}
}

func needsMemory(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the memory of a process is only measured on Linux")
	}
}

// ended is a context that has ended.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
