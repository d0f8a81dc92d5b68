package remote

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

var (
	// errHead is the head of an answer that is too long.
	errHead = fmt.Errorf("the head of the answer has more than %d bytes", maxHead)
	// errHTTP is the head of an answer that is none of HTTP/1.
	errHTTP = errors.New("the answer is not HTTP/1")
)

// maxInterim bounds the heads that say only that another will follow.
const maxInterim = 5

// surplusWait is how long the end of a body is waited at for bytes behind it. A
// source that closes the connection, as it is asked to, does not let us wait.
const surplusWait = 50 * time.Millisecond

// answer is a head that arrived, and a body that did not yet. close must be called.
type answer struct {
	status int
	header http.Header
	// length is that of the body, -1 when it is not known.
	length int64
	// body ends where the answer says. Closing it would read the rest of it.
	body io.Reader
	wire *wire
	in   *bufio.Reader
}

// wire is a connection whose reads are bounded: in bytes up to the end of the head,
// in time behind it.
type wire struct {
	net.Conn
	// head is how many bytes may still be read while idle is 0.
	head int
	// ended says that the connection ended before the head did.
	ended bool
	// idle is how long a Read may wait.
	idle time.Duration
}

func (w *wire) Read(p []byte) (int, error) {
	if w.idle > 0 {
		if err := w.SetReadDeadline(time.Now().Add(w.idle)); err != nil {
			return 0, err
		}
		return w.Conn.Read(p)
	}
	if w.head == 0 {
		return 0, errHead
	}
	n, err := w.Conn.Read(p[:min(len(p), w.head)])
	w.head -= n
	w.ended = err != nil
	return n, err
}

// get asks for a URL and follows redirects, each checked like the first. The answer
// is none of them.
func (c *Client) get(ctx context.Context, u *url.URL, header http.Header) (*answer, *url.URL, error) {
	for n := 0; ; n++ {
		a, err := c.exchange(ctx, u, header)
		if err != nil {
			return nil, nil, err
		}
		switch a.status {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
			http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return a, u, nil
		}
		a.close()
		if n == c.opts.MaxRedirects {
			return nil, nil, fail(ErrRedirect, fmt.Sprintf("the source redirects more than %d times", c.opts.MaxRedirects), nil)
		}
		if u, err = c.follow(u, a.header.Get("Location")); err != nil {
			return nil, nil, err
		}
	}
}

// follow is where a redirect leads.
func (c *Client) follow(from *url.URL, location string) (*url.URL, error) {
	const says = "the source redirects to a url that is not allowed"
	ref, err := url.Parse(location)
	if location == "" || len(location) > MaxURL || err != nil {
		return nil, fail(ErrRedirect, says, errors.New("its target is absent, too long, or no URL"))
	}
	to, err := c.CheckURL(from.ResolveReference(ref).String())
	switch {
	case errors.Is(err, ErrAddress):
		return nil, fail(ErrAddress, says, err)
	case err != nil:
		return nil, fail(ErrRedirect, says, err)
	case from.Scheme == "https" && to.Scheme == "http":
		return nil, fail(ErrRedirect, "the source redirects from https to http", nil)
	}
	return to, nil
}

// exchange sends one request over a connection of its own and reads the head of its
// answer. The context governs the body as well.
func (c *Client) exchange(ctx context.Context, u *url.URL, header http.Header) (*answer, error) {
	early, cancel := context.WithTimeout(ctx, c.opts.FirstByte)
	defer cancel()
	a, err := c.send(early, u, header)
	switch {
	case err == nil:
		a.wire.idle = c.opts.Idle
		return a, nil
	case ctx.Err() != nil:
		return nil, c.ended(ctx)
	}
	return nil, c.unreached(err, early.Err() != nil)
}

// send is exchange within the time that the context leaves.
func (c *Client) send(ctx context.Context, u *url.URL, header http.Header) (_ *answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = header.Clone()
	req.Header.Set("User-Agent", c.opts.UserAgent)
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Accept-Encoding", "identity")
	req.Close = true
	conn, err := c.connect(ctx, u)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = conn.Close()
		}
	}()
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, head: maxHead}
	in := bufio.NewReader(w)
	for range maxInterim {
		if err := startsAsHTTP(in); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(in, req)
		if err != nil {
			return nil, w.malformed(err)
		}
		if resp.StatusCode >= http.StatusOK {
			return &answer{status: resp.StatusCode, header: resp.Header, length: resp.ContentLength, body: resp.Body, wire: w, in: in}, nil
		}
		_ = resp.Body.Close() // it has none
	}
	return nil, errHTTP
}

// startsAsHTTP looks at what another protocol's server would say first.
func startsAsHTTP(in *bufio.Reader) error {
	const want = "HTTP/1."
	got, err := in.Peek(len(want))
	if !strings.HasPrefix(want, string(got)) {
		return errHTTP
	}
	return err
}

// malformed tells a head that is wrong from one that did not arrive.
func (w *wire) malformed(err error) error {
	if w.ended || errors.Is(err, errHead) {
		return err
	}
	return fmt.Errorf("%w: %w", errHTTP, err)
}

// connect opens the connection for a URL.
func (c *Client) connect(ctx context.Context, u *url.URL) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = standardPort[u.Scheme]
	}
	conn, err := c.dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil || u.Scheme == "http" {
		return conn, err
	}
	settings := c.tls.Clone()
	settings.ServerName = u.Hostname()
	secure := tls.Client(conn, settings)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// close ends the connection. What is left of the body is not read.
func (a *answer) close() { _ = a.wire.Close() }

// surplus reports whether something came behind a body that has ended. Line ends are
// nothing: some servers add one.
func (a *answer) surplus() bool {
	a.wire.idle = surplusWait
	_, _ = a.in.Peek(1) // that there is nothing is what is hoped for
	rest, _ := a.in.Peek(a.in.Buffered())
	return len(bytes.Trim(rest, "\r\n")) > 0
}
