// Package voicetest has a client of server-sent events that behaves as a browser's
// EventSource does, for tests: it connects again when an answer ends, after the time
// that the server asked for, and says with Last-Event-ID where it was. It goes on after
// the answers 200 with the right type, ends at 204, and fails at everything else.
package voicetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxLine is the longest line that is read, in bytes.
const maxLine = 1 << 20

// Message is one event as it was dispatched.
type Message struct {
	// ID is the last id so far: a message without one of its own keeps it.
	ID, Event, Data string
}

// ErrRefused is returned for an answer that an EventSource does not accept.
var ErrRefused = errors.New("voicetest: the server refused the stream")

// ErrStop is returned by a receiver that has enough; Run then returns nil.
var ErrStop = errors.New("voicetest: enough")

// Source is a client of one stream. The zero values of all but URL are fine.
type Source struct {
	URL    string
	Header http.Header
	Client *http.Client
	// LastID is where the stream goes on, and Retry the pause before that, which the
	// server may change.
	LastID string
	Retry  time.Duration
	// MaxRetry shortens the pauses, so that a test need not wait; 0 leaves them.
	MaxRetry time.Duration
	// Connects counts the connections, those that failed among them.
	Connects int
}

// Run receives messages until the server ends the stream with 204 (nil), refuses it
// (ErrRefused), receive returns an error, or ctx ends. A broken connection ends nothing.
func (s *Source) Run(ctx context.Context, receive func(Message) error) error {
	if s.Client == nil {
		s.Client = http.DefaultClient
	}
	for {
		s.Connects++
		over, err := s.connect(ctx, receive)
		switch {
		case errors.Is(err, ErrStop):
			return nil
		case over || err != nil:
			return err
		}
		wait := s.Retry
		if s.MaxRetry > 0 {
			wait = min(wait, s.MaxRetry)
		}
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

// connect makes one request. Over means that there is not to be another.
func (s *Source) connect(ctx context.Context, receive func(Message) error) (over bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return true, err
	}
	for name, values := range s.Header {
		r.Header[name] = values
	}
	r.Header.Set("Accept", "text/event-stream")
	if s.LastID != "" {
		r.Header.Set("Last-Event-ID", s.LastID)
	}
	resp, err := s.Client.Do(r)
	if err != nil {
		return ctx.Err() != nil, ctx.Err()
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNoContent {
		return true, nil
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "text/event-stream" || resp.StatusCode != http.StatusOK {
		return true, fmt.Errorf("%w: status %d, type %q", ErrRefused, resp.StatusCode, kind)
	}
	return s.read(ctx, bufio.NewScanner(resp.Body), receive)
}

// read dispatches the messages of one answer. What has no empty line behind it was cut
// off and is no message.
func (s *Source) read(ctx context.Context, lines *bufio.Scanner, receive func(Message) error) (over bool, err error) {
	lines.Buffer(nil, maxLine)
	var event string
	var data []string
	id := s.LastID
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			s.LastID = id
			if len(data) > 0 {
				if err := receive(Message{id, event, strings.Join(data, "\n")}); err != nil {
					return true, err
				}
			}
			event, data = "", nil
		case name == "event":
			event = value
		case name == "data":
			data = append(data, value)
		case name == "id":
			id = value
		case name == "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				s.Retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return ctx.Err() != nil, ctx.Err()
}
