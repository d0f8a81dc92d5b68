package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func TestListenTellsWhoHasThePort(t *testing.T) {
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	address := l.Addr().String()
	if _, err := listen(t.Context(), address); err == nil || !strings.Contains(err.Error(), "LISTEN: "+address+" is in use") {
		t.Errorf("the second listener: %v", err)
	}
}

func TestListenOnSomebodyElsesAddress(t *testing.T) {
	// 192.0.2.0/24 is for documentation and belongs to no machine.
	if _, err := listen(t.Context(), "192.0.2.1:0"); err == nil || !strings.HasPrefix(err.Error(), "LISTEN: ") {
		t.Errorf("listen: %v", err)
	}
}

// addressed is a listener with an address of a test's choice.
type addressed struct {
	net.Listener
	addr net.Addr
}

func (a addressed) Addr() net.Addr { return a.addr }

func TestBaseURL(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:3005": "http://127.0.0.1:3005",
		"0.0.0.0:80":     "http://localhost:80",
		"[::]:8080":      "http://localhost:8080",
		"[::1]:8080":     "http://[::1]:8080",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := baseURL(addressed{addr: tcp}); got != want {
			t.Errorf("baseURL(%s) = %s, want %s", address, got, want)
		}
	}
}

// A parameter that is far too long reaches the API, which names it; what is longer still
// is refused before it is in memory.
func TestServeLongQueries(t *testing.T) {
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, strconv.Itoa(len(r.URL.RawQuery)))
		}), func() {}, slog.New(slog.DiscardHandler))
	}()
	for length, want := range map[int]int{100 << 10: http.StatusBadRequest, 200 << 10: http.StatusBadRequest, 1 << 20: http.StatusRequestHeaderFieldsTooLarge} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, baseURL(l)+"/api/records?"+strings.Repeat("x", length), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Close = true
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatalf("%d bytes: %v", length, err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != want || want == http.StatusBadRequest && string(text) != strconv.Itoa(length) {
			t.Errorf("%d bytes: status %d %s, %v, want %d", length, resp.StatusCode, text, err, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A request under way is answered although the node was asked to end.
func TestServeFinishesRequests(t *testing.T) {
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		ended <- serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(begun)
			<-ctx.Done()
			_, _ = io.WriteString(w, "finished")
		}), func() {}, slog.New(slog.DiscardHandler))
	}()
	go func() { <-begun; cancel() }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(baseURL(l))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "finished" {
		t.Errorf("the answer is %q, %v", body, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// A request that does not end is cut off, so that the node does.
func TestServeCutsOffRequests(t *testing.T) {
	t.Parallel()
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		ended <- serve(ctx, l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done() // of the connection, not of the node
		}), func() {}, slog.New(slog.DiscardHandler))
	}()
	go func() { <-begun; cancel() }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(baseURL(l))
	if err == nil {
		_ = resp.Body.Close()
		t.Errorf("status %d for a request that never ends", resp.StatusCode)
	}
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestServeTellsThatItCannot(t *testing.T) {
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := serve(t.Context(), l, http.NotFoundHandler(), func() {}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("serving a closed listener is no error")
	}
}
