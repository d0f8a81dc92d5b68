package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"oipnode/shared/media"
)

// Open implements media.Store. The reader holds the file open, so it reads on what
// it was even when the object is replaced or deleted.
func (s *Store) Open(ctx context.Context, name string, r media.Range) (*media.Reader, error) {
	if err := cmp.Or(media.CheckOpen(name, r), ctx.Err()); err != nil {
		return nil, err
	}
	f, err := os.Open(s.path(name))
	if err != nil {
		return nil, fault("open "+name, err)
	}
	reader, err := begin(ctx, f, name, r)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return reader, nil
}

// begin makes the reader of a range of an open file.
func begin(ctx context.Context, f *os.File, name string, r media.Range) (*media.Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fault("open "+name, err)
	}
	o, err := object(name, info)
	if err != nil {
		return nil, err
	}
	if r.Version != "" && r.Version != o.Version {
		return nil, fmt.Errorf("%w: %s", media.ErrChanged, name)
	}
	length, err := r.Within(o.Size)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	if _, err := f.Seek(r.Offset, io.SeekStart); err != nil {
		return nil, fault("open "+name, err)
	}
	return &media.Reader{ReadCloser: &section{ctx: ctx, file: f, rest: length}, Object: o, Length: length}, nil
}

// section reads the rest of a range.
type section struct {
	ctx  context.Context
	file *os.File
	rest int64
}

func (s *section) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.file.Read(p[:min(int64(len(p)), s.rest)])
	s.rest -= int64(n)
	switch {
	case s.rest == 0 && (err == nil || errors.Is(err, io.EOF)):
		return n, io.EOF
	case errors.Is(err, io.EOF):
		return n, fmt.Errorf("%w: the file became shorter: %w", media.ErrUnavailable, io.ErrUnexpectedEOF)
	case err != nil && !errors.Is(err, os.ErrClosed):
		return n, fmt.Errorf("%w: %w", media.ErrUnavailable, err)
	}
	return n, err
}

func (s *section) Close() error { return s.file.Close() }
