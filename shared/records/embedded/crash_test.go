package embedded

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"oipnode/shared/oip"
)

// The environment of the process that is to be killed.
const (
	crashDir  = "EMBEDDED_CRASH_DIR"  // the store's folder
	crashNext = "EMBEDDED_CRASH_NEXT" // number of the first batch to write
	crashStep = "EMBEDDED_CRASH_STEP" // the step to die in, or empty
)

// crashBatch is the n-th batch of a fixed sequence: puts of new and known
// documents, patches and removals.
func crashBatch(n int) []change {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	var batch []change
	for range 1 + rng.IntN(20) {
		c := small(rng.IntN(60), n)
		switch rng.IntN(4) {
		case 0:
			c.json = nil
		case 1:
			height := int64(100000 + n)
			c.json, c.patch = nil, &oip.Patch{DID: c.did, Height: &height}
		}
		batch = append(batch, c)
	}
	return batch
}

// applyToModel does what a batch does to a store that holds all.
func applyToModel(t *testing.T, all map[string]string, batch []change) {
	t.Helper()
	for _, c := range batch {
		old, there := all[c.did]
		switch {
		case c.patch != nil && there:
			doc, err := c.patch.Apply([]byte(old))
			if err != nil {
				t.Fatal(err)
			}
			all[c.did] = string(doc)
		case c.patch == nil && c.json != nil:
			all[c.did] = string(c.json)
		case c.patch == nil:
			delete(all, c.did)
		}
	}
}

// TestCrashChild is not a test of its own: it is the process that TestCrash
// starts and kills. It writes batch after batch and says so after each.
func TestCrashChild(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return // an ordinary run of the tests
	}
	next, err := strconv.Atoi(os.Getenv(crashNext))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	s.onStep = func(step string) {
		if written >= 3 && step == os.Getenv(crashStep) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	for ; ; next++ {
		if _, err := s.write(context.Background(), crashBatch(next)); err != nil {
			t.Fatal(err)
		}
		written++
		fmt.Printf("written %d\n", next)
	}
}

// TestCrash kills a writing process again and again, within the steps of a
// Write and at random moments. Each time the store must hold exactly what the
// acknowledged batches made, and perhaps the one that was under way as a whole;
// and the index must agree with the documents.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	all, next := map[string]string{}, 0
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 9 {
		step := []string{"committed", "indexed", ""}[round%3]
		acknowledged := crash(t, dir, next, step, time.Duration(rng.IntN(60))*time.Millisecond)
		for ; next <= acknowledged; next++ {
			applyToModel(t, all, crashBatch(next))
		}
		s, err := Open(context.Background(), dir, Options{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		got := documents(t, s)
		if !equalModels(got, all) {
			applyToModel(t, all, crashBatch(next))
			next++
			if !equalModels(got, all) {
				t.Fatalf("round %d (%q): the documents are neither those after batch %d nor after %d", round, step, next-2, next-1)
			}
		} else if step != "" {
			t.Fatalf("round %d: the batch that was committed before the process died at %q is lost", round, step)
		}
		checkAgreement(t, s)
		if n := total(t, s, nil); n != int64(len(all)) {
			t.Fatalf("round %d: a search finds %d of %d documents", round, n, len(all))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func equalModels(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for did, json := range a {
		if b[did] != json {
			return false
		}
	}
	return true
}

// crash runs TestCrashChild until it dies and returns the last batch that it
// acknowledged, or the one before next. Without a step it is killed after some
// batches and a further delay.
func crash(t *testing.T, dir string, next int, step string, delay time.Duration) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir, fmt.Sprintf("%s=%d", crashNext, next), crashStep+"="+step)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := next - 1
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "written %d", &n); err != nil {
			t.Errorf("the child says %q", lines.Text())
			continue
		}
		last = n
		if step == "" && n == next+2 {
			time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
		}
	}
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return last
}
