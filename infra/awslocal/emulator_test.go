package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"oipnode/infra/lambdalocal/sandbox"
)

// present returns the path of a program that a test needs: the value of a variable, or
// a command on the path. Without it the test is skipped by name, or fails in CI.
func present(t *testing.T, what, variable, command string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	if path, err := exec.LookPath(command); err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not there: %s is not set and %s is not on the path", what, variable, command)
	}
	t.Skipf("%s is not there: %s is not set and %s is not on the path", what, variable, command)
	return ""
}

// emulator runs a function under Amazon's own Runtime Interface Emulator.
type emulator struct {
	url string
	log *journal
}

func emulate(t *testing.T, f sandbox.Function) *emulator {
	t.Helper()
	rie := present(t, "the Lambda Runtime Interface Emulator", "LAMBDA_RIE", "aws-lambda-rie")
	e := &emulator{log: &journal{}}
	address, api := free(t), free(t)
	e.url = "http://" + address + "/2015-03-31/functions/function/invocations"
	c := exec.Command(rie, "--runtime-interface-emulator-address", address, "--runtime-api-address", api, f.Binary)
	c.Env = append(f.Env, "PATH="+os.Getenv("PATH"), "AWS_LAMBDA_FUNCTION_NAME="+f.Name, "AWS_LAMBDA_FUNCTION_TIMEOUT=60",
		fmt.Sprintf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=%d", f.Memory))
	c.Stdout, c.Stderr = e.log, e.log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // the emulator and the function
		_ = c.Wait()
	})
	for range 2400 {
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = conn.Close()
			return e
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("the emulator does not listen: %s", e.log)
	return nil
}

// free is a port that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// invoke hands over one event; the emulator takes one at a time.
func (e *emulator) invoke(t *testing.T, event []byte) []byte {
	t.Helper()
	res, err := http.Post(e.url, "application/json", bytes.NewReader(event))
	if err != nil {
		t.Fatalf("%v\n%s", err, e.log)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// story is every event of the folder but those of the API, in an order in which each has
// something to do.
var story = []string{
	"cacherefresh", "maintenance-stats", "keepdb", "keepdb", "cacherefresh", "cacherefresh", "maintenance-rescan", "maintenance-stats", "keepdb",
	"maintenance-reindex", "maintenance-verify", "maintenance-verify-repair", "maintenance-remap", "maintenance-retry", "maintenance-rejected",
	"maintenance-rejected-show", "maintenance-export", "maintenance-delete", "maintenance-delete", "maintenance-token", "maintenance-cleanup",
	"maintenance-monitor", "maintenance-diagnose", "maintenance-diagnose-monitor", "maintenance-diagnose-snapshot", "gunsync", "gunsync-late", "gunsync-force", "maintenance-media-repair", "expiry", "expiry-delete", "expiry-malformed",
	"mediafetch", "mediafetch-malformed", "maintenance-stats",
}

// measuring are those that answer with measurements, or with a token of that second.
var measuring = []string{"maintenance-token", "maintenance-cleanup", "maintenance-monitor", "maintenance-diagnose", "maintenance-diagnose-monitor",
	"maintenance-diagnose-snapshot"}

// TestRuntimeInterfaceEmulator tells the same story twice, to the same binaries: in one
// deployment under Amazon's emulator, in another under ours. All answers must be the
// same, but for what no two invocations have in common.
func TestRuntimeInterfaceEmulator(t *testing.T) {
	present(t, "the Lambda Runtime Interface Emulator", "LAMBDA_RIE", "aws-lambda-rie")
	events := slices.Clone(story)
	files, err := filepath.Glob("../../events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if strings.HasPrefix(name, "api-") {
			events = append(events, name)
		} else if !slices.Contains(story, name) {
			t.Errorf("events/%s.json is not in the story", name)
		}
	}
	peer := "GUN_EXTERNAL_PEERS=" + gunPeer(t, nil).URL()
	key := "JWT_SECRET=" + contractSecret
	here, there := deploy(t, peer, key), deploy(t, peer, key)
	ours, theirs := make(map[string]*sandbox.Sandbox), make(map[string]*emulator)
	for i, name := range events {
		function, _, _ := strings.Cut(name, "-")
		if ours[function] == nil {
			ours[function], theirs[function] = here.start(function), emulate(t, there.function(function))
		}
		input := event(t, name+".json")
		r, err := ours[function].Invoke(t.Context(), input)
		if err != nil {
			t.Fatal(err)
		}
		a, b := settled(t, r.Payload), settled(t, theirs[function].invoke(t, input))
		if slices.Contains(measuring, name) {
			a, b = shapeOf(t, a), shapeOf(t, b)
		}
		if a != b {
			t.Errorf("%d, %s:\nours           %.3000s\ntheir emulator %.3000s", i, name, a, b)
		}
	}
}

// varying are the members of answers that differ between two invocations, or between two
// deployments: when something happened and how long it took, random ids, and how much the
// process has of memory, and in which parts it is worth telling; and the address of the gateway,
// which each deployment has one of.
var varying = regexp.MustCompile(`(?i)^(.*At|.*Time|timestamp|uptime|uptimeSeconds|took|duration.*|.*Ms|last.*Ago|x-request-id|requestId|content-length|etag|date|memory|started|updated|since|asked|recheck|lastGood|gateways?|parts)$`)

// settled is an answer without those members, also in a body that is JSON itself.
func settled(t *testing.T, answer []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(answer, &v); err != nil {
		return string(answer)
	}
	text, err := json.Marshal(steady(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func steady(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if varying.MatchString(name) {
				v[name] = ""
				continue
			}
			v[name] = steady(member)
		}
	case []any:
		for i := range v {
			v[i] = steady(v[i])
		}
	case string:
		v = unpacked(v)
		var inner any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &inner) == nil {
			return steady(inner)
		}
	}
	return v
}

// unpacked is the body of an event as a reader sees it: out of base64 and gzip if it is a
// compressed one.
func unpacked(body string) string {
	packed, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		return body
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return body
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return body
	}
	return string(text)
}

// shapeOf is the shape of an answer.
func shapeOf(t *testing.T, answer string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(answer), &v); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	text, err := json.Marshal(shape(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestArm64 runs the functions as they ship, for arm64, under qemu.
func TestArm64(t *testing.T) {
	qemu := present(t, "qemu for arm64", "QEMU_AARCH64", "qemu-aarch64-static")
	d := deploy(t, "GUN_EXTERNAL_PEERS="+gunPeer(t, nil).URL())
	dir := t.TempDir()
	for _, c := range []struct{ function, event, want string }{
		{"keepdb", "keepdb.json", `"complete":true`}, {"cacherefresh", "cacherefresh.json", `"refreshed":true`},
		{"maintenance", "maintenance-stats.json", `"cycles":1`}, {"expiry", "expiry.json", `{"batchItemFailures":[]}`}, {"api", "api-get.json", `"statusCode":200`},
		{"gunsync", "gunsync.json", `"indexed":3`},
	} {
		program, script := filepath.Join(dir, c.function), filepath.Join(dir, c.function+".sh")
		build := exec.Command("make", "--no-print-directory", "-C", "../..", "build-"+strings.ToUpper(c.function[:1])+c.function[1:]+"Function", "ARTIFACTS_DIR="+program)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := os.WriteFile(script, []byte("#!/bin/sh\nexec "+qemu+" "+program+"/bootstrap\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		f := d.function(c.function)
		f.Binary, f.Memory, f.Timeout = script, 2048, 5*time.Minute
		s, err := sandbox.Start(t.Context(), f)
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.function, err, d.log)
		}
		if r := d.invoke(s, event(t, c.event), nil); !strings.Contains(string(r.Payload), c.want) {
			t.Errorf("%s: %.500s", c.function, r.Payload)
		}
		s.Close()
	}
}
