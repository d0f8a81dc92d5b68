package apigw

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"

	"oipnode/shared/apigw/apigwsim"
)

// exchange is one request and the answer that the handler gives to it.
type exchange struct {
	method, path, query, body string
	header                    http.Header

	status  int // 0 to write none
	answer  http.Header
	writes  []string
	longest bool // announce the length
}

// recorded is what the handler saw and what the client got, as text.
type recorded struct{ request, response string }

// world serves one handler directly and behind the simulated gateway.
type world struct {
	mu      sync.Mutex
	current exchange
	saw     string
	client  *http.Client
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if r.ContentLength == 0 {
		r.Header.Del("Content-Length") // clients send a length of 0 or none, and the gateway does not tell which
	}
	w.saw = fmt.Sprintf("%s %s path %q raw %q query %q host %s length %d body %s %v\n%s", r.Method, r.RequestURI, r.URL.Path, r.URL.RawPath,
		r.URL.RawQuery, r.Host, r.ContentLength, digest(body), err, listed(r.Header, ",", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Amzn-Trace-Id", "X-Request-Id"))
	x := w.current
	maps.Copy(rw.Header(), x.answer.Clone())
	if x.longest {
		rw.Header().Set("Content-Length", fmt.Sprint(len(strings.Join(x.writes, ""))))
	}
	if x.status != 0 {
		rw.WriteHeader(x.status)
	}
	for _, text := range x.writes {
		_, _ = io.WriteString(rw, text) // some statuses have no body
	}
}

// digest stands for a body: two that differ have different ones.
func digest(body []byte) string {
	return fmt.Sprintf("%q… %d bytes %x", body[:min(len(body), 20)], len(body), sha256.Sum256(body))
}

// listed is a set of headers as text, those of one name joined, some left out.
func listed(h http.Header, comma string, without ...string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if !slices.Contains(without, name) {
			between := comma
			if name == "Set-Cookie" {
				between = "\n"
			}
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(h[name], between))
		}
	}
	return b.String()
}

// exchange sends a request to a server. The host is the same for every server, since
// the handler sees it.
func (w *world) exchange(t *testing.T, base string, x exchange) recorded {
	t.Helper()
	w.mu.Lock()
	w.current, w.saw = x, "nothing"
	w.mu.Unlock()
	req, err := http.NewRequestWithContext(t.Context(), x.method, base+x.path, strings.NewReader(x.body))
	if err != nil {
		t.Fatal(err)
	}
	req.URL.RawQuery, req.Host, req.Header = x.query, "node.example", x.header.Clone()
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	// The length of a response over 2 KiB is only known behind the gateway.
	without := []string{"Date", "Apigw-Requestid"}
	if x.method != http.MethodHead || !x.longest {
		without = append(without, "Content-Length")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return recorded{w.saw, fmt.Sprintf("%d %s %v\n%s", resp.StatusCode, digest(body), err, listed(resp.Header, ", ", without...))}
}

// pick chooses one of some values.
func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// text is random bytes, of the letters given or of all.
func text(r *rand.Rand, length int, letters string) string {
	b := make([]byte, length)
	for i := range b {
		if b[i] = byte(r.UintN(256)); letters != "" {
			b[i] = letters[r.IntN(len(letters))]
		}
	}
	return string(b)
}

// random makes an exchange. The path keeps clear of what an HTTP API loses when it
// decodes one, unless the gateway is told to leave it as it is.
func random(r *rand.Rand, encodedPath bool) exchange {
	x := exchange{
		method: pick(r, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"),
		path:   "/" + pick(r, "", "a", "a/b/", "a%20b", "%C3%BC/x", "a+b", "a:b;c=d,e", "did:arweave:x"),
		query:  pick(r, "", "a=1", "a=1&a=2&b=", "x=%20%2F&y=+", "flag", "a=b=c&&d", "q=%E2%82%AC", "a;b=c"),
		header: http.Header{"User-Agent": {"test/1"}, "Accept-Encoding": {"identity"}},
		answer: http.Header{},
		status: pick(r, 0, 0, 200, 200, 201, 204, 206, 301, 304, 400, 401, 404, 429, 500, 503),
	}
	if encodedPath {
		x.path += pick(r, "", "%2F", "a%2fb", "%252F", "%25", "%3Fx", "%23y", "//c")
	}
	for range r.IntN(4) {
		x.header.Add(pick(r, "X-One", "Accept", "Authorization", "If-None-Match"), text(r, 1+r.IntN(20), `abc "=;:/,*`)+"z")
	}
	if r.IntN(3) == 0 {
		x.header.Set("Cookie", pick(r, "a=1", "a=1; b=2", `a="x y"; b=`))
	}
	if x.method != "GET" && x.method != "HEAD" && r.IntN(3) > 0 {
		kind := pick(r, "", "application/json", "text/plain; charset=utf-8", "application/octet-stream", "application/x-www-form-urlencoded")
		if kind != "" {
			x.header.Set("Content-Type", kind)
		}
		x.body = text(r, r.IntN(3000), pick(r, "", `{"a":1}`, "\x00\"\\\n"))
	}
	for range r.IntN(4) {
		x.answer.Add(pick(r, "X-One", "Vary", "Etag", "Set-Cookie", "Link", "Warning"), text(r, 1+r.IntN(20), `abc "=;:/,*`)+"z")
	}
	if r.IntN(2) == 0 {
		x.answer.Set("Content-Type", pick(r, "application/json", "text/html", "image/png", "application/octet-stream"))
	}
	if r.IntN(4) == 0 {
		x.answer.Set("Content-Encoding", "br")
	}
	for range r.IntN(4) {
		x.writes = append(x.writes, text(r, r.IntN(pick(r, 10, 1000, 6000)), pick(r, "", "<html>ü", `{"a":1}`, "\x00\"\\\n\u2028")))
	}
	x.longest = r.IntN(3) == 0 && len(strings.Join(x.writes, "")) > 0
	return x
}

// TestRoundTrip: a client cannot tell the handler behind the gateway from the handler
// itself, nor the handler one client from the other.
func TestRoundTrip(t *testing.T) {
	w := &world{}
	direct := httptest.NewServer(w)
	defer direct.Close()
	w.client = direct.Client()
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	function := lambda.NewHandler(Handler(w, Options{}))
	for _, gateway := range []apigwsim.Gateway{{}, {EncodedPath: true}, {Stage: "prod"}, {Stage: "v1", EncodedPath: true}} {
		behind := httptest.NewServer(gateway.Handler(function.Invoke))
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 1))
		for i := range 400 {
			x := random(r, gateway.EncodedPath)
			want, got := w.exchange(t, direct.URL, x), w.exchange(t, behind.URL, x)
			if got != want {
				t.Errorf("seed %d, exchange %d, stage %q\nthe handler saw %s\nwant            %s\nthe client got  %s\nwant            %s",
					seed, i, gateway.Stage, got.request, want.request, got.response, want.response)
				break
			}
		}
		behind.Close()
	}
}
