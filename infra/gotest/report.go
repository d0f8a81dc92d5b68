package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is one line of go test -json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// testName is a test, subtest, example or fuzz target of a package.
type testName struct{ pkg, test string }

// report turns events into the text of go test without -v: the output of a test
// is shown only when it fails.
type report struct {
	out io.Writer
	// held is the output of tests that have not ended yet. A test that passed
	// gives it up at once, so memory stays with the tests that run.
	held     map[testName]*strings.Builder
	skipped  []skip
	passed   int
	failed   int
	packages int
	broken   bool
}

type skip struct {
	testName
	reason string
}

func newReport(out io.Writer) *report {
	return &report{out: out, held: make(map[testName]*strings.Builder)}
}

// read takes events until the input ends. A line that is no event, as a broken
// build gives, is printed as it is.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(r.out, "%s", line)
			} else {
				r.take(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	n := testName{e.Package, e.Test}
	switch {
	case e.Action == "build-output":
		fmt.Fprint(r.out, e.Output)
	case e.Action == "build-fail":
		r.broken = true
	case e.Test == "":
		r.takePackage(e)
	case e.Action == "output":
		r.hold(n, e.Output)
	case e.Action == "pass":
		r.passed++
		delete(r.held, n)
	case e.Action == "skip":
		r.skipped = append(r.skipped, skip{n, reason(r.release(n))})
	case e.Action == "fail":
		r.failed++
		fmt.Fprint(r.out, r.release(n))
	}
}

// takePackage prints the lines of a package itself ("ok", "FAIL", a panic). When
// the package fails it prints too what its unfinished tests had to say, and the
// seed of the shuffled order, with which the failure comes again.
func (r *report) takePackage(e event) {
	switch e.Action {
	case "output":
		switch {
		case strings.HasPrefix(e.Output, "-test.shuffle "):
			r.hold(testName{pkg: e.Package}, e.Output)
		case e.Output != "PASS\n":
			fmt.Fprint(r.out, e.Output)
		}
	case "pass", "fail":
		r.packages++
		failed := e.Action == "fail"
		r.broken = r.broken || failed
		for n := range r.held {
			if n.pkg != e.Package {
				continue
			}
			if text := r.release(n); failed {
				fmt.Fprint(r.out, text)
			}
		}
	}
}

func (r *report) hold(n testName, text string) {
	// These lines announce and end a test; go test prints them with -v only.
	for _, noise := range []string{"=== RUN", "=== PAUSE", "=== CONT", "=== NAME"} {
		if strings.HasPrefix(text, noise) {
			return
		}
	}
	b := r.held[n]
	if b == nil {
		b = new(strings.Builder)
		r.held[n] = b
	}
	b.WriteString(text)
}

func (r *report) release(n testName) string {
	b := r.held[n]
	delete(r.held, n)
	if b == nil {
		return ""
	}
	return b.String()
}

// reason is the text of a skipped test without the line that says it was.
func reason(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--- SKIP") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

// close prints the skipped tests and the closing line.
func (r *report) close(strict bool) {
	for _, s := range r.skipped {
		fmt.Fprintf(r.out, "SKIP\t%s\t%s\t%s\n", s.pkg, s.test, s.reason)
	}
	verdict := "ok  "
	if r.failed > 0 || r.broken || strict && len(r.skipped) > 0 {
		verdict = "FAIL"
	}
	fmt.Fprintf(r.out, "%s\t%d packages, %d tests passed, %d failed, %d skipped\n",
		verdict, r.packages, r.passed, r.failed, len(r.skipped))
}
