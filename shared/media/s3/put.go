package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"oipnode/shared/media"
)

// tidyTime is how long a call may go on after its end, to abort an upload or to
// delete a temporary object, so that a cancelled context leaves nothing behind.
const tidyTime = 15 * time.Second

// markKey is the metadata that tells whose write made an object.
const markKey = "put"

// Put implements media.Store.
func (s *Store) Put(ctx context.Context, u media.Upload) (media.Stored, error) {
	limit, err := media.CheckUpload(u)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return media.Stored{}, err
	}
	b := &body{ctx: ctx, from: u.Body, sum: sha256.New(), limit: limit}
	first, err := b.first()
	if err != nil {
		return media.Stored{}, fmt.Errorf("put %s: %w", u.Name, err)
	}
	var stored media.Stored
	if b.ended {
		stored, err = s.putWhole(ctx, u, b, first)
	} else {
		stored, err = s.putParts(ctx, u, b, first)
	}
	if errors.Is(err, errPrecondition) {
		err = media.ErrExists
	}
	if err != nil {
		return media.Stored{}, fmt.Errorf("put %s: %w", u.Name, err)
	}
	return stored, nil
}

// putWhole stores a body that is in memory, by one request.
func (s *Store) putWhole(ctx context.Context, u media.Upload, b *body, content []byte) (media.Stored, error) {
	stored := b.stored(u)
	mark := rand.Text()
	in := &s3.PutObjectInput{
		Bucket: s.bucket, Key: &stored.Name, ContentLength: aws.Int64(int64(len(content))), Metadata: map[string]string{markKey: mark},
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(stored.SHA256[:])),
	}
	if u.IfAbsent {
		in.IfNoneMatch = aws.String("*")
	}
	doubt, err := s.settle(ctx, "PutObject", s.attempt, func(ctx context.Context) error {
		in.Body = bytes.NewReader(content)
		_, err := s.client.PutObject(ctx, in, once)
		return err
	})
	return stored, s.mine(ctx, stored.Name, mark, doubt, err)
}

// mine looks whose object it is that a conditional write met, when the write may
// have met itself: then it succeeded.
func (s *Store) mine(ctx context.Context, key, mark string, doubt bool, err error) error {
	if !doubt || !errors.Is(err, errPrecondition) && !errors.Is(err, errUpload) {
		return err
	}
	switch out, found := s.head(ctx, key); {
	case found == nil && out.Metadata[markKey] == mark:
		return nil
	case found == nil && errors.Is(err, errPrecondition):
		return err
	default:
		// It may have been done and undone, or replaced, since. Nothing is known.
		return fmt.Errorf("%w: an answer was lost: %w", media.ErrUnavailable, errors.Join(err, found))
	}
}

// body is what is being put, read a part at a time.
type body struct {
	ctx   context.Context
	from  io.Reader
	sum   hash.Hash
	limit int64
	size  int64
	ended bool
}

// stored says what the body is, once it ended.
func (b *body) stored(u media.Upload) media.Stored {
	stored := media.Stored{Name: u.Name, Size: b.size, SHA256: [32]byte(b.sum.Sum(nil))}
	if u.ByContent {
		stored.Name = media.ContentName(u.Name, stored.SHA256)
	}
	return stored
}

// first reads the first part into a buffer that grows to the size of a part only
// when it must: most bodies are small manifests.
func (b *body) first() ([]byte, error) {
	buffer := make([]byte, 16<<10)
	n := 0
	for {
		more, err := b.fill(buffer[n:])
		if n += more; err != nil || b.ended {
			return buffer[:n], err
		}
		if len(buffer) == minPart {
			// A body of exactly one part ends only now.
			return buffer, b.peek()
		}
		next := 4 * len(buffer)
		if next > 1<<20 {
			next = minPart
		}
		grown := make([]byte, next)
		copy(grown, buffer)
		buffer = grown
	}
}

// peek finds out whether the body ends here, by reading one byte ahead.
func (b *body) peek() error {
	var ahead [1]byte
	n, err := b.read(ahead[:])
	if err != nil || b.ended {
		return err
	}
	b.from = io.MultiReader(bytes.NewReader(ahead[:n]), b.from)
	return nil
}

// fill reads until the buffer is full or the body ended, and hashes and counts it.
func (b *body) fill(buffer []byte) (n int, err error) {
	for n < len(buffer) && !b.ended {
		more, err := b.read(buffer[n:])
		n += more
		if b.size += int64(more); b.size > b.limit {
			return n, fmt.Errorf("%w: more than %d bytes", media.ErrTooLarge, b.limit)
		}
		if err != nil {
			return n, err
		}
	}
	b.sum.Write(buffer[:n])
	return n, nil
}

// read reads at least a byte, unless the body ended or failed.
func (b *body) read(buffer []byte) (n int, err error) {
	for n == 0 && !b.ended {
		if err := b.ctx.Err(); err != nil {
			return 0, err
		}
		n, err = b.from.Read(buffer)
		switch {
		case errors.Is(err, io.EOF):
			b.ended = true
		case err != nil:
			return n, fmt.Errorf("read the body: %w", err)
		}
	}
	return n, nil
}
