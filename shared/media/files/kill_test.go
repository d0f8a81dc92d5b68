package files_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/media"
	"oipnode/shared/media/files"
	"oipnode/shared/media/mediatest"
)

// putUntilKilled puts from several goroutines and writes a line for each Put that
// returned. Some names are new, some are replaced, some are contents.
func putUntilKilled(root string, out *bufio.Writer) error {
	s, err := files.Open(root, files.Options{})
	if err != nil {
		return err
	}
	lines := make(chan string)
	g, ctx := errgroup.WithContext(context.Background())
	for worker := range 3 {
		g.Go(func() error {
			for n := 0; ; n++ {
				size := (n * 7919 % 40) * 10_000
				content := mediatest.Bytes(byte(worker), size)
				u := media.Upload{Name: "content", ByContent: true, Body: bytes.NewReader(content)}
				switch n % 3 {
				case 0:
					u = media.Upload{Name: fmt.Sprintf("replaced/worker-%d", worker), Body: bytes.NewReader(content)}
				case 1:
					u = media.Upload{Name: fmt.Sprintf("created/p%d-%d-%d", os.Getpid(), worker, n), IfAbsent: true, Body: bytes.NewReader(content)}
				}
				stored, err := s.Put(ctx, u)
				if err != nil {
					return err
				}
				select {
				case lines <- fmt.Sprintf("%s %d", stored.Name, worker):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
	}
	g.Go(func() error {
		for {
			select {
			case line := <-lines:
				if _, err := fmt.Fprintln(out, line); err != nil {
					return err
				}
				if err := out.Flush(); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return g.Wait()
}

// TestKill proves with a process that is killed at any moment: what Put
// acknowledged is there, every object is whole, and what is left over is swept.
func TestKill(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root, files.Options{})
	rng := rand.New(rand.NewPCG(3, 4))
	acked := map[string]bool{}
	for range 6 {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), exe, "-put-into", root)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for left := 1 + rng.IntN(150); lines.Scan(); left-- {
			named, _, ok := strings.Cut(lines.Text(), " ")
			if !ok || strings.HasPrefix(lines.Text(), "child failed") {
				t.Fatal(lines.Text())
			}
			acked[named] = true
			if left == 1 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) {
			t.Fatalf("the child ended with %v", err)
		}
		checkAfterKill(t, s, root, acked)
	}
	if removed, err := s.Sweep(t.Context(), 0); err != nil {
		t.Error(err)
	} else {
		t.Logf("%d Puts were acknowledged, and %d temporary files swept", len(acked), removed)
	}
	wantTemps(t, root, 0)
}

// checkAfterKill checks that what was acknowledged is there, and that every object
// holds a content that a worker puts, all of it.
func checkAfterKill(t *testing.T, s *files.Store, root string, acked map[string]bool) {
	t.Helper()
	found := map[string]bool{}
	for _, kind := range []string{"content", "replaced", "created"} {
		page, err := s.List(t.Context(), kind, "", media.MaxList)
		if err != nil || len(page) == media.MaxList {
			t.Fatalf("%d objects, %v", len(page), err)
		}
		for _, o := range page {
			found[o.Name] = true
			content, err := os.ReadFile(objectPath(root, o.Name))
			if err != nil {
				t.Fatal(err)
			}
			whole := func(worker byte) bool { return bytes.Equal(content, mediatest.Bytes(worker, len(content))) }
			if len(content)%10_000 != 0 || !slices.ContainsFunc([]byte{0, 1, 2}, whole) {
				t.Errorf("%s has %d bytes that nobody put", o.Name, len(content))
			}
			if kind != "content" {
				continue
			}
			if err := media.Verify(t.Context(), s, o.Name); err != nil {
				t.Error(err)
			}
		}
	}
	for named := range acked {
		if !found[named] {
			t.Errorf("%s was acknowledged and is lost", named)
		}
	}
}

// TestSweep: only what is old enough goes, and nothing but temporary files.
func TestSweep(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root, files.Options{})
	if _, err := s.Put(t.Context(), media.Upload{Name: "kind/leaf", Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"old": 3 * time.Hour, "young": time.Hour} {
		path := root + "/_temp/" + name
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(root+"/_temp/folder", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		age     time.Duration
		removed int
		left    int
	}{{never, 0, 3}, {2 * time.Hour, 1, 2}, {2 * time.Hour, 0, 2}, {0, 1, 1}} {
		if removed, err := s.Sweep(t.Context(), c.age); removed != c.removed || err != nil {
			t.Errorf("Sweep(%v) removed %d, %v, want %d", c.age, removed, err, c.removed)
		}
		wantTemps(t, root, c.left)
	}
	if _, err := s.Stat(t.Context(), "kind/leaf"); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(root + "/_temp"); err != nil {
		t.Fatal(err)
	}
	if removed, err := s.Sweep(t.Context(), 0); removed != 0 || err != nil {
		t.Errorf("without the folder: %d, %v", removed, err)
	}
	if _, err := s.Put(t.Context(), media.Upload{Name: "kind/leaf", Body: strings.NewReader("y")}); err != nil {
		t.Errorf("Put after somebody removed the temporary folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sweep(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Sweep returned %v", err)
	}
}
