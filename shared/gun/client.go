package gun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"oipnode/shared/oip/canon"
)

// The ways in which a call to a peer ends. A context's error stays what it is.
var (
	// ErrAbsent is a 404, or an answer without data: the peer does not have it, or was
	// too slow to find it. It is never final (spec gun section 1).
	ErrAbsent = errors.New("gun: absent at the peer")
	// ErrUnavailable is a peer that does not answer, or whose status says that it
	// cannot now: 408, 429 and 5xx.
	ErrUnavailable = errors.New("gun: the peer is unavailable")
	// ErrAnswer is an answer that is not what a peer answers.
	ErrAnswer = errors.New("gun: unreadable answer")
	// ErrTooLong is an answer over its bound.
	ErrTooLong = errors.New("gun: the answer is over its bound")
	// ErrRedirect is a redirect to another host or scheme, or one too many.
	ErrRedirect = errors.New("gun: redirect refused")
)

// reasonOf is the reason of a call, or of what calls were for, that failed.
func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, errPartial):
		return ReasonPartial
	case errors.Is(err, errUntrusted):
		return ReasonUntrusted
	case errors.Is(err, ErrAbsent):
		return ReasonAbsent
	case errors.Is(err, ErrTooLong):
		return ReasonTooMuch
	case errors.Is(err, ErrRedirect):
		return ReasonRedirect
	case errors.Is(err, ErrAnswer):
		return ReasonAnswer
	}
	return ReasonUnavailable
}

// maxRedirects is how many redirects at the same host are followed.
const maxRedirects = 3

// peer is the client of one peer. The operator has named it, so its address may be a
// private one; what it answers is a stranger's all the same.
type peer struct {
	opt   *Options
	base  string
	id    string
	relay bool // the node's own relay
	http  *http.Client
}

func newPeer(opt *Options, rawURL string) (*peer, error) {
	base, err := BaseURL(rawURL)
	if err != nil {
		return nil, err
	}
	dial := opt.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: opt.Fetchers, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		DisableCompression: true, // a bound on bytes must be one on what arrives
	}
	return &peer{opt: opt, base: base, id: peerID(base), http: &http.Client{Transport: transport, CheckRedirect: checkRedirect}}, nil
}

// checkRedirect lets a read go on at the very same place only.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || first.Method != http.MethodGet || req.URL.Scheme != first.URL.Scheme ||
		req.URL.Host != first.URL.Host || req.URL.User != nil {
		return ErrRedirect
	}
	return nil
}

// call sends one request and hands the body of a 200 to read, which gets at most so
// many bytes: then ErrTooLong. The call ends when it waited for bytes for RequestTimeout,
// and with total set also when it took that long altogether. What read does with the
// bytes is not the peer's time.
func (p *peer) call(ctx context.Context, method, path string, query url.Values, send []byte, most int64, total bool, read func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(p.opt.RequestTimeout, func() { cancel(errIdle) })
	defer idle.Stop()
	target := p.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(send))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if send == nil {
		req.Body, req.ContentLength = nil, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", p.opt.UserAgent)
	req.Header.Set("Accept", "application/json")
	resp, err := p.http.Do(req)
	if err != nil {
		return p.explain(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := statusError(resp.StatusCode); err != nil {
		// What is read here makes the connection usable again, if it is all.
		_, _ = io.CopyN(io.Discard, resp.Body, 8<<10)
		return err
	}
	body := &bounded{r: resp.Body, left: most}
	if !total {
		idle.Stop()
		body.waiting = func() func() bool {
			idle.Reset(p.opt.RequestTimeout)
			return idle.Stop
		}
	}
	if err := read(body); err != nil {
		return p.explain(ctx, err)
	}
	return nil
}

// errIdle ends a call that takes too long; it is the peer's fault and not the caller's.
var errIdle = errors.New("gun: no answer in time")

// explain gives the error of a call its place in the closed set.
func (p *peer) explain(ctx context.Context, err error) error {
	var known *url.Error
	if errors.As(err, &known) {
		err = known.Err // its text would repeat the URL
	}
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), errIdle):
		return fmt.Errorf("%w: nothing for %s", ErrUnavailable, p.opt.RequestTimeout)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errVisitor):
		return err
	case errors.Is(err, ErrRedirect), errors.Is(err, ErrTooLong), errors.Is(err, ErrAbsent), errors.Is(err, ErrAnswer):
		return err
	case errors.Is(err, errNoData):
		return ErrAbsent
	case errors.Is(err, errSyntax), errors.Is(err, canon.ErrSyntax), errors.Is(err, canon.ErrTooDeep):
		return fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// statusError maps every status but 200.
func statusError(code int) error {
	switch {
	case code == http.StatusOK:
		return nil
	case code == http.StatusNotFound:
		return ErrAbsent
	case code >= 300 && code < 400:
		return ErrRedirect
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		return fmt.Errorf("%w: status %d", ErrUnavailable, code)
	}
	return fmt.Errorf("%w: status %d", ErrAnswer, code)
}

// bounded reads at most so many bytes, and says that bytes came.
type bounded struct {
	r    io.Reader
	left int64
	// waiting is told when a read begins, and returns what is told of its end.
	waiting func() (end func() bool)
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLong
	}
	if b.waiting != nil {
		defer b.waiting()()
	}
	// One byte more than allowed tells an answer that ends at its bound from one that
	// goes on.
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrTooLong
	}
	return n, err
}

// envelopeRoom is what an answer may have besides the data.
const envelopeRoom = 4 << 10

// get reads the node under a soul, of at most so many bytes: an object of JSON.
func (p *peer) get(ctx context.Context, soul string, most int64) (node []byte, err error) {
	err = p.call(ctx, http.MethodGet, "/get", url.Values{"soul": {soul}}, nil, most+envelopeRoom, true, func(body io.Reader) error {
		text, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		v, err := canon.Parse(text)
		if err != nil {
			return err
		}
		data, _ := v.Get("data")
		if success, ok := v.Get("success"); ok && string(success.Raw()) == "false" || data.Kind() == canon.Null {
			return ErrAbsent
		}
		if data.Kind() != canon.Object {
			return fmt.Errorf("%w: data is %s", ErrAnswer, data.Kind())
		}
		node = data.Raw()
		return nil
	})
	return node, err
}

// errVisitor marks the error of a visitor, which is not the peer's.
var errVisitor = errors.New("gun: stopped reading")

// visitorError is what a visitor returned, kept apart from what a peer does.
type visitorError struct{ error }

func (e visitorError) Is(target error) bool { return target == errVisitor }
func (e visitorError) Unwrap() error        { return e.error }

// index reads the map under a soul, entry by entry. The visitor's error ends it and
// comes back as it is.
func (p *peer) index(ctx context.Context, soul string, visit func(key string, value canon.Value) error) (entries int, err error) {
	err = p.call(ctx, http.MethodGet, "/get", url.Values{"soul": {soul}}, nil, p.opt.MaxIndexBytes, false, func(body io.Reader) error {
		var err error
		entries, err = readIndex(body, func(key string, value canon.Value) error {
			if err := visit(key, value); err != nil {
				return visitorError{err}
			}
			return nil
		})
		return err
	})
	return entries, unwrapVisitor(err)
}

func unwrapVisitor(err error) error {
	var v visitorError
	if errors.As(err, &v) {
		return v.error
	}
	return err
}

// listPage is how many records one list call asks for; their number alone is bounded
// by it, so the answer has the bound of an index.
const listPage = 50

// list reads a page of the souls that a relay holds of a publisher.
func (p *peer) list(ctx context.Context, prefix string, offset int, visit func(soul string, storedAt int64) error) (records int, err error) {
	query := url.Values{"publisherHash": {prefix}, "limit": {strconv.Itoa(listPage)}, "offset": {strconv.Itoa(offset)}}
	err = p.call(ctx, http.MethodGet, "/list", query, nil, p.opt.MaxIndexBytes, false, func(body io.Reader) error {
		var err error
		records, err = readRecords(body, func(soul string, storedAt int64) error {
			if err := visit(soul, storedAt); err != nil {
				return visitorError{err}
			}
			return nil
		})
		return err
	})
	return records, unwrapVisitor(err)
}

// put writes keys of a node; what else the node has stays.
func (p *peer) put(ctx context.Context, soul string, data []byte) error {
	text := append([]byte(`{"soul":`), canon.AppendString(nil, soul)...)
	text = append(append(append(text, `,"data":`...), data...), '}')
	return p.call(ctx, http.MethodPost, "/put", nil, text, envelopeRoom, true, func(body io.Reader) error {
		answer, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		v, err := canon.Parse(answer)
		if err != nil {
			return err
		}
		if success, _ := v.Get("success"); string(success.Raw()) != "true" {
			return fmt.Errorf("%w: the put did not succeed", ErrAnswer)
		}
		return nil
	})
}

// moment is a number of milliseconds since 1970, as a number or the text of one or an
// ISO date; 0 for what is none.
func moment(v canon.Value) int64 {
	text := v.Text()
	if v.Kind() == canon.Number {
		text = string(v.Raw())
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f > 0 && f < 1<<53 {
		return int64(f)
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return max(t.UnixMilli(), 0)
	}
	return 0
}
