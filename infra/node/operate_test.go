package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/gun/guntest"
	"oipnode/shared/oip/oiptest"
)

// send sends a request to the node and decodes its answer.
func (p *process) send(t *testing.T, status int, token, method, path, body string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	var answer map[string]any
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil || resp.StatusCode != status {
		t.Fatalf("%s %s: %d, want %d, %v: %.300s", method, path, resp.StatusCode, status, err, text)
	}
	return answer
}

// TestOperate: a node with a relay of its own synchronizes from it at once when it is
// forced to, passes calls through to it, and deletes for the owner of a record for good,
// over a restart as well.
func TestOperate(t *testing.T) {
	relay := guntest.NewPeer(guntest.Options{})
	if err := relay.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Close() })
	const key = "the key of the tokens of this test"
	owner := oiptest.NewSigner("node gun", 2048)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"publicKey": owner.Modulus, "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	// An index that a relay does not have is not asked for again soon, so it has one.
	publish := func(id string) string {
		return relay.Publish(guntest.Record{Signer: owner, LocalID: id, Type: "post", Data: `{"basic":{"name":"of the relay"}}`, NodeID: "node-a"})
	}
	publish("1")
	dir := t.TempDir()
	env := map[string]string{"GUN_RELAY_URL": relay.Socket(), "GUN_SYNC_INTERVAL": "86400000", "JWT_SECRET": key}
	p := startNode(t, dir, env)
	cycles := func(n float64) func() bool {
		return func() bool {
			return p.send(t, 200, "", "GET", "/api/health/gun-sync", "")["metrics"].(map[string]any)["syncCycles"].(float64) >= n
		}
	}
	eventually(t, "first cycle", cycles(1))
	soul := publish("2")
	p.send(t, 202, "", "POST", "/api/health/gun-sync/force", "")
	eventually(t, "cycle that was forced", cycles(2))

	if got := p.send(t, 200, "", "GET", "/gun-relay/get?soul="+soul, ""); got["success"] != true {
		t.Errorf("through the node: %v", got)
	}
	p.send(t, 200, "", "POST", "/gun-relay/put", `{"soul":"note","data":{"x":1}}`)
	if text, ok := relay.Node("note"); !ok || text != `{"x":1}` {
		t.Errorf("the relay has %q", text)
	}

	found := func() float64 {
		return p.send(t, 200, "", "GET", "/api/records?did="+guntest.DID(soul), "")["searchResults"].(float64)
	}
	if found() != 1 {
		t.Fatal("the record was not synchronized")
	}
	body := fmt.Sprintf(`{"delete":{"did":%q}}`, guntest.DID(soul))
	p.send(t, 401, "", "POST", "/api/records/deleteRecord", body)
	p.send(t, 200, token, "POST", "/api/records/deleteRecord", body)
	if found() != 0 {
		t.Error("the record is still there")
	}
	p.stop(t)
	p = startNode(t, dir, env)
	eventually(t, "cycle of the new process", cycles(3))
	if found() != 0 {
		t.Error("the record is back")
	}
	p.send(t, 200, "", "POST", "/api/health/memory/clear-cache", "")
	p.stop(t)
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("there is no %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
