package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// dialogueWorkers is how many dialogues may be at the beginning of their life.
	dialogueWorkers = 32
	// remembered is how many abandoned dialogues are looked for at the end.
	remembered = 200
)

// dialogue is one that was abandoned.
type dialogue struct{ id, secret string }

// talker starts dialogues, says something in each, listens to some, and hangs up.
type talker struct {
	url    string
	client *http.Client

	mu        sync.Mutex
	abandoned []dialogue
	next      int
}

// do begins dialogue i and abandons it. Every fourth is read, every eighth listened to
// as a stream that is broken off.
func (t *talker) do(ctx context.Context, i int, _ time.Time) error {
	d := dialogue{secret: fmt.Sprintf("the-secret-of-dialogue-%d", i)}
	var started struct{ DialogueID, StreamKey string }
	if err := t.send(ctx, http.MethodPost, "/api/voice/dialogues", d.secret, struct{}{}, http.StatusCreated, &started); err != nil {
		return err
	}
	d.id = started.DialogueID
	for n := range 1 + i%4 {
		event := map[string]any{"event": "textChunk", "number": n + 1, "data": map[string]string{"text": strings.Repeat("so much to say ", 10+i%50)}}
		if err := t.send(ctx, http.MethodPost, "/api/voice/dialogues/"+d.id+"/events", d.secret, event, http.StatusCreated, nil); err != nil {
			return err
		}
	}
	t.remember(d)
	switch {
	case i%8 == 0:
		return t.listen(ctx, d, started.StreamKey)
	case i%4 == 0:
		var page struct{ Events []json.RawMessage }
		err := t.send(ctx, http.MethodGet, "/api/voice/dialogues/"+d.id+"/events?after=0", d.secret, nil, http.StatusOK, &page)
		if err == nil && len(page.Events) == 0 {
			err = errors.New("a dialogue lost its events")
		}
		return err
	}
	return nil
}

// remember keeps the latest of the abandoned dialogues.
func (t *talker) remember(d dialogue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.abandoned) < remembered {
		t.abandoned = append(t.abandoned, d)
		return
	}
	t.abandoned[t.next%remembered] = d
	t.next++
}

func (t *talker) send(ctx context.Context, method, path, secret string, body any, want int, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, t.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	if method == http.MethodGet {
		r.Body, r.ContentLength = nil, 0
	}
	r.Header.Set("X-Dialogue-Secret", secret)
	got, err := answer(t.client, r, want)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(got, into)
}

// listen reads the first event of the stream and hangs up in the middle of it.
func (t *talker) listen(ctx context.Context, d dialogue, key string) error {
	query := url.Values{"dialogueId": {d.id}, "streamKey": {key}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url+"/api/voice/open-stream?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := t.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // with events unread, so this cuts the connection
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data:") {
			return nil
		}
	}
	return fmt.Errorf("a stream of status %d ended without an event: %w", resp.StatusCode, lines.Err())
}

// gone counts the abandoned dialogues that somebody can still read.
func (t *talker) gone(ctx context.Context) (left int, err error) {
	t.mu.Lock()
	list := append([]dialogue{}, t.abandoned...)
	t.mu.Unlock()
	for _, d := range list {
		for _, path := range []string{"/api/voice/dialogues/" + d.id, "/api/voice/dialogues/" + d.id + "/events"} {
			if t.send(ctx, http.MethodGet, path, d.secret, nil, http.StatusNotFound, nil) != nil {
				left++
			}
		}
		var active struct{ Count int }
		if err := t.send(ctx, http.MethodGet, "/api/voice/active-dialogues", d.secret, nil, http.StatusOK, &active); err != nil {
			return left, err
		}
		left += active.Count
	}
	return left, ctx.Err()
}
