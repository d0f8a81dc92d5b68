package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/voice/voicetest"
)

// TestKilledNodeKeepsDialogues kills the node as a power cut does, again and again, while
// a writer appends to a dialogue and an EventSource follows it. The writer repeats what
// it got no answer to, with the number that the event must get: the reader gets each
// event once, in order, and the last one is the end.
func TestKilledNodeKeepsDialogues(t *testing.T) {
	t.Parallel()
	const kills, most = 4, 5000
	address, dir := reserve(t), t.TempDir()
	// The same address each time, since an EventSource comes back to the one that it has.
	settings := map[string]string{"LISTEN": address, "KEEP_DB_INTERVAL": "1h"}
	p := startNode(t, dir, settings)
	var started struct{ DialogueID, StreamKey string }
	if status, err := talk(t.Context(), "POST", p.url+"/api/voice/dialogues", "", &started); err != nil || status != http.StatusCreated {
		t.Fatalf("start a dialogue: %d, %v", status, err)
	}
	dialogue := p.url + "/api/voice/dialogues/" + started.DialogueID

	var got []string
	var g errgroup.Group
	source := voicetest.Source{URL: p.url + "/api/voice/open-stream?dialogueId=" + started.DialogueID + "&streamKey=" + started.StreamKey,
		Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Retry: time.Millisecond, MaxRetry: 5 * time.Millisecond}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	g.Go(func() error {
		return source.Run(ctx, func(m voicetest.Message) error {
			switch {
			case m.Event == "ping":
				return nil
			case m.ID != fmt.Sprint(len(got)+1):
				return fmt.Errorf("event %s behind event %d", m.ID, len(got))
			}
			got = append(got, m.Data)
			return nil
		})
	})
	wrote := make(chan int) // the number of each event that the writer knows to be there
	killed := make(chan struct{})
	count := 0
	g.Go(func() error {
		defer close(wrote)
		for {
			select {
			case <-killed:
				return persist(ctx, "DELETE", dialogue, "", http.StatusOK)
			default:
			}
			if count++; count > most {
				return errors.New("the node is never killed")
			}
			if err := persist(ctx, "POST", dialogue+"/events", fmt.Sprintf(`{"event":"textChunk","data":%d,"number":%d}`, count, count), http.StatusCreated); err != nil {
				return err
			}
			select {
			case wrote <- count:
			default:
			}
		}
	})
	for range kills {
		for range 5 { // in the middle of its work
			if _, ok := <-wrote; !ok {
				t.Fatal(g.Wait())
			}
		}
		p.kill()
		p = startNode(t, dir, settings)
	}
	close(killed)
	for range wrote {
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, data := range got {
		if i < count && data != fmt.Sprint(i+1) {
			t.Errorf("event %d is %s", i+1, data)
		}
	}
	if len(got) != count+1 || got[len(got)-1] != `{"status":"ended"}` || source.Connects < kills+1 {
		t.Errorf("%d events of %d in %d connections", len(got), count+1, source.Connects)
	}
	p.stop(t)
}

// reserve is an address that a node can take, and take again.
func reserve(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// talk asks for a route of dialogues as their owner.
func talk(ctx context.Context, method, url, body string, answer any) (int, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("X-Dialogue-Secret", "a-secret-of-the-node-tests")
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && answer != nil && resp.StatusCode < 300 {
		err = json.Unmarshal(text, answer)
	}
	return resp.StatusCode, err
}

// persist repeats a request until it has an answer, which must be of that status.
func persist(ctx context.Context, method, url, body string, good int) error {
	for {
		status, err := talk(ctx, method, url, body, nil)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			time.Sleep(2 * time.Millisecond) // nobody is there
		case status == good:
			return nil
		case status < 500:
			return fmt.Errorf("%s %s: status %d", method, body, status)
		}
	}
}

// TestNodeSweeps: a dialogue whose time is over is removed by the node that is running,
// whatever its index cycles do, and the log says what went.
func TestNodeSweeps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := map[string]string{"DIALOGUE_TIMEOUT": "5s", "ARWEAVE_GATEWAYS": "http://127.0.0.1:1"} // where no gateway is
	p := startNode(t, dir, settings)
	var started struct{ DialogueID string }
	if status, err := talk(t.Context(), "POST", p.url+"/api/voice/dialogues", "", &started); err != nil || status != http.StatusCreated {
		t.Fatalf("start a dialogue: %d, %v", status, err)
	}
	dialogue := p.url + "/api/voice/dialogues/" + started.DialogueID
	if status, err := talk(t.Context(), "POST", dialogue+"/events", `{"event":"textChunk","data":1}`, nil); err != nil || status != http.StatusCreated {
		t.Fatalf("append: %d, %v", status, err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		status, err := talk(t.Context(), "GET", dialogue, "", nil)
		if err == nil && status == http.StatusNotFound {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the dialogue does not expire: %d, %v", status, err)
		}
	}
	p.stop(t)
	p = startNode(t, dir, settings) // it looks at once
	for end := time.Now().Add(patience); !strings.Contains(p.log(), `"dialogues":1,"eventsOfDialogues":1`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing was swept")
		}
	}
	p.stop(t)
}
