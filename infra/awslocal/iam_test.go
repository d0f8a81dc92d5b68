package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/infra/iam"
	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/infra/template"
	"oipnode/shared/gun/guntest"
	"oipnode/shared/memory"
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
func (d *deployment) record(name string, r *iam.Recorder, env ...string) *sandbox.Sandbox {
	d.Helper()
	f := d.function(name)
	f.Timeout = 2 * time.Minute
	for _, p := range []struct {
		service          iam.Service
		engine, variable string
	}{
		{iam.DynamoDB, d.options.DynamoDB, "AWS_ENDPOINT_URL_DYNAMODB"},
		{iam.OpenSearch, d.options.OpenSearch, "OPENSEARCH_ENDPOINT"},
		{iam.SSM, parameters(d.TB), "AWS_ENDPOINT_URL_SSM"},
		{iam.S3, d.options.S3, "AWS_ENDPOINT_URL_S3"},
		{iam.SQS, d.options.SQS, "AWS_ENDPOINT_URL_SQS"},
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
		for i, variable := range f.Env { // the client of SQS goes where the queue's address says
			if strings.HasPrefix(variable, "MEDIA_") {
				f.Env[i] = strings.Replace(variable, d.options.SQS, server.URL, 1)
			}
		}
	}
	f.Env = append(f.Env, env...)
	s, err := sandbox.Start(d.Context(), f)
	if err != nil {
		d.Fatalf("%s: %v\n%s", name, err, d.log)
	}
	d.Cleanup(s.Close)
	return s
}

// operate does what an owner and an operator do through the API: records of the chain and
// of GUN are deleted, the sync is shown, and its processed ids are cleared.
func operate(d *deployment, url string) {
	d.Helper()
	send := func(method, path, key, body string, answer any) {
		d.Helper()
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"publicKey": key, "isAdmin": true, "exp": time.Now().Add(time.Hour).Unix()}).
			SignedString([]byte(contractSecret))
		if err != nil {
			d.Fatal(err)
		}
		r, err := http.NewRequestWithContext(d.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			d.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			d.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err == nil && answer != nil {
			err = json.Unmarshal(text, answer)
		}
		if err != nil || res.StatusCode >= 300 {
			d.Errorf("%s %s: %d %s, %v", method, path, res.StatusCode, text, err)
		}
	}
	var page struct {
		Records []struct {
			OIP struct {
				DID     string
				Creator struct{ PublicKey string }
			}
		}
	}
	send("GET", "/api/records?source=arweave&limit=1", "", "", &page)
	if len(page.Records) != 1 {
		d.Fatal("there is no record of the chain")
	}
	chain := page.Records[0].OIP
	send("POST", "/api/records/deleteRecord", chain.Creator.PublicKey, `{"delete":{"did":"`+chain.DID+`"}}`, nil)
	record := guntest.DID(guntest.Soul(gunner.Modulus, "1"))
	send("POST", "/api/records/deleteRecord", gunner.Modulus, `{"delete":{"did":"`+record+`"}}`, nil)
	send("GET", "/api/health/gun-sync", "", "", nil)
	// A processed id whose end is far away; those of the passes before may be gone.
	id := state.Key{Space: "gun-seen", ID: "of this test"}
	if err := d.open().Commit(d.Context(), state.Put(id, nil)); err != nil {
		d.Fatal(err)
	}
	var cleared struct{ CacheSize struct{ Before, After int64 } }
	send("POST", "/api/health/memory/clear-cache", "", "", &cleared)
	if cleared.CacheSize.Before == 0 || cleared.CacheSize.After != 0 {
		d.Errorf("%+v", cleared)
	}
}

// tellOfMemory checks that each function that ran has told of its memory, with the limit
// that it was given.
func tellOfMemory(d *deployment, deployed *template.Template) {
	d.Helper()
	told, _, err := memory.ReadFunctions(d.Context(), d.open(), time.Now())
	if err != nil {
		d.Fatal(err)
	}
	limits := make(map[string]int64)
	for _, f := range told {
		i := f.Fullest()
		limits[f.Name] = i.Limit >> 20
		if i.LimitBy != memory.SourceFunction || i.Used < 1<<20 || i.Used > i.Limit || f.Peak() < i.Used || f.ColdStarts < 1 {
			d.Errorf("%s tells %+v", f.Name, f)
		}
		d.Logf("%s: %s of %d MB", f.Name, i.Utilization(), i.Limit>>20)
	}
	for _, f := range deployed.Functions() {
		if want := d.function(f.Name).Memory; limits[f.Name] != want {
			d.Errorf("%s has %d MB and tells of %d", f.Name, want, limits[f.Name])
		}
	}
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
	source, env := web(t)
	d := deploy(t, "JWT_SECRET_PARAMETER=/oipnode/jwt", "GUN_RELAY_URL="+peer.URL(), "GUN_CACHE_MAX_AGE=1000", env[0], env[1])
	seen := make(map[string]*iam.Recorder)
	for _, f := range deployed.Functions() {
		seen[f.Name] = iam.NewRecorder()
	}
	start := func(name string, env ...string) *sandbox.Sandbox {
		t.Helper()
		if seen[name] == nil {
			t.Fatalf("the template has no function %s", name)
		}
		return d.record(name, seen[name], env...)
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
	for _, path := range []string{"/api/records", "/api/records/recordTypes", "/api/templates", "/api/creators", "/api/organizations", "/api/health", "/api/health/keepdb",
		"/api/health/memory", "/api/health/memory/tracker", "/api/health/memory/analyze"} {
		if status, err := call(t.Context(), "GET", url+path, "", nil); err != nil || status != http.StatusOK {
			t.Errorf("%s: %d, %v", path, status, err)
		}
	}
	if status := forceSync(t, url); status != http.StatusAccepted {
		t.Errorf("a wish for a sync: %d", status)
	}
	if status, err := call(t.Context(), "GET", url+"/api/absent", "", nil); err != nil || status != http.StatusNotFound {
		t.Errorf("a path that is none: %d, %v", status, err)
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
	operate(d, url)
	operatorTasks(d, maintenance, func(name string) []byte { return event(t, name) })
	mediaPermissions(t, d, source, reader{t, url, "key-of-ann"}, start, maintenance)
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
	d.invoke(expiry, event(t, "expiry.json"), nil)
	tellOfMemory(d, deployed)
	tellOfMetrics(d, deployed)
	for name, r := range seen {
		for _, difference := range iam.Compare(name, allowed[name], r) {
			t.Error(difference)
		}
	}
}
