package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oipnode/shared/maintenance"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

// ran is what a command came to.
type ran struct {
	code     int
	out, err string
}

// tool runs a command as an operator does, with the environment of a test's node.
func runTool(t *testing.T, dir string, more map[string]string, stdin []byte, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = settings(dir, more)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &said
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%q: %v, %v", args, err, ctx.Err())
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), said.String()}
}

// good runs a command that must succeed, and decodes its JSON.
func good(t *testing.T, dir string, more map[string]string, answer any, args ...string) ran {
	t.Helper()
	r := runTool(t, dir, more, nil, append(args, "-json")...)
	if r.code != 0 {
		t.Fatalf("%q: code %d: %.300s %.500s", args, r.code, r.out, r.err)
	}
	if answer != nil {
		lines := strings.Split(strings.TrimSpace(r.out), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), answer); err != nil {
			t.Fatalf("%q: %v: %.300s", args, err, r.out)
		}
	}
	return r
}

const toolKey = "a key of the tokens, of the tests of the commands"

// TestTools does every task in a node that runs, and those that can be done without one
// once more on the folder of the node that has ended.
func TestTools(t *testing.T) {
	t.Parallel()
	dir, env := t.TempDir(), map[string]string{"JWT_SECRET": toolKey, "KEEP_DB_INTERVAL": "1h"}
	p := startNode(t, dir, env)
	p.until(t, "complete", func(h health) bool { return h.LastCycle != nil && h.LastCycle.Complete })
	before := p.all(t)

	var watched struct {
		Count  int
		Growth *struct{ BytesPerSecond float64 }
	}
	if r := good(t, dir, env, &watched, "monitor", "1"); watched.Count != 2 || strings.Count(r.out, `"utilization"`) != 2 {
		t.Errorf("monitor: %+v %s", watched, r.out)
	}
	if good(t, dir, env, &watched, "diagnose", "monitor", "1", "9"); watched.Count != 10 || watched.Growth == nil {
		t.Errorf("diagnose monitor: %+v", watched)
	}
	var diagnosis struct {
		Memory    struct{ UsedBytes int64 }
		Functions []struct{ Name string }
	}
	if good(t, dir, env, &diagnosis, "diagnose"); diagnosis.Memory.UsedBytes < 1<<20 || len(diagnosis.Functions) != 1 || diagnosis.Functions[0].Name != "node" {
		t.Errorf("diagnose: %+v", diagnosis)
	}
	var snapshot struct{ File string }
	good(t, dir, env, &snapshot, "diagnose", "snapshot")
	if text, err := exec.CommandContext(t.Context(), "go", "tool", "pprof", "-top", snapshot.File).CombinedOutput(); err != nil || !strings.Contains(string(text), "inuse_space") {
		t.Errorf("the profile: %v %.300s", err, text)
	}
	var cleaned struct{ Before, After struct{ UsedBytes int64 } }
	if good(t, dir, env, &cleaned, "cleanup"); cleaned.Before.UsedBytes == 0 || cleaned.After.UsedBytes == 0 {
		t.Errorf("cleanup: %+v", cleaned)
	}
	everywhere(t, dir, env, before)

	token := runTool(t, dir, env, nil, "token", "-admin", "-public-key", "k", "-minutes", "5")
	var voices map[string]any
	if token.code != 0 || strings.Contains(p.log(), strings.TrimSpace(token.out)) || strings.Contains(p.log(), toolKey) {
		t.Errorf("token: %+v", token)
	}
	voices = p.send(t, 200, strings.TrimSpace(token.out), "GET", "/api/records?limit=1", "")
	if auth := voices["auth"].(map[string]any); auth["authenticated"] != true {
		t.Errorf("the token is not accepted: %v", auth)
	}

	// A record that an operator deletes is gone, and stays away.
	did := dids(before)[3]
	var deleted struct{ Deleted bool }
	if good(t, dir, env, &deleted, "delete", did); !deleted.Deleted {
		t.Errorf("delete: %+v", deleted)
	}
	if r := runTool(t, dir, env, nil, "delete", did); r.code != exitAbsent || !strings.Contains(r.err, "no record") {
		t.Errorf("deleted again: %+v", r)
	}
	if r := runTool(t, dir, env, nil, "delete", "nonsense"); r.code != exitUsage {
		t.Errorf("no DID: %+v", r)
	}
	eventually(t, "answer without the record", func() bool { // kept answers may be a second old
		var answer struct{ SearchResults int }
		p.ask(t, "/api/records?did="+did, &answer)
		return answer.SearchResults == 0
	})
	p.stop(t)
	if _, err := os.Stat(filepath.Join(dir, "sample", deskFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a node that has ended is still found: %v", err)
	}

	// The same without a node.
	delete(before, did)
	everywhere(t, dir, env, before)
	for _, args := range [][]string{{"monitor", "1"}, {"diagnose"}} {
		if r := runTool(t, dir, env, nil, args...); r.code != exitNoNode {
			t.Errorf("%q without a node: %+v", args, r)
		}
	}
	good(t, dir, env, nil, "cleanup")
	good(t, dir, env, nil, "token", "-user-id", "u")
	p = startNode(t, dir, env)
	p.until(t, "through with the rescan", func(h health) bool { return h.Cycles > 1 && h.LastCycle.Complete })
	got := p.all(t)
	for _, there := range dids(before) {
		if _, ok := got[there]; !ok {
			t.Errorf("%s is lost", there)
		}
	}
	if _, ok := got[did]; ok {
		t.Error("what was deleted is back")
	}
	p.stop(t)
}

// everywhere does the tasks that a running node and a folder can both do.
func everywhere(t *testing.T, dir string, env map[string]string, records map[string]record) {
	t.Helper()
	var stats struct {
		Records    struct{ Documents int64 }
		Checkpoint struct{ Height int64 }
		Memory     struct{ Utilization string }
		Rescan     *struct{ From, To int64 }
	}
	if good(t, dir, env, &stats, "stats"); stats.Records.Documents < 200 || stats.Checkpoint.Height == 0 || stats.Memory.Utilization == "" {
		t.Errorf("stats: %+v", stats)
	}
	r := runTool(t, dir, env, nil, "export")
	exported := make(map[string]bool)
	for line := range strings.Lines(r.out) {
		e, err := oip.ParseEnvelope([]byte(line))
		if err != nil || exported[e.DID] {
			t.Fatalf("%v: %.200s", err, line)
		}
		exported[e.DID] = true
	}
	if r.code != 0 || int64(len(exported)) != stats.Records.Documents {
		t.Errorf("export: %d of %d documents, code %d: %s", len(exported), stats.Records.Documents, r.code, r.err)
	}
	for did := range records {
		if !exported[did] {
			t.Errorf("%s is not in the export", did)
		}
	}
	var check struct {
		Complete                   bool
		Listed, Compared, Repaired int64
		Faults                     map[string]int64
	}
	if good(t, dir, env, &check, "verify", "-fresh"); !check.Complete || check.Listed < 200 || check.Compared < 200 || len(check.Faults) != 0 {
		t.Errorf("verify: %+v", check)
	}
	if good(t, dir, env, &check, "remap", "recipe", "-fresh"); !check.Complete || check.Compared != 28 || len(check.Faults) != 0 {
		t.Errorf("remap: %+v", check)
	}
	var wish struct{ Rescan struct{ From, To int64 } }
	if good(t, dir, env, &wish, "rescan", "1600000", "1600100"); wish.Rescan.To < 1600100 {
		t.Errorf("rescan: %+v", wish)
	}
	var due struct{ Due int64 }
	good(t, dir, env, &due, "retry", "waiting:data")
	var list struct {
		Rejected []struct{ ID, Reason string }
	}
	if good(t, dir, env, &list, "rejected", "list"); len(list.Rejected) != 2 || list.Rejected[0].Reason != "bad_signature" {
		t.Fatalf("rejected: %+v", list)
	}
	var one struct{ Detail string }
	if good(t, dir, env, &one, "rejected", "show", "did:arweave:"+list.Rejected[0].ID); !strings.Contains(one.Detail, "signature") {
		t.Errorf("rejected show: %+v", one)
	}
	if r := runTool(t, dir, env, nil, "rejected", "show", strings.Repeat("x", 43)); r.code != exitAbsent {
		t.Errorf("an unknown one: %+v", r)
	}
	var mended struct{ Complete bool }
	if good(t, dir, env, &mended, "media-repair"); !mended.Complete {
		t.Errorf("media-repair: %+v", mended)
	}
}

// TestBackup copies a node that is writing, again and again, and makes nodes of the
// copies: each has all that its checkpoint promises, and ends as the first one does.
func TestBackup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// Many short cycles, so that copies are made in the middle of the history.
	env := map[string]string{"MAX_TRANSACTIONS_PER_CYCLE": "20", "KEEP_DB_INTERVAL": "300ms"}
	p := startNode(t, dir, env)
	var copies []string
	for len(copies) < 4 {
		file := filepath.Join(dir, "copy"+string(rune('0'+len(copies)))+".tar")
		var done struct{ Bytes int64 }
		good(t, dir, env, &done, "backup", file)
		if info, err := os.Stat(file); err != nil || info.Size() != done.Bytes || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v, %+v", info, err, done)
		}
		copies = append(copies, file)
	}
	if r := runTool(t, dir, env, nil, "backup", copies[0]); r.code != exitUsage || !strings.Contains(r.err, "exists") {
		t.Errorf("over another file: %+v", r)
	}
	p.until(t, "settled", settled)
	all := p.all(t)
	p.stop(t)
	last := runTool(t, dir, env, nil, "backup", "-") // of a node that is stopped
	if last.code != 0 {
		t.Fatalf("backup: %+v", last)
	}
	partial := 0
	for i, file := range append(copies, "-") {
		other := t.TempDir()
		var done struct{ Files, Documents int64 }
		r := runTool(t, other, nil, []byte(last.out), "restore", file, "-json")
		if err := json.Unmarshal([]byte(r.out), &done); err != nil || r.code != 0 || done.Files < 4 {
			t.Fatalf("restore %s: %+v, %v", file, r, err)
		}
		if r := runTool(t, other, nil, []byte(last.out), "restore", file); r.code != exitUsage || !strings.Contains(r.err, "not empty") {
			t.Errorf("over another folder: %+v", r)
		}
		if left, err := filepath.Glob(filepath.Join(other, "restoring-*")); err != nil || len(left) != 0 {
			t.Errorf("%v is left, %v", left, err)
		}
		if done.Documents > 0 && done.Documents < int64(len(all)) {
			partial++
		}
		// What is at or below the checkpoint of the copy must be there.
		var check struct{ Faults map[string]int64 }
		r = runTool(t, other, map[string]string{"COLD_RESCAN": "0"}, nil, "verify", "-json")
		if err := json.Unmarshal([]byte(r.out), &check); err != nil || len(check.Faults) != 0 {
			t.Errorf("copy %d of %d documents: %+v, %v", i, done.Documents, r, err)
		}
		q := startNode(t, other, nil)
		q.until(t, "settled", settled)
		if got := q.all(t); !maps.EqualFunc(got, all, func(a, b record) bool { return a.OIP.DID == b.OIP.DID && a.Data == b.Data }) {
			t.Errorf("copy %d ends with %d records, want %d", i, len(got), len(all))
		}
		q.stop(t)
	}
	if partial == 0 {
		t.Error("no copy was made in the middle of the history: the test shows nothing")
	}
	// What is no whole archive leaves nothing.
	other := t.TempDir()
	for _, bad := range [][]byte{nil, []byte("no archive"), []byte(last.out)[:len(last.out)/2]} {
		if r := runTool(t, other, nil, bad, "restore", "-"); r.code != exitUsage {
			t.Errorf("a bad archive: %+v", r)
		}
	}
	if entries, err := os.ReadDir(other); err != nil || len(entries) != 0 {
		t.Errorf("%v is left, %v", entries, err)
	}
}

// TestRestoreKilled: a restore that is killed in the middle leaves no data folder, and the
// next one makes it.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startNode(t, dir, nil)
	p.until(t, "settled", settled)
	want := p.all(t)
	made := runTool(t, dir, nil, nil, "backup", "-")
	p.stop(t)
	other := t.TempDir()
	cmd := exec.CommandContext(t.Context(), binary, "restore", "-")
	cmd.Env = settings(other, nil)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte(made.out)[:len(made.out)*2/3]); err != nil {
		t.Fatal(err)
	}
	unpacked := func() bool {
		found, err := filepath.Glob(filepath.Join(other, "restoring-*", "records", "documents.db"))
		return err == nil && len(found) == 1
	}
	eventually(t, "file that was unpacked", unpacked)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if _, err := os.Stat(filepath.Join(other, "sample")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a data folder: %v", err)
	}
	if r := runTool(t, other, nil, []byte(made.out), "restore", "-"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	q := startNode(t, other, nil)
	q.until(t, "settled", settled)
	if got := q.all(t); !maps.EqualFunc(got, want, func(a, b record) bool { return a.OIP.DID == b.OIP.DID && a.Data == b.Data }) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	q.stop(t)
}

// vandalize damages the stores of a node that is stopped: a record is missing, one has
// another creator, and one is of no block.
func vandalize(t *testing.T, dir string, missing, changed string) (extra string) {
	t.Helper()
	rec, err := embedded.Open(t.Context(), filepath.Join(dir, "records"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := state.Acquire(t.Context(), st, "keepdb", holder, time.Minute, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	signer := oiptest.NewSigner("vandal", 2048)
	template := signer.Verified(signer.Template("basic", []byte(`{"name":"string","index_name":0}`))).Template()
	never := signer.Document(signer.Record("post", oiptest.Object{Template: template.ID, Values: map[int]any{0: "of no block"}}), 1600000, template)
	results, err := rec.Write(t.Context(), []records.Op{
		{Delete: missing, Fence: lease.Fence()}, {Put: &never, Fence: lease.Fence()},
		{Patch: &oip.Patch{DID: changed, Creator: &oip.CreatorRef{CreatorHandle: "nobody7"}}, Fence: lease.Fence()},
	})
	for i, r := range results {
		if r.Status != records.OK {
			t.Errorf("damage %d: %+v", i, r)
		}
	}
	if err := errors.Join(err, lease.Release(t.Context()), rec.Close(), st.Close()); err != nil {
		t.Fatal(err)
	}
	return never.DID()
}

// TestToolRepairs finds and mends damage, in the running node and without one.
func TestToolRepairs(t *testing.T) {
	t.Parallel()
	dir, env := t.TempDir(), map[string]string{"KEEP_DB_INTERVAL": "1h", "COLD_RESCAN": "0"}
	p := startNode(t, dir, env)
	p.until(t, "complete", func(h health) bool { return h.LastCycle != nil && h.LastCycle.Complete })
	all := p.all(t)
	p.stop(t)
	folder := filepath.Join(dir, "sample")
	// Of the middle of the chain, where no cycle looks again.
	var old []string
	for _, did := range dids(all) {
		if h := all[did].OIP.InArweaveBlock; h != nil && *h > 1590000 && *h < 1690000 {
			old = append(old, did)
		}
	}
	for _, running := range []bool{false, true} {
		extra := vandalize(t, folder, old[0], old[1])
		if running {
			p = startNode(t, dir, env)
			p.until(t, "through a cycle", func(h health) bool { return h.Cycles > 1 })
		}
		var check struct {
			Faults   map[string]int64
			Findings []struct{ DID, Fault string }
			Repaired int64
		}
		want := map[string]int64{"missing": 1, "changed": 1, "extra": 1}
		r := runTool(t, dir, env, nil, "verify", "-fresh", "-json")
		if err := json.Unmarshal([]byte(r.out), &check); err != nil || r.code != exitFound || !maps.Equal(check.Faults, want) || check.Repaired != 0 {
			t.Errorf("running %v, verify: %+v, %v", running, r, err)
		}
		found := make(map[string]string)
		for _, f := range check.Findings {
			found[f.DID] = f.Fault
		}
		if found[old[0]] != "missing" || found[old[1]] != "changed" || found[extra] != "extra" {
			t.Errorf("running %v: %v", running, found)
		}
		check.Faults = nil
		if good(t, dir, env, &check, "verify", "-repair", "-fresh"); !maps.Equal(check.Faults, want) || check.Repaired != 3 {
			t.Errorf("running %v, repair: %+v", running, check)
		}
		check.Faults = nil
		if good(t, dir, env, &check, "verify", "-fresh"); len(check.Faults) != 0 {
			t.Errorf("running %v, behind the repair: %+v", running, check)
		}
	}
	got := p.all(t)
	for did, was := range all {
		if got[did].OIP.Creator != was.OIP.Creator || got[did].Data != was.Data {
			t.Errorf("%s is %+v, and was %+v", did, got[did], was)
		}
	}
	p.stop(t)
}

// TestToolKilled kills a node while it verifies; the file that it leaves misleads nobody,
// and the next command goes on.
func TestToolKilled(t *testing.T) {
	t.Parallel()
	dir, env := t.TempDir(), map[string]string{"KEEP_DB_INTERVAL": "1h"}
	p := startNode(t, dir, env)
	p.until(t, "complete", func(h health) bool { return h.LastCycle != nil && h.LastCycle.Complete })
	cmd := exec.CommandContext(t.Context(), binary, "verify", "-repair", "-json")
	cmd.Env = settings(dir, env)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "task in the log", func() bool { return strings.Contains(p.log(), `"task":"verify"`) })
	p.kill()
	_ = cmd.Wait() // the node's answer was cut off, or the check was faster
	if _, err := os.Stat(filepath.Join(dir, "sample", deskFile)); err != nil {
		t.Fatal(err)
	}
	var check struct {
		Complete bool
		Compared int64
		Faults   map[string]int64
	}
	if good(t, dir, env, &check, "verify", "-repair"); !check.Complete || check.Compared < 200 || len(check.Faults) != 0 {
		t.Errorf("%+v", check)
	}
}

// TestToolBusy: a folder that another process has, which does not answer, is busy.
func TestToolBusy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startNode(t, dir, nil)
	file := filepath.Join(dir, "sample", deskFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the key: %v, %v", info, err)
	}
	for _, bad := range []string{"", "{}", `{"address":"192.0.2.1:80","key":"x"}`, strings.Replace(string(text), `"key":"`, `"key":"x`, 1)} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := runTool(t, dir, nil, nil, "stats"); r.code != exitBusy || !strings.Contains(r.err, "in use by another process") {
			t.Errorf("%s: %+v", bad, r)
		}
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	good(t, dir, nil, nil, "stats")
	p.stop(t)
}

// TestDesk: nobody is let in without the key, from elsewhere, or with too much.
func TestDesk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startNode(t, dir, nil)
	text, err := os.ReadFile(filepath.Join(dir, "sample", deskFile))
	if err != nil {
		t.Fatal(err)
	}
	var a deskAddress
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body string, change func(*http.Request)) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+a.Address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+a.Key)
		change(r)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var said bytes.Buffer
		if _, err := said.ReadFrom(resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, said.String()
	}
	none := func(*http.Request) {}
	for name, change := range map[string]func(*http.Request){
		"no key":          func(r *http.Request) { r.Header.Del("Authorization") },
		"another key":     func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+a.Key+"x") },
		"an empty key":    func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") },
		"another host":    func(r *http.Request) { r.Host = "evil.example" },
		"a proxy":         func(r *http.Request) { r.Header.Set("Via", "1.1 front") },
		"a strange page":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a forwarded one": func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") },
	} {
		if status, said := ask("POST", "/task", `{"task":"stats"}`, change); status != http.StatusForbidden || strings.Contains(said, "checkpoint") {
			t.Errorf("%s: %d %s", name, status, said)
		}
	}
	if status, said := ask("POST", "/task", `{"task":"stats"}`, none); status != 200 || !strings.Contains(said, `{"result":{"records"`) {
		t.Errorf("%d %s", status, said)
	}
	// What is too long is read to its end, or the answer may be lost with the connection.
	for body, want := range map[string]string{`{}`: `"code":"invalid"`, `no`: `"code":"invalid"`, strings.Repeat("x", maintenance.MaxRequest+1): "at most 65536",
		`{"task":"delete","did":"did:arweave:` + strings.Repeat("x", 43) + `"}`: `"code":"not_found"`} {
		if status, said := ask("POST", "/task", body, none); status != 200 || !strings.Contains(said, want) {
			t.Errorf("%.40s: %d %s", body, status, said)
		}
	}
	if status, _ := ask("GET", "/task", "", none); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", status)
	}
	if resp, err := client.Post(p.url+"/task", "", strings.NewReader(`{"task":"stats"}`)); err != nil || resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("at the address of the API: %v, %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
	p.stop(t)
}

// TestUsage: what is wrong on the command line says so, with exit code 2, and needs no
// configuration; help and completion are there.
func TestUsage(t *testing.T) {
	t.Parallel()
	bad := map[string]string{"CONFIRMATIONS": "0"}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"nonsense", exitUsage, "unknown command"}, {"stats now", exitUsage, "unknown command \"now\""}, {"-nonsense", exitUsage, "unknown flag"},
		{"monitor", exitUsage, "monitor needs SECONDS, and was given 0"}, {"monitor soon", exitUsage, "SECONDS is \"soon\""}, {"monitor 0", exitUsage, "needs seconds"},
		{"diagnose deep", exitUsage, "quick, snapshot or monitor"}, {"diagnose monitor 10", exitUsage, "INTERVAL and DURATION"},
		{"rescan 5 3", exitUsage, "from <= to"}, {"rescan -5 3", exitUsage, "unknown shorthand"}, {"remap", exitUsage, "needs TYPE"},
		{"rescan 5", exitUsage, "rescan needs FROM and TO, and was given 1\nRun 'oipnode help rescan'"}, {"diagnose quick 5", exitUsage, "with monitor only"},
		{"rejected show", exitUsage, "rejected show needs ID"}, {"rejected show short", exitUsage, "id of a transaction"}, {"export -limit x", exitUsage, "invalid argument"},
		{"help", 0, "Exit codes"}, {"verify -help", 0, "oipnode verify -repair"}, {"completion bash", 0, "__start_oipnode"}, {"__complete ver", 0, "verify"},
		{"stats", exitUsage, "CONFIRMATIONS"},
	} {
		r := runTool(t, t.TempDir(), bad, nil, strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.out+r.err, c.says) {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
}

// TestToolInterrupted: Ctrl-C ends a command that waits, and the task in the node.
func TestToolInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startNode(t, dir, nil)
	cmd := exec.CommandContext(t.Context(), binary, "monitor", "3600")
	cmd.Env = settings(dir, nil)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "task in the log", func() bool { return strings.Contains(p.log(), `"task":"monitor"`) })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("code %d: %s", code, out.String())
	}
	eventually(t, "end of the task", func() bool { return strings.Contains(p.log(), `"msg":"task failed"`) })
	p.stop(t)
}

// TestToolsWithoutFolder: with another DATA_DIR than the node's, every task would succeed
// on a folder that is empty because the task has just made it.
func TestToolsWithoutFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mistyped")
	archive := filepath.Join(t.TempDir(), "node.tar")
	for _, args := range [][]string{
		{"stats"}, {"cleanup"}, {"export"}, {"verify"}, {"remap", "recipe"}, {"rescan", "1600000", "1600001"}, {"retry"}, {"rejected", "list"},
		{"delete", "did:arweave:lKwnoAP6729C2XuxgAC3AodrB4KvoLVjiSNV0DiWxFE"}, {"media-repair"}, {"backup", archive}, {"backup", "-"},
	} {
		r := runTool(t, dir, nil, nil, args...)
		if r.code != exitAbsent || r.out != "" || !strings.Contains(r.err, "DATA_DIR") || !strings.Contains(r.err, dir) {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := runTool(t, dir, map[string]string{"JWT_SECRET": toolKey}, nil, "token"); r.code != 0 || strings.Count(r.out, ".") != 2 {
		t.Errorf("token: %+v", r)
	}
	for _, path := range []string{dir, archive, archive + ".part"} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s was left behind: %v", path, err)
		}
	}
}

// TestToolsOfTheOtherNetwork: make run takes the sample chain, and a command without
// settings the live one. It names the folder that has data, and how to get at it, instead
// of saying only that no node is there, while one is running.
func TestToolsOfTheOtherNetwork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startNode(t, dir, nil)
	live := map[string]string{"ARWEAVE_GATEWAYS": "http://127.0.0.1:9"}
	for _, c := range []struct {
		args []string
		code int
	}{{[]string{"stats"}, exitAbsent}, {[]string{"rejected", "list"}, exitAbsent}, {[]string{"diagnose"}, exitNoNode}, {[]string{"monitor", "1"}, exitNoNode}} {
		r := runTool(t, dir, live, nil, c.args...)
		if r.code != c.code || !strings.Contains(r.err, "data of the network sample, for which ARWEAVE_GATEWAYS is sample") {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
	if r := runTool(t, dir, live, nil, "rejected", "list"); !strings.HasPrefix(r.err, "oipnode rejected list: ") {
		t.Errorf("the name of the command: %s", r.err)
	}
	p.stop(t)
}
