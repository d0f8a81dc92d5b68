package remote

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/media/mediatest"
)

// source is a server of the file /file.bin, whose answers the test decides, one
// request after the other; the last one serves all further requests.
type source struct {
	*httptest.Server
	mu   sync.Mutex
	seen []http.Header
}

func serve(t *testing.T, answers ...http.HandlerFunc) *source {
	t.Helper()
	s := &source{}
	s.Server = httptest.NewServer(s.handler(answers))
	t.Cleanup(s.Close)
	return s
}

// serveTLS is serve over https.
func serveTLS(t *testing.T, answers ...http.HandlerFunc) *source {
	t.Helper()
	return serveTLSUpTo(t, tls.VersionTLS13, answers...)
}

func serveTLSUpTo(t *testing.T, version uint16, answers ...http.HandlerFunc) *source {
	t.Helper()
	s := &source{}
	s.Server = httptest.NewUnstartedServer(s.handler(answers))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *source) handler(answers []http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.seen)
		s.seen = append(s.seen, r.Header.Clone())
		s.mu.Unlock()
		answers[min(n, len(answers)-1)](w, r)
	})
}

// requests are the headers of what was asked so far.
func (s *source) requests() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]http.Header(nil), s.seen...)
}

// file is the URL of the file.
func (s *source) file() string { return s.URL + "/file.bin" }

// port is the port of a URL.
func port(t *testing.T, text string) int {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// client returns a client that may reach sources of the test, without pauses that a
// test would wait for.
func client(t *testing.T, opts Options, sources ...*source) *Client {
	t.Helper()
	for _, s := range sources {
		opts.Ports = append(opts.Ports, port(t, s.URL))
	}
	opts.AllowPrivate = opts.refuse == nil
	if opts.Pause == 0 {
		opts.Pause = time.Millisecond
	}
	return New(opts)
}

// read opens a URL and reads the stream to its end.
func read(t *testing.T, c *Client, text string) ([]byte, Info, error) {
	t.Helper()
	s, err := c.Open(t.Context(), text)
	if err != nil {
		return nil, Info{}, err
	}
	defer s.Close()
	content, err := io.ReadAll(s)
	if n, again := s.Read(make([]byte, 1)); n != 0 || (err == nil) != errors.Is(again, io.EOF) || err != nil && !errors.Is(again, err) {
		t.Errorf("a Read behind the end, which was %v, returned %d, %v", err, n, again)
	}
	return content, s.Info, err
}

// want checks an error: its sentinel, its class, and that its message tells the
// caller nothing from inside.
func want(t *testing.T, err, sentinel error, class errs.Class) {
	t.Helper()
	if !errors.Is(err, sentinel) || errs.ClassOf(err) != class {
		t.Errorf("error %v (%v), want %v (%v)", err, errs.ClassOf(err), sentinel, class)
		return
	}
	public := errs.Public(err)
	if public == "" || len(public) > 300 || public == errs.Public(errs.KindOf(err)) {
		t.Errorf("the message is %q", public)
	}
	for _, inside := range []string{"127.0.0", "[::", "10.0.0", "169.254", "dial", "tcp", "lookup", "remote:", "secret"} {
		if strings.Contains(public, inside) {
			t.Errorf("the message %q shows %q", public, inside)
		}
	}
}

// content is a file, and etag its strong ETag.
var content = mediatest.Bytes(7, 300_000)

const etag = `"v1"`

// whole serves the file as it should be, ranges too.
func whole(w http.ResponseWriter, r *http.Request) { version(content, etag)(w, r) }

// version serves a file with an ETag, as net/http does.
func version(content []byte, etag string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "file.bin", time.Time{}, strings.NewReader(string(content)))
	}
}

// cutter passes so many bytes of a body on and then breaks the connection.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; err == nil && c.left == 0 {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// cut breaks the connection of an answer after so many bytes of the body.
func cut(after int, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { answer(&cutter{w, after}, r) }
}

// status answers with a status, header fields as name, value pairs, and no body.
func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// with sets header fields before an answer.
func with(answer http.HandlerFunc, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		answer(w, r)
	}
}

// raw writes texts to the connection as they are, and closes it.
func raw(texts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn := take(w)
		defer conn.Close()
		for _, text := range texts {
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
		}
	}
}

// again writes a text to the connection for as long as the client takes it.
func again(first, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn := take(w)
		defer conn.Close()
		for _, err := io.WriteString(conn, first); err == nil; {
			_, err = io.WriteString(conn, text)
		}
	}
}

// silent writes a text to the connection and then nothing, until the client goes.
func silent(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn := take(w)
		defer conn.Close()
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// take takes the connection from the server.
func take(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}
