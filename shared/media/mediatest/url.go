package mediatest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"oipnode/shared/media"
)

var urlCases = []testCase{
	{"Bad arguments", testBadLinks, nil},
	{"None", testNoURL, func(h Harness) bool { return h.NoURL }},
	{"Get", testURL, func(h Harness) bool { return !h.NoURL }},
	{"Tampered", testTampered, func(h Harness) bool { return !h.NoURL }},
	{"Expired", testExpired, func(h Harness) bool { return !h.NoURL }},
}

func testBadLinks(e *env) {
	for _, l := range []media.Link{
		{}, {Life: -time.Second}, {Life: time.Millisecond}, {Life: media.MaxLink + 1},
		{Life: time.Minute, Type: "a/b\r\nX: y"}, {Life: time.Minute, Disposition: "é"},
		{Life: time.Minute, Disposition: strings.Repeat("x", media.MaxHeader+1)},
	} {
		if url, err := e.s.URL(e.ctx, name, l); !errors.Is(err, media.ErrInvalid) || url != "" {
			e.Errorf("URL %+v returned %q, %v, want %v", l, url, err, media.ErrInvalid)
		}
	}
}

func testNoURL(e *env) {
	e.put(name, []byte("x"))
	if url, err := e.s.URL(e.ctx, name, media.Link{Life: time.Minute}); !errors.Is(err, media.ErrNoURL) || url != "" {
		e.Errorf("URL returned %q, %v, want %v", url, err, media.ErrNoURL)
	}
}

// get asks for a URL as anybody does, without credentials.
func (e *env) get(url, ranges string) (status int, header http.Header, body []byte) {
	e.Helper()
	r, err := http.NewRequestWithContext(e.ctx, http.MethodGet, url, nil)
	if err != nil {
		e.Fatal(err)
	}
	if ranges != "" {
		r.Header.Set("Range", ranges)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(r)
	if err != nil {
		e.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err = io.ReadAll(answer.Body); err != nil {
		e.Fatal(err)
	}
	return answer.StatusCode, answer.Header, body
}

func (e *env) link(named string, l media.Link) string {
	e.Helper()
	url, err := e.s.URL(e.ctx, named, l)
	if err != nil {
		e.Fatal(err)
	}
	return url
}

func testURL(e *env) {
	content := Bytes(1, Large)
	named := e.putContent("content", content)
	url := e.link(named, media.Link{Life: 5 * time.Minute, Type: "video/mp4", Disposition: `attachment; filename="a b.mp4"`})
	status, header, body := e.get(url, "")
	if status != 200 || !bytes.Equal(body, content) {
		e.Errorf("status %d with %d bytes", status, len(body))
	}
	if kind, disposition := header.Get("Content-Type"), header.Get("Content-Disposition"); kind != "video/mp4" ||
		disposition != `attachment; filename="a b.mp4"` {
		e.Errorf("answered with type %q and disposition %q", kind, disposition)
	}
	status, _, body = e.get(url, "bytes=5242879-5242881")
	if status != 206 || !bytes.Equal(body, content[5242879:5242882]) {
		e.Errorf("a range: status %d with %d bytes", status, len(body))
	}
	if status, _, _ := e.get(url, "bytes=99999999-"); status != 416 {
		e.Errorf("a range behind the end: status %d", status)
	}
	if status, _, _ := e.get(e.link(name, media.Link{Life: time.Minute}), ""); status != 404 {
		e.Errorf("an absent object: status %d", status)
	}
}

// testTampered: a URL is good for what it was made for and nothing else.
func testTampered(e *env) {
	e.put(name, []byte("mine"))
	e.put("manifest/two.json", []byte("secret"))
	url := e.link(name, media.Link{Life: time.Minute, Type: "text/plain"})
	if status, _, _ := e.get(url, ""); status != 200 {
		e.Fatalf("the URL itself: status %d", status)
	}
	for _, bad := range []string{
		strings.Replace(url, "one.json", "two.json", 1), strings.Replace(url, "text%2Fplain", "text%2Fhtml", 1),
		strings.Replace(url, "X-Amz-Expires=60", "X-Amz-Expires=600", 1), url[:strings.IndexByte(url, '?')],
	} {
		if status, _, body := e.get(bad, ""); bad == url || status != 403 || bytes.Contains(body, []byte("secret")) {
			e.Errorf("%q: status %d", bad, status)
		}
	}
}

func testExpired(e *env) {
	e.put(name, []byte("x"))
	url := e.link(name, media.Link{Life: time.Second})
	for end := time.Now().Add(30 * time.Second); ; {
		status, _, _ := e.get(url, "")
		if status == 403 {
			return
		}
		if time.Now().After(end) {
			e.Fatalf("a URL of one second is still answered with %d", status)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
