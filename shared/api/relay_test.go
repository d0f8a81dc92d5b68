package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"oipnode/shared/apigw"
	"oipnode/shared/gun/guntest"
	"oipnode/shared/relay"
)

// startPeer starts a GUN peer, which is a relay as well.
func startPeer(t *testing.T) *guntest.Peer {
	t.Helper()
	peer := guntest.NewPeer(guntest.Options{})
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	return peer
}

// withRelay gives a world the relay at a URL.
func withRelay(t *testing.T, url string) func(*Options) {
	t.Helper()
	return func(o *Options) {
		r, err := relay.New(relay.Options{URL: url, Log: o.Log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		o.Relay = r
	}
}

// relayed makes a world in front of a relay that h is.
func relayed(t *testing.T, h http.HandlerFunc) *world {
	t.Helper()
	upstream := httptest.NewServer(h)
	t.Cleanup(upstream.Close)
	return newWorld(t, withRelay(t, upstream.URL))
}

func posted(path, body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
}

// TestRelay: what is put through the node can be read through the node, and the relay
// has it.
func TestRelay(t *testing.T) {
	peer := startPeer(t)
	w := newWorld(t, withRelay(t, peer.Socket()))
	res := w.do(posted("/gun-relay/put", `{"soul":"a:b/c ü","data":{"name":"x","n":42}}`))
	if res.Code != http.StatusOK || res.json["success"] != true || res.json["soul"] != "a:b/c ü" {
		t.Fatalf("put: %d %s", res.Code, res.Body)
	}
	if text, ok := peer.Node("a:b/c ü"); !ok || text != `{"name":"x","n":42}` {
		t.Errorf("the relay has %q", text)
	}
	res = w.call("/gun-relay/get", "soul", "a:b/c ü")
	if res.Code != http.StatusOK || at(res.json, "data", "name") != "x" || at(res.json, "data", "n") != json.Number("42") {
		t.Errorf("get: %d %s", res.Code, res.Body)
	}
	if res := w.call("/gun-relay/get", "soul", "absent"); res.Code != http.StatusNotFound || res.json["error"] == nil {
		t.Errorf("an absent soul: %d %s", res.Code, res.Body)
	}
	if res := w.do(posted("/gun-relay/put", `{"data":1}`)); res.Code != http.StatusBadRequest {
		t.Errorf("a bad put: %d %s", res.Code, res.Body)
	}
}

// TestRelayRefuses: what is wrong on the caller's side never reaches the relay.
func TestRelayRefuses(t *testing.T) {
	w := relayed(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s reached the relay", r.Method, r.URL) })
	w.refused("soul", "/gun-relay/get")
	w.refused("soul", "/gun-relay/get", "soul", "")
	w.refused("soul", "/gun-relay/get", "soul", "\xff")
	w.refused("soul", "/gun-relay/get", "soul", "a", "soul", "b")
	w.refused("soul", "/gun-relay/get", "soul", strings.Repeat("s", relay.MaxSoul+1))
	for path, allow := range map[string]string{"/gun-relay/put": "OPTIONS, POST", "/gun-relay/get": "GET, HEAD, OPTIONS"} {
		res := w.do(httptest.NewRequest(http.MethodDelete, path, nil))
		if res.Code != http.StatusMethodNotAllowed || res.Header().Get("Allow") != allow {
			t.Errorf("DELETE %s: %d, %q", path, res.Code, res.Header().Get("Allow"))
		}
		res = w.do(httptest.NewRequest(http.MethodOptions, path, nil))
		if res.Code != http.StatusNoContent || res.Header().Get("Access-Control-Allow-Methods") != allow {
			t.Errorf("OPTIONS %s: %d, %q", path, res.Code, res.Header().Get("Access-Control-Allow-Methods"))
		}
	}
	for _, path := range []string{"/gun-relay", "/gun-relay/", "/gun-relay/list?publisherHash=x", "/gun-relay/get/x", "/gun-relay/%2e%2e/x"} {
		if res := w.call(path); res.Code == http.StatusOK {
			t.Errorf("%s: %d", path, res.Code)
		}
	}
}

// TestNoRelay: a node without a relay says so at both paths, and that is no fault of its
// own: whoever asks for it must not be able to fill the log with errors.
func TestNoRelay(t *testing.T) {
	w := newWorld(t)
	for _, r := range []*http.Request{httptest.NewRequest(http.MethodGet, "/gun-relay/get?soul=a", nil), posted("/gun-relay/put", "{}")} {
		if res := w.do(r); res.Code != http.StatusServiceUnavailable || res.json["code"] != "unavailable" {
			t.Errorf("%s: %d %s", r.URL, res.Code, res.Body)
		}
	}
	if lines := w.log.lines(t, "request failed"); len(lines) > 0 {
		t.Errorf("logged as failed: %v", lines)
	}
}

// TestRelayFails: a failing relay is an error in our form, with nothing of the relay in
// it, and its cause in the log.
func TestRelayFails(t *testing.T) {
	w := relayed(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(rw, `{"error":"password of the database"}`)
	})
	res := w.call("/gun-relay/get", "soul", "a")
	if res.Code != http.StatusBadGateway || res.json["code"] != "bad_gateway" || strings.Contains(res.Body.String(), "password") {
		t.Errorf("%d %s", res.Code, res.Body)
	}
	if lines := w.log.lines(t, "request failed"); len(lines) != 1 || !strings.Contains(lines[0]["error"].(string), "status 500") {
		t.Errorf("log %v", lines)
	}
	too := posted("/gun-relay/put", strings.Repeat(" ", 1<<20+1))
	if res := w.do(too); res.Code != http.StatusRequestEntityTooLarge || res.json["code"] != "too_large" {
		t.Errorf("a put that is too large: %d %s", res.Code, res.Body)
	}
}

// half is a relay whose answer breaks off behind its first pieces.
func half(rw http.ResponseWriter, _ *http.Request) {
	for range 100 {
		_, _ = io.WriteString(rw, strings.Repeat("a", 4096))
	}
	panic(http.ErrAbortHandler)
}

// TestRelayBreaksOff: half an answer ends in a connection that breaks off, and the
// request is in the access log all the same.
func TestRelayBreaksOff(t *testing.T) {
	w := relayed(t, half)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/gun-relay/get?soul=a")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes that end with %v", len(text), err)
	}
	server.Close() // waits until the log is written
	if lines := w.log.lines(t, "request"); len(lines) != 1 {
		t.Errorf("log %v", lines)
	}
}

// behind calls a path through the adapter for API Gateway.
func (w *world) behind(path string, query url.Values) events.APIGatewayV2HTTPResponse {
	w.Helper()
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: path, RawQueryString: query.Encode()}
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP = http.MethodGet, "203.0.113.24"
	resp, err := apigw.Handler(w.handler, apigw.Options{})(context.Background(), e)
	if err != nil {
		w.Fatal(err)
	}
	return resp
}

// TestRelayBehindAPIGateway: an answer that fits comes through whole, one that is too
// large for the gateway is a 413 that says so, and half an answer is an error.
func TestRelayBehindAPIGateway(t *testing.T) {
	size := map[string]int{"small": 10, "large": 3_000_000, "too large": 6_100_000}
	w := relayed(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("soul") == "half" {
			half(rw, r)
		}
		rw.Header().Set("Content-Type", "application/json")
		for left := size[r.URL.Query().Get("soul")]; left > 0; left -= 1000 {
			_, _ = io.WriteString(rw, strings.Repeat("1", min(left, 1000)))
		}
	})
	for soul, status := range map[string]int{"small": 200, "large": 200, "too large": 413, "half": 500} {
		resp := w.behind("/gun-relay/get", url.Values{"soul": {soul}})
		body := resp.Body
		if resp.IsBase64Encoded {
			text, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				t.Fatal(err)
			}
			body = string(text)
		}
		if resp.StatusCode != status || status == 200 && len(body) != size[soul] {
			t.Errorf("%s: status %d, %d bytes", soul, resp.StatusCode, len(body))
		}
		if status == 413 && !strings.Contains(body, apigw.CodeTooLarge) || status == 500 && strings.Contains(body, "aaa") {
			t.Errorf("%s: %.200s", soul, body)
		}
	}
}
