// Package s3 is the media store of a node on AWS, in one S3 bucket.
//
// The key of an object is its name. A body that fits into one part (5 MiB) is sent
// by one PutObject, together with its checksum. A longer one is sent as a multipart
// upload of 5 MiB parts, two at a time, each with a CRC32 that S3 checks. What is
// named by its content is not known by name before its end, so a longer one is
// uploaded under "_temp/", copied to its place inside S3, and deleted there. S3
// shows an object only when it is complete.
//
// A Put holds two parts at most, whatever the body, and a Reader nothing.
//
// # Faults
//
// The client's own retries are not used, since they cannot tell a write that was
// done from one that was not. Each request has its own time (Options.Attempt), and
// is repeated after growing pauses for Options.Patience; a part is in memory, so its
// body can be had again. Then the call ends with media.ErrUnavailable. A write that
// depends on the absence of its object, and whose answer was lost, recognises its
// own work by a mark in the object's metadata. A Reader whose connection is cut goes
// on with the rest of the same version.
//
// # Left over
//
// A multipart upload that fails is aborted, also when the context is over. What a
// killed process leaves, Sweep removes; the bucket needs no lifecycle rule, although
// one that aborts incomplete uploads, and expires "_temp/", does the same.
//
// # Permissions
//
// On the objects: s3:GetObject (also for what a signed URL permits, which lives no
// longer than the credentials that signed it), s3:PutObject, s3:DeleteObject and
// s3:AbortMultipartUpload. On the bucket: s3:ListBucket, without which S3 answers
// 403 for what is absent, and for Sweep s3:ListBucketMultipartUploads.
//
// # The client
//
// Over plain HTTP, as to an S3 server for tests, the client sends seekable bodies
// only; here all bodies are. With AWS_CA_BUNDLE in the environment the SDK's
// LoadDefaultConfig refuses a plain *http.Client as an option: set the HTTPClient of
// the configuration afterwards.
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"oipnode/shared/media"
)

var (
	// ErrBucket is returned when there is no bucket of that name in this account
	// and region.
	ErrBucket = errors.New("s3: the media bucket cannot be used")
	// ErrRefused is returned when the credentials are not accepted or do not permit
	// the request that the text names.
	ErrRefused = errors.New("s3: AWS refused the request")
)

// S3's own limits: a part has at least minPart bytes unless it is the last, and one
// copy takes at most maxCopy.
const (
	minPart = 5 << 20
	maxCopy = 5 << 30
)

// TempPrefix is where an upload lies whose name is not known yet, so that a rule of the
// bucket can let it expire. A kind never contains "_".
const TempPrefix = "_temp/"

// Options are the settings of a Store. Client and Bucket must be set.
type Options struct {
	// Client is not closed with the store. Its own retries are not used.
	Client *s3.Client
	// Bucket is the bucket's name.
	Bucket string
	// Log hears of uploads that could not be aborted or tidied up; nil means nobody.
	Log *slog.Logger
	// Patience is how long a request is repeated; 0 means 30 seconds.
	Patience time.Duration
	// Attempt is how long one request of at most one part may take, and how long a
	// Reader may wait for bytes; 0 means 20 seconds. What S3 does inside, as a copy,
	// may take ten times as long.
	Attempt time.Duration
	// CopyPart is the largest piece in bytes that is copied inside S3 at a time,
	// minPart to maxCopy; 0 means 512 MiB.
	CopyPart int64
}

// Store is a media.Store in an S3 bucket. Make it with New. It holds nothing open
// between two calls, so it needs no Close.
type Store struct {
	client            *s3.Client
	presign           *s3.PresignClient
	bucket            *string
	log               *slog.Logger
	patience, attempt time.Duration
	copyPart          int64
}

var _ media.Store = (*Store)(nil)

// New returns the store in a bucket. It asks nothing of the network: a bucket that
// is not there is ErrBucket of the first call.
func New(opts Options) (*Store, error) {
	s := &Store{
		client: opts.Client, bucket: aws.String(opts.Bucket), log: opts.Log,
		patience: cmp.Or(opts.Patience, 30*time.Second), attempt: cmp.Or(opts.Attempt, 20*time.Second),
		copyPart: cmp.Or(opts.CopyPart, 512<<20),
	}
	switch {
	case opts.Client == nil:
		return nil, errors.New("open media bucket: no client")
	case opts.Bucket == "":
		return nil, errors.New("open media bucket: no name")
	case s.copyPart < minPart || s.copyPart > maxCopy:
		return nil, fmt.Errorf("open media bucket: pieces of %d bytes, %d to %d are allowed", s.copyPart, minPart, int64(maxCopy))
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.presign = s3.NewPresignClient(s.client)
	return s, nil
}

// Stat implements media.Store.
func (s *Store) Stat(ctx context.Context, name string) (media.Object, error) {
	if err := cmp.Or(media.CheckName(name), ctx.Err()); err != nil {
		return media.Object{}, err
	}
	out, err := s.head(ctx, name)
	if err != nil {
		return media.Object{}, fmt.Errorf("stat %s: %w", name, err)
	}
	return media.Object{
		Name: name, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified), Version: version(out.ETag),
	}, nil
}

func (s *Store) head(ctx context.Context, key string) (out *s3.HeadObjectOutput, err error) {
	err = s.do(ctx, "HeadObject", s.attempt, func(ctx context.Context) error {
		out, err = s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: s.bucket, Key: &key}, once)
		return err
	})
	return out, err
}

// URL implements media.Store. It sends nothing.
func (s *Store) URL(ctx context.Context, name string, l media.Link) (string, error) {
	if err := cmp.Or(media.CheckLink(name, l), ctx.Err()); err != nil {
		return "", err
	}
	in := &s3.GetObjectInput{Bucket: s.bucket, Key: &name}
	if l.Type != "" {
		in.ResponseContentType = &l.Type
	}
	if l.Disposition != "" {
		in.ResponseContentDisposition = &l.Disposition
	}
	request, err := s.presign.PresignGetObject(ctx, in, s3.WithPresignExpires(l.Life))
	if err != nil { // there are no credentials: nothing else is asked for
		return "", fmt.Errorf("sign a URL of %s: %w: %s", name, media.ErrUnavailable, innermost(err))
	}
	return request.URL, nil
}

// Delete implements media.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := cmp.Or(media.CheckName(name), ctx.Err()); err != nil {
		return err
	}
	if err := s.remove(ctx, name); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// remove deletes a key, which may be absent.
func (s *Store) remove(ctx context.Context, key string) error {
	err := s.do(ctx, "DeleteObject", s.attempt, func(ctx context.Context) error {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: &key}, once)
		return err
	})
	if errors.Is(err, media.ErrNotFound) {
		return nil
	}
	return err
}
