// Package remote reads a file that lies somewhere else, named by a URL that a
// stranger gave: once, as a stream, in memory that does not grow with it.
//
//	c := remote.New(remote.Options{Ports: ports})
//	u, err := c.CheckURL(text) // what the text alone can refuse
//	s, err := c.Open(ctx, text)
//	stored, err := store.Put(ctx, media.Upload{Body: s, …})
//
// # Where it may lead
//
// The stranger must not reach what this machine can reach and he cannot. The text
// of a URL is checked first: scheme, port, credentials, names and spellings of
// addresses that are never public. That is a courtesy, because a name says nothing
// of where it leads. What protects is the dialer: it looks at the address of each
// connection in the moment before it is made (Address), so that a name that resolves
// differently the second time gains nothing. Each redirect, and each continuation of
// a broken stream, goes the whole way again. There is no proxy, no cookie, no
// referrer and no credential. A redirect from https to http is refused: whoever gave
// an https URL did not agree to a file that anybody on the way can change.
//
// # How the stream ends
//
// A Read returns io.EOF only when the file is complete. The length that the source
// said is kept exactly: fewer bytes, and more as far as they have arrived, are
// errors. A source that says no length sends chunks, whose end is marked, or closes
// the connection at the end; in the last case alone nobody can tell the end from a
// break that looks like one.
//
// A connection that breaks is continued where it broke, if the source takes ranges
// and the file has a strong ETag: by a request for the rest of just that version. If
// the source answers with anything but that, the stream ends with an error; bytes of
// two versions are never joined.
//
// # Bounds
//
// Size, redirects, continuations, the time to the first byte, the time between two,
// and the time of it all are bounded by Options, the head of an answer by 64 KiB, a
// URL by MaxURL. A Stream holds a buffer of 4 KiB, and for https what TLS needs.
// Answers are HTTP/1.1, one request to a connection: for a single long body more is
// no faster, and no goroutine is needed, nor a window of buffers.
//
// # Errors
//
// Every error has one of the sentinels of this package in its chain and is a
// errs.Error, which says whether trying again can help, after which time, and what
// the caller may be told. That message holds nothing that the source did not get
// from him: no address that a name resolved to, and no target of a redirect. The end
// of the caller's context is returned as it is.
package remote

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"time"
)

// MaxURL is the longest URL in bytes, given or redirected to.
const MaxURL = 2048

// maxHead bounds the head of an answer, with those that say only that another will
// follow.
const maxHead = 64 << 10

// Options are the settings of a Client. The zero value of a field means its default.
type Options struct {
	// Ports are the ports that a URL may have. Default 80 and 443.
	Ports []int
	// AllowPrivate lets a URL lead anywhere, to this machine too. It is for tests only.
	AllowPrivate bool
	// MaxBytes bounds a file. Default 5 GiB.
	MaxBytes int64
	// Timeout bounds a stream from Open to its end. Default 15 minutes.
	Timeout time.Duration
	// FirstByte bounds each request up to the end of the answer's head: name look-up,
	// connection, TLS, and what the source thinks. Default 30 s.
	FirstByte time.Duration
	// Idle bounds a Read that waits for bytes. Default 30 s.
	Idle time.Duration
	// MaxRedirects bounds the redirects of one request. Default 5; negative: none.
	MaxRedirects int
	// MaxResumes is how often a stream is continued. Default 20; negative: never.
	MaxResumes int
	// Pause is waited before a stream is continued, and then twice as long each time
	// until bytes come again; 32 pauses are too long. Default 500 ms.
	Pause time.Duration
	// UserAgent is sent with each request. Default "oipnode/0.1".
	UserAgent string
	// Resolver looks names up. Default: the system's.
	Resolver *net.Resolver
	// Roots are the certificates that a source's must lead to. Default: the system's.
	Roots *x509.CertPool

	// refuse replaces the rule about addresses, so that tests on a machine that has
	// no public one can call some of its own public.
	refuse func(netip.Addr) string
}

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	if len(o.Ports) == 0 {
		o.Ports = []int{80, 443}
	}
	o.Ports = slices.Clone(o.Ports)
	o.MaxBytes = cmp.Or(o.MaxBytes, 5<<30)
	o.Timeout = cmp.Or(o.Timeout, 15*time.Minute)
	o.FirstByte = cmp.Or(o.FirstByte, 30*time.Second)
	o.Idle = cmp.Or(o.Idle, 30*time.Second)
	o.MaxRedirects = max(cmp.Or(o.MaxRedirects, 5), 0)
	o.MaxResumes = max(cmp.Or(o.MaxResumes, 20), 0)
	o.Pause = cmp.Or(o.Pause, 500*time.Millisecond)
	o.UserAgent = cmp.Or(o.UserAgent, "oipnode/0.1")
	switch {
	case o.refuse != nil:
	case o.AllowPrivate:
		o.refuse = func(netip.Addr) string { return "" }
	default:
		o.refuse = Address
	}
	return o
}

// Client opens streams. It is safe for concurrent use, and holds nothing between two
// calls, so it needs no Close.
type Client struct {
	opts   Options
	dialer net.Dialer
	tls    *tls.Config
}

// New returns a client. It sends nothing.
func New(opts Options) *Client {
	c := &Client{opts: opts.withDefaults()}
	c.dialer = net.Dialer{Resolver: c.opts.Resolver, ControlContext: c.admit}
	c.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.opts.Roots, NextProtos: []string{"http/1.1"}}
	return c
}
