package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// debugged is the handler of a node that listens at an address, over an API that
// answers everything with 418.
func debugged(t *testing.T, address string) http.Handler {
	t.Helper()
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	return withDebug(addressed{addr: tcp}, api, slog.New(slog.DiscardHandler))
}

func TestDebugPages(t *testing.T) {
	h := debugged(t, "127.0.0.1:3005")
	ask := func(method, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		r.RemoteAddr, r.Host = "127.0.0.1:54321", "127.0.0.1:3005"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for path, want := range map[string]string{
		"/debug/pprof/":                    "full goroutine stack dump",
		"/debug/pprof/heap?debug=1":        "heap profile:",
		"/debug/pprof/goroutine?debug=1":   "goroutine profile: total",
		"/debug/pprof/symbol":              "num_symbols",
		"/debug/pprof/trace?seconds=0.001": "trace",
	} {
		w := ask(http.MethodGet, path)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: status %d, %.200q", path, w.Code, w.Body.String())
		}
	}
	w := ask(http.MethodGet, "/debug/runtime?gc=1")
	var numbers map[string]uint64
	if err := json.Unmarshal(w.Body.Bytes(), &numbers); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%v: %.300s", err, w.Body.String())
	}
	for name := range runtimeNumbers {
		if numbers[name] == 0 && name != "releasedBytes" { // maybe nothing was given back yet

			t.Errorf("%s is 0 or absent: %v", name, numbers)
		}
	}
	if numbers["mappedBytes"] < numbers["heapObjectsBytes"] || numbers["heapLiveBytes"] > numbers["mappedBytes"] {
		t.Errorf("the numbers are %v", numbers)
	}
	var again map[string]uint64
	if err := json.Unmarshal(ask(http.MethodGet, "/debug/runtime?gc=1").Body.Bytes(), &again); err != nil || again["collections"] <= numbers["collections"] {
		t.Errorf("gc=1 collects nothing: %v, then %v, %v", numbers, again, err)
	}
	for _, path := range []string{"/debug/", "/debug/vars", "/debug/pprof", "/debug/pprof/nothing", "/api/records", "/"} {
		if w := ask(http.MethodGet, path); w.Code == http.StatusOK {
			t.Errorf("%s is answered with %d", path, w.Code)
		}
	}
	if w := ask(http.MethodPost, "/debug/runtime"); w.Code == http.StatusOK {
		t.Errorf("POST is answered with %d", w.Code)
	}
}

// What is not from this machine for this machine gets what the API says.
func TestDebugPagesAreLocal(t *testing.T) {
	for name, change := range map[string]func(r *http.Request){
		"another machine":           func(r *http.Request) { r.RemoteAddr = "192.0.2.7:1234" },
		"a name that rebinds":       func(r *http.Request) { r.Host = "evil.example:3005" },
		"no host":                   func(r *http.Request) { r.Host = "" },
		"no address":                func(r *http.Request) { r.RemoteAddr = "@" },
		"a proxy":                   func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.7") },
		"a proxy by the standard":   func(r *http.Request) { r.Header.Set("Forwarded", "for=192.0.2.7") },
		"a proxy that names itself": func(r *http.Request) { r.Header.Set("Via", "1.1 front") },
		"a page of another site":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		h := debugged(t, "[::1]:3005")
		for want, change := range map[int]func(r *http.Request){http.StatusOK: func(*http.Request) {}, http.StatusTeapot: change} {
			r := httptest.NewRequest(http.MethodGet, "/debug/runtime", nil)
			r.RemoteAddr, r.Host = "[::1]:54321", "localhost:3005"
			change(r)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s: status %d, want %d", name, w.Code, want)
			}
		}
	}
}

// A node that others can reach has no such pages, whoever asks.
func TestDebugPagesNeedLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:3005", "[::]:3005", "192.0.2.1:3005"} {
		r := httptest.NewRequest(http.MethodGet, "/debug/runtime", nil)
		r.RemoteAddr, r.Host = "127.0.0.1:54321", "localhost:3005"
		w := httptest.NewRecorder()
		debugged(t, address).ServeHTTP(w, r)
		if w.Code != http.StatusTeapot {
			t.Errorf("%s: status %d", address, w.Code)
		}
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.8.8.8:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true, "localhost:80": true, "LOCALHOST": true,
		"127.0.0.1": true, "[::1]": true, "": false, ":80": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false,
		"localhost.evil.example:80": false, "127.0.0.1.evil.example": false, "2130706433:80": false,
	} {
		if got := loopback(address); got != want {
			t.Errorf("loopback(%q) = %v, want %v", address, got, want)
		}
	}
}

// The running node has them, and nothing of them is open to other origins.
func TestDebugPagesOfNode(t *testing.T) {
	p := startNode(t, t.TempDir(), nil)
	resp, err := client.Get(p.url + "/debug/runtime")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var numbers map[string]uint64
	body, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(body, &numbers) != nil || numbers["goroutines"] < 5 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("status %d, %v, %s, %v", resp.StatusCode, err, body, resp.Header)
	}
	p.stop(t)
}
