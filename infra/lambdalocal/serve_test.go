package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

var client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// startServe serves the test function until the test ends.
func startServe(t *testing.T, args ...string) (base string, log *output) {
	t.Helper()
	log = &output{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	args = append([]string{"serve", "-binary", binary, "-listen", "127.0.0.1:0", "-env", file(t, "MODE=http\n")}, args...)
	go func() { ended <- run(ctx, args, streams{strings.NewReader(""), io.Discard, log}, nil) }()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("exit code %d", code)
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return until(t, log, `msg=serving url=(\S+)`), log
}

// until waits for a line of the log and returns the part that the pattern names.
func until(t *testing.T, log *output, pattern string) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(log.String()); m != nil {
			return m[len(m)-1]
		}
	}
	t.Fatalf("no %s in the log:\n%s", pattern, log.String())
	return ""
}

// reply is a response whose body was read.
type reply struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, method, url, kind, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Cookie", "x=1; y=2")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

// A request goes through gateway, process and adapter and back.
func TestServe(t *testing.T) {
	base, log := startServe(t, "-stage", "prod")
	for kind, body := range map[string]string{"text/plain": "hällo\n\"x\"", "application/octet-stream": "\x00\xff\n", "application/x-www-form-urlencoded": "a=b"} {
		got := ask(t, "POST", base+"/echo?a=1&a=2&b=", kind, body)
		h := got.header
		if got.status != http.StatusAccepted || got.body != body || h.Get("Content-Type") != kind {
			t.Errorf("%s: %+v", kind, got)
		}
		if h.Get("X-Method") != "POST" || h.Get("X-Query") != "a=1&a=2&b=" || h.Get("X-Cookie") != "x=1; y=2" || len(h["Set-Cookie"]) != 2 || h.Get("Apigw-Requestid") == "" {
			t.Errorf("%s: headers %q", kind, h)
		}
	}
	if got := ask(t, "HEAD", base+"/echo", "", ""); got.status != http.StatusAccepted || got.body != "" {
		t.Errorf("HEAD: %+v", got)
	}
	if n := strings.Count(log.String(), "Init Duration"); n != 1 {
		t.Errorf("%d processes for one request after another", n)
	}
}

// What goes wrong is answered in the words of the gateway, and the log has the cause.
func TestServeFailures(t *testing.T) {
	base, log := startServe(t, "-timeout", "1s", "-concurrency", "2")
	for _, c := range []struct {
		path, body string
		status     int
		want, log  string
	}{
		{"/exit", "", 500, `{"message":"Internal Server Error"}`, "Runtime.ExitError"},
		// The adapter answers before the function's time is up.
		{"/hang", "", 504, `"code":"timeout"`, "hanging"},
		{"/echo", strings.Repeat("x", 5<<20), 413, `{"message":"Request Entity Too Large"}`, ""}, // as an event over 6 MiB
		{"/echo", strings.Repeat("x", 11<<20), 413, `{"message":"Request Entity Too Large"}`, ""},
		{"/echo", "again", 202, "again", ""},
	} {
		got := ask(t, "POST", base+c.path, "application/octet-stream", c.body)
		if got.status != c.status || !strings.Contains(got.body, c.want) || !strings.Contains(log.String(), c.log) {
			t.Errorf("%s with %d bytes: status %d, %.200s", c.path, len(c.body), got.status, got.body)
		}
	}
}

// Requests at the same time are in different processes.
func TestServeConcurrency(t *testing.T) {
	base, _ := startServe(t, "-concurrency", "3")
	var mu sync.Mutex
	pids := map[string]bool{}
	var calls sync.WaitGroup
	for range 9 {
		calls.Go(func() {
			pid := ask(t, "GET", base+"/pid", "", "").body
			mu.Lock()
			defer mu.Unlock()
			pids[pid] = true
		})
	}
	calls.Wait()
	if len(pids) != 3 {
		t.Errorf("%d processes, want 3", len(pids))
	}
}

// Whatever ends the command ends the functions: a signal, also with a request under
// way, and on Linux even SIGKILL.
func TestNothingIsLeftBehind(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		if s == syscall.SIGKILL && runtime.GOOS != "linux" {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			cmd := exec.Command(self, "serve", "-binary", binary, "-listen", "127.0.0.1:0", "-env", file(t, "MODE=http\n"), "-timeout", "1m")
			cmd.Env = os.Environ()
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			log := &output{}
			copied := make(chan struct{})
			go func() {
				defer close(copied)
				_, _ = io.Copy(log, bufio.NewReader(stderr)) // ends with the process
			}()
			base := until(t, log, `msg=serving url=(\S+)`)
			text := ask(t, "GET", base+"/pid", "", "").body
			pid, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			hanging := make(chan error, 1)
			go func() {
				resp, err := client.Get(base + "/hang")
				if err == nil {
					err = resp.Body.Close()
				}
				hanging <- err
			}()
			until(t, log, "(hanging)\n")
			begun := time.Now()
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			<-copied
			err = cmd.Wait()
			if took := time.Since(begun); took > shutdownTime+5*time.Second {
				t.Errorf("the end took %v", took)
			}
			if s != syscall.SIGKILL && err != nil {
				t.Errorf("ended with %v", err)
			}
			<-hanging // with an error or without: the connection was cut
			for end := time.Now().Add(patience); syscall.Kill(pid, 0) == nil; time.Sleep(5 * time.Millisecond) {
				if state, err := os.ReadFile("/proc/" + text + "/stat"); err == nil && strings.Contains(string(state), ") Z ") {
					break // dead; only nobody has taken notice of it
				}
				if time.Now().After(end) {
					t.Fatalf("process %d is still there", pid)
				}
			}
		})
	}
}
