package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// binary is the test function, and self this command, built as they are used.
var binary, self string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lambdalocal")
	if err != nil {
		panic(err)
	}
	binary, self = filepath.Join(dir, "bootstrap"), filepath.Join(dir, "lambdalocal")
	for out, pkg := range map[string]string{binary: "./testdata/bootstrap", self: "."} {
		build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", out, pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, text))
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir) // a temporary folder
		os.Exit(code)
	}))
}

// output is a stream that tests read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
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

// command runs the command in this process.
func command(ctx context.Context, stdin string, environ []string, args ...string) (code int, stdout, stderr string) {
	var out, log output
	code = run(ctx, args, streams{strings.NewReader(stdin), &out, &log}, environ)
	return code, out.String(), log.String()
}

// file writes a file for one test.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestInvoke(t *testing.T) {
	code, out, log := command(t.Context(), "", nil, "invoke", "-binary", binary, "-event", file(t, `{"do":"echo","text":"hi"}`), "-repeat", "3", "-memory", "512")
	if code != exitOK || out != "\"hi\"\n\"hi\"\n\"hi\"\n" {
		t.Errorf("exit code %d, answer %q, log %s", code, out, log)
	}
	for text, n := range map[string]int{"START RequestId": 3, "REPORT RequestId": 3, "Memory Size: 512 MB": 3, "cold: ready after": 1, "warm, ": 2} {
		if got := strings.Count(log, text); got != n {
			t.Errorf("%q is %d times in the log, want %d:\n%s", text, got, n, log)
		}
	}
}

// What the function says goes to the log, its answer alone to standard output.
func TestInvokeFromStandardInput(t *testing.T) {
	code, out, log := command(t.Context(), `{"do":"log","text":"a line\n"}`, nil, "invoke", "-binary", binary, "-event", "-")
	if code != exitOK || out != "null\n" || strings.Count(log, "a line\n") != 2 {
		t.Errorf("exit code %d, answer %q, log %s", code, out, log)
	}
}

func TestInvokeFails(t *testing.T) {
	for name, c := range map[string]struct {
		event, answer string
		env           string
		args          []string
	}{
		"an error":   {event: `{"do":"error","text":"no table"}`, answer: `"errorMessage":"no table"`},
		"a panic":    {event: `{"do":"panic","text":"oh"}`, answer: `"errorMessage":"oh"`},
		"its end":    {event: `{"do":"exit"}`, answer: "exit status 3"},
		"time":       {event: `{"do":"sleep","ms":60000}`, answer: "Task timed out after 0.20 seconds", args: []string{"-timeout", "200ms"}},
		"its memory": {event: `{"do":"eat","mib":300}`, answer: "Runtime.OutOfMemory", args: []string{"-memory", "64"}},
		"the start":  {event: `{}`, answer: "Function.BadConfig", env: "MODE=says why"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"invoke", "-binary", binary, "-event", "-", "-env", file(t, c.env)}, c.args...)
			code, out, log := command(t.Context(), c.event, nil, args...)
			if code != exitFailed || !strings.Contains(out, c.answer) {
				t.Errorf("exit code %d, answer %q, log %s", code, out, log)
			}
		})
	}
}

// The second event after one that cost the process is a cold start again.
func TestInvokeAfterDeath(t *testing.T) {
	_, out, log := command(t.Context(), `{"do":"exit"}`, nil, "invoke", "-binary", binary, "-event", "-", "-repeat", "2")
	if strings.Count(out, "Runtime.ExitError") != 2 || strings.Count(log, "cold: ready after") != 2 {
		t.Errorf("answer %q, log %s", out, log)
	}
}

func TestVariables(t *testing.T) {
	environ := []string{"TABLE=shell", "AWS_REGION=eu-west-1", "AWS_PROFILE=x", "HOME=/nowhere", "SECRET=1"}
	env := file(t, "# the table\n\nTABLE=of the file\r\nEMPTY=\nEQUALS=a=b\n")
	_, out, _ := command(t.Context(), `{"do":"about"}`, environ, "invoke", "-binary", binary, "-event", "-", "-env", env, "-pass", "TABLE,AWS_REG*")
	for _, want := range []string{`"TABLE=of the file"`, `"EMPTY="`, `"EQUALS=a=b"`, `"AWS_REGION=eu-west-1"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	for _, not := range []string{"PROFILE", "HOME", "SECRET", "shell"} {
		if strings.Contains(out, not) {
			t.Errorf("%s in %s", not, out)
		}
	}
}

// What is wrong with a command is said in one line, with the code 2.
func TestUsage(t *testing.T) {
	good := []string{"-binary", binary}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"invoke|serve", nil},
		{"invoke|serve", []string{"run"}},
		{"-binary is missing", []string{"invoke"}},
		{"no such file", []string{"invoke", "-binary", "no/such"}},
		{"is a folder", []string{"invoke", "-binary", "."}},
		{"-event: it is missing", append([]string{"invoke"}, good...)},
		{"no such file", append([]string{"invoke", "-event", "no/such"}, good...)},
		{"is not JSON", append([]string{"invoke", "-event", "main.go"}, good...)},
		{"-repeat is 0", append([]string{"invoke", "-event", "-", "-repeat", "0"}, good...)},
		{"the timeout is 1h", append([]string{"invoke", "-event", "-", "-timeout", "1h"}, good...)},
		{"no such file", append([]string{"invoke", "-env", "no/such"}, good...)},
		{"line 3 is not NAME=value", append([]string{"invoke", "-env", file(t, "A=1\n\nB\n")}, good...)},
		{"-pass", append([]string{"invoke", "-pass", "["}, good...)},
		{"no flag", append([]string{"invoke", "extra"}, good...)},
		{"-concurrency is 0", append([]string{"serve", "-concurrency", "0"}, good...)},
		{"-listen", append([]string{"serve", "-listen", "127.0.0.1:99999"}, good...)},
	} {
		if code, _, log := command(t.Context(), "{}", nil, c.args...); code != exitUsage || !strings.Contains(log, c.want) {
			t.Errorf("%q: exit code %d, %q, want %q", c.args, code, log, c.want)
		}
	}
	if code, _, log := command(t.Context(), "", nil, "invoke", "-h"); code != exitOK || !strings.Contains(log, "-binary") {
		t.Errorf("-h: exit code %d, %s", code, log)
	}
}
