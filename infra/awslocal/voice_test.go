package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/shared/apigw/apigwsim"
	"oipnode/shared/voice/voicetest"
)

// voiceSecret is that of the dialogues of these tests.
const voiceSecret = "a-secret-of-the-voice-tests"

// indexed is a deployment that can serve the API: keepdb has made its index.
func indexed(t *testing.T, env ...string) *deployment {
	t.Helper()
	d := deploy(t, env...)
	d.invoke(d.start("keepdb"), []byte(`{}`), nil)
	return d
}

// serve puts a simulated API Gateway before something that runs the API.
func serve(t testing.TB, invoke apigwsim.Invoke) string {
	t.Helper()
	server := httptest.NewServer(apigwsim.Gateway{}.Handler(invoke))
	t.Cleanup(server.Close)
	return server.URL
}

// pool is the API in up to n processes, with so much time for each call.
func (d *deployment) pool(n int, timeout time.Duration) apigwsim.Invoke {
	d.Helper()
	f := d.function("api")
	f.Timeout = timeout
	p := sandbox.NewPool(f, n)
	d.Cleanup(p.Close)
	return func(ctx context.Context, event []byte) ([]byte, error) {
		r, err := p.Invoke(ctx, event)
		if err == nil && r.Status != sandbox.StatusOK {
			err = fmt.Errorf("%s: %s", r.Status, r.Payload)
		}
		return r.Payload, err
	}
}

// call asks for a route of dialogues as their owner, and gives the status.
func call(ctx context.Context, method, url, body string, answer any) (int, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("X-Dialogue-Secret", voiceSecret)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err == nil && answer != nil && res.StatusCode < 300 {
		err = json.Unmarshal(text, answer)
	}
	return res.StatusCode, err
}

// begin starts a dialogue and gives the URL of its resource and of its stream.
func begin(t *testing.T, base string) (dialogue, stream string) {
	t.Helper()
	var s struct{ DialogueID, StreamKey string }
	if status, err := call(t.Context(), "POST", base+"/api/voice/dialogues", "", &s); err != nil || status != http.StatusCreated {
		t.Fatalf("start a dialogue: %d, %v", status, err)
	}
	return base + "/api/voice/dialogues/" + s.DialogueID, base + "/api/voice/open-stream?dialogueId=" + s.DialogueID + "&streamKey=" + s.StreamKey
}

// follower is an EventSource that checks what it gets: every event once, in order.
type follower struct {
	voicetest.Source
	got []string
	// first is closed with the first event; nil is fine.
	first chan struct{}
}

// follow runs until the server says that there is nothing more, or a gives up.
func (f *follower) follow(ctx context.Context, url string) error {
	f.URL, f.MaxRetry = url, 5*time.Millisecond
	return f.Run(ctx, func(m voicetest.Message) error {
		if m.Event == "ping" && m.Data == "{}" { // the heartbeat, which has no id of its own
			return nil
		}
		if m.ID != fmt.Sprint(len(f.got)+1) {
			return fmt.Errorf("event %s behind event %d", m.ID, len(f.got))
		}
		if f.got = append(f.got, m.Data); len(f.got) == 1 && f.first != nil {
			close(f.first)
		}
		return nil
	})
}

// TestVoiceStream: the shipped binary in several processes over the table. Writers at
// once, and readers that can send no header but Last-Event-ID: each gets every event
// once, in order, to the end, whichever process answers, and all get the same.
func TestVoiceStream(t *testing.T) {
	const writers, each, readers = 3, 12, 2
	d := indexed(t)
	url := serve(t, d.pool(writers+readers, 4*time.Second))
	dialogue, stream := begin(t, url)
	followers := make([]follower, readers)
	var reading errgroup.Group
	if status, err := call(t.Context(), "POST", dialogue+"/events", `{"event":"ping","data":"begin"}`, nil); err != nil || status != http.StatusCreated {
		t.Fatalf("append: %d, %v", status, err)
	}
	for i := range followers {
		followers[i].first = make(chan struct{})
		reading.Go(func() error { return followers[i].follow(t.Context(), stream) })
	}
	for i := range followers {
		select {
		case <-followers[i].first: // it has an answer, so that it waits with another request for what follows
		case <-time.After(time.Minute):
			t.Fatal("a reader does not get the first event")
		}
	}
	var writing errgroup.Group
	for w := range writers {
		writing.Go(func() error {
			for n := range each {
				var a struct{ Number int }
				status, err := call(t.Context(), "POST", dialogue+"/events", fmt.Sprintf(`{"event":"textChunk","data":"%d-%d"}`, w, n), &a)
				if err != nil || status != http.StatusCreated {
					return fmt.Errorf("append: %d, %w", status, err)
				}
			}
			return nil
		})
	}
	if err := writing.Wait(); err != nil {
		t.Fatal(err)
	}
	if status, err := call(t.Context(), "DELETE", dialogue, "", nil); err != nil || status != http.StatusOK {
		t.Fatalf("end: %d, %v", status, err)
	}
	if err := reading.Wait(); err != nil {
		t.Fatal(err)
	}
	next := make(map[byte]int)
	for i, data := range followers[0].got {
		if other := followers[1].got; len(other) != len(followers[0].got) || other[i] != data {
			t.Fatalf("the readers got different events: %q, %q", followers[0].got, other)
		}
		if i == 0 || i == writers*each+1 {
			continue
		}
		if want := fmt.Sprintf(`"%c-%d"`, data[1], next[data[1]]); data != want {
			t.Errorf("event %d is %s, want %s", i+1, data, want)
		}
		next[data[1]]++
	}
	if got := followers[0].got; len(got) != writers*each+2 || got[0] != `"begin"` || got[writers*each+1] != `{"status":"ended"}` {
		t.Errorf("%d events: %q", len(got), got)
	}
	if followers[0].Connects < 3 {
		t.Errorf("%d connections: nothing was buffered", followers[0].Connects)
	}
	if lines := d.log.errorLines(); len(lines) > 0 {
		t.Errorf("errors were logged: %s", lines)
	}
	for _, secret := range []string{strings.SplitAfter(stream, "streamKey=")[1], voiceSecret} {
		if strings.Contains(d.log.String(), secret) {
			t.Errorf("the log has what opens a dialogue: %s", d.log)
		}
	}
}

// TestVoiceExpires: a reader of a dialogue that falls silent has all its events, waits
// with pings, and is told that there is no such dialogue when its time is over, in every
// process at that very moment.
func TestVoiceExpires(t *testing.T) {
	t.Parallel()
	d := indexed(t, "DIALOGUE_TIMEOUT=6s")
	url := serve(t, d.pool(3, 4*time.Second))
	dialogue, stream := begin(t, url)
	var last struct{ ExpiresAt time.Time }
	for range 3 {
		if status, err := call(t.Context(), "POST", dialogue+"/events", `{"event":"textChunk","data":1}`, &last); err != nil || status != http.StatusCreated {
			t.Fatalf("append: %d, %v", status, err)
		}
	}
	var f follower
	if err := f.follow(t.Context(), stream); !errors.Is(err, voicetest.ErrRefused) || !strings.Contains(err.Error(), "404") || len(f.got) != 3 {
		t.Errorf("%v, %d events", err, len(f.got))
	}
	if now := time.Now(); now.Before(last.ExpiresAt) {
		t.Errorf("refused %v before its time", last.ExpiresAt.Sub(now))
	}
	for method, path := range map[string]string{"GET": "", "POST": "/events", "DELETE": ""} {
		if status, err := call(t.Context(), method, dialogue+path, `{"event":"ping"}`, nil); err != nil || status != http.StatusNotFound {
			t.Errorf("%s%s: %d, %v", method, path, status, err)
		}
	}
	var list struct{ Count int }
	if status, err := call(t.Context(), "GET", url+"/api/voice/active-dialogues", "", &list); err != nil || status != http.StatusOK || list.Count != 0 {
		t.Errorf("list: %d, %v, %d dialogues", status, err, list.Count)
	}
}

// deadly runs a function in processes that are killed at any moment of their work.
type deadly struct {
	f sandbox.Function

	mu   sync.Mutex
	idle []*sandbox.Sandbox
	// odds is in how many calls one may be killed; 0 is none.
	odds  int
	kills int
}

// set begins to kill; so many processes have been killed.
func (k *deadly) set(odds int) (kills int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.odds = odds
	return k.kills
}

func (k *deadly) invoke(_ context.Context, event []byte) ([]byte, error) {
	k.mu.Lock()
	var s *sandbox.Sandbox
	if n := len(k.idle); n > 0 {
		s, k.idle = k.idle[n-1], k.idle[:n-1]
	}
	odds := k.odds
	k.mu.Unlock()
	var err error
	if s == nil {
		if s, err = sandbox.Start(context.Background(), k.f); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.Background(), func() {}
	if odds > 0 && rand.IntN(odds) == 0 {
		ctx, cancel = context.WithTimeout(ctx, rand.N(12*time.Millisecond))
	}
	defer cancel()
	r, err := s.Invoke(ctx, event) // the end of the context is SIGKILL
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil || r.Status != sandbox.StatusOK {
		s.Close()
		k.kills++
		return nil, fmt.Errorf("killed: %w", err)
	}
	k.idle = append(k.idle, s)
	return r.Payload, nil
}

func (k *deadly) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.idle {
		s.Close()
	}
}

// TestVoiceKilled: processes of the API are killed at any moment while a writer appends
// and a reader follows. The writer repeats what it got no answer to, with the number
// that the event must get; nothing is lost and nothing is there twice.
func TestVoiceKilled(t *testing.T) {
	const kills, most = 8, 2000
	d := indexed(t)
	f := d.function("api")
	f.Timeout = 3 * time.Second
	k := &deadly{f: f}
	t.Cleanup(k.close)
	url := serve(t, k.invoke)
	dialogue, stream := begin(t, url)
	k.set(2)

	var reader follower
	count := 0
	var g errgroup.Group
	g.Go(func() error {
		for {
			// A browser gives up at the gateway's 500 for a process that was killed, and
			// the page makes another EventSource, which goes on behind the last event.
			err := reader.follow(t.Context(), stream)
			if err == nil || !strings.Contains(err.Error(), "status 500") {
				return err
			}
		}
	})
	g.Go(func() error {
		again := func(method, url, body string, good int) error {
			for tries := 0; ; tries++ {
				status, err := call(t.Context(), method, url, body, nil)
				if err != nil || status == good {
					return err
				}
				if status < 500 || tries == 100 {
					return fmt.Errorf("%s %s: status %d", method, body, status)
				}
			}
		}
		for k.set(2) < kills && count < most {
			count++
			if err := again("POST", dialogue+"/events", fmt.Sprintf(`{"event":"textChunk","data":%d,"number":%d}`, count, count), http.StatusCreated); err != nil {
				return err
			}
		}
		return again("DELETE", dialogue, "", http.StatusOK)
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, data := range reader.got {
		if want := fmt.Sprint(i + 1); i < count && data != want {
			t.Errorf("event %d is %s", i+1, data)
		}
	}
	if killed := k.set(0); len(reader.got) != count+1 || killed < kills {
		t.Errorf("%d events of %d, %d kills", len(reader.got), count+1, killed)
	}
}

// TestVoiceLarge: events as large as they can be, of characters that grow when an answer
// is made into an event's JSON, come through in several answers that Lambda takes, and
// within the function's memory.
func TestVoiceLarge(t *testing.T) {
	const count = 40
	d := indexed(t)
	url := serve(t, d.pool(1, 10*time.Second))
	dialogue, stream := begin(t, url)
	data := strings.Repeat(`\"`, (190<<10)/2)
	for n := range count {
		body := fmt.Sprintf(`{"event":"audioChunk","data":"%d%s"}`, n+1, data)
		if status, err := call(t.Context(), "POST", dialogue+"/events", body, nil); err != nil || status != http.StatusCreated {
			t.Fatalf("event %d: %d, %v", n+1, status, err)
		}
	}
	var f follower
	f.URL = stream
	err := f.Run(t.Context(), func(m voicetest.Message) error {
		if want := fmt.Sprint(len(f.got) + 1); m.ID != want || m.Data != `"`+want+data+`"` {
			return fmt.Errorf("event %s of %d bytes behind event %d", m.ID, len(m.Data), len(f.got))
		}
		if f.got = append(f.got, m.ID); len(f.got) == count {
			return voicetest.ErrStop
		}
		return nil
	})
	if err != nil || len(f.got) != count || f.Connects < 2 {
		t.Errorf("%v, %d events in %d connections", err, len(f.got), f.Connects)
	}
	after, pages := 0, 0
	for more := true; more; pages++ {
		var page struct {
			Next int
			More bool
		}
		if status, err := call(t.Context(), "GET", fmt.Sprintf("%s/events?limit=1000&after=%d", dialogue, after), "", &page); err != nil || status != http.StatusOK || page.Next <= after {
			t.Fatalf("the events behind %d: %d, %v, next %d", after, status, err, page.Next)
		}
		after, more = page.Next, page.More
	}
	if after != count || pages < 2 {
		t.Errorf("%d events on %d pages", after, pages)
	}
}
