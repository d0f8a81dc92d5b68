package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/shared/access"
	"oipnode/shared/oip"
)

// operatorTasks hands the events of an operator's tasks to the function, over an index of
// the sample chain.
func operatorTasks(d *deployment, maintenance *sandbox.Sandbox, use func(name string) []byte) {
	d.Helper()
	var watched struct {
		Count   int
		Samples []struct {
			UsedBytes, LimitBytes int64
			LimitBy               string
		}
		Growth *struct{ BytesPerSecond float64 }
	}
	d.invoke(maintenance, use("maintenance-monitor.json"), &watched)
	if watched.Count != 4 || len(watched.Samples) != 4 || watched.Samples[0].LimitBy != "function" || watched.Samples[3].UsedBytes < 1<<20 {
		d.Errorf("monitor: %+v", watched)
	}
	d.invoke(maintenance, use("maintenance-diagnose-monitor.json"), &watched)
	if watched.Count != 11 || watched.Growth == nil {
		d.Errorf("diagnose monitor: %+v", watched)
	}
	var diagnosis struct {
		Parts     []struct{ Name string }
		Functions []struct{ Name string }
	}
	d.invoke(maintenance, use("maintenance-diagnose.json"), &diagnosis)
	if len(diagnosis.Parts) == 0 || !slices.ContainsFunc(diagnosis.Functions, func(f struct{ Name string }) bool { return f.Name == "keepdb" }) {
		d.Errorf("diagnose: %+v", diagnosis)
	}
	heapProfile(d, maintenance, use("maintenance-diagnose-snapshot.json"))
	var cleaned struct{ After struct{ UsedBytes int64 } }
	if d.invoke(maintenance, use("maintenance-cleanup.json"), &cleaned); cleaned.After.UsedBytes < 1<<20 {
		d.Errorf("cleanup: %+v", cleaned)
	}
	var check struct {
		Complete, Repair           bool
		Listed, Compared, Repaired int64
		Faults                     map[string]int64
	}
	for _, name := range []string{"maintenance-verify.json", "maintenance-verify-repair.json"} {
		if d.invoke(maintenance, use(name), &check); !check.Complete || check.Compared < 200 || len(check.Faults) != 0 || check.Repair != strings.Contains(name, "repair") {
			d.Errorf("%s: %+v", name, check)
		}
	}
	if d.invoke(maintenance, use("maintenance-remap.json"), &check); !check.Complete || check.Compared != 28 || len(check.Faults) != 0 {
		d.Errorf("remap: %+v", check)
	}
	d.invoke(maintenance, use("maintenance-retry.json"), nil)
	var list struct {
		Rejected []struct{ ID, Reason string }
	}
	if d.invoke(maintenance, use("maintenance-rejected.json"), &list); len(list.Rejected) != 2 || list.Rejected[0].Reason != "bad_signature" {
		d.Errorf("rejected: %+v", list)
	}
	var one struct{ ID, State, Detail string }
	if d.invoke(maintenance, use("maintenance-rejected-show.json"), &one); one.State != "rejected" || one.Detail == "" {
		d.Errorf("rejected, one of them: %+v", one)
	}
	exportAll(d, maintenance, use("maintenance-export.json"))
	var minted struct{ Token string }
	d.invoke(maintenance, use("maintenance-token.json"), &minted)
	a, err := access.NewAuthenticator(access.Settings{Secret: []byte(contractSecret)})
	if err != nil {
		d.Fatal(err)
	}
	v := a.Viewer(&http.Request{Header: http.Header{"Authorization": {"Bearer " + minted.Token}}})
	if !v.Authenticated || v.PublicKey != "my-key" || strings.Contains(d.log.String(), minted.Token) || strings.Contains(d.log.String(), contractSecret) {
		d.Errorf("the token is of %+v, or in the log", v)
	}
	var deleted struct{ Deleted bool }
	if d.invoke(maintenance, use("maintenance-delete.json"), &deleted); !deleted.Deleted {
		d.Errorf("delete: %+v", deleted)
	}
	again := d.start("maintenance") // one that has failed may be made anew
	r, err := again.Invoke(d.Context(), use("maintenance-delete.json"))
	if err != nil || r.Status != sandbox.StatusError || !strings.Contains(string(r.Payload), "no record with this DID is indexed") {
		d.Errorf("deleted again: %s %s, %v", r.Status, r.Payload, err)
	}
}

// heapProfile checks that go tool pprof reads what lies in the bucket.
func heapProfile(d *deployment, maintenance *sandbox.Sandbox, event []byte) {
	d.Helper()
	var snapshot struct {
		File  string
		Bytes int64
	}
	d.invoke(maintenance, event, &snapshot)
	key, ok := strings.CutPrefix(snapshot.File, "s3://"+d.options.Bucket()+"/")
	if !ok {
		d.Fatalf("snapshot: %+v", snapshot)
	}
	bucket := d.options.Bucket()
	out, err := d.options.S3Client().GetObject(d.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = out.Body.Close() }()
	file := filepath.Join(d.TempDir(), "heap.pprof")
	f, err := os.Create(file)
	if err == nil {
		_, err = f.ReadFrom(out.Body)
	}
	if err != nil || f.Close() != nil {
		d.Fatal(err)
	}
	text, err := exec.CommandContext(d.Context(), "go", "tool", "pprof", "-top", file).CombinedOutput()
	if err != nil || !strings.Contains(string(text), "inuse_space") {
		d.Errorf("%v: %.300s", err, text)
	}
}

// exportAll goes on with an export by its cursor until the end.
func exportAll(d *deployment, maintenance *sandbox.Sandbox, event []byte) {
	d.Helper()
	seen := make(map[string]bool)
	for range 10 {
		var page struct {
			Records    []json.RawMessage
			NextCursor string
		}
		d.invoke(maintenance, event, &page)
		for _, r := range page.Records {
			env, err := oip.ParseEnvelope(r)
			if err != nil || seen[env.DID] {
				d.Fatalf("%v, seen %v: %s", err, seen[env.DID], r)
			}
			seen[env.DID] = true
		}
		if page.NextCursor == "" {
			break
		}
		next, err := json.Marshal(map[string]any{"task": "export", "type": "recipe", "limit": 20, "cursor": page.NextCursor})
		if err != nil {
			d.Fatal(err)
		}
		event = next
	}
	if len(seen) != 28 {
		d.Errorf("%d recipes were exported", len(seen))
	}
}

// variable are values of an operator's answers that are others in each process.
var variable = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT.*Z|\d+\.\d\d%|s3://.*|eyJ.*)$`)

// shape is an answer of the maintenance function without its numbers, moments and tokens,
// and each list with the different shapes of its elements, in an order of their own.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			v[name] = shape(value)
		}
		return v
	case []any:
		var list []string
		for _, e := range v {
			text, _ := json.Marshal(shape(e)) // it was JSON before
			list = append(list, string(text))
		}
		slices.Sort(list)
		return slices.Compact(list)
	case float64:
		return 0
	case string:
		return variable.ReplaceAllString(v, "")
	}
	return v
}
