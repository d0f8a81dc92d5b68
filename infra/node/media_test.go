package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/oip"
)

// keyOfTests signs the tokens of these tests.
const keyOfTests = "a secret of these tests, which is long enough"

// as sends a request of a user to the node, and returns the status and the answer.
func (p *process) as(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"publicKey": "key-of-ann", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(keyOfTests))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// fetched is a job as its owner sees it.
type fetched struct {
	JobID, Status, Reason, MediaID string
	Bytes                          int64
}

// fetch asks for a fetch.
func (p *process) fetch(t *testing.T, body string) (f fetched) {
	t.Helper()
	status, text := p.as(t, "POST", "/api/media/fetch", body)
	if status != http.StatusAccepted || json.Unmarshal([]byte(text), &f) != nil {
		t.Fatalf("%s: %d %s", body, status, text)
	}
	return f
}

// untilJob polls a job until it is as a test wants it.
func (p *process) untilJob(t *testing.T, id string, ok func(f fetched) bool) (f fetched) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		status, text := p.as(t, "GET", "/api/media/jobs/"+id, "")
		if status != http.StatusOK || json.Unmarshal([]byte(text), &f) != nil || time.Now().After(end) {
			t.Fatalf("job %s: %d %s", id, status, text)
		}
		if ok(f) {
			return f
		}
	}
}

func isDone(f fetched) bool { return f.Status == "done" }

// TestMedia fetches through a node: a file whose fetch is cut by a kill, a transaction of
// the sample chain, and what must not be reached; and serves what came of it.
func TestMedia(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("a film ", 1<<20)
	var asked atomic.Int32
	hold := make(chan struct{})
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "video/mp4")
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = io.WriteString(w, content[:1<<20])
		_ = http.NewResponseController(w).Flush()
		if asked.Add(1) == 1 { // the first time it does not go on before the node is killed
			select {
			case <-hold:
			case <-r.Context().Done():
			}
			return
		}
		_, _ = io.WriteString(w, content[1<<20:])
	}))
	defer source.Close()
	defer close(hold)
	_, port, _ := strings.Cut(strings.TrimPrefix(source.URL, "http://"), ":")
	open := map[string]string{"JWT_SECRET": keyOfTests, "MEDIA_ALLOW_PRIVATE": "true", "MEDIA_PORTS": "80," + port}

	dir := t.TempDir()
	p := startNode(t, dir, open)
	if !strings.Contains(p.log(), "MEDIA_ALLOW_PRIVATE is on: whoever has a token can read from every address") {
		t.Error("the node does not warn of MEDIA_ALLOW_PRIVATE")
	}
	film := p.fetch(t, `{"url":"`+source.URL+`/film.mp4"}`)
	p.untilJob(t, film.JobID, func(f fetched) bool { return f.Status == "running" })
	for asked.Load() == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	p.kill()

	p = startNode(t, dir, open)
	film = p.untilJob(t, film.JobID, isDone)
	sum := sha256.Sum256([]byte(content))
	if film.MediaID != hex.EncodeToString(sum[:]) || film.Bytes != int64(len(content)) {
		t.Errorf("the film is %+v", film)
	}
	if status, text := p.as(t, "GET", "/api/media/"+film.MediaID, ""); status != 200 || text != content {
		t.Errorf("the film is served with %d, %d bytes", status, len(text))
	}
	kept, err := filepath.Glob(filepath.Join(dir, folderSample, "media", "content", "*", "*"))
	if err != nil || len(kept) != 1 {
		t.Errorf("the files are %v, %v", kept, err)
	}

	// A transaction of the sample chain comes from the sample's own gateway, whatever
	// strangers may reach.
	p.until(t, "settled", settled)
	p.stop(t)
	p = startNode(t, dir, map[string]string{"JWT_SECRET": keyOfTests})
	var page struct{ Records []record }
	p.ask(t, "/api/records?limit=1", &page)
	id, _ := oip.TxID(page.Records[0].OIP.DID)
	transaction := p.fetch(t, `{"url":"ar://`+id+`","accessLevel":"public"}`)
	if transaction = p.untilJob(t, transaction.JobID, isDone); transaction.Bytes == 0 {
		t.Errorf("the transaction is %+v", transaction)
	}
	resp, err := client.Head(p.url + "/api/media/" + transaction.MediaID)
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != 200 || resp.ContentLength != transaction.Bytes {
		t.Errorf("HEAD: %d, %d bytes", resp.StatusCode, resp.ContentLength)
	}
	for _, private := range []string{source.URL, p.url, "http://localhost/", "http://169.254.169.254/latest/meta-data"} {
		if status, text := p.as(t, "POST", "/api/media/fetch", `{"url":"`+private+`"}`); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", private, status, text)
		}
	}
	if strings.Contains(p.log(), "MEDIA_ALLOW_PRIVATE") {
		t.Error("the node warns of what is off")
	}
	p.stop(t)
}

// A job file that is no job file stops the start with a sentence.
func TestDamagedJobFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startNode(t, dir, nil)
	p.stop(t)
	path := filepath.Join(dir, folderSample, "jobs.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("nonsense", 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := refused(t, dir, 1, nil); !strings.Contains(said, "is damaged") || strings.Count(said, "\n") != 1 {
		t.Errorf("the node says %s", said)
	}
}
