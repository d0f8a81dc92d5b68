package engines

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// live returns the script with a copy of the S3 server, the quickest engine to start,
// from the cache that make engines has filled. It cannot fetch: PATH has neither go
// nor Maven. The test ends as one that lacks the engine, if it is not in the cache.
func live(t *testing.T) *script {
	t.Helper()
	s := newScript(t)
	out, err := exec.Command("bash", "-c", "source ./cache.sh && echo $cache").Output()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "s3-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range found {
		if err := os.CopyFS(filepath.Join(s.cache, filepath.Base(dir)), os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
	}
	s.withTools(t, tools)
	t.Cleanup(func() { s.must(t, "stop") })
	if code, out := s.run(t, nil, "start", "s3"); code == 3 && len(found) == 0 {
		t.Setenv(S3.Variable, "")
		S3.URL(t)
	} else if code != 0 {
		t.Fatalf("start: exit code %d\n%s", code, out)
	}
	return s
}

// answers reports whether something listens at the engine's address.
func answers(t *testing.T, base string) bool {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", u.Host, 5*time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// The life of an engine: the variables lead to it, a second start finds it, a run
// leaves it, stop ends it and what it kept.
func TestLife(t *testing.T) {
	s := live(t)
	process, data, base := s.file(t, "s3/process"), s.file(t, "s3/data"), s.file(t, "s3/url")

	// The variables are taken from the file as a shell would take them.
	cmd := exec.Command("bash", "-c", `source "$1" && env`, "bash", filepath.Join(s.state, "env"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "AWS_SESSION_TOKEN=real", "AWS_PROFILE=real", "AWS_ACCESS_KEY_ID=real"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	variables := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		variables[name] = value
	}
	if variables[S3.Variable] != base || variables["AWS_EC2_METADATA_DISABLED"] != "true" || variables["AWS_REGION"] == "" {
		t.Errorf("variables %q", variables)
	}
	for name, value := range variables {
		if value == "real" {
			t.Errorf("%s is still the caller's own", name)
		}
	}
	for _, name := range []string{S3.Variable, "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, variables[name])
	}
	t.Setenv("AWS_CA_BUNDLE", "")
	client := s3.NewFromConfig(S3.AWS(t), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("life")}); err != nil {
		t.Errorf("the engine does not take the keys that are written for it: %v", err)
	}

	if out := s.must(t, "start", "s3"); !strings.Contains(out, "running") || s.file(t, "s3/process") != process {
		t.Errorf("a second start began another server:\n%s", out)
	}
	s.must(t, "run", "true")
	if out := s.must(t, "status", "s3"); !strings.Contains(out, base) {
		t.Errorf("a run ended what start had started:\n%s", out)
	}
	s.must(t, "stop", "s3")
	if answers(t, base) {
		t.Error("it answers after stop")
	}
	for _, path := range []string{data, filepath.Join(s.state, "env")} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there after stop: %v", path, err)
		}
	}
}

// Starts at the same time agree on one server, and runs at the same time share it:
// it ends with the last of them.
func TestTogether(t *testing.T) {
	s := live(t)
	s.must(t, "stop", "s3")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if code, out := s.run(t, nil, "start", "s3"); code != 0 {
				t.Errorf("start: exit code %d\n%s", code, out)
			}
		})
	}
	wg.Wait()
	process := s.file(t, "s3/process")
	s.must(t, "stop", "s3")
	if process == "" || len(strings.Split(process, "\n")) != 1 {
		t.Errorf("processes %q", process)
	}

	// The others cannot be had, which is no error outside CI.
	long := s.command(t.Context(), nil, "run", "bash", "-c", "echo begun; cat")
	input, err := long.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := long.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	long.Stderr = &log
	if err := long.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(output, make([]byte, len("begun"))); err != nil {
		t.Fatalf("run: %v\n%s", err, &log)
	}
	code, out := s.run(t, nil, "run", "bash", "-c", "echo at $"+S3.Variable)
	if code != 0 || !strings.Contains(out, "at http://127.0.0.1:") {
		t.Errorf("run: exit code %d\n%s", code, out)
	}
	if code, out := s.run(t, nil, "status", "s3"); code != 0 {
		t.Errorf("the first run to end took the engine from the other:\n%s", out)
	}
	base := s.file(t, "s3/url")
	if err := input.Close(); err != nil {
		t.Error(err)
	}
	if err := long.Wait(); err != nil {
		t.Errorf("run: %v\n%s", err, &log)
	}
	if code, _ := s.run(t, nil, "status", "s3"); code != 1 || answers(t, base) {
		t.Errorf("the engine is there after the last run")
	}
}

// Keys of the caller's own go with an endpoint of their own, and not to a server
// that was started with others.
func TestOtherKeys(t *testing.T) {
	s := live(t)
	own := []string{DynamoDB.Variable + "=http://engine.example:1", "AWS_ACCESS_KEY_ID=mine", "AWS_SECRET_ACCESS_KEY=secretofmine"}
	if code, out := s.run(t, own, "start", "s3"); code != 1 || !strings.Contains(out, "another AWS_ACCESS_KEY_ID") {
		t.Errorf("start with other keys: exit code %d\n%s", code, out)
	}
	s.must(t, "stop")
	if code, out := s.run(t, own, "start", "s3"); code != 0 {
		t.Fatalf("start with own keys: exit code %d\n%s", code, out)
	}
	_, out := s.run(t, own, "env")
	if strings.Contains(out, "AWS_ACCESS_KEY_ID") || !strings.Contains(out, "export AWS_REGION=") {
		t.Errorf("env with own keys:\n%s", out)
	}
	for _, name := range []string{"env", "s3/key", "s3/log"} {
		if text := mustRead(t, filepath.Join(s.state, name)); strings.Contains(text, "secretofmine") {
			t.Errorf("the caller's secret is in %s", name)
		}
	}
}

// What is kept is looked at again before each start: a changed server does not run.
func TestDamagedCache(t *testing.T) {
	s := live(t)
	s.must(t, "stop", "s3")
	binaries, err := filepath.Glob(filepath.Join(s.cache, "s3-*", "versitygw"))
	if err != nil || len(binaries) == 0 {
		t.Fatalf("binaries %q, %v", binaries, err)
	}
	for _, path := range binaries {
		if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	code, out := s.run(t, nil, "start", "s3")
	if code != 3 || !strings.Contains(out, "damaged") || !strings.Contains(out, "missing: go") {
		t.Errorf("start: exit code %d\n%s", code, out)
	}
}
