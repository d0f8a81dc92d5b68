package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestInvoke(t *testing.T) {
	var log output
	s := start(t, function(&log))
	cold := invoke(t, s, "echo", "text", "hä<>")
	if string(cold.Payload) != `"hä<>"` || cold.Status != StatusOK || !cold.Cold || cold.Init <= 0 || cold.Duration <= 0 {
		t.Errorf("%+v, payload %s", cold, cold.Payload)
	}
	warm := invoke(t, s, "echo", "text", "b")
	if string(warm.Payload) != `"b"` || warm.Cold || warm.Init != 0 || warm.RequestID == cold.RequestID {
		t.Errorf("%+v, payload %s", warm, warm.Payload)
	}
	for _, r := range []Result{cold, warm} {
		if !strings.Contains(log.String(), "START RequestId: "+r.RequestID) || !strings.Contains(log.String(), "REPORT RequestId: "+r.RequestID) {
			t.Errorf("log %s", log.String())
		}
	}
	if n := strings.Count(log.String(), "Init Duration"); n != 1 {
		t.Errorf("%d cold starts are reported", n)
	}
}

// What a function is told about itself and about the event.
func TestContext(t *testing.T) {
	t.Setenv("LAMBDALOCAL_SECRET", "of this shell")
	var log output
	f := function(&log, "TABLE=t", "AWS_REGION=eu-north-1", "AWS_LAMBDA_FUNCTION_NAME=wrong", "AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:9")
	s := start(t, f)
	r := invoke(t, s, "about")
	var about struct {
		ID, ARN, Trace string
		Left           int64
		Environ        []string
	}
	if err := json.Unmarshal(r.Payload, &about); err != nil {
		t.Fatal(err)
	}
	if about.ID != r.RequestID || !strings.HasSuffix(about.ARN, ":function:tested") {
		t.Errorf("%+v", about)
	}
	if about.Left < 15_000 || about.Left > 20_000 {
		t.Errorf("%d ms are left of 20 s", about.Left)
	}
	if !strings.HasPrefix(about.Trace, "Root=1-") || !strings.HasSuffix(about.Trace, ";Sampled=1") {
		t.Errorf("trace %q", about.Trace)
	}
	for _, want := range []string{"TABLE=t", "AWS_REGION=eu-north-1", "AWS_LAMBDA_FUNCTION_NAME=tested", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512", "_HANDLER=bootstrap"} {
		if !slices.Contains(about.Environ, want) {
			t.Errorf("no %s in %q", want, about.Environ)
		}
	}
	if slices.ContainsFunc(about.Environ, func(v string) bool { return strings.HasPrefix(v, "LAMBDALOCAL_") }) {
		t.Error("the function sees the variables of the shell")
	}
}

// All that a function wrote is in the log before its result is there, between the
// lines of the platform.
func TestLogsAreComplete(t *testing.T) {
	var log output
	s := start(t, function(&log))
	for range 20 {
		before := len(log.String())
		line := strings.Repeat("ä", 30_000) + "\x00\n" // more than a pipe holds
		r := invoke(t, s, "log", "text", line)
		got := log.String()[before:]
		want := "START RequestId: " + r.RequestID + " Version: $LATEST\n" + line + line + "END RequestId: " + r.RequestID + "\nREPORT"
		if !strings.HasPrefix(got, want) {
			t.Fatalf("log of %d bytes, want at least %d: %.100q", len(got), len(want), got)
		}
	}
}

// An error is an answer: the process goes on. After a panic aws-lambda-go ends it.
func TestFunctionFails(t *testing.T) {
	var log output
	s := start(t, function(&log))
	wantFault(t, invoke(t, s, "error", "text", "no such table"), StatusError, "errorString", "no such table")
	if !s.Alive() {
		t.Fatal("an error has ended the process")
	}
	wantFault(t, invoke(t, s, "panic", "text", "oh"), StatusError, "string", "oh")
	if s.Alive() {
		// It ends a moment after it has asked for nothing more.
		<-s.exited
	}
	if _, err := s.Invoke(t.Context(), []byte("{}")); !errors.Is(err, ErrClosed) {
		t.Errorf("a dead process takes events: %v", err)
	}
	if !strings.Contains(log.String(), "Status: error") {
		t.Errorf("log %s", log.String())
	}
}

func TestProcessExits(t *testing.T) {
	var log output
	s := start(t, function(&log))
	r := invoke(t, s, "exit")
	wantFault(t, r, StatusError, "Runtime.ExitError", "RequestId: "+r.RequestID+" Error: Runtime exited with error: exit status 3")
	if s.Alive() {
		t.Error("the process counts as alive")
	}
}

func TestTimeout(t *testing.T) {
	var log output
	f := function(&log)
	f.Timeout = 300 * time.Millisecond
	s := start(t, f)
	r := invoke(t, s, "sleep", "ms", 60_000)
	wantFault(t, r, StatusTimeout, "Sandbox.Timedout", "Task timed out after 0.30 seconds")
	if r.Duration < f.Timeout || r.Duration > 10*f.Timeout {
		t.Errorf("killed after %v", r.Duration)
	}
	wantGone(t, s.cmd.Process.Pid)
	if !strings.Contains(log.String(), r.RequestID+" Task timed out after 0.30 seconds") || !strings.Contains(log.String(), "Status: timeout") {
		t.Errorf("log %s", log.String())
	}
}

func TestMemory(t *testing.T) {
	needsMemory(t)
	var log output
	f := function(&log)
	f.Memory = 64
	s := start(t, f)
	small := invoke(t, s, "eat", "mib", 16)
	if small.Status != StatusOK || small.PeakMemory < 16<<20 || small.PeakMemory > 64<<20 {
		t.Errorf("%+v: %s", small, small.Payload)
	}
	large := invoke(t, s, "eat", "mib", 2000)
	wantFault(t, large, StatusMemory, "Runtime.OutOfMemory", "signal: killed")
	if large.PeakMemory <= 64<<20 || large.PeakMemory > 200<<20 {
		t.Errorf("a peak of %d bytes", large.PeakMemory)
	}
	wantGone(t, s.cmd.Process.Pid)
	if !strings.Contains(log.String(), "Memory Size: 64 MB") || !strings.Contains(log.String(), "Status: out of memory") {
		t.Errorf("log %s", log.String())
	}
}

func TestInitFails(t *testing.T) {
	for mode, want := range map[string]InitError{
		"exit at once": {Type: "Runtime.ExitError", Message: "Error: Runtime exited with error: exit status 7"},
		"never ready":  {Type: "Sandbox.Timedout", Message: "Init timed out after 0.50 seconds"},
		"says why":     {Type: "Function.BadConfig", Message: "the table has no name"},
	} {
		t.Run(mode, func(t *testing.T) {
			var log output
			f := function(&log, "MODE="+mode)
			if mode == "never ready" {
				f.InitTimeout = 500 * time.Millisecond
			}
			_, err := Start(t.Context(), f)
			var got *InitError
			if !errors.As(err, &got) || got.Type != want.Type || got.Message != want.Message || got.Init <= 0 {
				t.Fatalf("%v, want %v", err, &want)
			}
			if !json.Valid(got.Payload()) || !strings.Contains(log.String(), "INIT_REPORT") {
				t.Errorf("payload %s, log %s", got.Payload(), log.String())
			}
			if mode == "exit at once" && !strings.HasPrefix(log.String(), "no settings\n") {
				t.Errorf("what it said is lost: %q", log.String())
			}
		})
	}
}

func TestCannotRun(t *testing.T) {
	for name, f := range map[string]Function{
		"no binary":  {Binary: "no/such/bootstrap"},
		"a folder":   {Binary: t.TempDir()},
		"a timeout":  {Binary: binary, Timeout: MaxTimeout + 1},
		"its memory": {Binary: binary, Memory: 20000},
	} {
		if s, err := Start(t.Context(), f); err == nil {
			s.Close()
			t.Errorf("%s: it started", name)
		} else if name == "a timeout" && !errors.Is(err, ErrFunction) || name == "no binary" && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSizes(t *testing.T) {
	var log output
	s := start(t, function(&log))
	if _, err := s.Invoke(t.Context(), make([]byte, MaxEvent+1)); !errors.Is(err, ErrEventTooLarge) {
		t.Errorf("an event over 6 MiB: %v", err)
	}
	if r := invoke(t, s, "large", "bytes", MaxResponse-2); r.Status != StatusOK || len(r.Payload) != MaxResponse {
		t.Errorf("the largest response: %s, %d bytes", r.Status, len(r.Payload))
	}
	wantFault(t, invoke(t, s, "large", "bytes", MaxResponse-1), StatusError, "Function.ResponseSizeTooLarge", "6291556 bytes")
}

// A context that ends kills the process and leaves nothing behind.
func TestCancelled(t *testing.T) {
	var log output
	if _, err := Start(ended(t), function(&log, "MODE=never ready")); !errors.Is(err, context.Canceled) {
		t.Errorf("start: %v", err)
	}
	s := start(t, function(&log))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := s.Invoke(ctx, event(t, "sleep", "ms", 60_000)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("invoke: %v", err)
	}
	if s.Alive() {
		t.Error("the process counts as alive")
	}
	s.Close()
	wantGone(t, s.cmd.Process.Pid)
}

// A function that asked for it may flush before it is killed, half a second long.
func TestShutdown(t *testing.T) {
	var log output
	s := start(t, function(&log, "MODE=sigterm"))
	invoke(t, s, "echo", "text", "x")
	begun := time.Now()
	s.Close()
	s.Close() // again is fine
	if took := time.Since(begun); took < shutdownTime || took > 10*shutdownTime {
		t.Errorf("the end took %v", took)
	}
	if !strings.HasSuffix(log.String(), "flushed\n") {
		t.Errorf("log %q", log.String())
	}
	wantGone(t, s.cmd.Process.Pid)

	// Without an extension nobody waits. A busy machine may be late, but not always.
	least := time.Hour
	for range 5 {
		s = start(t, function(&log))
		begun = time.Now()
		s.Close()
		if least = min(least, time.Since(begun)); least < shutdownTime {
			return
		}
	}
	t.Errorf("the end of a function without an extension took %v", least)
}

// A runtime that does not keep to the protocol is refused, and its answer stands.
func TestImpolite(t *testing.T) {
	var log output
	s := start(t, function(&log, "MODE=impolite"))
	r := invoke(t, s, "anything")
	if !strings.Contains(string(r.Payload), "400 {") || !strings.Contains(string(r.Payload), "InvalidRequestID") {
		t.Errorf("an answer to another event: %s", r.Payload)
	}
	if !strings.Contains(log.String(), "403 {") || !strings.Contains(log.String(), "InvalidStateTransition") {
		t.Errorf("a second answer: %s", log.String())
	}
	if again := invoke(t, s, "anything"); again.Status != StatusOK {
		t.Errorf("%+v", again)
	}
}
