package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cgroup is a control group with a memory limit: the kernel ends what goes beyond it.
type cgroup struct {
	dir string
	// version is 1 or 2, of the files in dir.
	version int
}

// memoryHierarchies are where groups with a memory limit are mounted, by what stands for
// them in /proc/self/cgroup.
var memoryHierarchies = map[string]string{"memory": "/sys/fs/cgroup/memory", "": "/sys/fs/cgroup"}

// limited makes a control group of so many bytes, which is removed with the test. ok is
// false where nobody lets us: without Linux, without the right, or without the controller.
func limited(t *testing.T, bytes int64) (g cgroup, ok bool) {
	t.Helper()
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return cgroup{}, false
	}
	for line := range strings.Lines(string(own)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 || memoryHierarchies[parts[1]] == "" {
			continue
		}
		// Version 2 has no limits below a group that has processes, so a group above ours
		// is as good.
		for at := path.Clean(parts[2]); ; at = path.Dir(at) {
			g := cgroup{filepath.Join(memoryHierarchies[parts[1]], at, fmt.Sprintf("oipnode-test-%d-%d", os.Getpid(), time.Now().UnixNano())), 2}
			if parts[1] != "" {
				g.version = 1
			}
			if g.make(bytes) == nil {
				t.Cleanup(func() { g.remove(t) })
				return g, true
			}
			if at == "/" {
				break
			}
		}
	}
	return cgroup{}, false
}

func (g cgroup) make(bytes int64) error {
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return err
	}
	names := []string{"memory.max", "memory.swap.max"}
	values := []string{strconv.FormatInt(bytes, 10), "0"}
	if g.version == 1 { // here the second one is the sum of memory and swap
		names, values[1] = []string{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes"}, values[0]
	}
	if err := g.write(names[0], values[0]); err != nil {
		return errors.Join(err, os.Remove(g.dir))
	}
	_ = g.write(names[1], values[1]) // there is no such file without swap
	return nil
}

// write writes into a file that is there: in a folder that is no control group it would
// be made.
func (g cgroup) write(name, value string) error {
	f, err := os.OpenFile(filepath.Join(g.dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// remove waits until the last process is gone, which is some time after its end.
func (g cgroup) remove(t *testing.T) {
	var err error
	for range 200 {
		if err = os.Remove(g.dir); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the control group stays: %v", err)
}

// wrap is a program that goes into the group and becomes the binary, so that all memory
// of it counts, from its first page on.
func (g cgroup) wrap(t *testing.T, binary string) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "bootstrap")
	text := fmt.Sprintf("#!/bin/sh\necho $$ >'%s/cgroup.procs' && exec '%s'\n", g.dir, binary)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return script
}

// kills is how often the kernel ended a process of the group for its memory.
func (g cgroup) kills(t *testing.T) int {
	t.Helper()
	name := "memory.events"
	if g.version == 1 {
		name = "memory.oom_control"
	}
	text, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			n, err := strconv.Atoi(count)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("%s does not count kills: %s", name, text)
	return 0
}
