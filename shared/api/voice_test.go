package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
	"oipnode/shared/voice"
)

// A secret of the tests, and the id of no dialogue.
const (
	aSecret = "a-secret-of-the-tests"
	noID    = "00000000000000000000000000000000"
)

// talk is a world with dialogues, whose clock can be moved.
type talk struct {
	*world
	voice  *voice.Dialogues
	state  *failingState
	tokens map[string]string

	mu  sync.Mutex
	now time.Time
}

func newTalk(t *testing.T, change ...func(*voice.Options)) *talk {
	t.Helper()
	k := &talk{now: noon, tokens: map[string]string{"": ""}}
	store, err := bolt.Open(filepath.Join(t.TempDir(), "voice.db"), bolt.Options{Now: k.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, store.Close()) })
	k.state = &failingState{Store: store}
	o := voice.Options{State: k.state, Now: k.clock, Poll: 5 * time.Millisecond}
	for _, c := range change {
		c(&o)
	}
	if k.voice, err = voice.New(o); err != nil {
		t.Fatal(err)
	}
	k.world = newWorld(t, func(o *Options) { o.Voice = k.voice })
	for _, user := range []string{"ann", "bob"} {
		k.tokens[user] = token(t, "", jwt.MapClaims{"userId": user})
	}
	return k
}

func (k *talk) clock() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

func (k *talk) advance(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = k.now.Add(d)
}

// send makes a request of a user with pairs of header names and values.
func (k *talk) send(user, method, path, body string, header ...string) response {
	k.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if user != "" {
		r.Header.Set("Authorization", "Bearer "+k.tokens[user])
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return k.do(r)
}

// must is send that gets a status.
func (k *talk) must(status int, user, method, path, body string, header ...string) object {
	k.Helper()
	res := k.send(user, method, path, body, header...)
	if res.Code != status {
		k.Fatalf("%s %s by %q: %d %s, want %d", method, path, user, res.Code, res.Body, status)
	}
	return res.json
}

// begin starts a dialogue of ann, and returns its path and the key of its stream.
func (k *talk) begin() (path, id, key string) {
	k.Helper()
	started := k.must(201, "ann", "POST", "/api/voice/dialogues", "")
	id = started["dialogueId"].(string)
	return "/api/voice/dialogues/" + id, id, started["streamKey"].(string)
}

// TestVoice is a dialogue over HTTP from its start to its end.
func TestVoice(t *testing.T) {
	k := newTalk(t)
	started := k.must(201, "ann", "POST", "/api/voice/dialogues", "{}")
	k.expect(started, "status", `"active"`, "startTime", `"2026-03-01T12:00:00Z"`, "lastActivity", `"2026-03-01T12:00:00Z"`,
		"expiresAt", `"2026-03-01T12:30:00Z"`, "events", "0")
	id := started["dialogueId"].(string)
	path := "/api/voice/dialogues/" + id
	k.advance(time.Minute)
	k.expect(k.must(201, "ann", "POST", path+"/events", `{"event":"textChunk","data":{"role":"assistant","text":"<Hi>"}}`),
		"dialogueId", `"`+id+`"`, "number", "1", "event", `"textChunk"`, "events", "1", "at", `"2026-03-01T12:01:00Z"`, "expiresAt", `"2026-03-01T12:31:00Z"`)
	k.must(201, "ann", "POST", path+"/events", `{"event":"done"}`)
	k.expect(k.must(200, "ann", "GET", path, ""), "dialogueId", `"`+id+`"`, "status", `"active"`, "events", "2", "expiresAt", `"2026-03-01T12:31:00Z"`)

	page := k.must(200, "ann", "GET", path+"/events?after=0&limit=1", "")
	k.expect(page, "next", "1", "more", "true", "status", `"active"`)
	k.expect(list(t, page, "events")[0], "number", "1", "event", `"textChunk"`, "at", `"2026-03-01T12:01:00Z"`)
	if got := at(list(t, page, "events")[0], "data", "text"); got != "<Hi>" {
		t.Errorf("data %v", got)
	}
	page = k.must(200, "ann", "GET", path+"/events?after=1", "")
	k.expect(page, "next", "2", "more", "false")
	k.expect(list(t, page, "events")[0], "number", "2", "event", `"done"`, "data", "null")
	k.expect(k.must(200, "ann", "GET", path+"/events?after=2", ""), "next", "2", "more", "false", "events", "[]")

	all := k.must(200, "ann", "GET", "/api/voice/active-dialogues", "")
	k.expect(all, "count", "1")
	k.expect(list(t, all, "dialogues")[0], "dialogueId", `"`+id+`"`, "events", "2")
	k.expect(k.must(200, "ann", "DELETE", path, ""), "status", `"ended"`, "events", "3")
	k.expect(k.must(200, "ann", "GET", "/api/voice/active-dialogues", ""), "count", "0", "dialogues", "[]")
	k.must(409, "ann", "POST", path+"/events", `{"event":"done"}`)
	k.must(200, "ann", "DELETE", path, "")
	k.advance(time.Minute)
	k.must(404, "ann", "GET", path, "")
	k.must(404, "ann", "DELETE", path, "")
}

// TestVoiceExpires: at its very second a dialogue is gone for every route.
func TestVoiceExpires(t *testing.T) {
	k := newTalk(t)
	path, id, _ := k.begin()
	k.must(201, "ann", "POST", path+"/events", `{"event":"done"}`)
	k.advance(30*time.Minute - 1)
	k.must(200, "ann", "GET", path, "")
	k.advance(1)
	k.must(404, "ann", "GET", path, "")
	k.must(404, "ann", "GET", path+"/events", "")
	k.must(404, "ann", "POST", path+"/events", `{"event":"done"}`)
	k.must(404, "ann", "DELETE", path, "")
	k.must(404, "ann", "GET", "/api/voice/open-stream?dialogueId="+id, "")
	k.expect(k.must(200, "ann", "GET", "/api/voice/active-dialogues", ""), "count", "0")
}

// TestVoiceOthers: others get the answer to nothing, byte for byte.
func TestVoiceOthers(t *testing.T) {
	k := newTalk(t)
	path, id, key := k.begin()
	_, other, _ := k.begin()
	for _, c := range []struct{ method, path, body string }{
		{"GET", path, ""}, {"DELETE", path, ""}, {"GET", path + "/events", ""}, {"POST", path + "/events", `{"event":"done"}`},
		{"GET", "/api/voice/open-stream?dialogueId=" + id, ""},
	} {
		for _, who := range [][]string{{""}, {"bob"}, {"", secretHeader, aSecret}, {"bob", secretHeader, aSecret}} {
			foreign := k.send(who[0], c.method, c.path, c.body, who[1:]...)
			nothing := k.send(who[0], c.method, strings.ReplaceAll(c.path, id, noID), c.body, who[1:]...)
			odd := k.send(who[0], c.method, strings.ReplaceAll(c.path, id, "x"), c.body, who[1:]...)
			if foreign.Code != 404 || foreign.json["code"] != "not_found" || foreign.Body.String() != nothing.Body.String() || odd.Body.String() != nothing.Body.String() {
				t.Errorf("%s %s by %q: %d %s, of nothing %s", c.method, c.path, who, foreign.Code, foreign.Body, nothing.Body)
			}
		}
	}
	for _, query := range []string{"?dialogueId=" + other + "&streamKey=" + key, "?dialogueId=" + id + "&streamKey=x", "?dialogueId=" + id + "&streamKey="} {
		k.must(404, "", "GET", "/api/voice/open-stream"+query, "")
	}
	k.must(404, "", "GET", path+"?streamKey="+key, "")
	k.expect(k.must(200, "bob", "GET", "/api/voice/active-dialogues", ""), "count", "0")
	k.expect(k.must(200, "ann", "GET", path, ""), "status", `"active"`, "events", "0")
	if text := k.log.text.String(); strings.Contains(text, key) || strings.Contains(text, aSecret) || strings.Contains(text, k.tokens["ann"]) {
		t.Errorf("the log tells too much: %s", text)
	}
}

// TestVoiceSecrets: a dialogue of a secret belongs to whoever knows it, with a token or
// without.
func TestVoiceSecrets(t *testing.T) {
	k := newTalk(t)
	for name, start := range map[string]func() object{
		"body":   func() object { return k.must(201, "", "POST", "/api/voice/dialogues", `{"secret":"`+aSecret+`"}`) },
		"header": func() object { return k.must(201, "", "POST", "/api/voice/dialogues", "", secretHeader, aSecret) },
		"both": func() object {
			return k.must(201, "", "POST", "/api/voice/dialogues", `{"secret":"`+aSecret+`"}`, secretHeader, aSecret)
		},
		"token": func() object { return k.must(201, "ann", "POST", "/api/voice/dialogues", `{"secret":"`+aSecret+`"}`) },
	} {
		path := "/api/voice/dialogues/" + start()["dialogueId"].(string)
		k.must(201, "", "POST", path+"/events", `{"event":"done"}`, secretHeader, aSecret)
		k.must(200, "bob", "GET", path, "", secretHeader, aSecret)
		k.must(404, "ann", "GET", path, "")
		k.must(404, "", "GET", path, "", secretHeader, aSecret+"x")
		k.expect(k.must(200, "", "GET", "/api/voice/active-dialogues", "", secretHeader, aSecret), "count", "1")
		if t.Failed() {
			t.Fatal(name)
		}
		k.must(200, "", "DELETE", path, "", secretHeader, aSecret)
	}
	k.begin()
	k.must(201, "", "POST", "/api/voice/dialogues", "", secretHeader, aSecret)
	k.expect(k.must(200, "ann", "GET", "/api/voice/active-dialogues", "", secretHeader, aSecret), "count", "2")
}

// TestVoiceRefused: what is wrong is named, with what is allowed.
func TestVoiceRefused(t *testing.T) {
	k := newTalk(t, func(o *voice.Options) { o.MaxEventBytes, o.MaxEvents, o.MaxPerOwner, o.MaxStreams = 10, 2, 2, 1 })
	path, id, _ := k.begin()
	stream := "/api/voice/open-stream?dialogueId="
	for _, c := range []struct {
		method, path, body string
		header             []string
		status             int
		code, names        string
	}{
		{"POST", "/api/voice/dialogues", "", nil, 401, "unauthorized", "X-Dialogue-Secret"},
		{"GET", "/api/voice/active-dialogues", "", nil, 401, "unauthorized", "token"},
		{"POST", "/api/voice/dialogues", "[1]", nil, 400, "invalid_parameter", "body"},
		{"POST", "/api/voice/dialogues", `{"secret":5}`, nil, 400, "invalid_parameter", "body"},
		{"POST", "/api/voice/dialogues", `{"secret":"short"}`, nil, 400, "invalid_parameter", "16 to 200"},
		{"POST", "/api/voice/dialogues", `{"secret":"` + aSecret + `"}`, []string{secretHeader, aSecret + "x"}, 400, "invalid_parameter", "secret"},
		{"GET", path, "", []string{secretHeader, "short"}, 400, "invalid_parameter", "16 to 200"},
		{"POST", "/api/voice/dialogues", strings.Repeat(" ", 1<<20+1), nil, 413, "too_large", "1048576"},
		{"POST", path + "/events", "", nil, 400, "invalid_parameter", "body"},
		{"POST", path + "/events", "{\"event\":\"\xff\"}", nil, 400, "invalid_parameter", "body"},
		{"POST", path + "/events", `{"event":"song"}`, nil, 400, "invalid_parameter", "textChunk, audioChunk, done, error, ping"},
		{"POST", path + "/events", `{"event":"done","number":-1}`, nil, 400, "invalid_parameter", "number"},
		{"POST", path + "/events", `{"event":"done","data":"123456789"}`, nil, 400, "invalid_parameter", "10 bytes"},
		{"POST", path + "/events", `{"event":"done","number":2}`, nil, 409, "conflict", "next event of this dialogue is 1"},
		{"GET", path + "/events?after=-1", "", nil, 400, "invalid_parameter", "after"},
		{"GET", path + "/events?limit=1001", "", nil, 400, "invalid_parameter", "1 to 1000"},
		{"GET", "/api/voice/open-stream", "", nil, 400, "invalid_parameter", "dialogueId"},
		{"GET", stream + id, "", []string{"Last-Event-ID", "x"}, 400, "invalid_parameter", "Last-Event-ID"},
		{"GET", stream + id, "", []string{"Last-Event-ID", "1"}, 400, "invalid_parameter", "Last-Event-ID"},
		{"GET", stream + id + "&after=1", "", nil, 400, "invalid_parameter", "at most 0"},
	} {
		user := "ann"
		if c.status == 401 {
			user = ""
		}
		res := k.send(user, c.method, c.path, c.body, c.header...)
		message, _ := res.json["error"].(string)
		if res.Code != c.status || res.json["code"] != c.code || !strings.Contains(message, c.names) {
			t.Errorf("%s %s %.50s: %d %s, want %d about %q", c.method, c.path, c.body, res.Code, res.Body, c.status, c.names)
		}
	}
	k.must(201, "ann", "POST", path+"/events", `{"event":"ping"}`)
	k.must(201, "ann", "POST", path+"/events", `{"event":"ping","number":2}`)
	k.must(201, "ann", "POST", path+"/events", `{"event":"ping","number":2}`)
	if res := k.send("ann", "POST", path+"/events", `{"event":"ping"}`); res.Code != 409 || !strings.Contains(res.Body.String(), "2 events") {
		t.Errorf("a full dialogue: %d %s", res.Code, res.Body)
	}
	k.begin()
	if res := k.send("ann", "POST", "/api/voice/dialogues", ""); res.Code != 429 || !strings.Contains(res.Body.String(), "2 dialogues") {
		t.Errorf("too many dialogues: %d %s", res.Code, res.Body)
	}
	open, err := k.voice.Open(t.Context(), voice.Caller{Owners: []voice.Owner{owner(t, k, "ann")}}, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	if res := k.send("ann", "GET", stream+id, ""); res.Code != 429 || res.Header().Get("Retry-After") == "" {
		t.Errorf("too many streams: %d %s", res.Code, res.Body)
	}
	open.Close()
	k.voice.Close()
	if res := k.send("ann", "GET", stream+id, ""); res.Code != 503 || res.Header().Get("Retry-After") == "" {
		t.Errorf("a closed node: %d %s", res.Code, res.Body)
	}
}

// owner is the owner that a user's token stands for.
func owner(t *testing.T, k *talk, user string) voice.Owner {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+k.tokens[user])
	o := voice.OwnerOf(k.opt.Auth.Viewer(r))
	if o == "" {
		t.Fatal("no owner")
	}
	return o
}

// TestVoiceStateFails: a store that fails is a 503, and a damaged row a 500; neither
// shows its cause.
func TestVoiceStateFails(t *testing.T) {
	k := newTalk(t)
	path, id, _ := k.begin()
	stream := "/api/voice/open-stream?dialogueId=" + id
	k.state.err = errors.New("a store's inner words")
	for _, c := range [][2]string{{"POST", "/api/voice/dialogues"}, {"GET", path}, {"DELETE", path}, {"GET", path + "/events"}, {"GET", stream}, {"GET", "/api/voice/active-dialogues"}} {
		res := k.send("ann", c[0], c[1], "")
		if res.Code != 503 || strings.Contains(res.Body.String(), "inner") || res.Header().Get("Retry-After") == "" {
			t.Errorf("%s %s: %d %s", c[0], c[1], res.Code, res.Body)
		}
	}
	k.state.err = nil
	if err := k.state.Commit(t.Context(), state.Put(state.Key{Space: "voice:" + id, ID: "dialogue"}, []byte("inner"))); err != nil {
		t.Fatal(err)
	}
	if res := k.send("ann", "GET", path, ""); res.Code != 500 || strings.Contains(res.Body.String(), "inner") {
		t.Errorf("damage: %d %s", res.Code, res.Body)
	}
}

// TestVoiceRoutes: the methods of each path, for pages of other origins, too; and no
// such paths on a node without dialogues.
func TestVoiceRoutes(t *testing.T) {
	k := newTalk(t)
	path, id, _ := k.begin()
	bare := newWorld(t)
	for p, allow := range map[string]string{
		"/api/voice/dialogues": "OPTIONS, POST", path: "DELETE, GET, HEAD, OPTIONS", path + "/events": "GET, HEAD, OPTIONS, POST",
		"/api/voice/active-dialogues": "GET, HEAD, OPTIONS", "/api/voice/open-stream?dialogueId=" + id: "GET, HEAD, OPTIONS",
	} {
		if res := k.send("ann", "PATCH", p, ""); res.Code != 405 || res.Header().Get("Allow") != allow {
			t.Errorf("PATCH %s: %d %s", p, res.Code, res.Header().Get("Allow"))
		}
		res := k.send("", "OPTIONS", p, "")
		if h := res.Header(); res.Code != 204 || h.Get("Access-Control-Allow-Methods") != allow || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "X-Dialogue-Secret") {
			t.Errorf("OPTIONS %s: %d %v", p, res.Code, h)
		}
		if strings.Contains(allow, "HEAD") {
			if res := k.send("ann", "HEAD", p, ""); res.Code != 200 || res.Body.Len() > 0 {
				t.Errorf("HEAD %s: %d %s", p, res.Code, res.Body)
			}
		}
		if res := bare.do(httptest.NewRequest("GET", p, nil)); res.Code != 404 {
			t.Errorf("GET %s without dialogues: %d", p, res.Code)
		}
	}
}

// TestVoicePages: an answer with events is bounded in bytes, and the next one goes on.
func TestVoicePages(t *testing.T) {
	k := newTalk(t)
	path, id, _ := k.begin()
	c := voice.Caller{Owners: []voice.Owner{owner(t, k, "ann")}}
	data, err := json.Marshal(strings.Repeat(`"`, 60<<10)) // escaped in the answer, and again behind a gateway
	if err != nil {
		t.Fatal(err)
	}
	const events = 60
	for range events {
		if _, _, err := k.voice.Append(context.Background(), c, id, voice.NewEvent{Event: "audioChunk", Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	seen, next := 0, "0"
	for more := true; more; {
		res := k.send("ann", http.MethodGet, path+"/events?limit=1000&after="+next, "")
		if res.Code != 200 || res.Body.Len() > maxEventsAnswer+2*len(data) {
			t.Fatalf("%d with %d bytes", res.Code, res.Body.Len())
		}
		for _, e := range list(t, res.json, "events") {
			if seen++; fmt.Sprint(e["number"]) != fmt.Sprint(seen) {
				t.Fatalf("number %v, want %d", e["number"], seen)
			}
		}
		next, more = fmt.Sprint(res.json["next"]), res.json["more"].(bool)
	}
	if seen != events {
		t.Errorf("%d events", seen)
	}
}
