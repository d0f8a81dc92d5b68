// Package start is what every program of this module does first and last: the
// local node, and through package function the Lambda functions.
//
// Run reads the configuration, makes the logger, bounds the memory, listens for
// signals, calls the program's own function and turns its outcome into an exit
// code. A main package is then one line:
//
//	func main() { os.Exit(start.Run("node", node.Main)) }
package start

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/term"

	"oipnode/shared/config"
)

// Exit codes of every program.
const (
	// ExitOK: the program ended by itself, or was asked to by a signal.
	ExitOK = 0
	// ExitFailed: the program returned an error or panicked; the log says which.
	ExitFailed = 1
	// ExitConfig: the configuration is wrong; standard error lists every fault.
	ExitConfig = 2
)

// Exit is an error that ends a program with a code of its own. Whoever returns it has told
// already what there is to tell.
type Exit int

func (e Exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Env is what a program gets from Run.
type Env struct {
	// Name is the program's name, in every line of its log.
	Name   string
	Config config.Config
	Log    *slog.Logger
}

// Run starts a program and returns its exit code once it has ended. The context
// of main is cancelled by the first SIGINT or SIGTERM, and main should then
// return soon; a second signal ends the process at once, without any clean-up.
// Run is for the top of a main package and called once per process. needed names the
// variables of the configuration that this program cannot do without.
func Run(name string, main func(ctx context.Context, env *Env) error, needed ...string) int {
	ctx, stop := untilSignal()
	defer stop()

	return run(ctx, process{
		environ:  os.Environ(),
		stderr:   os.Stderr,
		terminal: term.IsTerminal(int(os.Stderr.Fd())),
	}, name, main, needed...)
}

// untilSignal gives a context that the first SIGINT or SIGTERM cancels. The
// signals have their default effect again before that cancellation can be seen,
// so whoever saw it may rely on the next signal; signal.NotifyContext does not
// promise that order. stop releases everything.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)

	finished := make(chan struct{})
	go func() {
		defer close(finished)
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals)
		cancel()
	}()
	return ctx, func() {
		cancel()
		<-finished
	}
}

// process is what Run takes from the operating system.
type process struct {
	environ  []string
	stderr   io.Writer
	terminal bool
}

func run(ctx context.Context, p process, name string, main func(context.Context, *Env) error, needed ...string) int {
	c, err := config.LoadEnviron(p.environ, needed...)
	if err != nil {
		// A person reads this before anything else works: plain text, every fault.
		fmt.Fprintf(p.stderr, "%s: %v\n", name, err)
		return ExitConfig
	}
	log := logger(p, c.Log).With("program", name)
	for _, hint := range c.Hints {
		log.Warn("configuration", "hint", hint)
	}
	limitMemory(c.AWS.FunctionMemory)

	env := &Env{Name: name, Config: c, Log: log}
	err = guarded(ctx, env, main)
	var panicked *panicError
	var exit Exit
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return int(exit)
	case errors.As(err, &panicked):
		log.Error("panic", "value", panicked.value, "stack", panicked.stack)
		return ExitFailed
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		// The program passed the signal's cancellation up: that is a clean end.
		// The text is kept, another error may be joined to it.
		log.Info("ended by a signal", "error", err)
		return ExitOK
	default:
		log.Error("ended", "error", err)
		return ExitFailed
	}
}

// panicError carries a panic of main to the log.
type panicError struct{ value, stack string }

func (e *panicError) Error() string { return "panic: " + e.value }

// guarded calls main and turns a panic into an error, so that deferred clean-up
// has run and the reason is a line of the log like any other. A panic in another
// goroutine still ends the process, as it must.
func guarded(ctx context.Context, env *Env, main func(context.Context, *Env) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: fmt.Sprint(v), stack: string(debug.Stack())}
		}
	}()
	return main(ctx, env)
}

// logger writes text for people and JSON for machines.
func logger(p process, c config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == config.LogText || c.Format == config.LogAuto && p.terminal {
		return slog.New(slog.NewTextHandler(p.stderr, options))
	}
	return slog.New(slog.NewJSONHandler(p.stderr, options))
}

// limitMemory sets the runtime's soft limit (GOMEMLIMIT) to 80 % of a Lambda
// function's memory in bytes: the rest is for what Go does not count. It leaves
// a limit alone that the operator has set, and does nothing for 0.
func limitMemory(function int64) {
	if function > 0 && debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(function / 100 * 80)
	}
}
