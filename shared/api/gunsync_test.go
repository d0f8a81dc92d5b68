package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/shared/config"
	"oipnode/shared/gun"
	"oipnode/shared/gun/guntest"
	"oipnode/shared/state"
)

// syncing gives a world a sync with these peers, which only a test's cycle runs.
func syncing(relay string, peers ...string) func(*Options) {
	return func(o *Options) {
		o.Operations = config.OperationsOpen
		o.GunSync = &GunSync{
			Settings: gun.Options{
				Records: o.Records, State: o.State, Relay: relay, Peers: peers, Types: []string{"post"}, Private: true, Root: "oip:registry",
				Interval: 30 * time.Second, MaxAge: time.Hour, NodeID: "the node", Now: o.Now, RequestTimeout: time.Second,
				Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
			},
			Force: func(context.Context) error { return nil },
		}
	}
}

// cycle runs one cycle of the world's sync.
func (w *world) cycle() gun.Report {
	w.Helper()
	s, err := gun.New(w.opt.GunSync.Settings)
	if err != nil {
		w.Fatal(err)
	}
	r, err := s.Run(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// publishGun publishes n records of the first signer at a peer.
func publishGun(peer *guntest.Peer, n int) (souls []string) {
	for i := range n {
		souls = append(souls, peer.Publish(guntest.Record{Signer: published().signers[0], LocalID: fmt.Sprint("local-", i), Type: "post",
			Data: fmt.Sprintf(`{"basic":{"name":"gun %d"}}`, i), NodeID: "node-a"}))
	}
	return souls
}

// TestGunSyncPage: the page before the first cycle, after a good one, when the sync has
// stopped, and while a cycle runs.
func TestGunSyncPage(t *testing.T) {
	peer := startPeer(t)
	publishGun(peer, 3)
	clock := &hand{now: noon}
	w := newWorld(t, func(o *Options) { o.Now = clock.Now }, syncing("", peer.Socket()))
	a := w.ok("", "/api/health/gun-sync")
	w.expect(a, "service", `"gun-sync"`, "status", `"starting"`, "running", "false", "cycleRunning", "false", "lastCycle", "null")
	w.expect(a["metrics"].(object), "lastSyncTime", "null", "lastSyncAgo", "null", "syncCycles", "0", "successRate", `"100.0%"`)

	w.cycle()
	clock.move(12 * time.Second)
	a = w.ok("", "/api/health/gun-sync")
	w.expect(a, "status", `"healthy"`, "running", "true", "nodeId", `"the node"`)
	w.expect(a["metrics"].(object), "totalDiscovered", "3", "totalSynced", "3", "totalErrors", "0", "successRate", `"100.0%"`,
		"lastSyncTime", `"2026-03-01T12:00:00Z"`, "lastSyncAgo", "12000", "syncCycles", "1")
	w.expect(a["configuration"].(object), "syncInterval", "30000", "cacheMaxAge", "3600000", "peers", "1", "relay", "false",
		"trustedNodes", "0", "privateRecords", "true")
	w.expect(a["registry"].(object), "root", `"oip:registry"`, "processed", "3", "deletionsWaiting", "false")
	w.expect(a["lastCycle"].(object), "complete", "true", "indexed", "3", "errors", "0", "peersFailing", "0")

	clock.move(2 * time.Minute)
	w.expect(w.ok("", "/api/health/gun-sync"), "status", `"unhealthy"`, "running", "false")

	lease, err := state.Acquire(t.Context(), w.opt.State, "gunsync", "another", time.Minute, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	w.expect(w.ok("", "/api/health/gun-sync"), "status", `"unhealthy"`, "running", "true", "cycleRunning", "true")
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestGunSyncPageKeepsQuiet: a peer that fails is counted, and neither its address nor
// a word of it is told.
func TestGunSyncPageKeepsQuiet(t *testing.T) {
	bad := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, `{"error":"password of the peer"}`, http.StatusInternalServerError)
	}))
	defer bad.Close()
	w := newWorld(t, syncing("", bad.URL+"/gun"))
	w.cycle()
	a := w.ok("", "/api/health/gun-sync")
	w.expect(a, "status", `"unhealthy"`)
	w.expect(a["lastCycle"].(object), "peersFailing", "1")
	// The next cycle leaves the peer alone, which is as bad: nothing was synchronized.
	w.cycle()
	a = w.ok("", "/api/health/gun-sync")
	w.expect(a, "status", `"unhealthy"`, "running", "true")
	w.expect(a["metrics"].(object), "lastSyncTime", "null", "syncCycles", "2")
	w.expect(a["lastCycle"].(object), "peersFailing", "1", "errors", "0")
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"password", "127.0.0.1", "gun-relay"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the page tells %q: %s", secret, text)
		}
	}
}

// TestNoGunSync: a node that does not synchronize says so at both paths.
func TestNoGunSync(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Operations = config.OperationsOpen })
	for _, r := range []*http.Request{httptest.NewRequest(http.MethodGet, "/api/health/gun-sync", nil), operation(forcePath, here)} {
		res := w.do(r)
		if res.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", r.URL, res.Code)
		}
		w.expect(res.json, "service", `"gun-sync"`, "status", `"unavailable"`, "code", `"unavailable"`)
	}
}

// TestGunSyncForce: a wish is passed on whether or not a cycle runs, and one that
// cannot be passed on is an error without its cause.
func TestGunSyncForce(t *testing.T) {
	clock := &hand{now: noon}
	forced := 0
	var broken error
	w := newWorld(t, func(o *Options) { o.Now = clock.Now }, syncing("", "http://peer.invalid/gun"), func(o *Options) {
		o.GunSync.Force = func(context.Context) error { forced++; return broken }
	})
	res := w.do(operation(forcePath, here))
	if res.Code != http.StatusAccepted || forced != 1 {
		t.Errorf("%d %s, %d forced", res.Code, res.Body, forced)
	}
	w.expect(res.json, "cycleRunning", "false", "timestamp", `"2026-03-01T12:00:00Z"`)

	lease, err := state.Acquire(t.Context(), w.opt.State, "gunsync", "another", time.Minute, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	clock.move(time.Second)
	if res = w.do(operation(forcePath, here)); res.Code != http.StatusAccepted || forced != 2 {
		t.Errorf("while a cycle runs: %d %s, %d forced", res.Code, res.Body, forced)
	}
	w.expect(res.json, "cycleRunning", "true")
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}

	clock.move(time.Second)
	broken = errors.New("the queue's secret name")
	if res = w.do(operation(forcePath, here)); res.Code != http.StatusServiceUnavailable || strings.Contains(res.Body.String(), "secret") {
		t.Errorf("a queue that is away: %d %s", res.Code, res.Body)
	}
}

// today is the time of the worlds whose rows expire by the state store's own clock.
var today = sync.OnceValue(func() time.Time { return time.Now().UTC().Truncate(time.Second) })

// TestClearCache: the processed ids go, and the next cycle looks at everything again;
// the records stay.
func TestClearCache(t *testing.T) {
	peer := startPeer(t)
	publishGun(peer, 120) // more than one page of a clearing
	clock := &hand{now: today()}
	w := newWorld(t, func(o *Options) { o.Now = clock.Now }, syncing("", peer.Socket()))
	w.cycle()
	if r := w.cycle(); r.Counts.Discovered != 0 {
		t.Fatalf("an idle cycle took up %d: the test shows nothing", r.Counts.Discovered)
	}
	res := w.do(operation(clearPath, here))
	if res.Code != http.StatusOK {
		t.Fatalf("%d %s", res.Code, res.Body)
	}
	w.expect(res.json, "cacheSize", `{"after":0,"before":120}`, "timestamp", `"`+today().Format(time.RFC3339)+`"`)
	for _, part := range []string{"rss", "heapUsed", "heapTotal", "external", "stacks"} {
		bytes, err := at(res.json, "memoryAfterClear", part, "bytes").(json.Number).Int64()
		if err != nil || bytes <= 0 {
			t.Errorf("%s: %v, %v", part, at(res.json, "memoryAfterClear", part), err)
		}
	}
	clock.move(time.Second)
	w.expect(w.do(operation(clearPath, here)).json, "cacheSize", `{"after":0,"before":0}`)
	w.expect(w.ok("", "/api/records", "limit", "1"), "totalRecords", "120")
	if r := w.cycle(); r.Counts.Discovered != 120 || r.Counts.Indexed != 0 {
		t.Errorf("the next cycle: %+v", r.Counts)
	}
}

// slowState is a state store that removes some pages of processed ids, and then answers as
// one does whose time is over.
type slowState struct {
	state.Store
	pages int
}

func (s *slowState) Commit(ctx context.Context, ops ...state.Op) error {
	if len(ops) > 0 && ops[0].Kind == state.OpDelete && ops[0].Item.Space == "gun-seen" {
		if s.pages--; s.pages < 0 {
			return fmt.Errorf("commit: %w", context.DeadlineExceeded)
		}
	}
	return s.Store.Commit(ctx, ops...)
}

// TestClearCacheInParts: what the time was not enough for is said to be left.
func TestClearCacheInParts(t *testing.T) {
	peer := startPeer(t)
	publishGun(peer, 120)
	slow := &slowState{}
	w := newWorld(t, func(o *Options) { o.Now = today }, func(o *Options) { slow.Store, o.State = o.State, slow }, syncing("", peer.Socket()))
	w.cycle()
	slow.pages = 1
	res := w.do(operation(clearPath, here))
	if res.Code != http.StatusOK {
		t.Fatalf("%d %s", res.Code, res.Body)
	}
	w.expect(res.json, "cacheSize", `{"after":70,"before":120}`)
	if message := res.json["message"].(string); !strings.Contains(message, "again") {
		t.Errorf("message %q", message)
	}
}

// TestClearCacheFails: a store that is away is a 503 in our words.
func TestClearCacheFails(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Operations, o.State = config.OperationsOpen, &failingState{o.State, errors.New("secret of the table")}
	})
	if res := w.do(operation(clearPath, here)); res.Code != http.StatusServiceUnavailable || strings.Contains(res.Body.String(), "secret") {
		t.Errorf("%d %s", res.Code, res.Body)
	}
	w.opt.GunSync = &GunSync{}
	w.handler = New(w.opt)
	if res := w.call("/api/health/gun-sync"); res.Code != http.StatusServiceUnavailable || strings.Contains(res.Body.String(), "secret") {
		t.Errorf("the sync's page: %d %s", res.Code, res.Body)
	}
}
