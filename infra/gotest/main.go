// Command gotest runs go test and prints what go test prints, and at the end two
// things that go test hides without -v: how many tests ran, and the name and
// reason of every test that was skipped. A skip that nobody sees is a test that
// nobody has.
//
//	go run ./infra/gotest [-strict] -- <arguments of go test>
//
// It exits with the code of go test; with -strict a skipped test is a failure too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
)

func main() {
	strict := flag.Bool("strict", false, "fail when a test is skipped")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code, err := run(ctx, os.Stdout, os.Stderr, *strict, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
	}
	os.Exit(code)
}

// run returns the exit code: that of go test, or 1 when it could not be run, when
// its output could not be read, or when strict is set and a test was skipped.
func run(ctx context.Context, stdout, stderr io.Writer, strict bool, arguments []string) (int, error) {
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"test", "-json"}, arguments)...)
	// The tests are interrupted together with go test, so they may clean up.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	r := newReport(stdout)
	readErr := r.read(events)
	waitErr := cmd.Wait()
	r.close(strict)

	var exit *exec.ExitError
	switch {
	case errors.As(waitErr, &exit):
		return max(exit.ExitCode(), 1), readErr
	case waitErr != nil || readErr != nil:
		return 1, errors.Join(waitErr, readErr)
	case strict && len(r.skipped) > 0:
		return 1, nil
	default:
		return 0, nil
	}
}
