package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	for range 200 {
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
	return strings.TrimPrefix(closed(t), "http://")
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

// changing is what differs between two invocations: ids, and the length of a moment.
var changing = regexp.MustCompile(`(?i)"(x-request-id|requestId|content-length)":"[^"]*"`)

// TestRuntimeInterfaceEmulator hands the same events to the same binaries under
// Amazon's emulator and under ours: the answers must be the same.
func TestRuntimeInterfaceEmulator(t *testing.T) {
	present(t, "the Lambda Runtime Interface Emulator", "LAMBDA_RIE", "aws-lambda-rie")
	d := deploy(t)
	d.invoke(d.start("keepdb"), event(t, "keepdb.json"), nil)
	d.invoke(d.start("cacherefresh"), event(t, "cacherefresh.json"), nil)
	files, err := filepath.Glob("../../events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := make(map[string]*emulator), make(map[string]*sandbox.Sandbox)
	compared := 0
	for _, file := range files {
		name := filepath.Base(file)
		function, _, _ := strings.Cut(strings.TrimSuffix(name, ".json"), "-")
		if function == "keepdb" || name == "maintenance-rescan.json" || name == "maintenance-reindex.json" {
			continue // they change what the next one sees: theirs is the last test below
		}
		if theirs[function] == nil {
			theirs[function], ours[function] = emulate(t, d.function(function)), d.start(function)
		}
		a := text(theirs[function].invoke(t, event(t, name)))
		b := text(d.invoke(ours[function], event(t, name), nil).Payload)
		if a != b {
			t.Errorf("%s:\ntheir emulator %.2000s\nours           %.2000s", name, a, b)
		}
		compared++
	}
	if compared < 10 {
		t.Errorf("only %d events were compared", compared)
	}
	var c cycle
	if err := json.Unmarshal(emulate(t, d.function("keepdb")).invoke(t, event(t, "keepdb.json")), &c); err != nil || !c.Report.Complete {
		t.Errorf("keepdb under their emulator: %+v, %v", c, err)
	}
}

// text is an answer without what changes from one invocation to the next.
func text(answer []byte) string {
	return string(normal("/api/health", changing.ReplaceAll(bytes.ReplaceAll(answer, []byte(`\"`), []byte(`"`)), nil)))
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
