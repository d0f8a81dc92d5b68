package gun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"oipnode/shared/gun/guntest"
	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
)

func TestBaseURL(t *testing.T) {
	for in, want := range map[string]string{
		"ws://host/gun":                   "http://host/gun-relay",
		"wss://host/gun":                  "https://host/gun-relay",
		"wss://HOST:8765/gun/":            "https://host:8765/gun-relay",
		"http://host":                     "http://host/gun-relay",
		"https://host/":                   "https://host/gun-relay",
		"http://host/gun-relay":           "http://host/gun-relay",
		"ws://host/api/gun-relay/":        "http://host/api/gun-relay",
		"https://host/node/gun":           "https://host/node/gun-relay",
		"http://[::1]:8765/gun":           "http://[::1]:8765/gun-relay",
		"http://127.0.0.1:3005/gun-relay": "http://127.0.0.1:3005/gun-relay",
	} {
		if got, err := BaseURL(in); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "host", "ftp://host/gun", "http://user:pw@host/gun", "http://host/gun?x=1", "http://host/gun#x", "ws:///gun", "http://%zz"} {
		if got, err := BaseURL(in); !errors.Is(err, ErrURL) {
			t.Errorf("%s: %s, %v; want ErrURL", in, got, err)
		}
		if _, err := New(Options{Peers: []string{in}}); !errors.Is(err, ErrURL) {
			t.Errorf("New with %s: %v", in, err)
		}
	}
}

// client is a peer's client for a handler, with more time than a busy machine needs.
func client(t *testing.T, h http.HandlerFunc) *peer {
	t.Helper()
	return clientFor(t, 20*time.Second, h)
}

// briefly is the time of a client whose end a test waits for.
const briefly = 700 * time.Millisecond

// clientFor is a client whose requests have that much time.
func clientFor(t *testing.T, timeout time.Duration, h http.HandlerFunc) *peer {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	p := clientOf(t, server.URL)
	p.opt.RequestTimeout = timeout
	return p
}

func clientOf(t *testing.T, url string) *peer {
	t.Helper()
	s, err := New(Options{Peers: []string{url}, MaxSoulBytes: 64 << 10, MaxIndexBytes: 1 << 20,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.peers[0].http.CloseIdleConnections)
	return s.peers[0]
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestGet(t *testing.T) {
	p := client(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"success":true,"data":{"soul":%q,"path":%q}}`, r.URL.Query().Get("soul"), r.URL.Path)
	})
	node, err := p.get(t.Context(), "a:b c/ä&=", 1000)
	if err != nil || string(node) != `{"soul":"a:b c/ä&=","path":"/gun-relay/get"}` {
		t.Errorf("%s, %v", node, err)
	}
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want error
	}{
		"404":        {answer(404, `{"error":"Not found"}`), ErrAbsent},
		"null":       {answer(200, `{"success":true,"data":null}`), ErrAbsent},
		"no success": {answer(200, `{"success":false,"data":{}}`), ErrAbsent},
		"no data":    {answer(200, `{"success":true}`), ErrAnswer},
		"a list":     {answer(200, `{"success":true,"data":[]}`), ErrAnswer},
		"html":       {answer(200, `<html>`), ErrAnswer},
		"deep":       {answer(200, `{"data":`+strings.Repeat("[", 1000)), ErrAnswer},
		"400":        {answer(400, ``), ErrAnswer},
		"429":        {answer(429, ``), ErrUnavailable},
		"500":        {answer(500, ``), ErrUnavailable},
		"204":        {answer(204, ``), ErrAnswer},
		"too long":   {answer(200, `{"data":{"a":"`+strings.Repeat("x", 10000)+`"}}`), ErrTooLong},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://other.invalid/", http.StatusFound)
		}, ErrRedirect},
		"other scheme": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+r.Host+"/", http.StatusFound)
		}, ErrRedirect},
		"in circles": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) }, ErrRedirect},
		"cut":        {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ErrUnavailable},
		"never":      {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ErrUnavailable},
		"begun and left": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"data`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, ErrUnavailable},
	} {
		timeout := 20 * time.Second
		if name == "never" || name == "begun and left" {
			timeout = briefly
		}
		_, err := clientFor(t, timeout, c.h).get(t.Context(), "soul", 1000)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	moved := client(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gun-relay/get" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		answer(200, `{"data":{"a":1}}`)(w, r)
	})
	if node, err := moved.get(t.Context(), "soul", 1000); err != nil || string(node) != `{"a":1}` {
		t.Errorf("a redirect at the same host: %s, %v", node, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.get(ctx, "soul", 10); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := clientOf(t, "http://127.0.0.1:1").get(t.Context(), "soul", 10); !errors.Is(err, ErrUnavailable) {
		t.Errorf("nobody there: %v", err)
	}
}

// The time that is spent on the entries of an index is not the peer's.
func TestIndexIsTakenSlowly(t *testing.T) {
	p := clientFor(t, briefly, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":{"a":1,"b":2`)
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, strings.Repeat(" ", 200_000)+`,"c":3}}`) // more than any buffer has
	})
	n, err := p.index(t.Context(), "soul", func(string, canon.Value) error {
		time.Sleep(p.opt.RequestTimeout * 3 / 2)
		return nil
	})
	if err != nil || n != 3 {
		t.Errorf("%d entries, %v", n, err)
	}
}

// An index may take longer than a request, as long as bytes come, and is bounded.
func TestIndexIsSlowAndBounded(t *testing.T) {
	slow := clientFor(t, briefly, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":{`)
		for i := range 8 {
			time.Sleep(briefly / 6)
			_, _ = fmt.Fprintf(w, `"k%d":1,`, i)
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, `"end":1}}`)
	})
	if n, err := slow.index(t.Context(), "x", func(string, canon.Value) error { return nil }); err != nil || n != 9 {
		t.Errorf("%d entries, %v", n, err)
	}
	for name, h := range map[string]http.HandlerFunc{
		"entries": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"data":{`)
			for i := 0; r.Context().Err() == nil; i++ {
				if _, err := fmt.Fprintf(w, `"k%d":1,`, i); err != nil {
					return
				}
			}
		},
		"space": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat(" ", 4096)); err != nil {
					return
				}
			}
		},
	} {
		if _, err := client(t, h).index(t.Context(), "x", func(string, canon.Value) error { return nil }); !errors.Is(err, ErrTooLong) {
			t.Errorf("endless %s: %v", name, err)
		}
	}
	stop := errors.New("stop")
	if _, err := slow.index(t.Context(), "x", func(string, canon.Value) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the visitor's error: %v", err)
	}
}

func TestPut(t *testing.T) {
	var got, kind string
	p := client(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, kind = r.Method+" "+r.URL.Path+" "+string(body), r.Header.Get("Content-Type")
		answer(200, `{"success":true,"soul":"x"}`)(w, r)
	})
	if err := p.put(t.Context(), `a"b`, []byte(`{"x":true}`)); err != nil || got != `POST /gun-relay/put {"soul":"a\"b","data":{"x":true}}` || kind != "application/json" {
		t.Errorf("%s %s %v", got, kind, err)
	}
	for name, h := range map[string]http.HandlerFunc{"error": answer(400, `{"error":"x"}`), "no success": answer(200, `{}`), "html": answer(200, `<p>`),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		}} {
		if err := client(t, h).put(t.Context(), "a", []byte(`{}`)); err == nil {
			t.Errorf("%s: the put succeeded", name)
		}
	}
}

// What one answer lacks is asked for again, and what the answers hold is united.
func TestFetchUnitesAnswers(t *testing.T) {
	record := guntest.Record{Signer: signers[0], LocalID: "1", Type: "post", Data: `{"basic":{"name":"x"}}`}
	puts := record.Puts(guntest.DefaultRoot)
	whole, err := canon.Parse([]byte(puts[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	data, _ := whole.Get("data")
	envelope, _ := whole.Get("oip")
	halves := []string{`{"oip":` + string(envelope.Raw()) + `}`, `{"data":` + string(data.Raw()) + `}`}
	asked := 0
	p := client(t, func(w http.ResponseWriter, r *http.Request) {
		answer(200, `{"success":true,"data":`+halves[asked%2]+`}`)(w, r)
		asked++
	})
	out, err := p.fetch(t.Context(), puts[0].Soul)
	if accepted, ok := out.(oip.Accepted); err != nil || !ok || accepted.Verified.Trust() != oip.TrustVerified || asked != 2 {
		t.Errorf("%#v, %v, asked %d times", out, err, asked)
	}
	// A record that never becomes whole is given up after a bounded number of asks.
	asked = 0
	halves[1] = halves[0]
	if out, err := p.fetch(t.Context(), puts[0].Soul); !errors.Is(err, errPartial) || asked != maxAsks {
		t.Errorf("%#v, %v, asked %d times", out, err, asked)
	}
}

// Links are followed for meta and encrypted data, one get each; others never are.
func TestFetchFollowsTwoLinks(t *testing.T) {
	peer := guntest.NewPeer(guntest.Options{})
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	soul := peer.Publish(guntest.Record{Signer: signers[0], LocalID: "1", Type: "post", Data: `{"a":1}`, Encrypted: guntest.PerUser})
	out, err := clientOf(t, peer.URL()).fetch(t.Context(), soul)
	accepted, ok := out.(oip.Accepted)
	if err != nil || !ok || !accepted.Verified.Encrypted() || peer.Requests().Get != 3 || peer.Reads(soul+"/meta") != 1 || peer.Reads(soul+"/data") != 1 {
		t.Errorf("%#v, %v, %d gets", out, err, peer.Requests().Get)
	}
	// Everything links to everything: the asks are bounded, and nothing is let in.
	var asked int
	maze := client(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		answer(200, fmt.Sprintf(`{"data":{"oip":%s,"meta":{"#":"m%d"},"data":{"#":"d%d"}}}`, `{"ver":"0.8.0","recordType":"post","creator":{"publicKey":"k","didAddress":"did:arweave:x"}}`, asked, asked))(w, r)
	})
	if out, err := maze.fetch(t.Context(), oip.SoulPrefix("k")+":x"); asked > maxAsks {
		t.Errorf("%d asks: %#v, %v", asked, out, err)
	} else if _, in := out.(oip.Accepted); in {
		t.Error("a maze is a record")
	}
}

func TestUnited(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":1,"b":2}`, `{"b":3,"c":4}`, `{"b":3,"c":4,"a":1}`},
		{`{}`, `{"a":1}`, `{"a":1}`},
		{`nonsense`, `{"a":1}`, `{"a":1}`},
		{`{"a":1}`, `[]`, `[]`},
	} {
		if got := string(united([]byte(c[0]), []byte(c[1]))); got != c[2] {
			t.Errorf("%s and %s: %s, want %s", c[0], c[1], got, c[2])
		}
	}
}
