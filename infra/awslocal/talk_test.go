package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// side is one of the two that answer the conversation of the contract suite. Its ids and
// keys are its own: requests name them by variables, and answers are compared with the
// variables in their places.
type side struct {
	base string
	vars map[string]string
}

// step is one request of the conversation; keep names the dialogue that its answer
// starts, as {NAME}, whose stream's key is {NAME.key}.
type step struct {
	request
	keep string
}

var (
	talkTimes = regexp.MustCompile(`"(startTime|lastActivity|expiresAt|at)":"[^"]*"`)
	retryLine = regexp.MustCompile(`retry: \d+`)
	// sizes differ with what is in them.
	sizes = regexp.MustCompile(`content-length: \[[^\]]*\]`)
)

// ask sends a step and gives its answer in a form that both sides must share.
func (s *side) ask(t *testing.T, q step) string {
	t.Helper()
	var pairs []string
	for name, value := range s.vars {
		pairs = append(pairs, "{"+name+"}", value)
	}
	fill := strings.NewReplacer(pairs...)
	q.path = fill.Replace(q.path)
	answer := q.send(t, s.base)
	if q.keep != "" {
		var started struct{ DialogueID, StreamKey string }
		if i := strings.Index(answer, "\n{"); i < 0 || json.Unmarshal([]byte(answer[i:]), &started) != nil || len(started.DialogueID) != 32 || len(started.StreamKey) != 32 {
			t.Fatalf("%s at %s: %s", q, s.base, answer)
		}
		s.vars[q.keep], s.vars[q.keep+".key"] = started.DialogueID, started.StreamKey
	}
	pairs = nil
	for name, value := range s.vars {
		pairs = append(pairs, value, "{"+name+"}")
	}
	answer = strings.NewReplacer(pairs...).Replace(answer)
	answer = talkTimes.ReplaceAllString(answer, `"$1":""`)
	return retryLine.ReplaceAllString(sizes.ReplaceAllString(answer, ""), "retry: ")
}

// compareTalk has the same conversation with both, step by step.
func compareTalk(t *testing.T, node, gateway string) {
	t.Helper()
	local, behind := side{node, make(map[string]string)}, side{gateway, make(map[string]string)}
	seen := make(map[string]int)
	for _, q := range conversation(t) {
		a, b := local.ask(t, q), behind.ask(t, q)
		if a != b {
			t.Errorf("%s\nlocal node: %s\nAPI Gateway: %s", q, a, b)
		}
		seen[a[:3]]++
	}
	for _, status := range []string{"200", "201", "204", "400", "401", "404", "405", "409"} {
		if seen[status] == 0 {
			t.Errorf("no answer has the status %s: %v", status, seen)
		}
	}
}

// conversation is a dialogue from its start to behind its end, with everything that
// clients do wrong. At the end of it the stream is one that ends on both sides.
func conversation(t *testing.T) []step {
	t.Helper()
	const secret, other = "a-secret-of-the-contract-suite", "another-secret-of-the-suite"
	var list []step
	var as http.Header
	say := func(method, path, body string) *step {
		list = append(list, step{request: request{method: method, path: path, body: body, header: as}})
		return &list[len(list)-1]
	}
	with := func(h string, more ...string) http.Header {
		all := http.Header{}
		if h != "" {
			all.Set("X-Dialogue-Secret", h)
		}
		for i := 0; i+1 < len(more); i += 2 {
			all.Set(more[i], more[i+1])
		}
		return all
	}
	const root = "/api/voice/dialogues"
	// Who may start one.
	say("POST", root, "")
	say("POST", root, `{"secret":"short"}`)
	say("POST", root, `{"secret":7}`)
	say("POST", root, `[]`)
	say("POST", root, `{"secret":"with a space in it"}`)
	say("GET", "/api/voice/active-dialogues", "")
	say("POST", root, `{"secret":"`+secret+`"}`).keep = "A"
	as = with(secret)
	say("POST", root, `{"secret":"`+other+`"}`)
	say("POST", root, "").keep = "B"
	as = nil
	user := say("POST", root, "")
	user.token, user.keep = token(t, "a key of the contract suite"), "U"
	own := say("GET", root+"/{U}", "")
	own.token = user.token
	for _, h := range []http.Header{with(secret), with(other), nil, with("no")} {
		as = h
		say("GET", root+"/{A}", "")
		say("GET", root+"/{A}/events", "")
		say("GET", "/api/voice/active-dialogues", "")
		if h.Get("X-Dialogue-Secret") != secret { // a true stream has no end while its dialogue has none
			say("GET", "/api/voice/open-stream?dialogueId={A}&streamKey={B.key}", "")
		}
		say("GET", root+"/{U}", "")
	}
	// Appending.
	as = with(secret)
	for _, body := range []string{
		`{"event":"textChunk","data":{"text": "hello"}}`, `{"event":"audioChunk","data":"<&> \u00e9 \" \\"}`, `{"event":"ping"}`,
		`{"event":"textChunk","data":{"n":4},"number":4}`, `{"event":"textChunk","data":{"n":4},"number":4}`, `{"event":"textChunk","data":{"n":5},"number":4}`,
		`{"event":"textChunk","number":99}`, `{"event":"textChunk","number":0}`, `{"event":"textChunk","number":"5"}`, `{"event":"shout"}`, `{}`, ``, `null`, `{"event"`,
		`{"event":"textChunk","data":"` + strings.Repeat("x", 200<<10) + `"}`, `{"event":"textChunk","data":"` + strings.Repeat("y", 1100<<10) + `"}`,
		`{"event":"error","data":[1,2.50,1e3,9007199254740993]}`,
	} {
		say("POST", root+"/{A}/events", body)
	}
	say("POST", root+"/"+strings.Repeat("0", 32)+"/events", `{"event":"ping"}`)
	say("POST", root+"/x/events", `{"event":"ping"}`)
	// Reading.
	for _, query := range []string{"", "?after=0", "?after=2", "?after=5", "?after=99", "?after=-1", "?after=x", "?limit=1", "?after=1&limit=2", "?limit=0", "?limit=1001", "?x=1"} {
		say("GET", root+"/{A}/events"+query, "")
	}
	say("GET", root+"/{A}", "")
	say("GET", "/api/voice/active-dialogues", "")
	say("HEAD", root+"/{A}", "")
	for _, path := range []string{root, root + "/{A}", root + "/{A}/events", "/api/voice/active-dialogues", "/api/voice/open-stream"} {
		for _, method := range []string{"OPTIONS", "PUT", "PATCH"} {
			say(method, path, "")
		}
	}
	say("GET", "/api/voice/nothing", "")
	say("GET", root, "")
	say("DELETE", root, "")
	// The stream: what is refused, and what is answered to HEAD.
	for _, query := range []string{"", "?dialogueId=", "?dialogueId=x", "?dialogueId={A}&after=x", "?dialogueId={A}&after=99"} {
		say("GET", "/api/voice/open-stream"+query, "")
	}
	for _, last := range []string{"x", "-1", "07", "99", "123456789"} {
		as = with(secret, "Last-Event-Id", last)
		say("GET", "/api/voice/open-stream?dialogueId={A}", "")
	}
	as = with("", "Last-Event-Id", "1")
	say("HEAD", "/api/voice/open-stream?dialogueId={A}&streamKey={A.key}", "")
	// Its end, and what comes behind.
	as = with(other)
	say("DELETE", root+"/{A}", "")
	as = with(secret)
	say("DELETE", root+"/{A}", "")
	say("DELETE", root+"/{A}", "")
	say("POST", root+"/{A}/events", `{"event":"textChunk"}`)
	say("GET", root+"/{A}", "")
	say("GET", root+"/{A}/events?after=4", "")
	say("GET", "/api/voice/active-dialogues", "")
	for _, last := range []string{"", "0", "3", "5", "6", "7"} {
		as = with("", "Last-Event-Id", last, "Origin", "https://app.example")
		say("GET", "/api/voice/open-stream?dialogueId={A}&streamKey={A.key}", "")
	}
	as = nil
	say("GET", "/api/voice/open-stream?dialogueId={A}&streamKey={A.key}&after=4", "")
	return list
}

// TestConversation: the conversation has every route of dialogues in it.
func TestConversation(t *testing.T) {
	var asked []string
	for _, q := range conversation(t) {
		path, _, _ := strings.Cut(q.path, "?")
		asked = append(asked, fmt.Sprintf("%s %s", q.method, regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "{id}")))
	}
	for _, route := range []string{
		"POST /api/voice/dialogues", "GET /api/voice/dialogues/{id}", "DELETE /api/voice/dialogues/{id}", "GET /api/voice/dialogues/{id}/events",
		"POST /api/voice/dialogues/{id}/events", "GET /api/voice/active-dialogues", "GET /api/voice/open-stream",
	} {
		if !slices.Contains(asked, route) {
			t.Errorf("%s is not asked for", route)
		}
	}
}
