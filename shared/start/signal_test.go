package start

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childVariable makes the test binary play a program that was started by Run;
// its value says which one.
const childVariable = "OIPNODE_START_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "":
		goleak.VerifyTestMain(m)
	case "polite":
		os.Exit(Run("polite", func(ctx context.Context, _ *Env) error {
			fmt.Println("ready")
			<-ctx.Done()
			fmt.Println("stopping")
			return ctx.Err()
		}))
	case "stubborn":
		os.Exit(Run("stubborn", func(ctx context.Context, _ *Env) error {
			fmt.Println("ready")
			<-ctx.Done()
			fmt.Println("stopping")
			select {} // never gives up by itself
		}))
	}
}

// child starts the test binary as a program and waits until it is ready.
func child(t *testing.T, kind string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(limited(t), self)
	cmd.Env = []string{childVariable + "=" + kind}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	// Tests that a shell runs in the background ignore Ctrl-C, and so would the child. What
	// is caught here has its default effect there.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt)
	defer signal.Stop(caught)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	expect(t, lines, "ready")
	return cmd, lines
}

// limited gives a context that ends a little before the test's own time limit,
// so that a child that hangs is killed and the test fails instead.
func limited(t *testing.T) context.Context {
	t.Helper()
	deadline, ok := t.Deadline()
	if !ok {
		return t.Context()
	}
	ctx, cancel := context.WithDeadline(t.Context(), deadline.Add(-2*time.Second))
	t.Cleanup(cancel)
	return ctx
}

// expect reads one line of a child.
func expect(t *testing.T, lines *bufio.Reader, want string) {
	t.Helper()
	if got, err := lines.ReadString('\n'); err != nil || strings.TrimSpace(got) != want {
		t.Fatalf("the child wrote %q (%v), want %q", got, err, want)
	}
}

func send(t *testing.T, cmd *exec.Cmd, s syscall.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func TestFirstSignalCancels(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, lines := child(t, "polite")
		send(t, cmd, s)
		expect(t, lines, "stopping")
		if _, err := io.Copy(io.Discard, lines); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v the program ended with %v, want exit code 0", s, err)
		}
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, lines := child(t, "stubborn")
		send(t, cmd, s)
		expect(t, lines, "stopping")
		send(t, cmd, s)
		if _, err := io.Copy(io.Discard, lines); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Success() {
			t.Errorf("after a second %v the program ended with %v, want it killed", s, err)
		}
	}
}

// The process's own environment is what Run reads.
func TestRunReadsTheEnvironment(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(limited(t), self)
	cmd.Env = []string{childVariable + "=polite", "START_HEIGHT=never"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != ExitConfig || !strings.Contains(string(out), "START_HEIGHT") {
		t.Errorf("ended with %v and wrote %q", err, out)
	}
}
