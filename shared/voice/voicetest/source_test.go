package voicetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script answers the n-th request with the n-th text, and the rest with 204.
func script(t *testing.T, answers ...string) (*Source, *[]string) {
	var ids []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids = append(ids, r.Header.Get("Last-Event-ID")+r.Header.Get("X-More"))
		if len(ids) > len(answers) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = fmt.Fprint(w, answers[len(ids)-1])
	}))
	t.Cleanup(server.Close)
	return &Source{URL: server.URL, Client: server.Client()}, &ids
}

// TestSource: frames as the standard has them, with what an EventSource ignores.
func TestSource(t *testing.T) {
	s, ids := script(t,
		": hello\nretry: 3\nid: 1\nevent: a\ndata: x\ndata:y\n\nevent: none\n\ndata\n\nid: 2\ndata: cut off\n",
		"id: 2\ndata: whole\n\nevent: ping\ndata: {}\n\n")
	s.Header = http.Header{"X-More": {"!"}}
	var got []Message
	if err := s.Run(t.Context(), func(m Message) error { got = append(got, m); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := []Message{{"1", "a", "x\ny"}, {"1", "", ""}, {"2", "", "whole"}, {"2", "ping", "{}"}}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(*ids, []string{"!", "1!", "2!"}) || s.Connects != 3 || s.Retry != 3*time.Millisecond {
		t.Errorf("connections with %q, retry %v", *ids, s.Retry)
	}
}

func TestSourceEnds(t *testing.T) {
	refused := httptest.NewServer(http.NotFoundHandler())
	defer refused.Close()
	s := &Source{URL: refused.URL, Client: refused.Client()}
	never := func(m Message) error { return fmt.Errorf("got %q", m) }
	if err := s.Run(t.Context(), never); !errors.Is(err, ErrRefused) {
		t.Errorf("a 404: %v", err)
	}
	s, _ = script(t, "data: x\n\n")
	if err := s.Run(t.Context(), func(Message) error { return ErrStop }); err != nil || s.Connects != 1 {
		t.Errorf("enough: %v", err)
	}
	// Nobody listens: it goes on trying until its context ends, here with the third try.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tries := 0
	nobody := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		if tries++; tries == 3 {
			cancel()
		}
		return nil, errors.New("nobody listens")
	}}
	s = &Source{URL: refused.URL, Client: &http.Client{Transport: nobody}, Retry: time.Millisecond}
	if err := s.Run(ctx, never); !errors.Is(err, context.Canceled) || s.Connects != 3 {
		t.Errorf("no server: %v after %d connections", err, s.Connects)
	}
}
