package engines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script is the shell script with a state and a cache folder of its own, so that it
// sees nothing of the engines that other tests use.
type script struct {
	state, cache string
	// path is the PATH, if it is not the test's own.
	path string
}

func newScript(t *testing.T) *script {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("bash is not there")
	}
	dir := t.TempDir()
	return &script{state: filepath.Join(dir, "state"), cache: filepath.Join(dir, "cache")}
}

// command is the script with these arguments, where variables go before the
// test's own. Nothing of what concerns engines reaches it from outside.
func (s *script) command(ctx context.Context, variables []string, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", append([]string{"./engines"}, arguments...)...)
	for _, v := range os.Environ() {
		switch name, _, _ := strings.Cut(v, "="); {
		case strings.HasPrefix(name, "AWS_"), strings.HasPrefix(name, "ENGINES_"), name == OpenSearch.Variable, name == "CI":
		default:
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "ENGINES_STATE="+s.state, "ENGINES_CACHE="+s.cache)
	if s.path != "" {
		cmd.Env = append(cmd.Env, "PATH="+s.path)
	}
	cmd.Env = append(cmd.Env, variables...)
	// A grandchild that keeps the output open must not keep the test.
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run returns the exit code and all output.
func (s *script) run(t *testing.T, variables []string, arguments ...string) (int, string) {
	t.Helper()
	// A test's clean-up comes when its own context has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	cmd := s.command(ctx, variables, arguments...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("engines %q: %v\n%s", arguments, err, &out)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// must is run for what has to succeed.
func (s *script) must(t *testing.T, arguments ...string) string {
	t.Helper()
	code, out := s.run(t, nil, arguments...)
	if code != 0 {
		t.Fatalf("engines %q: exit code %d\n%s", arguments, code, out)
	}
	return out
}

func (s *script) file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.state, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (s *script) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(s.state, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withTools makes PATH hold the named commands and nothing else.
func (s *script) withTools(t *testing.T, names string) {
	t.Helper()
	s.path = t.TempDir()
	for _, name := range strings.Fields(names) {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("%s is not there", name)
		}
		if err := os.Symlink(path, filepath.Join(s.path, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// tools is what the script needs in order to see what else is missing.
const tools = "bash env cat cut date diff dirname flock grep head id ls mkdir mktemp mv paste readlink rm sed setsid sha256sum sleep sort tail timeout touch tr uname"

func TestUsage(t *testing.T) {
	s := newScript(t)
	for _, c := range []struct{ arguments, want string }{
		{"", "a command is missing"},
		{"begin", `no command is called "begin"`},
		{"start redis", `no engine is called "redis"; the names are opensearch dynamodb s3 sqs`},
		{"stop S3", `no engine is called "S3"`},
		{"status s3 all", `no engine is called "all"`},
		{"env s3", "env takes no arguments"},
		{"java s3", "java takes no arguments"},
		{"pin", "pin takes one name"},
		{"pin s3 sqs", "pin takes one name"},
		{"run", "run needs a command"},
	} {
		code, out := s.run(t, nil, strings.Fields(c.arguments)...)
		if code != 2 || !strings.Contains(out, c.want) || !strings.Contains(out, "engines start  [NAME…]") {
			t.Errorf("engines %s: exit code %d, want 2 and %q:\n%s", c.arguments, code, c.want, out)
		}
	}
	if _, err := os.Stat(s.state); err == nil {
		t.Error("wrong usage left a state folder")
	}
}

// Without anything started there is nothing to stop and nothing to export.
func TestNothingRuns(t *testing.T) {
	s := newScript(t)
	code, out := s.run(t, nil, "status")
	if lines := strings.Count(out, "stopped"); code != 1 || lines != len(All) {
		t.Errorf("status: exit code %d, %d of %d stopped:\n%s", code, lines, len(All), out)
	}
	s.must(t, "stop")
	if out := s.must(t, "env"); out != "" {
		t.Errorf("env prints %q", out)
	}
}

// An endpoint of the caller's own is used, and its engine is not started: this
// start has nothing to do, and needs nothing.
func TestOwnEndpoints(t *testing.T) {
	s := newScript(t)
	s.withTools(t, tools)
	var own []string
	for _, e := range All {
		own = append(own, e.Variable+"=http://engine.example:1")
	}
	for _, command := range []string{"start", "status"} {
		code, out := s.run(t, own, command)
		if code != 0 || strings.Count(out, "yours") != len(All) {
			t.Errorf("%s: exit code %d:\n%s", command, code, out)
		}
	}
	if code, out := s.run(t, own, "env"); code != 0 || out != "" {
		t.Errorf("env: exit code %d, prints %q", code, out)
	}
	code, out := s.run(t, own, "run", "sh", "-c", "echo at $OPENSEARCH_ENDPOINT; exit 9")
	if code == 9 || !strings.Contains(out, "sh: command not found") {
		t.Errorf("run: exit code %d, though the command is not in PATH:\n%s", code, out)
	}
	code, out = s.run(t, own, "run", "bash", "-c", "echo at $OPENSEARCH_ENDPOINT; exit 9")
	if code != 9 || !strings.Contains(out, "at http://engine.example:1") {
		t.Errorf("run: exit code %d, want the command's own 9:\n%s", code, out)
	}
	// A variable that came from here and whose engine has ended is taken back.
	if _, out := s.run(t, append(own, "ENGINES_URLS=http://engine.example:1"), "env"); !strings.Contains(out, "unset "+S3.Variable) {
		t.Errorf("env leaves a stale endpoint:\n%s", out)
	}
}

// What is missing is told by name with code 3, and fails a run in CI only.
func TestUnavailable(t *testing.T) {
	s := newScript(t)
	s.withTools(t, tools)
	code, out := s.run(t, nil, "start", "s3")
	if code != 3 || !strings.Contains(out, "s3          unavailable  missing: go\n") {
		t.Errorf("without go: exit code %d:\n%s", code, out)
	}
	s.withTools(t, strings.Replace(tools, "flock ", "", 1))
	code, out = s.run(t, nil, "start")
	if code != 3 || strings.Count(out, "missing: flock (util-linux)") != len(All) {
		t.Errorf("without flock: exit code %d:\n%s", code, out)
	}
	if code, out = s.run(t, nil, "run", "bash", "-c", "echo went on"); code != 0 || !strings.Contains(out, "went on") {
		t.Errorf("run without engines: exit code %d:\n%s", code, out)
	}
	if code, out = s.run(t, []string{"CI=true"}, "run", "bash", "-c", "echo went on"); code != 1 || strings.Contains(out, "went on") {
		t.Errorf("run in CI without engines: exit code %d:\n%s", code, out)
	}
}

// The process that has the number of a server now is not the server, and a folder
// that was not made here is not removed.
func TestStrangers(t *testing.T) {
	s := newScript(t)
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip("no /proc here")
	}
	stranger := exec.Command("sleep", "300")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stranger.Wait() }()
	t.Cleanup(func() {
		if err := stranger.Process.Kill(); err != nil {
			t.Errorf("the stranger was ended: %v", err)
		}
		<-ended
	})
	birth := strings.Fields(mustRead(t, fmt.Sprintf("/proc/%d/stat", stranger.Process.Pid)))[21]
	folders := t.TempDir()
	kept := filepath.Join(folders, "oipnode-s3.mine")
	named := filepath.Join(folders, "photos")
	for _, dir := range []string{kept, named} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(named, ".oipnode-engine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	pid := stranger.Process.Pid
	for _, c := range []struct{ name, process, data string }{
		{"another start time", fmt.Sprintf("%d %s1 %s", pid, birth, boot), kept},
		{"another boot", fmt.Sprintf("%d %s 00000000-0000-0000-0000-000000000000\n", pid, birth), named},
		{"no start time", fmt.Sprintf("%d\n", pid), kept},
		{"a group", fmt.Sprintf("-%d %s %s", pid, birth, boot), kept},
		{"all processes", "-1 0 " + string(boot), named},
		{"nothing", "", kept},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.write(t, "s3/process", c.process)
			s.write(t, "s3/url", "http://127.0.0.1:1\n")
			s.write(t, "s3/data", c.data+"\n")
			if code, out := s.run(t, nil, "status", "s3"); code != 1 || !strings.Contains(out, "stopped") {
				t.Errorf("status: exit code %d:\n%s", code, out)
			}
			s.must(t, "stop", "s3")
			select {
			case err := <-ended:
				t.Fatalf("stop ended a stranger: %v", err)
			default:
			}
			if _, err := os.Stat(c.data); err != nil {
				t.Errorf("stop removed a folder that was not made here: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(s.state, "s3", "*")); len(left) != 0 {
				t.Errorf("stop left %q", left)
			}
		})
	}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The guard of TestStrangers would be void if it took every process for a stranger.
func TestStopEndsItsOwn(t *testing.T) {
	s := newScript(t)
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip("no /proc here")
	}
	server := exec.Command("sleep", "300")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	birth := strings.Fields(mustRead(t, fmt.Sprintf("/proc/%d/stat", server.Process.Pid)))[21]
	data := filepath.Join(t.TempDir(), "oipnode-sqs.x")
	s.write(t, "sqs/process", fmt.Sprintf("%d %s %s", server.Process.Pid, birth, boot))
	s.write(t, "sqs/url", "http://127.0.0.1:1\n")
	s.write(t, "sqs/data", data+"\n")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, ".oipnode-engine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := s.must(t, "env"); !strings.Contains(out, "export "+SQS.Variable+"=http://127.0.0.1:1\n") {
		t.Errorf("env: %s", out)
	}
	s.must(t, "stop")
	var exit *exec.ExitError
	if err := server.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("the server ended with %v, want a signal", err)
	}
	if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its data is still there: %v", err)
	}
}
