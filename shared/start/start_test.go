package start

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"testing"

	"oipnode/shared/config"
)

// outcome runs a program in this process, without a terminal.
func outcome(t *testing.T, ctx context.Context, environ []string, main func(context.Context, *Env) error) (code int, stderr string) {
	t.Helper()
	var out bytes.Buffer
	code = run(ctx, process{environ: environ, stderr: &out}, "testnode", main)
	return code, out.String()
}

func TestExitCodes(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	failure := errors.New("the disk is full")
	for _, c := range []struct {
		name string
		ctx  context.Context
		main func(context.Context, *Env) error
		code int
		log  string // what the log must hold; "" for an empty log
	}{
		{"ends", t.Context(), func(context.Context, *Env) error { return nil }, ExitOK, ""},
		{"fails", t.Context(), func(context.Context, *Env) error { return failure }, ExitFailed, "the disk is full"},
		{"panics", t.Context(), func(context.Context, *Env) error { panic("no such page") }, ExitFailed, "no such page"},
		{"panics with an error", t.Context(), func(context.Context, *Env) error { panic(failure) }, ExitFailed, "the disk is full"},
		{"ends after a signal", cancelled, func(ctx context.Context, _ *Env) error { return fmt.Errorf("serve: %w", ctx.Err()) }, ExitOK, "serve: context canceled"},
		{"fails after a signal", cancelled, func(context.Context, *Env) error { return failure }, ExitFailed, "the disk is full"},
		// A cancellation that no signal asked for is a failure like any other.
		{"cancels itself", t.Context(), func(context.Context, *Env) error { return context.Canceled }, ExitFailed, "context canceled"},
		{"has a code of its own", t.Context(), func(context.Context, *Env) error { return fmt.Errorf("verify: %w", Exit(3)) }, 3, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, log := outcome(t, c.ctx, nil, c.main)
			if code != c.code || !strings.Contains(log, c.log) || c.log == "" && log != "" {
				t.Errorf("exit code %d, want %d; log %q, want %q in it", code, c.code, log, c.log)
			}
		})
	}
}

// A panic is logged as one line, with the stack of where it happened.
func TestPanicKeepsItsStack(t *testing.T) {
	_, log := outcome(t, t.Context(), nil, func(context.Context, *Env) error { panicHere(); return nil })
	var line struct{ Level, Msg, Value, Stack, Program string }
	if err := json.Unmarshal([]byte(log), &line); err != nil {
		t.Fatalf("log %q is not one JSON line: %v", log, err)
	}
	if line.Level != "ERROR" || line.Msg != "panic" || line.Value != "here" || line.Program != "testnode" || !strings.Contains(line.Stack, "panicHere") {
		t.Errorf("log line %+v", line)
	}
}

func panicHere() { panic("here") }

// Faults are for a person: plain lines, before there is a logger.
func TestConfigurationFaults(t *testing.T) {
	code, text := outcome(t, t.Context(), []string{"CONFIRMATIONS=0", "JWT_SECRET=" + strings.Repeat("hunter2", 1000), "LOG_FORMAT=xml"}, func(context.Context, *Env) error {
		t.Error("the program was started in spite of the faults")
		return nil
	})
	if code != ExitConfig || !strings.HasPrefix(text, "testnode: configuration: 3 wrong\n") {
		t.Errorf("exit code %d, text:\n%s", code, text)
	}
	for _, name := range []string{"CONFIRMATIONS", "JWT_SECRET", "LOG_FORMAT"} {
		if !strings.Contains(text, "\n  "+name+" is ") {
			t.Errorf("%s is not in the text:\n%s", name, text)
		}
	}
	if strings.Contains(text, "hunter2") {
		t.Errorf("the secret is in the text:\n%s", text)
	}
}

func TestHintsAreWarnings(t *testing.T) {
	code, log := outcome(t, t.Context(), []string{"ARWEAVE_GATEWAY=https://a.example"}, func(context.Context, *Env) error { return nil })
	if code != ExitOK || !strings.Contains(log, `"level":"WARN"`) || !strings.Contains(log, "ARWEAVE_GATEWAYS") {
		t.Errorf("exit code %d, log %q", code, log)
	}
}

func TestEnv(t *testing.T) {
	code, log := outcome(t, t.Context(), []string{"LISTEN=127.0.0.1:0", "LOG_LEVEL=debug"}, func(ctx context.Context, env *Env) error {
		if env.Name != "testnode" || env.Config.Node.Listen != "127.0.0.1:0" {
			t.Errorf("Env = %+v", env)
		}
		env.Log.DebugContext(ctx, "seen")
		return nil
	})
	if code != ExitOK || !strings.Contains(log, `"msg":"seen"`) {
		t.Errorf("exit code %d, log %q", code, log)
	}
}

func TestLogForm(t *testing.T) {
	for _, c := range []struct {
		format   config.LogFormat
		terminal bool
		json     bool
	}{
		{config.LogAuto, true, false},
		{config.LogAuto, false, true},
		{config.LogText, false, false},
		{config.LogJSON, true, true},
	} {
		var out bytes.Buffer
		logger(process{stderr: &out, terminal: c.terminal}, config.Log{Format: c.format}).Info("x")
		if json.Valid(out.Bytes()) != c.json {
			t.Errorf("format %q, terminal %v: %q", c.format, c.terminal, out.String())
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)

	nothing := func(context.Context, *Env) error { return nil }
	outcome(t, t.Context(), nil, nothing)
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("outside of Lambda the limit became %d", got)
	}
	outcome(t, t.Context(), []string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1000"}, nothing)
	if got := debug.SetMemoryLimit(-1); got != 1000<<20/100*80 {
		t.Errorf("limit %d, want 80 %% of 1000 MiB", got)
	}
	outcome(t, t.Context(), []string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=2000"}, nothing)
	if got := debug.SetMemoryLimit(-1); got != 1000<<20/100*80 {
		t.Errorf("a limit that was set already became %d", got)
	}
}
