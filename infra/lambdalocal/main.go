// Command lambdalocal runs the bootstrap binary of a Lambda function on this machine,
// without AWS and without containers: the very file that would be deployed, built for
// this machine.
//
//	lambdalocal invoke -binary build/keepdb/bootstrap -event events/keepdb.json
//	lambdalocal serve  -binary build/api/bootstrap -listen 127.0.0.1:3000
//
// invoke hands over one event. The function's answer goes to standard output, its log
// to standard error, with the lines that Lambda puts around it, and at the end how
// long it took from cold and warm (-repeat) and the peak of its memory. The exit code
// is 0 when the function succeeded, 1 when it failed, and 2 when the command is wrong.
//
// serve turns each HTTP request into an event of API Gateway and the answer back
// (package apigwsim says how), in as many processes at once as -concurrency allows; a
// request beyond that waits. The first line of the log has the URL.
//
// The function inherits no variables: -env names a file of NAME=value lines, and -pass
// the variables of this shell that it may see.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/infra/template"
)

const (
	exitOK = iota
	exitFailed
	exitUsage
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, &locked{w: os.Stderr}}, os.Environ())
	stop()
	os.Exit(code)
}

// streams are the three of a process. err is safe for concurrent use.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// errUsage means that the command line, or a file that it names, is wrong.
var errUsage = errors.New("usage")

func run(ctx context.Context, args []string, std streams, environ []string) int {
	var err error
	switch command, rest := first(args); command {
	case "invoke":
		err = invoke(ctx, rest, std, environ)
	case "serve":
		err = serve(ctx, rest, std, environ)
	default:
		err = fmt.Errorf("%w: lambdalocal invoke|serve -binary PATH …; -h after either shows the rest", errUsage)
	}
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errFunction): // the report has said it
		return exitFailed
	}
	_, _ = fmt.Fprintln(std.err, "lambdalocal:", err)
	if errors.Is(err, errUsage) || errors.Is(err, sandbox.ErrFunction) {
		return exitUsage
	}
	return exitFailed
}

func first(args []string) (string, []string) {
	if len(args) == 0 {
		return "", nil
	}
	return args[0], args[1:]
}

// settings are the flags that both commands have.
type settings struct {
	set      *flag.FlagSet
	function sandbox.Function
	env      string
	pass     string
	template string
}

func newSettings(command string, std streams) *settings {
	s := &settings{set: flag.NewFlagSet("lambdalocal "+command, flag.ContinueOnError)}
	s.set.SetOutput(std.err)
	s.set.StringVar(&s.function.Binary, "binary", "", "`path` of the bootstrap, built for this machine")
	s.set.StringVar(&s.function.Name, "name", "function", "the function's `name`")
	s.set.DurationVar(&s.function.Timeout, "timeout", 10*time.Second, "the function's timeout, at most 15m")
	s.set.Int64Var(&s.function.Memory, "memory", 256, "the function's memory in `MiB`")
	s.set.StringVar(&s.template, "template", "", "`file` of the deployment, from which the function of that name has its timeout and memory")
	s.set.StringVar(&s.env, "env", "", "`file` of NAME=value lines: the function's variables")
	s.set.StringVar(&s.pass, "pass", "", "`names` of variables of this shell that the function gets, with commas, * stands for any letters")
	s.function.Logs = std.err
	return s
}

// parse reads the flags and the variables. What the file says counts more than what
// is passed on.
func (s *settings) parse(args, environ []string) error {
	if err := s.set.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if s.set.NArg() > 0 {
		return fmt.Errorf("%w: %q is no flag", errUsage, s.set.Arg(0))
	}
	if s.function.Binary == "" {
		return fmt.Errorf("%w: -binary is missing", errUsage)
	}
	if info, err := os.Stat(s.function.Binary); err != nil {
		return fmt.Errorf("%w: -binary: %w", errUsage, err)
	} else if info.IsDir() {
		return fmt.Errorf("%w: -binary: %s is a folder", errUsage, s.function.Binary)
	}
	if s.template != "" {
		if err := s.deployed(); err != nil {
			return fmt.Errorf("%w: -template: %w", errUsage, err)
		}
	}
	for pattern := range strings.SplitSeq(s.pass, ",") {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("%w: -pass: %q: %w", errUsage, pattern, err)
		}
		for _, v := range environ {
			name, _, _ := strings.Cut(v, "=")
			if ok, err := path.Match(pattern, name); ok && err == nil {
				s.function.Env = append(s.function.Env, v)
			}
		}
	}
	if s.env == "" {
		return nil
	}
	text, err := os.ReadFile(s.env)
	if err != nil {
		return fmt.Errorf("%w: -env: %w", errUsage, err)
	}
	more, err := variables(string(text))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errUsage, s.env, err)
	}
	s.function.Env = append(s.function.Env, more...)
	return nil
}

// deployed takes timeout and memory from the template, as far as no flag says otherwise.
func (s *settings) deployed() error {
	t, err := template.Load(s.template)
	if err != nil {
		return err
	}
	var names []string
	given := make(map[string]bool)
	s.set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, f := range t.Functions() {
		names = append(names, f.Name)
		if f.Name != s.function.Name {
			continue
		}
		if !given["timeout"] {
			s.function.Timeout = f.Timeout
		}
		if !given["memory"] {
			s.function.Memory = int64(f.Memory)
		}
		return nil
	}
	return fmt.Errorf("it has no function %q, but %s", s.function.Name, strings.Join(names, ", "))
}

// variables reads NAME=value lines. Empty lines and those that begin with # are left
// out; there are no quotes.
func variables(text string) ([]string, error) {
	var list []string
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if name, _, ok := strings.Cut(line, "="); !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("line %d is not NAME=value", n)
		}
		list = append(list, line)
	}
	return list, nil
}

// locked makes a writer safe for several processes.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
