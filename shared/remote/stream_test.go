package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/media"
	"oipnode/shared/media/files"
)

func TestWhole(t *testing.T) {
	s := serve(t, with(whole, "Content-Type", "Image/PNG; x=y", "Content-Disposition", `attachment; filename="a/b.png"`, "Set-Cookie", "a=b"))
	got, info, err := read(t, client(t, Options{UserAgent: "agent/1"}, s), s.file()+"?q=1#part")
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if want := (Info{URL: s.file() + "?q=1", Type: "image/png", Length: int64(len(content)), ETag: etag, Name: "b.png"}); info != want {
		t.Errorf("%+v, want %+v", info, want)
	}
	header := s.requests()[0]
	for name, want := range map[string]string{"User-Agent": "agent/1", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"} {
		if header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, header.Get(name), want)
		}
	}
	if len(header) != 4 {
		t.Errorf("the request has %v", header)
	}
}

// TestForms: the ways in which an answer says where its body ends.
func TestForms(t *testing.T) {
	const text = "hello world"
	chunked := func(w http.ResponseWriter, _ *http.Request) {
		for _, part := range strings.SplitAfter(text, " ") {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		length int64
		want   string
	}{
		"length":      {raw("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", text), 11, text},
		"chunks":      {chunked, -1, text},
		"close":       {raw("HTTP/1.1 200 OK\r\n\r\n", text), -1, text},
		"HTTP/1.0":    {raw("HTTP/1.0 200 OK\r\nContent-Length: 11\r\n\r\n", text), 11, text},
		"empty":       {raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 0, ""},
		"line ends":   {raw("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + text + "\r\n"), 11, text},
		"kept open":   {silent("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + text), 11, text},
		"early hints": {raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + text), 11, text},
		"trailers":    {raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb;x=y\r\nhello world\r\n0\r\nX: y\r\n\r\n"), -1, text},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.answer)
			got, info, err := read(t, client(t, Options{}, s), s.file())
			if err != nil || string(got) != c.want || info.Length != c.length {
				t.Errorf("%q of %d, %v, want %q of %d", got, info.Length, err, c.want, c.length)
			}
		})
	}
}

// TestFaults: each way in which a source can go wrong is an error of its own, and no
// such file is taken for complete.
func TestFaults(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"
	early, idle := Options{FirstByte: 150 * time.Millisecond}, Options{Idle: 150 * time.Millisecond}
	for name, c := range map[string]struct {
		answer   http.HandlerFunc
		opts     Options
		sentinel error
		class    errs.Class
		sent     string // what was read before the error
	}{
		"404":                     {status(404), Options{}, ErrNotFound, errs.Permanent, ""},
		"410":                     {status(410), Options{}, ErrNotFound, errs.Permanent, ""},
		"401":                     {status(401, "WWW-Authenticate", "Basic"), Options{}, ErrDenied, errs.Permanent, ""},
		"403":                     {status(403), Options{}, ErrDenied, errs.Permanent, ""},
		"451":                     {status(451), Options{}, ErrDenied, errs.Permanent, ""},
		"400":                     {status(400), Options{}, ErrAnswer, errs.Permanent, ""},
		"204":                     {status(204), Options{}, ErrAnswer, errs.Permanent, ""},
		"206 unasked":             {status(206, "Content-Range", "bytes 0-10/20"), Options{}, ErrAnswer, errs.Permanent, ""},
		"300":                     {status(300, "Location", "/x"), Options{}, ErrAnswer, errs.Permanent, ""},
		"304":                     {status(304), Options{}, ErrAnswer, errs.Permanent, ""},
		"408":                     {status(408), Options{}, ErrUnavailable, errs.Transient, ""},
		"429":                     {status(429, "Retry-After", "30"), Options{}, ErrBusy, errs.Transient, ""},
		"500":                     {status(500), Options{}, ErrUnavailable, errs.Transient, ""},
		"503":                     {status(503), Options{}, ErrUnavailable, errs.Transient, ""},
		"gzip":                    {with(whole, "Content-Encoding", "gzip"), Options{}, ErrAnswer, errs.Permanent, ""},
		"loop":                    {status(302, "Location", "/file.bin"), Options{}, ErrRedirect, errs.Permanent, ""},
		"growing loop":            {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, Options{}, ErrRedirect, errs.Permanent, ""},
		"no location":             {status(301), Options{}, ErrRedirect, errs.Permanent, ""},
		"no redirects":            {status(308, "Location", "/x"), Options{MaxRedirects: -1}, ErrRedirect, errs.Permanent, ""},
		"announced too large":     {whole, Options{MaxBytes: 299_999}, ErrTooLarge, errs.Permanent, ""},
		"endless chunks":          {again("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nabcd\r\n"), Options{MaxBytes: 1 << 20}, ErrTooLarge, errs.Permanent, "*"},
		"endless until close":     {again("HTTP/1.1 200 OK\r\n\r\n", "abcd"), Options{MaxBytes: 1 << 20}, ErrTooLarge, errs.Permanent, "*"},
		"endless head":            {again("HTTP/1.1 200 OK\r\n", "X-A: b\r\n"), Options{}, ErrAnswer, errs.Permanent, ""},
		"endless line":            {again("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 1000)), Options{}, ErrAnswer, errs.Permanent, ""},
		"endless status":          {again("HTTP/1.1 200 ", strings.Repeat("x", 1000)), Options{}, ErrAnswer, errs.Permanent, ""},
		"endless interim":         {again("", "HTTP/1.1 100 Continue\r\n\r\n"), Options{}, ErrAnswer, errs.Permanent, ""},
		"endless chunk header":    {again("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;", "xxxxxxxx"), Options{}, ErrBroken, errs.Transient, ""},
		"endless trailer":         {again("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-A: b\r\n"), Options{}, ErrBroken, errs.Transient, ""},
		"another protocol":        {silent("SSH-2.0-OpenSSH_9.9\r\n"), Options{}, ErrAnswer, errs.Permanent, ""},
		"malformed head":          {raw("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), Options{}, ErrAnswer, errs.Permanent, ""},
		"two lengths":             {raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), Options{}, ErrAnswer, errs.Permanent, ""},
		"negative length":         {raw("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"), Options{}, ErrAnswer, errs.Permanent, ""},
		"another coding":          {raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), Options{}, ErrAnswer, errs.Permanent, ""},
		"closed at once":          {raw(), Options{}, ErrUnavailable, errs.Transient, ""},
		"closed in the head":      {raw("HTTP/1.1 200 OK\r\nContent-Le"), Options{}, ErrUnavailable, errs.Transient, ""},
		"shorter":                 {raw(head, "hello"), Options{}, ErrBroken, errs.Transient, "hello"},
		"shorter, kept open":      {silent(head + "hello"), idle, ErrTimeout, errs.Transient, "hello"},
		"longer":                  {raw(head + "hello world!"), Options{}, ErrLength, errs.Transient, "hello world"},
		"chunks broken off":       {raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), Options{}, ErrBroken, errs.Transient, "hello"},
		"chunk malformed":         {raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n"), Options{}, ErrBroken, errs.Transient, "hello"},
		"silent":                  {silent(""), early, ErrTimeout, errs.Transient, ""},
		"silent in the head":      {silent("HTTP/1.1 200 OK\r\nX: y"), early, ErrTimeout, errs.Transient, ""},
		"slower than the time":    {drip("HTTP/1.1 200 OK\r\n\r\n"), Options{Timeout: 150 * time.Millisecond}, ErrTimeout, errs.Transient, "*"},
		"slower than the head":    {drip("HTTP/1.1 200 "), early, ErrTimeout, errs.Transient, ""},
		"TLS where there is none": {raw("\x15\x03\x01\x00\x02\x02\x28"), Options{}, ErrAnswer, errs.Permanent, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.answer)
			got, _, err := read(t, client(t, c.opts, s), s.file())
			want(t, err, c.sentinel, c.class)
			if string(got) != c.sent && c.sent != "*" {
				t.Errorf("%d bytes %.20q came before it, want %q", len(got), got, c.sent)
			}
			if most := c.opts.MaxBytes; most > 0 && int64(len(got)) > most {
				t.Errorf("%d bytes came, more than %d", len(got), most)
			}
			if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
				t.Errorf("%v looks like the end of the caller's context", err)
			}
			if errors.Is(err, ErrBusy) != (errs.RetryAfter(err) == 30*time.Second) {
				t.Errorf("to be tried again after %v", errs.RetryAfter(err))
			}
		})
	}
}

// drip writes a text at once and then one byte each 10 ms.
func drip(first string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn := take(w)
		defer conn.Close()
		for _, err := io.WriteString(conn, first); err == nil; time.Sleep(10 * time.Millisecond) {
			_, err = io.WriteString(conn, "x")
		}
	}
}

// A slow source is no fault while bytes come within the idle time.
func TestSlow(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 20 {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	if got, _, err := read(t, client(t, Options{Idle: 5 * time.Second}, s), s.file()); err != nil || len(got) != 20 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestRedirects goes to and fro between two hosts, by each status.
func TestRedirects(t *testing.T) {
	var first, second *source
	hop := func(code int, to func() string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "session=secret")
			w.Header().Set("Location", to())
			w.WriteHeader(code)
		}
	}
	at := func(text string) func() string { return func() string { return text } }
	begin := func() {
		first = serve(t, hop(301, at("/b?x=y")), hop(302, at("c")), hop(303, func() string { return strings.TrimPrefix(second.URL, "http:") + "/d" }),
			hop(308, func() string { return second.URL + "/e%20f.txt?q#g" }))
		second = serve(t, hop(307, func() string { return first.URL }), with(whole, "Content-Type", "text/plain; charset=UTF-8"))
	}
	begin()
	got, info, err := read(t, client(t, Options{}, first, second), first.file())
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if info.URL != second.URL+"/e%20f.txt?q" || info.Name != "e f.txt" || info.Type != "text/plain" || info.Charset != "utf-8" {
		t.Errorf("%+v", info)
	}
	if a, b := len(first.requests()), len(second.requests()); a != 4 || b != 2 {
		t.Errorf("%d and %d requests", a, b)
	}
	for _, header := range append(first.requests(), second.requests()...) {
		if len(header["Cookie"])+len(header["Referer"])+len(header["Authorization"]) > 0 {
			t.Errorf("a request tells %v", header)
		}
	}
	begin()
	_, _, err = read(t, client(t, Options{MaxRedirects: 4}, first, second), first.file())
	want(t, err, ErrRedirect, errs.Permanent)
	if a, b := len(first.requests()), len(second.requests()); a+b != 5 {
		t.Errorf("%d and %d requests, when one redirect is too many", a, b)
	}
}

func TestTLS(t *testing.T) {
	s := serveTLS(t, whole)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := client(t, Options{Roots: roots}, s)
	if got, _, err := read(t, c, s.file()); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// The certificate is for example.com and 127.0.0.1.
	_, _, err := read(t, c, strings.Replace(s.file(), "127.0.0.1", "localhost", 1))
	want(t, err, ErrUnavailable, errs.Transient)
	_, _, err = read(t, client(t, Options{}, s), s.file())
	want(t, err, ErrUnavailable, errs.Transient)
	if !strings.Contains(errs.Public(err), "certificate") {
		t.Errorf("the message is %q", errs.Public(err))
	}

	upgrade := serve(t, status(302, "Location", s.file()))
	if got, info, err := read(t, client(t, Options{Roots: roots}, s, upgrade), upgrade.file()); err != nil || !bytes.Equal(got, content) || info.URL != s.file() {
		t.Errorf("from http to https: %d bytes, %v", len(got), err)
	}
	open := serve(t, whole)
	down := serveTLS(t, status(302, "Location", open.file()))
	roots.AddCert(down.Certificate())
	_, _, err = read(t, client(t, Options{Roots: roots}, open, down), down.file())
	want(t, err, ErrRedirect, errs.Permanent)
	if len(open.requests()) > 0 {
		t.Error("a redirect from https to http was followed")
	}
	old := serveTLSUpTo(t, tls.VersionTLS11, whole)
	_, _, err = read(t, client(t, Options{Roots: roots}, old), old.file())
	want(t, err, ErrUnavailable, errs.Transient)
}

// TestContext: the end of the caller's context ends every wait, and is returned as
// it is.
func TestContext(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		opened bool
	}{
		"head":  {silent("HTTP/1.1 200"), false},
		"body":  {silent("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"), true},
		"pause": {cut(5, whole), true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.answer, status(503))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if !c.opened {
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			stream, err := client(t, Options{Pause: time.Minute}, s).Open(ctx, s.file())
			if (err == nil) != c.opened {
				t.Fatalf("Open returned %v", err)
			}
			if err == nil {
				defer stream.Close()
				time.AfterFunc(100*time.Millisecond, cancel)
				_, err = io.ReadAll(stream)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	s := serve(t, silent("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	stream, err := client(t, Options{}, s).Open(ctx, s.file())
	if err == nil {
		defer stream.Close()
		_, err = io.ReadAll(stream)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's deadline is %v", err)
	}
}

func TestClose(t *testing.T) {
	gone := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		again("HTTP/1.1 200 OK\r\n\r\n", "abcd")(w, r)
		close(gone)
	})
	stream, err := client(t, Options{}, s).Open(t.Context(), s.file())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Read(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	if n, err := stream.Read(nil); n != 0 || err != nil {
		t.Errorf("an empty Read returned %d, %v", n, err)
	}
	for range 2 {
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := stream.Read(make([]byte, 10)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a Read behind Close returned %v", err)
	}
	<-gone // the connection is closed
}

// TestIntoStore: what is not complete never becomes visible in a store, and the
// store's error still says why.
func TestIntoStore(t *testing.T) {
	store, err := files.Open(t.TempDir(), files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(answers ...http.HandlerFunc) (media.Stored, error) {
		s := serve(t, answers...)
		stream, err := client(t, Options{}, s).Open(t.Context(), s.file())
		if err != nil {
			return media.Stored{}, err
		}
		defer stream.Close()
		return store.Put(t.Context(), media.Upload{Name: "content", ByContent: true, Body: stream})
	}
	for _, c := range []struct {
		answers  []http.HandlerFunc
		sentinel error
	}{
		{[]http.HandlerFunc{cut(100_000, status(200, "Content-Length", "300000"))}, ErrBroken},
		{[]http.HandlerFunc{cut(100_000, whole), version(content, `"v2"`)}, ErrChanged},
		{[]http.HandlerFunc{cut(100_000, whole), status(404)}, ErrNotFound},
		{[]http.HandlerFunc{raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc")}, ErrLength},
	} {
		if _, err := put(c.answers...); !errors.Is(err, c.sentinel) || errs.KindOf(err) != kinds[c.sentinel] {
			t.Errorf("Put returned %v, want %v", err, c.sentinel)
		}
	}
	if page, err := store.List(t.Context(), "content", "", 10); err != nil || len(page) > 0 {
		t.Errorf("the store has %v, %v", page, err)
	}
	stored, err := put(cut(100_000, whole), whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := media.Verify(t.Context(), store, stored.Name); err != nil || stored.Size != int64(len(content)) {
		t.Errorf("%+v: %v", stored, err)
	}
}

// TestMessagesAreBounded: no answer can make an error long.
func TestMessagesAreBounded(t *testing.T) {
	long := strings.Repeat("secret ", 1000)
	for _, answer := range []http.HandlerFunc{
		raw("HTTP/1.1 404 " + long + "\r\n\r\n"), raw("HTTP/1.1 200 OK\r\nContent-Length: " + long + "\r\n\r\n"), raw("HTTP/1.1 200 OK\r\n" + long + "\r\n\r\n"),
		status(302, "Location", "http://example.org:1/"+long[:1000]), raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + long + "\r\n\r\n"),
	} {
		s := serve(t, answer)
		if _, _, err := read(t, client(t, Options{}, s), s.file()); err == nil || len(err.Error()) > 1000 {
			t.Errorf("an error of %d bytes", len(fmt.Sprint(err)))
		}
	}
}
