package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Seeker reads one version of an object at any position, as http.ServeContent
// wants it. It opens a range when it is read, so seeking by itself costs nothing,
// and it holds one open range at most. It is for one goroutine.
type Seeker struct {
	ctx    context.Context
	store  Store
	object Object
	offset int64
	// open reads from offset on; nil when nothing was read since the last Seek.
	open   *Reader
	closed bool
}

var _ io.ReadSeekCloser = (*Seeker)(nil)

// NewSeeker returns a reader of the version that o says, as Stat returned it. The
// context governs all reading. Close must be called.
func NewSeeker(ctx context.Context, s Store, o Object) *Seeker {
	return &Seeker{ctx: ctx, store: s, object: o}
}

// Read reads on at the position. It returns ErrChanged when the object was replaced
// since the Seeker was made, and the range was not open yet.
func (s *Seeker) Read(p []byte) (int, error) {
	switch {
	case s.closed:
		return 0, fs.ErrClosed
	case s.offset >= s.object.Size:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	if s.open == nil {
		r, err := s.store.Open(s.ctx, s.object.Name, Range{Offset: s.offset, Version: s.object.Version})
		if err != nil {
			return 0, err
		}
		s.open = r
	}
	n, err := s.open.Read(p)
	s.offset += int64(n)
	return n, err
}

// Seek moves the position. Behind the end is allowed, before the beginning is not.
func (s *Seeker) Seek(offset int64, whence int) (int64, error) {
	if s.closed {
		return 0, fs.ErrClosed
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += s.offset
	case io.SeekEnd:
		offset += s.object.Size
	default:
		return 0, fmt.Errorf("%w: seek with whence %d", ErrInvalid, whence)
	}
	if offset < 0 {
		return 0, fmt.Errorf("%w: seek to %d, before the beginning", ErrInvalid, offset)
	}
	if offset == s.offset {
		return offset, nil
	}
	s.offset = offset
	return offset, s.drop()
}

// Close ends the reading. Closing again does nothing.
func (s *Seeker) Close() error {
	s.closed = true
	return s.drop()
}

func (s *Seeker) drop() error {
	if s.open == nil {
		return nil
	}
	r := s.open
	s.open = nil
	if err := r.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}
