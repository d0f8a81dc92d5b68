package bolt_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// Some tests need a process of their own, to kill it or to limit it. They start
// the test binary again with these flags.
var (
	childFlag = flag.String("child", "", "the part that a test plays in a process of its own")
	pathFlag  = flag.String("path", "", "the state file of -child")
)

// children are the parts. They write what the parent waits for to out.
var children = map[string]func(path string, out io.Writer) error{
	"hold":   holdFile,
	"commit": commitUntilKilled,
}

func TestMain(m *testing.M) {
	flag.Parse()
	part, ok := children[*childFlag]
	if !ok {
		goleak.VerifyTestMain(m)
		return
	}
	if err := part(*pathFlag, os.Stdout); err != nil {
		fmt.Println("child failed:", err)
	}
}

// child is a process that plays a part.
type child struct {
	cmd *exec.Cmd
	// in is open until close; a part that has nothing to do waits for its end.
	in  io.WriteCloser
	out *bufio.Scanner
}

// startChild starts a part. The process is killed at the end of the test if it
// still runs.
func startChild(t *testing.T, part, path string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.CommandContext(t.Context(), exe, "-child", part, "-path", path)}
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	return c
}

// expect reads a line, which must be the given one.
func (c *child) expect(t *testing.T, line string) {
	t.Helper()
	if !c.out.Scan() || c.out.Text() != line {
		t.Fatalf("child wrote %q, %v, want %q", c.out.Text(), c.out.Err(), line)
	}
}

// kill ends the process as a crash does.
func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

// wait waits for the end of a process that was killed.
func (c *child) wait(t *testing.T) {
	t.Helper()
	if err := c.cmd.Wait(); c.cmd.ProcessState == nil {
		t.Fatalf("wait for child: %v", err)
	}
}
