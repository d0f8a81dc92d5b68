package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"oipnode/shared/errs"
)

// maxPauses is how many times Options.Pause is the longest pause before a stream is
// continued. A source that asks for a longer one is left to a later fetch.
const maxPauses = 32

// Info is what a source says of its file. Only Length is held against the bytes.
type Info struct {
	// URL is where the file came from at last, behind all redirects.
	URL string
	// Type is the media type in lower case without parameters, as "image/png", and
	// Charset the one parameter that matters; "" when the source says none.
	Type, Charset string
	// Length is how many bytes the file has, -1 when the source does not say.
	Length int64
	// ETag is the strong ETag with its quotes, "" when there is none.
	ETag string
	// Name is a name for the file as CleanName makes them, "" when there is none.
	Name string
}

// Stream is a file being read. It is for one goroutine, and Close must be called.
type Stream struct {
	Info
	c      *Client
	ctx    context.Context
	cancel context.CancelFunc
	// stop ends the watch over the context that closes the connection.
	stop func() bool
	// asked is the URL that Open was given. A continuation begins there, since a
	// redirect may lead to an address that is good for a short time only.
	asked *url.URL
	// ranges says that the source serves the rest of a file.
	ranges bool
	part   *answer
	// done is how many bytes were read, of all answers together.
	done    int64
	resumes int
	pause   time.Duration
	// broken is why the present answer ended early; the next Read goes on from it.
	broken error
	// err is how the stream ended.
	err error
}

// Open asks for a file and returns when its first bytes are due. The context governs
// the reading as well.
func (c *Client) Open(ctx context.Context, text string) (*Stream, error) {
	u, err := c.CheckURL(text)
	if err != nil {
		return nil, err
	}
	s := &Stream{c: c, asked: u, pause: c.opts.Pause}
	s.ctx, s.cancel = context.WithTimeoutCause(ctx, c.opts.Timeout, ErrTimeout)
	if err := s.begin(); err != nil {
		s.cancel()
		return nil, err
	}
	return s, nil
}

// begin sends the first request.
func (s *Stream) begin() error {
	a, u, err := s.c.get(s.ctx, s.asked, http.Header{})
	if err != nil {
		return err
	}
	if err := s.c.whole(a); err != nil {
		a.close()
		return err
	}
	s.Info = Info{URL: u.String(), Length: a.length, ETag: strongETag(a.header), Name: fileName(a.header, u)}
	s.Type, s.Charset = contentType(a.header)
	s.ranges = takesRanges(a.header)
	s.use(a)
	return nil
}

// whole checks that an answer is a whole file.
func (c *Client) whole(a *answer) error {
	switch {
	case a.status != http.StatusOK:
		return refused(a.status, a.header)
	case !plain(a.header):
		return fail(ErrAnswer, "the source sends the file in an encoding that was not asked for", nil)
	case a.length > c.opts.MaxBytes:
		return c.tooLarge()
	}
	return nil
}

func (c *Client) tooLarge() error {
	return fail(ErrTooLarge, fmt.Sprintf("the file has more than %d bytes, the most that is fetched", c.opts.MaxBytes), nil)
}

// use reads from an answer from now on. Its connection ends with the context.
func (s *Stream) use(a *answer) {
	s.part = a
	s.stop = context.AfterFunc(s.ctx, a.close)
}

// Read reads on. An error is final; io.EOF means that the file is complete.
func (s *Stream) Read(p []byte) (int, error) {
	for s.err == nil && len(p) > 0 {
		if s.broken != nil {
			if s.err = s.resume(); s.err != nil {
				break
			}
		}
		n, err := s.part.body.Read(p)
		if s.done += int64(n); s.done > s.c.opts.MaxBytes {
			s.err = s.c.tooLarge()
			break
		}
		if s.Length >= 0 && s.done > s.Length {
			s.err = longer(s.Length)
			break
		}
		switch {
		case errors.Is(err, io.EOF) && (s.Length < 0 || s.done == s.Length):
			s.err = s.complete()
		case err != nil:
			s.broken = err
		}
		if n > 0 {
			s.pause = s.c.opts.Pause
			return n, nil
		}
	}
	if s.err != nil {
		s.drop()
	}
	return 0, s.err
}

// complete is how a stream ends whose last byte has arrived.
func (s *Stream) complete() error {
	if s.Length >= 0 && s.part.surplus() {
		return longer(s.Length)
	}
	if s.ctx.Err() != nil {
		return s.c.ended(s.ctx)
	}
	return io.EOF
}

func longer(length int64) error {
	return fail(ErrLength, fmt.Sprintf("the source sent more than the %d bytes that it announced", length), nil)
}

// Close ends the stream wherever it is. Closing again does nothing.
func (s *Stream) Close() error {
	s.drop()
	s.cancel()
	if s.err == nil {
		s.err = os.ErrClosed
	}
	return nil
}

// drop ends the present answer.
func (s *Stream) drop() {
	s.stop()
	s.part.close()
}

// resume gets the rest of a stream that broke, trying again while that may help.
func (s *Stream) resume() error {
	s.drop()
	cause := s.broken
	for {
		if s.ctx.Err() != nil {
			return s.c.ended(s.ctx)
		}
		if s.ETag == "" || !s.ranges || s.resumes >= s.c.opts.MaxResumes {
			return s.lost(cause)
		}
		s.resumes++
		if !s.wait(max(s.pause, errs.RetryAfter(cause))) {
			return s.lost(cause)
		}
		s.pause *= 2
		a, err := s.rest()
		if err == nil {
			s.use(a)
			s.broken = nil
			return nil
		}
		if !errs.IsTransient(err) || errors.Is(err, ErrChanged) || errors.Is(err, ErrBroken) {
			return err
		}
		cause = err
	}
}

// lost is the error of a stream that ended early, for the reason that is the last
// known.
func (s *Stream) lost(cause error) error {
	var known *errs.Error
	switch {
	case errors.As(cause, &known):
		return known
	case errors.Is(cause, os.ErrDeadlineExceeded):
		return fail(ErrTimeout, fmt.Sprintf("the source of the file sent nothing for %s", s.c.opts.Idle), cause)
	}
	return fail(ErrBroken, fmt.Sprintf("the source of the file broke off after %d bytes", s.done), cause)
}

// wait pauses; false means that the pause is too long, or longer than the time left.
func (s *Stream) wait(pause time.Duration) bool {
	if end, ok := s.ctx.Deadline(); pause > maxPauses*s.c.opts.Pause || ok && time.Until(end) < pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return true // the caller looks
	}
}

// rest asks for the bytes from done on of the version that was begun.
func (s *Stream) rest() (*answer, error) {
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-", s.done)}, "If-Range": {s.ETag}}
	a, _, err := s.c.get(s.ctx, s.asked, header)
	if err != nil {
		return nil, err
	}
	if err := s.fits(a); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// fits checks that an answer is exactly the rest.
func (s *Stream) fits(a *answer) error {
	const broke = "the connection broke, and the source did not send the rest as it was asked to"
	switch {
	case a.status == http.StatusOK && strongETag(a.header) == s.ETag:
		return fail(ErrBroken, broke, errors.New("the range was ignored"))
	case a.status == http.StatusOK, a.status == http.StatusRequestedRangeNotSatisfiable,
		a.status == http.StatusPreconditionFailed, a.status == http.StatusPartialContent && strongETag(a.header) != s.ETag:
		return fail(ErrChanged, "the file changed while it was fetched", nil)
	case a.status != http.StatusPartialContent:
		return refused(a.status, a.header)
	}
	first, last, total, err := contentRange(a.header)
	if err != nil {
		return fail(ErrBroken, broke, err)
	}
	length := s.Length
	if length < 0 {
		length = total
	}
	switch {
	case first != s.done, last+1 != length, total >= 0 && total != length, !plain(a.header),
		a.length >= 0 && a.length != last+1-first:
		return fail(ErrBroken, broke, fmt.Errorf("asked for %d- of %d, got %d-%d/%d with %d bytes", s.done, s.Length, first, last, total, a.length))
	case length > s.c.opts.MaxBytes:
		return s.c.tooLarge()
	}
	s.Length = length
	return nil
}
