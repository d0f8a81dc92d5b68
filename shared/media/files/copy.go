package files

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"oipnode/shared/media"
)

// A body is read into buffers of bufferSize; while one is written, those before it
// are hashed. A body that fits into the first costs no more than that one.
const (
	bufferSize = 256 << 10
	buffers    = 4
)

// syncEach is how many bytes are written before the disk is told to begin with them.
// Left alone, the system begins late, and the sync at the end waits for it all.
const syncEach = 64 << 20

// syncer is a file that can be made durable.
type syncer interface {
	io.Writer
	Sync() error
}

// copyBody writes the body into the file and the hash. An error of the body is in
// the chain of what it returns; one of the file is media.ErrUnavailable. Nothing of
// it runs any more when it returns, and all but the last bytes are durable.
func copyBody(ctx context.Context, file syncer, body io.Reader, sum hash.Hash, limit int64) (size int64, err error) {
	r := &reading{ctx: ctx, body: body, limit: limit}
	first := make([]byte, bufferSize)
	n, err := r.fill(first)
	if err == nil && r.ended {
		sum.Write(first[:n])
		err = write(file, first[:n])
		return r.size, err
	}
	if err != nil {
		return 0, err
	}
	h := hashing(sum)
	d := &flusher{file: file}
	defer func() {
		h.wait()
		if failed := d.wait(); failed != nil && err == nil {
			size, err = 0, fmt.Errorf("%w: %w", media.ErrUnavailable, failed)
		}
	}()
	for buffer := first; ; {
		h.full <- buffer[:n]
		if err := write(file, buffer[:n]); err != nil {
			return 0, err
		}
		d.written(n)
		if r.ended {
			return r.size, nil
		}
		buffer = h.buffer()
		if n, err = r.fill(buffer); err != nil {
			return 0, err
		}
	}
}

func write(file io.Writer, p []byte) error {
	if _, err := file.Write(p); err != nil {
		return fmt.Errorf("%w: %w", media.ErrUnavailable, err)
	}
	return nil
}

// reading is a body on its way.
type reading struct {
	ctx   context.Context
	body  io.Reader
	limit int64
	size  int64
	ended bool
}

// fill reads until the buffer is full or the body has ended.
func (r *reading) fill(buffer []byte) (n int, err error) {
	for n < len(buffer) && !r.ended {
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		more, err := r.body.Read(buffer[n:])
		n += more
		if r.size += int64(more); r.size > r.limit {
			return 0, fmt.Errorf("%w: more than %d bytes", media.ErrTooLarge, r.limit)
		}
		switch {
		case errors.Is(err, io.EOF):
			r.ended = true
		case err != nil:
			return 0, fmt.Errorf("read the body: %w", err)
		}
	}
	return n, nil
}

// hasher hashes buffers in their order in a goroutine of its own.
type hasher struct {
	full chan []byte
	// free has the buffers that were hashed; made is how many there are.
	free chan []byte
	made int
	done chan struct{}
}

func hashing(sum hash.Hash) *hasher {
	h := &hasher{full: make(chan []byte, buffers), free: make(chan []byte, buffers), made: 1, done: make(chan struct{})}
	go func() {
		defer close(h.done)
		for p := range h.full {
			sum.Write(p)
			h.free <- p[:bufferSize]
		}
	}()
	return h
}

// buffer returns one that is not in use, and waits for it when all are.
func (h *hasher) buffer() []byte {
	select {
	case p := <-h.free:
		return p
	default:
	}
	if h.made < buffers {
		h.made++
		return make([]byte, bufferSize)
	}
	return <-h.free
}

// wait returns when all is hashed.
func (h *hasher) wait() {
	close(h.full)
	<-h.done
}

// flusher makes what is written durable while more is written, one sync at a time.
type flusher struct {
	file    syncer
	waiting int
	running sync.Mutex
	// failed is the first error. A later sync need not say it again, so it must be
	// kept. It belongs to whoever has running.
	failed error
}

// written says that so many bytes were written since the last call.
func (d *flusher) written(n int) {
	if d.waiting += n; d.waiting < syncEach || !d.running.TryLock() {
		return
	}
	d.waiting = 0
	go func() {
		defer d.running.Unlock()
		d.failed = errors.Join(d.failed, d.file.Sync())
	}()
}

// wait returns when no sync is running, with the error of those that ran.
func (d *flusher) wait() error {
	d.running.Lock()
	defer d.running.Unlock()
	return d.failed
}
