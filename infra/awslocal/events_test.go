package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oipnode/infra/lambdalocal/sandbox"
)

// cycle is what of keepdb's answer these tests look at.
type cycle struct {
	Skipped string
	Report  struct {
		Complete bool
		Counts   struct{ Indexed, Rejected int }
	}
}

// TestEvents hands every file of the folder events to the very binary of its function,
// over real engines, in the order in which they make sense.
func TestEvents(t *testing.T) {
	d := deploy(t, "GUN_EXTERNAL_PEERS="+gunPeer(t, nil).URL(), "JWT_SECRET="+contractSecret)
	tested := make(map[string]bool)
	use := func(name string) []byte {
		tested[name] = true
		return event(t, name)
	}

	// The schedules begin in any order: before the first cycle there is no index, which
	// is no fault.
	refresh := d.start("cacherefresh")
	var refreshed struct {
		Refreshed bool
		Summary   *struct{ Records, Cycle int64 }
	}
	if d.invoke(refresh, use("cacherefresh.json"), &refreshed); refreshed.Refreshed {
		t.Error("refreshed before the first cycle")
	}
	maintenance := d.start("maintenance")
	var stats struct {
		Checkpoint struct{ Height int64 }
		Pipeline   struct{ Cycles int64 }
		Ledger     map[string]int64
		Rescan     *struct{ From, To int64 }
		Summary    *struct{ Records int64 }
		Records    struct{ Documents int64 }
	}
	d.invoke(maintenance, use("maintenance-stats.json"), &stats)
	if stats.Pipeline.Cycles != 0 || stats.Summary != nil || stats.Records.Documents != 0 {
		t.Errorf("an empty deployment: %+v", stats)
	}
	keepdb := d.start("keepdb")
	var first, second cycle
	d.invoke(keepdb, use("keepdb.json"), &first)
	if !first.Report.Complete || first.Report.Counts.Indexed < 200 || first.Report.Counts.Rejected != 2 {
		t.Errorf("the first cycle: %+v\n%s", first, d.log)
	}
	d.invoke(keepdb, event(t, "keepdb.json"), &second)
	if !second.Report.Complete || second.Report.Counts.Indexed != 0 {
		t.Errorf("the second cycle: %+v", second)
	}
	if d.invoke(refresh, event(t, "cacherefresh.json"), &refreshed); !refreshed.Refreshed || refreshed.Summary.Records < 100 {
		t.Errorf("the summary: %+v", refreshed)
	}
	if d.invoke(refresh, event(t, "cacherefresh.json"), &refreshed); refreshed.Refreshed {
		t.Error("refreshed although it was not due")
	}
	var wish struct{ Rescan struct{ From, To int64 } }
	d.invoke(maintenance, use("maintenance-rescan.json"), &wish)
	d.invoke(maintenance, event(t, "maintenance-stats.json"), &stats)
	if wish.Rescan.To == 0 || stats.Rescan == nil || *stats.Rescan != wish.Rescan || stats.Records.Documents < 200 || stats.Summary == nil {
		t.Errorf("a wish of %+v, stats %+v", wish, stats)
	}
	d.invoke(keepdb, event(t, "keepdb.json"), nil)
	stats.Rescan = nil
	if d.invoke(maintenance, event(t, "maintenance-stats.json"), &stats); stats.Rescan != nil {
		t.Errorf("the rescan is still to be done: %+v", stats.Rescan)
	}

	var rebuilt struct{ Documents int64 }
	if d.invoke(maintenance, use("maintenance-reindex.json"), &rebuilt); rebuilt.Documents != stats.Records.Documents || documents(d) != rebuilt.Documents {
		t.Errorf("re-indexed %d of %d documents, %d are there", rebuilt.Documents, stats.Records.Documents, documents(d))
	}

	syncSamples(d, use)

	var repaired struct{ Complete bool }
	if d.invoke(maintenance, use("maintenance-media-repair.json"), &repaired); !repaired.Complete {
		t.Error("a repair of nothing has no end")
	}

	operatorTasks(d, maintenance, use)

	expiry := d.start("expiry")
	before := make(map[string]float64)
	for _, c := range []struct {
		event                             string
		dialogues, processed, jobs, other float64 // counted
	}{
		{"expiry.json", 1, 1, 1, 4},
		{"expiry-delete.json", 0, 0, 0, 0}, // what a user deletes did not expire
	} {
		if r := d.invoke(expiry, use(c.event), nil); string(r.Payload) != `{"batchItemFailures":[]}` {
			t.Errorf("%s: %s", c.event, r.Payload)
		}
		for metric, want := range map[string]float64{"DialogueExpiries": c.dialogues, "ProcessedExpiries": c.processed, "JobExpiries": c.jobs, "OtherExpiries": c.other} {
			if got := d.log.counted(metric) - before[metric]; got != want {
				t.Errorf("%s: %s is %v, want %v", c.event, metric, got, want)
			}
			before[metric] += want
		}
	}
	api := d.start("api")
	files, err := filepath.Glob("../../events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if tested[name] || name == "expiry-malformed.json" || strings.HasPrefix(name, "mediafetch") { // they are logged: TestMalformedEvents, TestMediaFailures
			continue
		}
		if !strings.HasPrefix(name, "api-") {
			t.Errorf("no test knows what %s is for", name)
			continue
		}
		var answer struct {
			StatusCode int
			Headers    map[string]string
		}
		d.invoke(api, event(t, name), &answer)
		if answer.StatusCode < 200 || answer.StatusCode >= 500 {
			t.Errorf("%s: %d\n%s", name, answer.StatusCode, d.log)
		}
	}
	if lines := d.log.errorLines(); len(lines) > 0 {
		t.Errorf("errors were logged: %s", lines)
	}
	if !strings.Contains(d.log.String(), `"requestId":"`) {
		t.Error("no line of the log has the id of its invocation")
	}
}

// TestMalformedEvents: a bad event of any trigger ends in one line that names the
// cause, and changes nothing.
func TestMalformedEvents(t *testing.T) {
	d := deploy(t)
	d.invoke(d.start("keepdb"), []byte(`{}`), nil)
	maintenance := d.start("maintenance")
	before := d.invoke(maintenance, event(t, "maintenance-stats.json"), nil)
	for _, c := range []struct{ function, event, says string }{
		{"keepdb", `[]`, "JSON object"},
		{"keepdb", `"now"`, "JSON object"},
		{"cacherefresh", `{"force":"yes"}`, "force"},
		{"expiry", `{}`, "the Records of a table's stream"},
		{"expiry", `{"Records":"none"}`, "the Records of a table's stream"},
		{"expiry", `[]`, "the Records of a table's stream"},
		{"maintenance", `{}`, "allowed: cleanup, monitor, stats"},
		{"maintenance", `{"task":"drop"}`, "allowed: cleanup, monitor, stats"},
		{"maintenance", `{"task":"stats","type":"post"}`, "type belongs to the task remap or export"},
		{"maintenance", `{"task":"diagnose","mode":"monitor"}`, "needs interval and duration"},
		{"maintenance", `{"task":"rescan","from":9}`, "needs from and to"},
		{"maintenance", `{"task":"rescan","from":9,"to":3}`, "from <= to"},
		{"maintenance", `{"task":"stats","extra":1}`, "extra"},
	} {
		s := d.start(c.function)
		logged := len(d.log.errorLines())
		r, err := s.Invoke(t.Context(), []byte(c.event))
		if err != nil {
			t.Fatal(err)
		}
		var said struct{ ErrorMessage string }
		if err := json.Unmarshal(r.Payload, &said); err != nil || r.Status != sandbox.StatusError || !strings.Contains(said.ErrorMessage, c.says) {
			t.Errorf("%s %s: %s %s", c.function, c.event, r.Status, r.Payload)
		}
		lines := d.log.errorLines()[logged:]
		if len(lines) != 1 || !strings.Contains(lines[0], strings.ReplaceAll(c.says, `"`, `\"`)) && !strings.Contains(lines[0], "malformed event") {
			t.Errorf("%s %s logged %q", c.function, c.event, lines)
		}
		s.Close()
	}
	// A record that is none of the stream holds nobody up, and leaves one line.
	logged := len(d.log.errorLines())
	var answer failures
	d.invoke(d.start("expiry"), event(t, "expiry-malformed.json"), &answer)
	lines := d.log.errorLines()[logged:]
	if len(answer.BatchItemFailures) != 0 || len(lines) != 1 || !strings.Contains(lines[0], `"records":2`) || !strings.Contains(lines[0], "NEW_AND_OLD_IMAGES") {
		t.Errorf("malformed records: %+v, logged %q", answer, lines)
	}
	if d.log.counted("ProcessedExpiries") != 1 {
		t.Errorf("the good record beside them was not counted: %s", d.log)
	}
	// The gateway's events are answered, whatever they are.
	api := d.start("api")
	for _, bad := range []string{`{}`, `[]`, `"x"`, `{"body":5}`, `null`, `{"requestContext":{"http":{"method":"B A D"}}}`} {
		logged := strings.Count(d.log.String(), "malformed event")
		var answer struct{ StatusCode int }
		r := d.invoke(api, []byte(bad), &answer)
		if answer.StatusCode != 400 {
			t.Errorf("api %s: %s %s", bad, r.Status, r.Payload)
		}
		if n := strings.Count(d.log.String(), "malformed event") - logged; n != 1 {
			t.Errorf("api %s: %d lines", bad, n)
		}
		if !api.Alive() {
			t.Fatalf("api died of %s", bad)
		}
	}
	for line := range strings.Lines(d.log.String()) {
		if !strings.HasPrefix(line, "{") && !platform(line) {
			t.Errorf("a line that is no JSON: %s", line)
		}
	}
	after := d.invoke(maintenance, event(t, "maintenance-stats.json"), nil)
	if string(withoutMemory(t, before.Payload)) != string(withoutMemory(t, after.Payload)) {
		t.Errorf("state before:\n%s\nafter:\n%s", before.Payload, after.Payload)
	}
}

// withoutMemory is an answer of stats without what is never the same twice.
func withoutMemory(t *testing.T, stats []byte) []byte {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(stats, &m); err != nil || len(m["memory"]) == 0 {
		t.Fatalf("%v: %s", err, stats)
	}
	delete(m, "memory")
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// platform reports whether Lambda itself has written a line of the log.
func platform(line string) bool {
	for _, begin := range []string{"START ", "END ", "REPORT ", "INIT_START ", "XRAY "} {
		if strings.HasPrefix(line, begin) {
			return true
		}
	}
	return false
}

// TestManyInvocations: a history that does not fit into one invocation is indexed over
// many, some of them in new processes, and the end is the same as in one.
func TestManyInvocations(t *testing.T) {
	whole, parts := deploy(t), deploy(t, "MAX_TRANSACTIONS_PER_CYCLE=30")
	whole.invoke(whole.start("keepdb"), []byte(`{}`), nil)
	invocations := 0
	var done cycle
	for s := parts.start("keepdb"); !done.Report.Complete; invocations++ {
		if invocations == 60 {
			t.Fatalf("not complete after %d invocations: %s", invocations, parts.log)
		}
		if invocations%3 == 2 {
			s.Close()
			s = parts.start("keepdb")
		}
		done = cycle{}
		parts.invoke(s, []byte(`{}`), &done)
	}
	if invocations < 4 {
		t.Errorf("only %d invocations", invocations)
	}
	if a, b := documents(whole), documents(parts); a != b || a < 200 {
		t.Errorf("%d documents in one invocation, %d over many", a, b)
	}
}

func documents(d *deployment) int64 {
	d.Helper()
	var stats struct{ Records struct{ Documents int64 } }
	d.invoke(d.start("maintenance"), event(d.TB, "maintenance-stats.json"), &stats)
	return stats.Records.Documents
}

// TestStopsInTime: a cycle that would take longer than the function may ends well
// before its timeout, with what it has done saved, and the lease given up.
func TestStopsInTime(t *testing.T) {
	d := deploy(t)
	f := d.function("keepdb")
	// Enough for a cold start that makes the index on a machine with other things to do.
	// The gateway never answers, and a request of the cycle waits for longer than that.
	f.Timeout = 6 * time.Second
	f.Env = append(f.Env, "ARWEAVE_GATEWAYS=http://"+slowGateway(t))
	s, err := sandbox.Start(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	r, err := s.Invoke(t.Context(), []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != sandbox.StatusOK && r.Status != sandbox.StatusError || r.Duration > f.Timeout {
		t.Errorf("%s after %v: %s", r.Status, r.Duration, r.Payload)
	}
	var stopped cycle
	if r.Status == sandbox.StatusOK && (json.Unmarshal(r.Payload, &stopped) != nil || stopped.Report.Complete) {
		t.Errorf("a cycle of a gateway that is silent is complete: %s", r.Payload)
	}
	// The lease is free: the next one is not skipped.
	var next cycle
	d.invoke(d.start("keepdb"), []byte(`{}`), &next)
	if next.Skipped != "" || !next.Report.Complete {
		t.Errorf("the next invocation: %+v", next)
	}
}

func TestMainWithoutEngines(t *testing.T) {
	var said strings.Builder
	none := func(string) string { return "" }
	if code := run(t.Context(), []string{"--", "true"}, none, &said); code != exitUsage || !strings.Contains(said.String(), "OPENSEARCH_ENDPOINT") {
		t.Errorf("%d: %s", code, said.String())
	}
	some := func(string) string { return "http://127.0.0.1:1" }
	for _, args := range [][]string{{"-name", "A b", "--", "true"}, {}, {"-nonsense"}} {
		if code := run(t.Context(), args, some, &said); code != exitUsage {
			t.Errorf("%v: %d", args, code)
		}
	}
}

// TestMainRuns runs a command beside a stack, with its environment in a file.
func TestMainRuns(t *testing.T) {
	d := deploy(t)
	file := filepath.Join(t.TempDir(), "env")
	name := d.options.Name + "b"
	code := run(t.Context(), []string{"-name", name, "-env", file, "--", "sh", "-c", `test -n "$STATE_TABLE" && exit 7`}, os.Getenv, os.Stderr)
	text, err := os.ReadFile(file)
	if code != 7 || err != nil || !strings.Contains(string(text), "STATE_TABLE="+name+"-state\n") {
		t.Errorf("code %d, %v: %s", code, err, text)
	}
	if code := run(t.Context(), []string{"-name", name, "-delete"}, os.Getenv, os.Stderr); code != 0 {
		t.Errorf("delete: code %d", code)
	}
}
