package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"oipnode/infra/lambdalocal/sandbox"
)

// errFunction means that the function failed, which is reported already.
var errFunction = errors.New("the function failed")

func invoke(ctx context.Context, args []string, std streams, environ []string) error {
	s := newSettings("invoke", std)
	name := s.set.String("event", "", "`file` with the event as JSON; - reads standard input")
	repeat := s.set.Int("repeat", 1, "how often the event is handed over: the first time from cold, then warm")
	if err := s.parse(args, environ); err != nil {
		return err
	}
	event, err := readEvent(*name, std.in)
	if err != nil {
		return fmt.Errorf("%w: -event: %w", errUsage, err)
	}
	if *repeat < 1 {
		return fmt.Errorf("%w: -repeat is %d", errUsage, *repeat)
	}
	var results []sandbox.Result
	var current *sandbox.Sandbox
	defer func() {
		if current != nil {
			current.Close()
		}
	}()
	failed := false
	for range *repeat {
		if current == nil || !current.Alive() { // the last one may have cost the process
			if current != nil {
				current.Close()
			}
			if current, err = sandbox.Start(ctx, s.function); err != nil {
				var unable *sandbox.InitError
				if !errors.As(err, &unable) {
					return err
				}
				return errors.Join(errFunction, write(std.out, unable.Payload()))
			}
		}
		r, err := current.Invoke(ctx, event)
		if err != nil {
			return err
		}
		results = append(results, r)
		failed = failed || r.Status != sandbox.StatusOK
		if err := write(std.out, r.Payload); err != nil {
			return err
		}
	}
	for _, r := range results {
		_, _ = fmt.Fprintln(std.err, summary(r)) // the answer is out; this is only for the eye
	}
	if failed {
		return errFunction
	}
	return nil
}

// readEvent reads an event, which must be JSON of a size that Lambda takes.
func readEvent(name string, stdin io.Reader) ([]byte, error) {
	from := stdin
	switch name {
	case "":
		return nil, errors.New("it is missing")
	case "-":
	default:
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		from = file
	}
	event, err := io.ReadAll(io.LimitReader(from, sandbox.MaxEvent+1))
	switch {
	case err != nil:
		return nil, err
	case len(event) > sandbox.MaxEvent:
		return nil, sandbox.ErrEventTooLarge
	case !json.Valid(event):
		return nil, fmt.Errorf("%s is not JSON", name)
	}
	return event, nil
}

func write(out io.Writer, answer []byte) error {
	_, err := out.Write(append(bytes.TrimRight(answer, "\n"), '\n'))
	return err
}

// summary is one line about an invocation.
func summary(r sandbox.Result) string {
	line := "warm"
	if r.Cold {
		line = fmt.Sprintf("cold: ready after %v", r.Init.Round(10*time.Microsecond))
	}
	line += fmt.Sprintf(", %v, %s", r.Duration.Round(10*time.Microsecond), r.Status)
	if r.PeakMemory > 0 {
		line += fmt.Sprintf(", at most %.1f MiB", float64(r.PeakMemory)/(1<<20))
	}
	return line
}
