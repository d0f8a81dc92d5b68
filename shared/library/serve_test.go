package library_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/library"
)

// served is a web server that answers with the media of a world, to whoever asks.
func (w *world) served(l *library.Library) string {
	w.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		m, err := l.Find(r.Context(), ann, strings.TrimPrefix(r.URL.Path, "/"))
		if err == nil {
			err = l.Serve(rw, r, m)
		}
		if err != nil {
			http.Error(rw, err.Error(), errs.Status(err))
		}
	}))
	server.Config.WriteTimeout = time.Second
	server.Start()
	w.Cleanup(server.Close)
	return server.URL + "/"
}

// asked is an answer.
type asked struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with pairs of header names and values, and follows nothing.
func (w *world) ask(method, url string, header ...string) asked {
	w.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		w.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatalf("%s %s: %v", method, url, err)
	}
	return asked{res.StatusCode, res.Header, string(body)}
}

// TestServe: the bytes of a medium, or the part of them that was asked for.
func TestServe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const content = "0123456789"
	id := w.fetched(ann, library.Wanted{URL: w.source.file("/ten.txt", "text/plain", content)})
	url, tag := w.served(w.Library)+id, `"`+id+`"`
	for _, c := range []struct {
		name   string
		header []string
		status int
		part   string // Content-Range behind "bytes "
		body   string
	}{
		{"all", nil, 200, "", content},
		{"a part", []string{"Range", "bytes=2-4"}, 206, "2-4/10", "234"},
		{"the end", []string{"Range", "bytes=-3"}, 206, "7-9/10", "789"},
		{"from", []string{"Range", "bytes=8-"}, 206, "8-9/10", "89"},
		{"several", []string{"Range", "bytes=1-2,4-5"}, 206, "1-5/10", "12345"},
		{"too long", []string{"Range", "bytes=5-500"}, 206, "5-9/10", "56789"},
		{"behind", []string{"Range", "bytes=10-"}, 416, "*/10", ""},
		{"reversed", []string{"Range", "bytes=5-2"}, 416, "*/10", ""},
		{"no numbers", []string{"Range", "bytes=a-b"}, 416, "*/10", ""},
		{"another unit", []string{"Range", "lines=1-2"}, 200, "", content},
		{"of this version", []string{"Range", "bytes=0-0", "If-Range", tag}, 206, "0-0/10", "0"},
		{"of another version", []string{"Range", "bytes=0-0", "If-Range", `"other"`}, 200, "", content},
		{"of a weak version", []string{"Range", "bytes=0-0", "If-Range", "W/" + tag}, 200, "", content},
		{"of a date", []string{"Range", "bytes=0-0", "If-Range", "Mon, 02 Jan 2006 15:04:05 GMT"}, 200, "", content},
		{"behind, of another version", []string{"Range", "bytes=10-", "If-Range", `"other"`}, 200, "", content},
		{"known", []string{"If-None-Match", tag}, 304, "", ""},
		{"known among others", []string{"If-None-Match", `"x", W/` + tag}, 304, "", ""},
		{"anything known", []string{"If-None-Match", "*"}, 304, "", ""},
		{"known, and a part", []string{"If-None-Match", tag, "Range", "bytes=0-1"}, 304, "", ""},
		{"others known", []string{"If-None-Match", `"x"`, "Range", "bytes=0-1"}, 206, "0-1/10", "01"},
		{"if it is this", []string{"If-Match", tag}, 200, "", content},
		{"if it is another", []string{"If-Match", `"x"`}, 412, "", ""},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			got := w.ask(method, url, c.header...)
			part, length := got.header.Get("Content-Range"), got.header.Get("Content-Length")
			if got.status != c.status || strings.TrimPrefix(part, "bytes ") != c.part {
				t.Errorf("%s %s: %d %q, want %+v", method, c.name, got.status, part, c)
				continue
			}
			if c.status < 300 {
				if method == "GET" && got.body != c.body || method == "HEAD" && got.body != "" || length != fmt.Sprint(len(c.body)) {
					t.Errorf("%s %s: %q of length %s, want %q", method, c.name, got.body, length, c.body)
				}
				if got.header.Get("Accept-Ranges") != "bytes" || got.header.Get("Content-Type") != "text/plain" {
					t.Errorf("%s %s: %v", method, c.name, got.header)
				}
			}
			if c.status < 400 && got.header.Get("ETag") != tag {
				t.Errorf("%s %s: ETag %s", method, c.name, got.header.Get("ETag"))
			}
		}
	}
	got := w.ask("GET", url)
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Content-Disposition": `inline; filename="ten.txt"`, "Cache-Control": "private, no-cache",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
		}
	}
	if !strings.HasPrefix(got.header.Get("Content-Security-Policy"), "sandbox;") {
		t.Errorf("the policy is %q", got.header.Get("Content-Security-Policy"))
	}
	evil := w.fetched(ann, library.Wanted{URL: w.source.file("/evil.svg", "image/svg+xml", "<svg onload='x'/>"), Level: library.Public})
	got = w.ask("GET", w.served(w.Library)+evil)
	if got.header.Get("Content-Disposition") != `attachment; filename="evil.svg"` || got.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("a drawing: %v", got.header)
	}
	empty := w.fetched(ann, library.Wanted{URL: w.source.file("/empty", "text/plain", "")})
	if got := w.ask("GET", w.served(w.Library)+empty); got.status != 200 || got.body != "" || got.header.Get("Content-Length") != "0" {
		t.Errorf("an empty file: %+v", got)
	}
	if got := w.ask("GET", w.served(w.Library)+empty, "Range", "bytes=0-"); got.status != 416 || got.header.Get("Content-Range") != "bytes */0" {
		t.Errorf("a part of an empty file: %+v", got)
	}
}

// TestServeLong: a download takes longer than the server's time for an answer, as long as
// its reader takes something; and it is whole.
func TestServeLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	content := make([]byte, 16<<20)
	_, _ = rand.Read(content)
	id := w.fetched(ann, library.Wanted{URL: w.source.file("/long", "video/mp4", string(content))})
	res, err := http.Get(w.served(w.Library) + id)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	defer http.DefaultClient.CloseIdleConnections()
	// The connection holds less than this file, so half of it is still to be sent
	// when the server's own time is over.
	first, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond)
	rest, err := io.ReadAll(res.Body)
	if err != nil || string(first)+string(rest) != string(content) {
		t.Errorf("%d bytes of %d, %v", len(first)+len(rest), len(content), err)
	}
}

// TestServeBounds: only so many answers are sent at a time; one whose reader takes nothing
// is broken off, and so is every one when the node ends.
func TestServeBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.fetched(ann, library.Wanted{URL: w.source.file("/long", "video/mp4", strings.Repeat("x", 32<<20))})
	open := func(url string) io.Reader {
		t.Helper()
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Get(url + id)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res.Body
	}
	broken := func(body io.Reader) {
		t.Helper()
		if n, err := io.Copy(io.Discard, body); err == nil {
			t.Errorf("all of %d bytes came", n)
		}
	}

	l := w.another(func(o *library.Options) { o.MaxStreams, o.WriteTimeout = 1, 500*time.Millisecond })
	url := w.served(l)
	stuck := open(url)
	for w.ask("GET", url+id, "Range", "bytes=0-0").status != 206 { // until the stuck one is broken off
		time.Sleep(5 * time.Millisecond)
	}
	broken(stuck)

	l = w.another(func(o *library.Options) { o.MaxStreams, o.WriteTimeout = 1, time.Minute })
	url = w.served(l)
	long := open(url)
	if _, err := io.ReadFull(long, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if got := w.ask("GET", url+id); !strings.Contains(got.body, "busy") {
		t.Errorf("a second answer: %d %.100s", got.status, got.body)
	}
	if got := w.ask("HEAD", url+id); got.status != 200 {
		t.Errorf("HEAD: %d", got.status)
	}
	l.Close()
	l.Close()
	broken(long)
	if got := w.ask("GET", url+id); !strings.Contains(got.body, "closed") {
		t.Errorf("after the end: %d %.100s", got.status, got.body)
	}
}

// TestLost: a medium whose object is gone says so before anything is written.
func TestLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.fetched(ann, library.Wanted{URL: w.source.file("/x", "", "x")})
	if err := w.media.Delete(t.Context(), library.Kind+"/"+id); err != nil {
		t.Fatal(err)
	}
	err := w.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), w.manifest(ann, id))
	if !errors.Is(err, library.ErrLost) {
		t.Error(err)
	}
}

// TestRedirect: where the store has signed URLs, GET is sent there; they live for a short
// time, serve ranges, and carry the type and the name of the manifest.
func TestRedirect(t *testing.T) {
	t.Parallel()
	w := newCloud(t)
	id := w.fetched(ann, library.Wanted{URL: w.source.file("/Löwe.txt", "text/plain", "0123456789")})
	address, tag := w.served(w.Library)+id, `"`+id+`"`
	got := w.ask("GET", address, "Range", "bytes=2-3")
	link, err := url.Parse(got.header.Get("Location"))
	if got.status != 302 || err != nil || got.header.Get("Cache-Control") != "no-store" || got.header.Get("ETag") != "" {
		t.Fatalf("%+v", got)
	}
	if life := link.Query().Get("X-Amz-Expires"); life != "300" {
		t.Errorf("the URL lives %s seconds", life)
	}
	if part := w.ask("GET", link.String(), "Range", "bytes=2-3"); part.status != 206 || part.body != "23" || part.header.Get("Content-Type") != "text/plain" ||
		part.header.Get("Content-Disposition") != `inline; filename="L_we.txt"; filename*=UTF-8''L%C3%B6we.txt` {
		t.Errorf("a part: %+v", part)
	}
	if known := w.ask("GET", address, "If-None-Match", tag); known.status != 304 {
		t.Errorf("known: %+v", known)
	}
	head := w.ask("HEAD", address)
	if head.status != 200 || head.header.Get("Content-Length") != "10" || head.header.Get("ETag") != tag || head.header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("HEAD: %+v", head)
	}
}
