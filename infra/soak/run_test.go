package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oipnode/shared/jobs/local"
)

// TestSoak is a whole soak in seconds. So short a run says little about growth, but
// everything else must hold as in a long one.
func TestSoak(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	s, err := readSettings([]string{"-binary", nodeBinary, "-out", out, "-minutes", "0.25", "-rate", "30", "-dialogues", "600", "-souls", "2500", "-fetches", "50", "-largest", "3000000"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s.interval = 200 * time.Millisecond
	var said strings.Builder
	r, err := soak(t.Context(), s, &said)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.write(out); err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Checks {
		if !c.OK {
			t.Errorf("%s: %s", c.Name, c.Said)
		}
	}
	for _, name := range []string{"API requests", "Dialogues", "Media fetches", "Blocks"} {
		if c := r.Load[name]; c.Done == 0 || c.Failed != 0 {
			t.Errorf("%s: %s %q", name, c, c.First)
		}
	}
	if got, want := r.Load["Dialogues"].Done+r.Load["Dialogues"].Late, int64(s.dialogues); got < want*9/10 || got > want {
		t.Errorf("%d of %d dialogues", got, want)
	}
	var requests int64
	for i, sample := range r.Samples {
		requests += sample.Requests
		if sample.RSS <= sample.Private || sample.Private < mebibyte || sample.Heap <= 0 || sample.Goroutines < 5 || sample.Files < 5 || sample.Disk < 32<<10 {
			t.Errorf("sample %d is %+v", i, sample)
		}
	}
	// The last requests may come behind the last sample.
	if done := r.Load["API requests"].Done; requests > done || requests < done/2 {
		t.Errorf("%d requests in the samples, %d in all", requests, done)
	}
	var read result
	text, err := os.ReadFile(filepath.Join(out, "soak.json"))
	if err != nil || json.Unmarshal(text, &read) != nil || len(read.Samples) != len(r.Samples) || read.Passed != r.Passed || len(read.Outcomes) != len(rows) {
		t.Errorf("soak.json: %v, %.300s", err, text)
	}
	again, err := judgeAgain(out)
	if err != nil || again.Passed != r.Passed || len(again.Outcomes) != len(r.Outcomes) || again.Outcomes[0].Growth != read.Outcomes[0].Growth {
		t.Errorf("judged again: %+v, %v", again, err)
	}
	if code := run(t.Context(), []string{"-out", t.TempDir(), "-again"}, io.Discard); code != exitFailed {
		t.Errorf("judging what is not there: code %d", code)
	}
	for _, name := range []string{"soak.md", "soak.svg"} {
		if text, err := os.ReadFile(filepath.Join(out, name)); err != nil || len(text) < 1000 {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	if !strings.Contains(said.String(), "30 requests a second") {
		t.Errorf("it said %q", said.String())
	}
}

// A soak that is interrupted leaves no node and no folder behind.
func TestInterrupted(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithCancel(t.Context())
	said := &announced{when: "of load on", do: cancel}
	code := run(ctx, []string{"-binary", nodeBinary, "-out", filepath.Join(tmp, "out"), "-minutes", "1"}, said)
	if code != exitFailed || !strings.Contains(said.String(), context.Canceled.Error()) {
		t.Errorf("code %d: %s", code, said)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// announced does something once it was told a text.
type announced struct {
	strings.Builder
	when string
	do   func()
}

func (a *announced) Write(b []byte) (int, error) {
	if strings.Contains(string(b), a.when) {
		a.do()
	}
	return a.Builder.Write(b)
}

// What is no node, and what cannot be read, is said at once.
func TestNoNode(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "node")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho '{\"level\":\"ERROR\",\"msg\":\"the port is taken\"}' >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{script: "the port is taken", filepath.Join(dir, "none"): "start the node"} {
		var said strings.Builder
		if code := run(t.Context(), []string{"-binary", name, "-out", dir}, &said); code != exitFailed || !strings.Contains(said.String(), want) {
			t.Errorf("%s: code %d: %s", name, code, said.String())
		}
	}
}

// An expired row that nobody removed is found in the file.
func TestInspectState(t *testing.T) {
	dir := t.TempDir()
	var r result
	inspectState(t.Context(), filepath.Join(dir, "state.db"), nil, true, &r)
	for _, c := range r.Checks {
		if !c.OK {
			t.Errorf("an empty file: %s: %s", c.Name, c.Said)
		}
	}
	path := filepath.Join(dir, "old.db")
	leaveExpired(t, path)
	r = result{quiet: time.Now()}
	inspectState(t.Context(), path, nil, true, &r)
	if len(r.Checks) != 2 || r.Checks[0].OK || !strings.HasPrefix(r.Checks[0].Said, "3 rows") || !r.Checks[1].OK {
		t.Errorf("%+v", r.Checks)
	}
	damaged := filepath.Join(dir, "damaged.db")
	if err := os.WriteFile(damaged, []byte("no state"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = result{}
	if inspectState(t.Context(), damaged, nil, true, &r); len(r.Checks) != 1 || r.Checks[0].OK {
		t.Errorf("%+v", r.Checks)
	}
}

// Jobs that nobody ended, and files that are half there, are found in the folder.
func TestInspectMedia(t *testing.T) {
	dir := t.TempDir()
	var r result
	if inspectMedia(t.Context(), dir, &r); len(r.Checks) != 2 || !r.Checks[0].OK || !r.Checks[1].OK {
		t.Errorf("an empty folder: %+v", r.Checks)
	}
	queue, err := local.Open(filepath.Join(dir, "jobs.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = queue.Send(t.Context(), []byte("forgotten"), 0)
	if err := errors.Join(err, queue.Close(), os.WriteFile(filepath.Join(dir, "media", "_temp", "half"), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	r = result{}
	inspectMedia(t.Context(), dir, &r)
	if len(r.Checks) != 2 || r.Checks[0].OK || r.Checks[1].OK || !strings.Contains(r.Checks[0].Said, "1 wait") || !strings.Contains(r.Checks[1].Said, "1 halves") {
		t.Errorf("%+v", r.Checks)
	}
	r = result{}
	if inspectMedia(t.Context(), filepath.Join(dir, "none"), &r); len(r.Checks) != 1 || r.Checks[0].OK {
		t.Errorf("no folder: %+v", r.Checks)
	}
}
