package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"oipnode/shared/apigw"
)

// unzip is a compressed body as its reader sees it.
func unzip(t testing.TB, body []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ask asks for the records with some headers, name and value in turn.
func (w *world) ask(method string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/api/records", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// TestGzip: who names gzip gets the same answer compressed, under a tag of its own, with
// HEAD as with GET, whether answers are kept or not; each form answers for its own tag.
func TestGzip(t *testing.T) {
	for _, kept := range []int64{0, 1 << 20} {
		t.Run(fmt.Sprint("kept ", kept), func(t *testing.T) {
			k, searches := newKeeping(t, func(o *Options) { o.CacheBytes = kept })
			k.publish(post("one", startHeight), post("two", startHeight))
			k.settle()
			plain := k.ask("GET")
			body, tag := plain.Body.String(), plain.Header().Get("ETag")
			if plain.Code != 200 || len(body) < minGzip || plain.Header().Get("Content-Encoding") != "" || plain.Header().Get("Vary") != "Authorization, Accept-Encoding" {
				t.Fatalf("%d %v", plain.Code, plain.Header())
			}
			packedTag := strings.TrimSuffix(tag, `"`) + gzipTag + `"`
			for accept, want := range map[string]bool{
				"gzip": true, "deflate, GZIP ; q=0.5": true, "br;q=1.0, gzip;q=0.8, *;q=0.1": true, "x-gzip": true, "gzip;q=1, identity;q=1": true,
				"": false, "identity": false, "*": false, "br": false, "gzip;q=0": false, "gzip;q=0.000": false, "gzip;q=x": false, "gzip;q=NaN": false,
				"gzip;q=2": false, "gzip;q=-1": false, "identity, gzip;q=0.9": false, "gzipped": false, "gzip q=1": false,
			} {
				res := k.ask("GET", "Accept-Encoding", accept)
				h, text := res.Header(), res.Body.String()
				wantTag := tag
				if want {
					text, wantTag = unzip(t, res.Body.Bytes()), packedTag
				}
				if (h.Get("Content-Encoding") == "gzip") != want || text != body || h.Get("ETag") != wantTag || h.Get("Vary") != plain.Header().Get("Vary") ||
					h.Get("Content-Length") != strconv.Itoa(res.Body.Len()) || want && 4*res.Body.Len() > 3*len(body) {
					t.Errorf("%q: %v, %d bytes", accept, h, res.Body.Len())
				}
				head := k.ask("HEAD", "Accept-Encoding", accept)
				h.Del(requestIDHeader)
				head.Header().Del(requestIDHeader)
				if head.Body.Len() != 0 || fmt.Sprint(head.Header()) != fmt.Sprint(h) {
					t.Errorf("%q: HEAD %v, GET %v", accept, head.Header(), h)
				}
			}
			for _, c := range []struct{ accept, match, want string }{
				{"gzip", packedTag, packedTag}, {"gzip", tag, tag}, {"gzip", "W/" + packedTag, packedTag}, {"gzip", tag + ", " + packedTag, packedTag},
				{"", tag, tag}, {"", packedTag, ""}, {"", "*", tag}, {"gzip", "*", packedTag}, {"gzip", `"x"`, ""}, {"gzip;q=0", packedTag, ""},
			} {
				res := k.ask("GET", "Accept-Encoding", c.accept, "If-None-Match", c.match)
				if still := res.Code == http.StatusNotModified; still != (c.want != "") || still && (res.Header().Get("ETag") != c.want || res.Body.Len() != 0 ||
					res.Header().Get("Content-Encoding") != "" || res.Header().Get("Vary") == "") {
					t.Errorf("%+v: %d %v", c, res.Code, res.Header())
				}
			}
			before := searches.n.Load()
			for range 5 {
				k.ask("GET", "Accept-Encoding", "gzip")
				k.ask("GET")
			}
			if n := searches.n.Load() - before; (n == 0) != (kept > 0) {
				t.Errorf("%d searches", n)
			}
		})
	}
}

// TestGzipFollowsTheAnswer: what is kept compressed is not shown once the answer is another.
func TestGzipFollowsTheAnswer(t *testing.T) {
	k, _ := newKeeping(t)
	k.publish(post("one", startHeight))
	k.settle()
	for range 2 {
		if text := unzip(t, k.ask("GET", "Accept-Encoding", "gzip").Body.Bytes()); !strings.Contains(text, `"one"`) {
			t.Fatal(text)
		}
	}
	k.publish(post("two", startHeight))
	k.gone.Add(int64(k.opt.CacheLife))
	if text := unzip(t, k.ask("GET", "Accept-Encoding", "gzip").Body.Bytes()); !strings.Contains(text, `"two"`) {
		t.Error("the old answer, compressed")
	}
	owner := "Bearer " + token(t, "owner")
	if text := unzip(t, k.ask("GET", "Accept-Encoding", "gzip", "Authorization", owner).Body.Bytes()); !strings.Contains(text, `"authenticated":true`) {
		t.Errorf("somebody else's answer: %s", text)
	}
}

// TestGzipIsNotWorthIt: an answer that cannot be made much smaller comes as it is, again and
// again.
func TestGzipIsNotWorthIt(t *testing.T) {
	k, _ := newKeeping(t)
	rng := rand.New(rand.NewPCG(2, 2))
	noise := make([]byte, 30_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	k.publish(post("noise", startHeight, fields{1: base64.StdEncoding.EncodeToString(noise)}))
	k.settle()
	for range 3 {
		res := k.ask("GET", "Accept-Encoding", "gzip")
		if h := res.Header(); h.Get("Content-Encoding") != "" || strings.Contains(h.Get("ETag"), gzipTag) || res.Body.String() != k.ask("GET").Body.String() {
			t.Errorf("%d bytes, %v", res.Body.Len(), h)
		}
	}
}

// TestGzipIsLogged: the log and its bytes are about what was sent.
func TestGzipIsLogged(t *testing.T) {
	w := newWorld(t)
	w.publish(post("one", startHeight))
	sent := w.ask("GET", "Accept-Encoding", "gzip").Body.Len()
	lines := w.log.lines(t, "request")
	if logged := fmt.Sprint(lines[len(lines)-1]["bytes"]); logged != strconv.Itoa(sent) || unzip(t, w.ask("GET", "Accept-Encoding", "gzip").Body.Bytes()) == "" {
		t.Errorf("%s bytes are logged, %d were sent", logged, sent)
	}
}

// TestNotCompressed: small answers, media, streams and what a relay says pass as they are.
func TestNotCompressed(t *testing.T) {
	w := newWorld(t)
	if res := w.ask("GET", "Accept-Encoding", "gzip"); res.Body.Len() >= minGzip || res.Header().Get("Content-Encoding") != "" {
		t.Errorf("a small answer: %v", res.Header())
	}
	long := strings.Repeat("/and-so-on", 120)
	s := newShelf(t)
	id := s.fetch("ann", long, "public")["mediaId"].(string)
	res := s.send("ann", "GET", "/api/media/"+id, "", "Accept-Encoding", "gzip")
	if res.Body.String() != long || res.Header().Get("Content-Encoding") != "" {
		t.Errorf("a medium: %v", res.Header())
	}
	relayed := relayed(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, `{"x":"`+long+`"}`) })
	r := httptest.NewRequest("GET", "/gun-relay/get?soul=x", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	if res := relayed.do(r); res.Body.Len() < len(long) || res.Header().Get("Content-Encoding") != "" {
		t.Errorf("the relay: %v", res.Header())
	}
	k := newTalk(t)
	path, dialogue, key := k.begin()
	for range 30 {
		k.must(201, "ann", "POST", path+"/events", `{"event":"textChunk","data":"`+long[:100]+`"}`)
	}
	server := k.gateway()
	req, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/api/voice/open-stream?dialogueId="+dialogue+"&streamKey="+key, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	stream, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	text, err := io.ReadAll(stream.Body)
	if err != nil || stream.Header.Get("Content-Encoding") != "" || !strings.Contains(string(text), long[:100]) {
		t.Errorf("a stream: %v, %v", stream.Header, err)
	}
}

// zipped calls a path through the adapter for API Gateway, and takes gzip.
func (w *world) zipped(path string, query url.Values) events.APIGatewayV2HTTPResponse {
	w.Helper()
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: path, RawQueryString: query.Encode(), Headers: map[string]string{"accept-encoding": "gzip"}}
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP = http.MethodGet, "203.0.113.24"
	resp, err := apigw.Handler(w.handler, apigw.Options{})(context.Background(), e)
	if err != nil {
		w.Fatal(err)
	}
	return resp
}

// TestGzipBehindAPIGateway: what fits through the gateway as text fits compressed, where
// it is base64; also what cannot be made much smaller.
func TestGzipBehindAPIGateway(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 700_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	w := newWorld(t, func(o *Options) { o.MaxAnswer = 4_400_000 }) // that of the function
	w.publish(post("text", startHeight, fields{1: strings.Repeat("the same words again. ", 30_000)}))
	for i := range 3 {
		w.publish(post("noise", startHeight, fields{1: base64.StdEncoding.EncodeToString(noise) + fmt.Sprint(i)}))
	}
	for _, limit := range []string{"1", "1000"} {
		query := url.Values{"limit": {limit}, "sortBy": {"name:asc"}}
		plain, resp := w.behind("/api/records", query), w.zipped("/api/records", query)
		if plain.StatusCode != 200 || resp.StatusCode != 200 {
			t.Errorf("limit %s: %d, compressed %d", limit, plain.StatusCode, resp.StatusCode)
		}
		body := resp.Body
		if resp.Headers["Content-Encoding"] == "gzip" {
			if !resp.IsBase64Encoded {
				t.Fatal("a compressed body as text")
			}
			raw, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				t.Fatal(err)
			}
			body = unzip(t, raw)
		}
		if body != plain.Body {
			t.Errorf("limit %s: other bodies", limit)
		}
	}
	query := url.Values{"limit": {"1"}, "sortBy": {"name:desc"}}
	if resp := w.zipped("/api/records", query); resp.Headers["Content-Encoding"] != "gzip" || len(resp.Body) > 50_000 || !resp.IsBase64Encoded {
		t.Errorf("%d bytes, %v", len(resp.Body), resp.Headers)
	}
}

// TestPackerIsBounded: however many answers come at a time, there are so many writers only,
// and who waits for one in vain has the plain answer.
func TestPackerIsBounded(t *testing.T) {
	p := newPacker()
	body := []byte(strings.Repeat("the same again ", 1000))
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if packed := p.pack(t.Context(), body); unzip(t, packed) != string(body) {
				t.Error("another body")
			}
		})
	}
	all.Wait()
	most := cap(p.free)
	if len(p.free) != most {
		t.Errorf("%d of %d writers came back", len(p.free), most)
	}
	for range most {
		z := <-p.free
		defer func() { p.free <- z }()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if packed := p.pack(ended, body); packed != nil {
		t.Error("packed without a writer")
	}
	if (*packer)(nil).pack(t.Context(), body) != nil {
		t.Error("packed by nobody")
	}
}

// FuzzAcceptEncoding: nothing but gzip's own name makes an answer compressed, and no
// header makes reading it fail.
func FuzzAcceptEncoding(f *testing.F) {
	for _, s := range []string{"gzip", "gzip;q=0.5, identity", "a;b=c;q=1,gzip;Q=0", ";;q=,", "gzip;q=1e-400", "gzip;q=0x1p-2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := http.Header{"Accept-Encoding": {s}}
		if acceptsGzip(h) && !strings.Contains(strings.ToLower(s), "gzip") {
			t.Errorf("%q", s)
		}
		if q := quality(s); !(q >= 0 && q <= 1) {
			t.Errorf("%q: %v", s, q)
		}
	})
}
