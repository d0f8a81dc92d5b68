package engines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Own is a server that one test has for itself, so that it may kill it.
type Own struct {
	// URL is its base URL, the same after a Restart.
	URL string

	// signal ends it: SIGKILL, but for DynamoDB Local, which writes to its file some time
	// after it has acknowledged. With SIGTERM it loses the very last write, now and then.
	signal    syscall.Signal
	args, env []string
	dir       string
	uid, gid  uint32
	pid       int
	restarted *exec.Cmd
	log       bytes.Buffer
}

// StartOwn starts another server of an engine beside those that all tests share, and ends
// it with the test. What this machine cannot have ends the test like URL.
func (e Engine) StartOwn(t testing.TB) *Own {
	t.Helper()
	e.URL(t) // who has none of them has not this one either
	script, err := findScript()
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	run := func(command ...string) ([]byte, error) {
		c := exec.Command("bash", append([]string{script}, command...)...)
		c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, e.Variable+"=") }), "ENGINES_STATE="+state, "ENGINES_DURABLE=yes")
		return c.CombinedOutput()
	}
	name := scriptNames[e]
	t.Cleanup(func() {
		if out, err := run("stop", name); err != nil {
			t.Errorf("stop: %v\n%s", err, out)
		}
	})
	if out, err := run("start", name); err != nil {
		t.Fatalf("%s of the test's own: %v\n%s", e.Name, err, out)
	}
	o := &Own{signal: syscall.SIGKILL}
	if e == DynamoDB {
		o.signal = syscall.SIGTERM
	}
	if err := o.read(filepath.Join(state, name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // before stop, which then only removes the data
		if err := o.Kill(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// scriptNames is how the script calls the engines whose data survives them.
var scriptNames = map[Engine]string{OpenSearch: "opensearch", DynamoDB: "dynamodb", S3: "s3"}

// findScript finds the script from wherever in the repository a test runs.
func findScript() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		script := filepath.Join(dir, "infra", "engines", "engines")
		if _, e := os.Stat(script); e == nil {
			return script, nil
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("the script engines is in none of the folders above")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

// read finds out what runs and how it was started.
func (o *Own) read(state string) error {
	url, err := os.ReadFile(filepath.Join(state, "url"))
	if err != nil {
		return err
	}
	o.URL = strings.TrimSpace(string(url))
	process, err := os.ReadFile(filepath.Join(state, "process"))
	if err != nil {
		return err
	}
	id, _, _ := strings.Cut(string(process), " ")
	if o.pid, err = strconv.Atoi(id); err != nil {
		return err
	}
	proc := filepath.Join("/proc", id)
	if o.dir, err = os.Readlink(filepath.Join(proc, "cwd")); err != nil {
		return err
	}
	if o.args, err = list(filepath.Join(proc, "cmdline")); err != nil {
		return err
	}
	if o.env, err = list(filepath.Join(proc, "environ")); err != nil {
		return err
	}
	info, err := os.Stat(proc)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	o.uid, o.gid = owner.Uid, owner.Gid
	return nil
}

// list reads texts that end with a zero byte each.
func list(name string) ([]string, error) {
	text, err := os.ReadFile(name)
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"), err
}

// Kill ends the server as a power cut would, whatever it is doing, if it can take that
// (signal); its files stay. A server that has ended is fine.
func (o *Own) Kill() error {
	if o.pid == 0 {
		return nil
	}
	if err := syscall.Kill(o.pid, o.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	if o.restarted != nil {
		_ = o.restarted.Wait() // it was killed
	} else {
		for tries := 0; syscall.Kill(o.pid, 0) == nil; tries++ { // it is no child of ours: nothing tells when it has gone
			if tries == 3000 {
				return fmt.Errorf("engines: process %d does not end", o.pid)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	o.pid, o.restarted = 0, nil
	return nil
}

// Restart starts a killed server again on its files, and waits until it answers.
func (o *Own) Restart(ctx context.Context) error {
	c := exec.Command(o.args[0], o.args[1:]...)
	c.Dir, c.Env, c.Stdout, c.Stderr = o.dir, o.env, &o.log, &o.log
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if int(o.uid) != os.Getuid() {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: o.uid, Gid: o.gid}
	}
	if err := c.Start(); err != nil {
		return err
	}
	o.restarted, o.pid = c, c.Process.Pid
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, o.URL, nil)
		if err != nil {
			return err
		}
		if res, err := client.Do(r); err == nil {
			_ = res.Body.Close()
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("engines: no answer after the restart: %w", ctx.Err())
}
