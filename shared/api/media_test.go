package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"oipnode/shared/jobs"
	"oipnode/shared/jobs/local"
	"oipnode/shared/library"
	"oipnode/shared/media/files"
	"oipnode/shared/remote"
)

// shelf is a world with media, and a web server with files to fetch.
type shelf struct {
	*talk
	library *library.Library
	queue   *local.Queue
	// source is the base URL of the files; each path has its own name as content.
	source string
}

func newShelf(t *testing.T, change ...func(*library.Options)) *shelf {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/none" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(r.URL.Path))
	}))
	t.Cleanup(web.Close)
	port, err := strconv.Atoi(web.URL[strings.LastIndexByte(web.URL, ':')+1:])
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{talk: newTalk(t), source: web.URL}
	dir := t.TempDir()
	store, err := files.Open(filepath.Join(dir, "media"), files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.queue, err = local.Open(filepath.Join(dir, "jobs.db"), local.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, s.queue.Close()) })
	o := library.Options{State: s.state, Media: store, Queue: s.queue, Records: s.opt.Records, Now: s.clock,
		Remote: remote.New(remote.Options{Ports: []int{80, port}, AllowPrivate: true}), BaseURL: "https://node.example"}
	for _, c := range change {
		c(&o)
	}
	if s.library, err = library.New(o); err != nil {
		t.Fatal(err)
	}
	s.opt.Media = s.library
	s.handler = New(s.opt)
	// Users of the voice tests are known by their ids only; these have keys.
	for _, name := range []string{"ann", "bob"} {
		s.tokens[name] = token(t, "key-of-"+name)
	}
	return s
}

// work does the jobs of the queue.
func (s *shelf) work() {
	s.Helper()
	for {
		batch, err := s.queue.Receive(context.Background(), jobs.MaxBatch, 0, time.Minute)
		if err != nil {
			s.Fatal(err)
		}
		if len(batch) == 0 {
			return
		}
		for range jobs.Batch(context.Background(), s.queue, batch, s.library.Run, jobs.Options{MaxAttempts: library.MaxAttempts}) {
			s.Fatal("a job is to be tried again")
		}
		for _, j := range batch {
			if err := s.queue.Ack(context.Background(), j.Receipt); err != nil && !errors.Is(err, jobs.ErrReceipt) {
				s.Fatal(err)
			}
		}
	}
}

// fetch asks for a path of the source, does the work, and returns the job.
func (s *shelf) fetch(user, path, level string) object {
	s.Helper()
	body := fmt.Sprintf(`{"url":"%s%s","accessLevel":%q}`, s.source, path, level)
	id := s.must(http.StatusAccepted, user, "POST", "/api/media/fetch", body)["jobId"].(string)
	s.work()
	return s.must(http.StatusOK, user, "GET", "/api/media/jobs/"+id, "")
}

func mediaID(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// TestMedia: a fetch, its job, the manifest, the bytes and the list, by HTTP.
func TestMedia(t *testing.T) {
	s := newShelf(t)
	begun := s.must(202, "ann", "POST", "/api/media/fetch", `{"url":"`+s.source+`/page.html"}`)
	job := begun["jobId"].(string)
	s.expect(begun, "status", `"queued"`)
	s.expect(s.must(200, "ann", "GET", "/api/media/jobs/"+job, ""), "jobId", strconv.Quote(job), "status", `"queued"`, "reason", `""`, "mediaId", `""`, "bytes", "0")
	s.work()
	id := mediaID("/page.html")
	s.expect(s.must(200, "ann", "GET", "/api/media/jobs/"+job, ""), "status", `"done"`, "mediaId", strconv.Quote(id), "bytes", "10")
	path := "/api/media/" + id
	s.expect(s.must(200, "ann", "GET", path+"/info", ""), "mediaId", strconv.Quote(id), "originalName", `"page.html"`, "mimeType", `"text/html"`,
		"fileSize", "10", "httpUrl", `"https://node.example`+path+`"`, "sourceUrl", strconv.Quote(s.source+"/page.html"), "createdAt", `"2026-03-01T12:00:00Z"`,
		"userPublicKey", `"key-of-ann"`, "accessLevel", `"private"`)
	res := s.send("ann", "GET", path, "")
	if h := res.Header(); res.Code != 200 || res.Body.String() != "/page.html" || h.Get("Content-Type") != "text/html" || h.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %q %v", res.Code, res.Body, h)
	}
	if res := s.send("ann", "HEAD", path, ""); res.Code != 200 || res.Body.Len() != 0 || res.Header().Get("Content-Length") != "10" {
		t.Errorf("HEAD: %d %q %v", res.Code, res.Body, res.Header())
	}
	if res := s.send("ann", "GET", path, "", "Range", "bytes=1-4"); res.Code != 206 || res.Body.String() != "page" || res.Header().Get("Content-Range") != "bytes 1-4/10" {
		t.Errorf("a part: %d %q %v", res.Code, res.Body, res.Header())
	}
	res = s.send("ann", "GET", path, "", "Range", "bytes=10-")
	if res.Code != 416 || res.json["code"] != "range_not_satisfiable" || res.Header().Get("Content-Range") != "bytes */10" || res.Header().Get("ETag") != "" {
		t.Errorf("behind the end: %d %s %v", res.Code, res.Body, res.Header())
	}
	if res := s.send("ann", "GET", path, "", "If-None-Match", `"`+id+`"`); res.Code != 304 || res.Body.Len() != 0 {
		t.Errorf("known: %d %q", res.Code, res.Body)
	}

	s.advance(time.Second)
	s.fetch("ann", "/second", "public")
	s.fetch("bob", "/third", "")
	page := s.must(200, "ann", "GET", "/api/media?limit=1", "")
	first := list(t, page, "media")
	next, _ := page["nextCursor"].(string)
	if len(first) != 1 || first[0]["originalName"] != "second" || next == "" {
		t.Fatalf("the first page is %v", page)
	}
	second := list(t, s.must(200, "ann", "GET", "/api/media?limit=5&cursor="+next, ""), "media")
	if len(second) != 1 || second[0]["originalName"] != "page.html" {
		t.Errorf("the second page is %v", second)
	}
	if page := s.must(200, "bob", "GET", "/api/media", ""); len(list(t, page, "media")) != 1 || page["nextCursor"] != nil {
		t.Errorf("bob's page is %v", page)
	}
	// The cursor of somebody else leads to nothing of theirs.
	if foreign := list(t, s.must(200, "bob", "GET", "/api/media?cursor="+next, ""), "media"); len(foreign) > 1 || len(foreign) == 1 && foreign[0]["originalName"] != "third" {
		t.Errorf("with a foreign cursor: %v", foreign)
	}
	if text := s.log.text.String(); strings.Contains(text, s.tokens["ann"]) || strings.Contains(text, s.source) {
		t.Errorf("the log tells too much: %s", text)
	}
}

// TestMediaOthers: private media are 401 and 403 to others, whoever they are and whatever
// else there is; jobs are the owner's only; and both say no more than that.
func TestMediaOthers(t *testing.T) {
	s := newShelf(t)
	s.fetch("ann", "/x", "private")
	path, none := "/api/media/"+mediaID("/x"), "/api/media/"+mediaID("nothing")
	for _, p := range []string{path, path + "/info"} {
		s.must(401, "", "GET", p, "")
		before := s.must(403, "bob", "GET", p, "")
		s.fetch("ann", "/x", "private")
		if after := s.must(403, "bob", "GET", p, ""); fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("%v became %v", before, after)
		}
		s.must(401, "forged", "GET", p, "")
		for _, m := range []string{"HEAD", "GET"} {
			if res := s.send("bob", m, p, "", "Range", "bytes=0-0", "If-None-Match", "*"); res.Code != 403 || res.Header().Get("Content-Range") != "" || res.Header().Get("ETag") != "" {
				t.Errorf("%s by bob: %d %v", m, res.Code, res.Header())
			}
		}
	}
	for _, p := range []string{none, none + "/info", "/api/media/x", "/api/media/x/info", path + "/other"} {
		for _, who := range []string{"", "bob"} {
			s.must(404, who, "GET", p, "")
		}
	}
	job := s.must(202, "ann", "POST", "/api/media/fetch", `{"url":"`+s.source+`/y"}`)["jobId"].(string)
	for who, status := range map[string]int{"": 401, "bob": 404, "forged": 401} {
		foreign, nothing := s.send(who, "GET", "/api/media/jobs/"+job, ""), s.send(who, "GET", "/api/media/jobs/"+noID, "")
		if foreign.Code != status || foreign.Body.String() != nothing.Body.String() {
			t.Errorf("the job to %q: %d %s, of nothing %s", who, foreign.Code, foreign.Body, nothing.Body)
		}
	}
	s.must(404, "ann", "GET", "/api/media/jobs/info", "")
	for _, c := range [][2]string{{"POST", "/api/media/fetch"}, {"GET", "/api/media"}} {
		s.must(401, "", c[0], c[1], `{"url":"http://a.example/"}`)
	}
}

// TestMediaRefused: what is wrong is named, with what is allowed.
func TestMediaRefused(t *testing.T) {
	s := newShelf(t, func(o *library.Options) { o.MaxPerOwner = 1 })
	for _, c := range []struct {
		body          string
		status        int
		code, details string
	}{
		{"", 400, "invalid_parameter", "JSON object"},
		{"[]", 400, "invalid_parameter", "JSON object"},
		{`{"url":5}`, 400, "invalid_parameter", "JSON object"},
		{"{}", 400, "invalid_parameter", "or did"},
		{`{"url":"http://a.example/","did":"did:arweave:x"}`, 400, "invalid_parameter", "one of them"},
		{`{"url":"file:///etc/passwd"}`, 400, "invalid_parameter", "http"},
		{`{"url":"http://a.example:25/"}`, 400, "invalid_parameter", "port"},
		{`{"url":"http://a.example/","accessLevel":"friends"}`, 400, "invalid_parameter", "private or public"},
		{`{"did":"did:web:x"}`, 400, "invalid_parameter", "did:arweave"},
		{`{"did":"did:arweave:nothing"}`, 404, "not_found", "no such"},
		{`{"url":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "too_large", "1048576"},
	} {
		res := s.send("ann", "POST", "/api/media/fetch", c.body)
		message, _ := res.json["error"].(string)
		if res.Code != c.status || res.json["code"] != c.code || !strings.Contains(message, c.details) {
			t.Errorf("%.60s: %d %s, want %d about %q", c.body, res.Code, res.Body, c.status, c.details)
		}
	}
	for _, c := range []string{"cursor=x", "cursor=" + strings.Repeat("A", 2000), "limit=0", "limit=101"} {
		s.must(400, "ann", "GET", "/api/media?"+c, "")
	}
	s.must(202, "ann", "POST", "/api/media/fetch", `{"url":"`+s.source+`/none"}`)
	if res := s.send("ann", "POST", "/api/media/fetch", `{"url":"`+s.source+`/x"}`); res.Code != 429 || res.Header().Get("Retry-After") == "" {
		t.Errorf("a second fetch: %d %s", res.Code, res.Body)
	}
	s.work()
	failed := s.fetch("ann", "/none", "")
	if reason, _ := failed["reason"].(string); failed["status"] != "failed" || !strings.Contains(reason, "404") || strings.Contains(reason, "127.0.0.1") {
		t.Errorf("what is not there: %v", failed)
	}
}

// TestMediaRecord: a record's media go by the record's own rule.
func TestMediaRecord(t *testing.T) {
	s := newShelf(t)
	if res := s.send("ann", "POST", "/api/media/fetch", fmt.Sprintf(`{"did":%q}`, s.publish(post("no media", startHeight+1))[0])); res.Code != 400 || res.json["parameter"] != "did" {
		t.Errorf("a record without media: %d %s", res.Code, res.Body)
	}
}

// TestMediaFails: stores that fail are a 503, a damaged row is a 500, and an object that is
// gone is a 404 that says so; none shows its cause.
func TestMediaFails(t *testing.T) {
	s := newShelf(t)
	id := s.fetch("ann", "/x", "")["mediaId"].(string)
	s.state.err = errors.New("a store's inner words")
	for _, c := range [][2]string{{"GET", "/api/media"}, {"GET", "/api/media/" + id}, {"GET", "/api/media/" + id + "/info"}, {"GET", "/api/media/jobs/" + noID}, {"POST", "/api/media/fetch"}} {
		res := s.send("ann", c[0], c[1], `{"url":"`+s.source+`/y"}`)
		if res.Code != 503 || strings.Contains(res.Body.String(), "inner") || res.Header().Get("Retry-After") == "" {
			t.Errorf("%s %s: %d %s", c[0], c[1], res.Code, res.Body)
		}
	}
	s.state.err = nil
	s.library.Close()
	if res := s.send("ann", "GET", "/api/media/"+id, ""); res.Code != 503 {
		t.Errorf("a node that stops: %d %s", res.Code, res.Body)
	}
}

// TestMediaRoutes: the methods of each path, for pages of other origins, too; and no such
// paths on a node without media.
func TestMediaRoutes(t *testing.T) {
	s := newShelf(t)
	bare := newWorld(t)
	for p, allow := range map[string]string{
		"/api/media": "GET, HEAD, OPTIONS", "/api/media/fetch": "OPTIONS, POST", "/api/media/jobs/" + noID: "GET, HEAD, OPTIONS",
		"/api/media/x": "GET, HEAD, OPTIONS", "/api/media/x/info": "GET, HEAD, OPTIONS",
	} {
		if res := s.send("ann", "PATCH", p, ""); res.Code != 405 || res.Header().Get("Allow") != allow {
			t.Errorf("PATCH %s: %d %s", p, res.Code, res.Header().Get("Allow"))
		}
		res := s.send("", "OPTIONS", p, "")
		if h := res.Header(); res.Code != 204 || h.Get("Access-Control-Allow-Methods") != allow || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Range") ||
			!strings.Contains(h.Get("Access-Control-Expose-Headers"), "Content-Range") {
			t.Errorf("OPTIONS %s: %d %v", p, res.Code, h)
		}
		if res := bare.do(httptest.NewRequest("GET", p, nil)); res.Code != 404 {
			t.Errorf("GET %s without media: %d", p, res.Code)
		}
	}
}
