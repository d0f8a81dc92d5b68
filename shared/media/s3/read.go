package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"oipnode/shared/media"
)

// Open implements media.Store. It is one request.
func (s *Store) Open(ctx context.Context, name string, r media.Range) (*media.Reader, error) {
	if err := cmp.Or(media.CheckOpen(name, r), ctx.Err()); err != nil {
		return nil, err
	}
	reader, err := s.open(ctx, name, r)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return reader, nil
}

func (s *Store) open(ctx context.Context, name string, r media.Range) (*media.Reader, error) {
	out, stop, err := s.get(ctx, name, r)
	if errors.Is(err, media.ErrRange) {
		return s.openEmpty(ctx, name, r)
	}
	if err != nil {
		return nil, err
	}
	o := media.Object{Name: name, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified), Version: version(out.ETag)}
	if out.ContentRange != nil {
		_, total, _ := strings.Cut(*out.ContentRange, "/")
		if o.Size, err = strconv.ParseInt(total, 10, 64); err != nil {
			stop()
			return nil, errors.Join(fmt.Errorf("%w: the range of an answer is %.60q", media.ErrUnavailable, *out.ContentRange), out.Body.Close())
		}
	}
	length, err := r.Within(o.Size)
	if err != nil {
		stop()
		return nil, errors.Join(err, out.Body.Close())
	}
	return &media.Reader{Object: o, Length: length, ReadCloser: &section{
		s: s, ctx: ctx, name: name, version: o.Version, offset: r.Offset, rest: length, body: out.Body, stop: stop,
		whole: out.ContentRange == nil,
	}}, nil
}

// openEmpty opens what has no byte that a range could name: S3 knows no range of an
// empty object.
func (s *Store) openEmpty(ctx context.Context, name string, r media.Range) (*media.Reader, error) {
	o, err := s.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	if r.Version != "" && r.Version != o.Version {
		return nil, media.ErrChanged
	}
	if length, err := r.Within(o.Size); err != nil {
		return nil, err
	} else if length > 0 {
		return nil, fmt.Errorf("%w: it grew while it was opened", media.ErrChanged)
	}
	return &media.Reader{Object: o, ReadCloser: io.NopCloser(strings.NewReader(""))}, nil
}

// get asks for a range. The body that it returns ends with the context, and with
// stop, which must be called.
func (s *Store) get(ctx context.Context, name string, r media.Range) (out *s3.GetObjectOutput, stop context.CancelFunc, err error) {
	in := &s3.GetObjectInput{Bucket: s.bucket, Key: &name}
	switch {
	case r.Length > 0 && r.Length-1 <= 1<<62-r.Offset:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1))
	case r.Offset > 0 || r.Length > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.Offset))
	}
	if r.Version != "" {
		in.IfMatch = etag(r.Version)
	}
	err = s.do(ctx, "GetObject", slow*s.attempt, func(context.Context) error {
		// The time of an attempt is for the head of the answer; the body has the
		// section's. So it cannot be the context that ends with this function.
		whole, cancel := context.WithCancel(ctx)
		timer := time.AfterFunc(s.attempt, cancel)
		got, err := s.client.GetObject(whole, in, once, validate(in.Range == nil))
		if err == nil && !timer.Stop() {
			err = errors.Join(errStalled, got.Body.Close())
		}
		if err != nil {
			cancel()
			return err
		}
		out, stop = got, cancel
		return nil
	})
	if errors.Is(err, errPrecondition) {
		err = fmt.Errorf("%w: %w", media.ErrChanged, err)
	}
	return out, stop, err
}

// validate says whether the client compares a body with the checksum of its object.
// It can for a whole object that was sent whole, and must not log that it cannot for
// the others.
func validate(whole bool) func(*s3.Options) {
	return func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true
		if !whole {
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	}
}

// errStalled ends a body that delivers nothing for the time of an attempt.
var errStalled = errors.New("no bytes came")

// section reads the rest of a range of one version. When the body fails, it asks for
// what is left, as often as the store's patience allows without a single byte.
type section struct {
	s             *Store
	ctx           context.Context
	name, version string
	offset, rest  int64
	body          io.ReadCloser // nil while there is none
	stop          context.CancelFunc
	whole         bool // the body is the whole object, whose checksum comes with its end
	failed        error
	patience      *patience // of the present difficulties, nil without
}

func (r *section) Read(p []byte) (int, error) {
	for {
		switch {
		case r.failed != nil:
			return 0, r.failed
		case r.rest == 0:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		n, err := r.step(p[:min(int64(len(p)), r.rest)])
		r.offset += int64(n)
		r.rest -= int64(n)
		if n > 0 {
			r.patience = nil
		}
		if err != nil {
			r.recover(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// step reads what the body has, within the time of an attempt.
func (r *section) step(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.body == nil {
		out, stop, err := r.s.get(r.ctx, r.name, media.Range{Offset: r.offset, Length: r.rest, Version: r.version})
		if err != nil {
			r.failed = err
			return 0, nil
		}
		r.body, r.stop, r.whole = out.Body, stop, false
	}
	var stalled atomic.Bool
	timer := time.AfterFunc(r.s.attempt, func() { stalled.Store(true); r.stop() })
	defer timer.Stop()
	n, err := r.body.Read(p)
	if int64(n) == r.rest {
		r.end(err)
		return n, nil
	}
	switch {
	case stalled.Load() && err != nil:
		return n, errStalled
	case errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// end is called with what came with the last byte. At the end of a whole body the
// client compares the checksum. What was read cannot be taken back, so the Reader
// then ends with an error instead of io.EOF.
func (r *section) end(err error) {
	if !r.whole {
		return
	}
	if err == nil {
		_, err = io.ReadFull(r.body, make([]byte, 1))
	}
	if !errors.Is(err, io.EOF) {
		r.failed = fmt.Errorf("%w: the bytes of %s do not have its checksum", media.ErrUnavailable, r.name)
	}
}

// recover drops a body that failed, and waits before the next one.
func (r *section) recover(cause error) {
	r.drop()
	if err := r.ctx.Err(); err != nil {
		r.failed = err
		return
	}
	if r.patience == nil {
		r.patience = &patience{until: time.Now().Add(r.s.patience), pause: firstPause}
	}
	cause = fmt.Errorf("GetObject: the body broke off: %s", innermost(cause))
	r.failed = r.patience.wait(r.ctx, cause)
}

func (r *section) drop() {
	if r.body == nil {
		return
	}
	r.stop()
	_ = r.body.Close() // of a connection that is not used again
	r.body = nil
}

func (r *section) Close() error {
	r.drop()
	if r.failed == nil {
		r.failed = fs.ErrClosed
	}
	return nil
}

// List implements media.Store.
func (s *Store) List(ctx context.Context, kind, after string, limit int) ([]media.Object, error) {
	limit, err := media.CheckList(kind, after, limit)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	var list []media.Object
	for {
		page, err := s.page(ctx, kind+"/", after, limit-len(list))
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", kind, err)
		}
		for _, o := range page.Contents {
			after = aws.ToString(o.Key)
			if media.CheckName(after) == nil { // else somebody else put it there
				list = append(list, media.Object{
					Name: after, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified), Version: version(o.ETag),
				})
			}
		}
		if len(list) == limit || !aws.ToBool(page.IsTruncated) || len(page.Contents) == 0 {
			return list, nil
		}
	}
}

// page is one answer of at most limit keys with a prefix, behind one.
func (s *Store) page(ctx context.Context, prefix, after string, limit int) (page *s3.ListObjectsV2Output, err error) {
	in := &s3.ListObjectsV2Input{Bucket: s.bucket, Prefix: &prefix, MaxKeys: aws.Int32(int32(limit))}
	if after != "" {
		in.StartAfter = &after
	}
	err = s.do(ctx, "ListObjectsV2", s.attempt, func(ctx context.Context) (err error) {
		page, err = s.client.ListObjectsV2(ctx, in, once)
		return err
	})
	return page, err
}
