package main

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// cronLine is the check as the README prints it, for a crontab.
var cronLine = regexp.MustCompile(`(?m)^\*/5 \* \* \* \* (.*)$`)

// TestHealthCheck: make health, and the line for cron that the README prints, say how a
// node is, and fail when it is not well, or not there.
func TestHealthCheck(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"make", "curl", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not on the path", program)
			}
			t.Skipf("%s is not on the path", program)
		}
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := cronLine.FindSubmatch(readme)
	if found == nil {
		t.Fatal("the README prints no line for cron")
	}
	cron := string(found[1])
	if !strings.Contains(cron, "http://127.0.0.1:3005") {
		t.Fatalf("the line asks nobody: %s", cron)
	}
	check := func(url string, good bool, says string) {
		t.Helper()
		for i, line := range []string{"make -s -C ../.. health URL=" + url, strings.ReplaceAll(cron, "http://127.0.0.1:3005", url)} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			out, err := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", line).CombinedOutput()
			cancel()
			silent := good && i == 1 // or cron would send mail
			if (err == nil) != good || silent && len(out) > 0 || !silent && !strings.Contains(string(out), says) {
				t.Errorf("%.60s: %v, %s", line, err, out)
			}
		}
	}
	p := startNode(t, t.TempDir(), nil)
	p.until(t, "complete", func(h health) bool { return h.LastCycle != nil && h.LastCycle.Complete })
	check(p.url, true, "stores OK, memory ok at ")
	// An address as a browser shows it.
	out, err := exec.CommandContext(t.Context(), "make", "-s", "-C", "../..", "health", "URL="+p.url+"/").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "stores OK, memory ok at ") {
		t.Errorf("with a slash behind the address: %v, %s", err, out)
	}
	p.stop(t)
	check(p.url, false, "")
	// A node whose gateway is not there.
	p = startNode(t, t.TempDir(), map[string]string{"ARWEAVE_GATEWAYS": "http://127.0.0.1:1"})
	// The console shows this sentence: it began with a colon, without a phase before it.
	if h := p.until(t, "failing", func(h health) bool { return h.Status == "failing" }); h.LastCycle.Error != "gateway: no gateway can serve" {
		t.Errorf("the error of the cycle is %q", h.LastCycle.Error)
	}
	check(p.url, false, "index failing")
	p.stop(t)
	// A limit that the node has nearly used up.
	p = startNode(t, t.TempDir(), map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "64", "MEMORY_WARNING_THRESHOLD": "1"})
	check(p.url, false, "memory warning at ")
	p.stop(t)
}
