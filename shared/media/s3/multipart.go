package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"oipnode/shared/media"
)

// buffers is how many parts a Put holds: while one is sent, the next is read or
// sent as well.
const buffers = 2

// slow is how many times longer than an attempt S3 may work on what it does inside.
const slow = 10

// putParts stores a body that is longer than its first part.
func (s *Store) putParts(ctx context.Context, u media.Upload, b *body, first []byte) (media.Stored, error) {
	key, mark := u.Name, rand.Text()
	if u.ByContent {
		key = TempPrefix + mark
	}
	p, err := s.begin(ctx, key, mark, types.ChecksumAlgorithmCrc32)
	if err != nil {
		return media.Stored{}, err
	}
	if err := p.send(ctx, b, first); err != nil {
		p.abort(ctx)
		return media.Stored{}, err
	}
	if err := p.complete(ctx, mark, u.IfAbsent); err != nil {
		p.abort(ctx)
		return media.Stored{}, err
	}
	stored := b.stored(u)
	if u.ByContent {
		err = s.copy(ctx, key, stored.Name, stored.Size)
		s.discard(ctx, key)
	}
	return stored, err
}

// parts is a multipart upload under way.
type parts struct {
	s        *Store
	key      *string
	uploadID *string

	mu   sync.Mutex
	done []types.CompletedPart // by number

	cut atomic.Bool // a call for a part has failed, and may have an effect yet
}

// failed notes how a call for a part ended.
func (p *parts) failed(err error) error {
	if err != nil {
		p.cut.Store(true)
	}
	return err
}

// begin starts a multipart upload whose parts come with such checksums.
func (s *Store) begin(ctx context.Context, key, mark string, checksum types.ChecksumAlgorithm) (*parts, error) {
	p := &parts{s: s, key: &key}
	err := s.do(ctx, "CreateMultipartUpload", s.attempt, func(ctx context.Context) error {
		out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: s.bucket, Key: p.key, ChecksumAlgorithm: checksum, Metadata: map[string]string{markKey: mark},
		}, once)
		if err == nil {
			p.uploadID = out.UploadId
		}
		return err
	})
	return p, err
}

// add notes a part that S3 has.
func (p *parts) add(number int32, etag, crc32 *string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.done) < int(number) {
		p.done = append(p.done, types.CompletedPart{PartNumber: aws.Int32(int32(len(p.done)) + 1)})
	}
	p.done[number-1].ETag, p.done[number-1].ChecksumCRC32 = etag, crc32
}

// send reads the body to its end and sends it in parts. It never holds more than
// the given number of buffers, of which the first is there already.
func (p *parts) send(ctx context.Context, b *body, first []byte) error {
	g, ctx := errgroup.WithContext(ctx)
	b.ctx = ctx // a part that fails ends the reading, too
	free := make(chan []byte, buffers)
	for range buffers - 1 {
		free <- nil // made when it is needed
	}
	p.sendIn(ctx, g, 1, first, free)
	var reading error
	for number := int32(2); reading == nil && !b.ended; number++ {
		var buffer []byte
		select {
		case buffer = <-free:
		case <-ctx.Done():
			return firstOf(ctx.Err(), g.Wait())
		}
		if buffer == nil {
			buffer = make([]byte, minPart)
		}
		var n int
		if n, reading = b.fill(buffer); reading == nil && n > 0 {
			p.sendIn(ctx, g, number, buffer[:n], free)
		}
	}
	return firstOf(reading, g.Wait())
}

// sendIn sends one part in the group and then frees its buffer.
func (p *parts) sendIn(ctx context.Context, g *errgroup.Group, number int32, content []byte, free chan<- []byte) {
	g.Go(func() error {
		defer func() { free <- content[:minPart] }()
		return p.sendOne(ctx, number, content)
	})
}

// firstOf is what ended the sending. When a part failed, the reading ended by the
// group's context, which says nothing.
func firstOf(reading, sending error) error {
	if reading == nil || sending != nil && errors.Is(reading, context.Canceled) {
		return sending
	}
	return reading
}

// sendOne sends one part, which S3 compares with its checksum.
func (p *parts) sendOne(ctx context.Context, number int32, content []byte) error {
	return p.s.do(ctx, "UploadPart", p.s.attempt, func(ctx context.Context) error {
		out, err := p.s.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: p.s.bucket, Key: p.key, UploadId: p.uploadID, PartNumber: &number, Body: bytes.NewReader(content),
			ContentLength: aws.Int64(int64(len(content))), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
		}, once)
		if err == nil {
			p.add(number, out.ETag, out.ChecksumCRC32)
		}
		return p.failed(err)
	})
}

// complete makes the object out of its parts.
func (p *parts) complete(ctx context.Context, mark string, ifAbsent bool) error {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: p.s.bucket, Key: p.key, UploadId: p.uploadID, MultipartUpload: &types.CompletedMultipartUpload{Parts: p.done},
	}
	if ifAbsent {
		in.IfNoneMatch = aws.String("*")
	}
	doubt, err := p.s.settle(ctx, "CompleteMultipartUpload", slow*p.s.attempt, func(ctx context.Context) error {
		_, err := p.s.client.CompleteMultipartUpload(ctx, in, once)
		return err
	})
	return p.s.mine(ctx, *p.key, mark, doubt, err)
}

// abort gives the parts back, also when the context is over. A part whose call was cut off
// may still be on its way into S3 and be kept behind the abort, so that S3's documentation
// of AbortMultipartUpload has it repeated.
func (p *parts) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	err := p.s.abort(ctx, p.key, p.uploadID)
	if p.cut.Load() {
		for _, pause := range lookAgain {
			if err == nil {
				time.Sleep(pause) // within tidyTime
				err = p.s.abort(ctx, p.key, p.uploadID)
			}
		}
	}
	if err != nil {
		p.s.log.WarnContext(ctx, "an upload could not be aborted; a sweep will do it", "error", err)
	}
}

// lookAgain are the pauses before an abort is repeated.
var lookAgain = []time.Duration{50 * time.Millisecond, 250 * time.Millisecond}

// abort ends an upload that may be gone already.
func (s *Store) abort(ctx context.Context, key, uploadID *string) error {
	err := s.do(ctx, "AbortMultipartUpload", s.attempt, func(ctx context.Context) error {
		_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: s.bucket, Key: key, UploadId: uploadID}, once)
		return err
	})
	if errors.Is(err, errUpload) || errors.Is(err, media.ErrNotFound) {
		return nil
	}
	return err
}

// discard deletes a temporary object, also when the context is over.
func (s *Store) discard(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	if err := s.remove(ctx, key); err != nil {
		s.log.WarnContext(ctx, "a temporary object could not be deleted; a sweep will do it", "error", err)
	}
}

// copy gives a temporary object its name, inside S3. What is there already under
// this name is the same content, and is replaced so that its Modified is renewed.
func (s *Store) copy(ctx context.Context, from, to string, size int64) error {
	source := aws.String(*s.bucket + "/" + from)
	if size <= s.copyPart {
		return s.do(ctx, "CopyObject", slow*s.attempt, func(ctx context.Context) error {
			_, err := s.client.CopyObject(ctx, &s3.CopyObjectInput{
				Bucket: s.bucket, Key: &to, CopySource: source, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
			}, once)
			return err
		})
	}
	mark := rand.Text()
	// S3 makes its own checksum of what is copied.
	p, err := s.begin(ctx, to, mark, "")
	if err != nil {
		return err
	}
	if err = p.copyAll(ctx, source, size); err == nil {
		err = p.complete(ctx, mark, false)
	}
	if err != nil {
		p.abort(ctx)
	}
	return err
}

// copyAll copies the pieces of an object that is too large for one copy. They are
// of the same sizes each time, so that the same content gets the same ETag.
func (p *parts) copyAll(ctx context.Context, source *string, size int64) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(buffers)
	number := int32(1)
	for offset := int64(0); offset < size; offset += p.s.copyPart {
		n := number
		piece := aws.String(fmt.Sprintf("bytes=%d-%d", offset, min(offset+p.s.copyPart, size)-1))
		g.Go(func() error {
			return p.s.do(ctx, "UploadPartCopy", slow*p.s.attempt, func(ctx context.Context) error {
				out, err := p.s.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
					Bucket: p.s.bucket, Key: p.key, UploadId: p.uploadID, PartNumber: &n, CopySource: source, CopySourceRange: piece,
				}, once)
				if err == nil {
					p.add(n, out.CopyPartResult.ETag, nil)
				}
				return p.failed(err)
			})
		})
		number++
	}
	return g.Wait()
}

// Sweep removes what Puts left behind that were killed: multipart uploads and
// temporary objects that were begun before the given time ago, which must be longer
// than any Put takes. It returns how many it removed. It looks at a thousand of each
// at a time, so its memory is bounded.
func (s *Store) Sweep(ctx context.Context, age time.Duration) (removed int, err error) {
	end := time.Now().Add(-age)
	n, err := s.sweepUploads(ctx, end)
	if err != nil {
		return n, fmt.Errorf("sweep: %w", err)
	}
	removed = n
	n, err = s.sweepTemps(ctx, end)
	if err != nil {
		err = fmt.Errorf("sweep: %w", err)
	}
	return removed + n, err
}

func (s *Store) sweepUploads(ctx context.Context, end time.Time) (removed int, err error) {
	in := &s3.ListMultipartUploadsInput{Bucket: s.bucket, MaxUploads: aws.Int32(media.MaxList)}
	for {
		var page *s3.ListMultipartUploadsOutput
		err := s.do(ctx, "ListMultipartUploads", s.attempt, func(ctx context.Context) (err error) {
			page, err = s.client.ListMultipartUploads(ctx, in, once)
			return err
		})
		if err != nil {
			return removed, err
		}
		for _, u := range page.Uploads {
			if aws.ToTime(u.Initiated).After(end) {
				continue
			}
			if err := s.abort(ctx, u.Key, u.UploadId); err != nil {
				return removed, err
			}
			removed++
		}
		if !aws.ToBool(page.IsTruncated) || aws.ToString(page.NextKeyMarker) == "" {
			return removed, nil
		}
		in.KeyMarker, in.UploadIdMarker = page.NextKeyMarker, page.NextUploadIdMarker
	}
}

func (s *Store) sweepTemps(ctx context.Context, end time.Time) (removed int, err error) {
	after := ""
	for {
		page, err := s.page(ctx, TempPrefix, after, media.MaxList)
		if err != nil {
			return removed, err
		}
		for _, o := range page.Contents {
			after = aws.ToString(o.Key)
			if aws.ToTime(o.LastModified).After(end) {
				continue
			}
			if err := s.remove(ctx, after); err != nil {
				return removed, err
			}
			removed++
		}
		if !aws.ToBool(page.IsTruncated) || len(page.Contents) == 0 {
			return removed, nil
		}
	}
}
