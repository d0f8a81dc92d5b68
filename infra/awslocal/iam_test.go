package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"oipnode/infra/iam"
	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/infra/template"
	"oipnode/shared/state"
)

// parameters is a Parameter Store with one parameter.
func parameters(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
		var q struct {
			Name           string
			WithDecryption bool
		}
		if err != nil || json.Unmarshal(text, &q) != nil || q.Name != "/oipnode/jwt" || !q.WithDecryption {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"ParameterNotFound"}`)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = io.WriteString(w, `{"Parameter":{"Name":"/oipnode/jwt","Type":"SecureString","Value":"`+contractSecret+`"}}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// record starts a function whose requests go through a recorder.
func (d *deployment) record(name string, r *iam.Recorder) *sandbox.Sandbox {
	d.Helper()
	f := d.function(name)
	for _, p := range []struct {
		service          iam.Service
		engine, variable string
	}{
		{iam.DynamoDB, d.options.DynamoDB, "AWS_ENDPOINT_URL_DYNAMODB"},
		{iam.SQS, d.options.SQS, "AWS_ENDPOINT_URL_SQS"},
		{iam.OpenSearch, d.options.OpenSearch, "OPENSEARCH_ENDPOINT"},
		{iam.SSM, parameters(d.TB), "AWS_ENDPOINT_URL_SSM"},
	} {
		handler, closeIdle, err := r.Proxy(p.service, p.engine)
		if err != nil {
			d.Fatal(err)
		}
		server := httptest.NewServer(handler)
		d.Cleanup(func() {
			server.Close()
			closeIdle()
		})
		f.Env = append(f.Env, p.variable+"="+server.URL)
	}
	s, err := sandbox.Start(d.Context(), f)
	if err != nil {
		d.Fatalf("%s: %v\n%s", name, err, d.log)
	}
	d.Cleanup(s.Close)
	return s
}

// TestPermissions runs everything that each function does and compares the AWS
// operations that it really performed with its role, both ways.
func TestPermissions(t *testing.T) {
	deployed, err := template.Load("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	allowed := deployed.Actions()
	peer := gunPeer(t, nil)
	d := deploy(t, "JWT_SECRET_PARAMETER=/oipnode/jwt", "GUN_RELAY_URL="+peer.URL(), "GUN_CACHE_MAX_AGE=1000")
	seen := make(map[string]*iam.Recorder)
	for _, f := range deployed.Functions() {
		seen[f.Name] = iam.NewRecorder()
	}
	start := func(name string) *sandbox.Sandbox {
		t.Helper()
		if seen[name] == nil {
			t.Fatalf("the template has no function %s", name)
		}
		return d.record(name, seen[name])
	}
	// In a new deployment the sync may come first.
	everyPass(d, start("gunsync"), peer)
	// The first history, an idle cycle, and a rescan.
	keepdb, maintenance := start("keepdb"), start("maintenance")
	for range 2 {
		d.invoke(keepdb, event(t, "keepdb.json"), nil)
	}
	d.invoke(maintenance, event(t, "maintenance-stats.json"), nil)
	for range 2 { // a second wish is united with the first
		d.invoke(maintenance, event(t, "maintenance-rescan.json"), nil)
	}
	d.invoke(keepdb, event(t, "keepdb.json"), nil)
	refresh := start("cacherefresh")
	for range 2 {
		d.invoke(refresh, []byte(`{"force":true}`), nil)
	}
	d.invoke(maintenance, event(t, "maintenance-reindex.json"), nil)
	// Every route of the API, with dialogues from their start to their end.
	api := start("api")
	url := serve(t, func(ctx context.Context, event []byte) ([]byte, error) {
		r, err := api.Invoke(ctx, event)
		return r.Payload, err
	})
	for _, path := range []string{"/api/records", "/api/records/recordTypes", "/api/templates", "/api/creators", "/api/organizations", "/api/health", "/api/health/keepdb"} {
		if status, err := call(t.Context(), "GET", url+path, "", nil); err != nil || status != http.StatusOK {
			t.Errorf("%s: %d, %v", path, status, err)
		}
	}
	if status := forceSync(t, url); status != http.StatusAccepted {
		t.Errorf("a wish for a sync: %d", status)
	}
	dialogue, stream := begin(t, url)
	other, _ := begin(t, url)
	for _, q := range []struct{ method, url, body string }{
		{"POST", dialogue + "/events", `{"event":"textChunk"}`}, {"POST", dialogue + "/events", `{"event":"textChunk"}`},
		{"GET", dialogue + "/events", ""}, {"GET", dialogue, ""}, {"GET", stream, ""}, {"GET", url + "/api/voice/active-dialogues", ""},
		{"DELETE", dialogue, ""}, {"GET", stream, ""}, {"DELETE", other, ""},
	} {
		if status, err := call(t.Context(), q.method, q.url, q.body, nil); err != nil || status >= 300 {
			t.Errorf("%s %s: %d, %v", q.method, q.url, status, err)
		}
	}
	// The time to live has removed dialogues: one with an event, and one with several.
	k := d.tell(d.open(), time.Hour)
	expiry := start("expiry")
	for events := 1; events <= 2; events++ {
		id := k.talk(events)
		if err := k.store.Commit(t.Context(), state.Delete(state.Key{Space: "voice:" + id, ID: "dialogue"})); err != nil {
			t.Fatal(err)
		}
		d.invoke(expiry, eventOf(t, []map[string]any{removal(t, id, events)}), nil)
		if n := k.rows(id); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	}
	for name, r := range seen {
		for _, difference := range iam.Compare(name, allowed[name], r) {
			t.Error(difference)
		}
	}
}
