package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestConnection(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/refused" {
			http.Error(w, "not today", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("a", 100_000)) // in chunks
	}))
	defer server.Close()
	request, err := get(server.URL + "/page?a=b")
	if err != nil {
		t.Fatal(err)
	}
	c, err := connect(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c.requests = [][]byte{request, request}
	for range 3 {
		if err := c.ask(t.Context()); err != nil || c.bytes != 100_000 {
			t.Fatalf("%d bytes, %v", c.bytes, err)
		}
	}
	if asked.Load() != 6 {
		t.Errorf("%d requests, want 6", asked.Load())
	}
	refused, err := get(server.URL + "/refused")
	if err != nil {
		t.Fatal(err)
	}
	c.requests = [][]byte{refused}
	if err := c.ask(t.Context()); err == nil || !strings.Contains(err.Error(), "not today") {
		t.Errorf("a refusal: %v", err)
	}
	if err := c.close(); err != nil {
		t.Error(err)
	}
	if _, err := connect(t.Context(), "http://127.0.0.1:1"); err == nil {
		t.Error("somebody answers at port 1")
	}
}

// counted counts how often it is asked, each time a millisecond long.
type counted struct{ n atomic.Int64 }

func (c *counted) ask(context.Context) error {
	c.n.Add(1)
	time.Sleep(time.Millisecond)
	return nil
}

func (c *counted) close() error { return nil }

func TestTurns(t *testing.T) {
	one, other := &counted{}, &counted{}
	ones, others, err := inTurns(t.Context(), 0, one, other)
	if err != nil || len(ones) != leastTurns || len(others) != leastTurns || one.n.Load() != leastTurns {
		t.Errorf("%d and %d turns, %v", len(ones), len(others), err)
	}
	if ones.quantile(0.5) < 1 || ones.quantile(1) < ones.quantile(0.5) || (times{}).quantile(0.5) != 0 {
		t.Errorf("quantiles of %v", ones)
	}
	if got := (times{1e6, 2e6, 3e6, 4e6}).quantile(0.5); got != 2 {
		t.Errorf("the median is %v, want 2", got)
	}
	c := &counted{}
	begun := time.Now()
	perSecond, err := rate(t.Context(), 50*time.Millisecond, []asker{c, c, c})
	if most := float64(c.n.Load()) / 0.05; err != nil || perSecond <= 0 || perSecond > most || time.Since(begun) < 50*time.Millisecond {
		t.Errorf("%v a second of %d, %v", perSecond, c.n.Load(), err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rate(ended, time.Hour, []asker{c}); err == nil {
		t.Error("no error when the context has ended")
	}
	if _, _, err := inTurns(ended, time.Hour, c, nil); err == nil {
		t.Error("no error when the context has ended")
	}
}
