package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"oipnode/shared/media"
	"oipnode/shared/media/mediatest"
)

// disk is a file of which the test decides what fails.
type disk struct {
	bytes.Buffer
	// keep says whether what is written is kept, or only counted.
	keep bool
	size int64
	// full is after how many bytes a Write fails; 0 means never.
	full int64

	mu    sync.Mutex
	syncs int
	// bad is the number of the Sync that fails, from 1.
	bad int
}

var errDisk = errors.New("the disk is on fire")

func (d *disk) Write(p []byte) (int, error) {
	if d.full > 0 && d.size+int64(len(p)) > d.full {
		return 0, errDisk
	}
	d.size += int64(len(p))
	if d.keep {
		return d.Buffer.Write(p)
	}
	return len(p), nil
}

func (d *disk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.syncs++; d.syncs == d.bad {
		return errDisk
	}
	return nil
}

// endless is a body of so many zeros.
func endless(n int64) io.Reader { return io.LimitReader(zeros{}, n) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestCopyBody: around each size where something changes, and however the body is
// read, the file and the hash get all of it.
func TestCopyBody(t *testing.T) {
	readers := map[string]func(io.Reader) io.Reader{
		"whole":    func(r io.Reader) io.Reader { return r },
		"half":     iotest.HalfReader,
		"with end": iotest.DataErrReader,
	}
	for _, size := range []int{0, 1, bufferSize - 1, bufferSize, bufferSize + 1, 2 * bufferSize, buffers*bufferSize + 1, 3*buffers*bufferSize - 1} {
		content := mediatest.Bytes(byte(size), size)
		for name, reader := range readers {
			t.Run(fmt.Sprintf("%d %s", size, name), func(t *testing.T) {
				d, sum := &disk{keep: true}, sha256.New()
				n, err := copyBody(t.Context(), d, reader(bytes.NewReader(content)), sum, int64(size))
				if err != nil || n != int64(size) || !bytes.Equal(d.Bytes(), content) || [32]byte(sum.Sum(nil)) != sha256.Sum256(content) {
					t.Errorf("%d bytes, %d of them in the file, %v", n, d.Len(), err)
				}
			})
		}
		if size == 0 {
			continue
		}
		if n, err := copyBody(t.Context(), &disk{}, bytes.NewReader(content), sha256.New(), int64(size)-1); !errors.Is(err, media.ErrTooLarge) {
			t.Errorf("over the limit: %d bytes, %v", n, err)
		}
	}
}

// TestCopyFails: wherever the body or the disk fails, that is the error.
func TestCopyFails(t *testing.T) {
	broken := errors.New("broken")
	for _, at := range []int64{0, 1, bufferSize, bufferSize + 1, 3*bufferSize + 7, 9 * bufferSize} {
		body := io.MultiReader(endless(at), iotest.ErrReader(broken))
		if n, err := copyBody(t.Context(), &disk{}, body, sha256.New(), media.MaxSize); !errors.Is(err, broken) {
			t.Errorf("a body that breaks at %d: %d bytes, %v", at, n, err)
		}
		d := &disk{full: at + 1}
		if n, err := copyBody(t.Context(), d, endless(at+2), sha256.New(), media.MaxSize); !errors.Is(err, media.ErrUnavailable) || !errors.Is(err, errDisk) {
			t.Errorf("a disk that is full at %d: %d bytes, %v", at, n, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		body = io.MultiReader(endless(at), readFunc(func([]byte) (int, error) { cancel(); return 0, nil }))
		if n, err := copyBody(ctx, &disk{}, body, sha256.New(), media.MaxSize); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at %d: %d bytes, %v", at, n, err)
		}
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// TestSyncs: a long body is on its way to the disk before it ends, and a Sync that
// failed meanwhile is not forgotten, although the last one succeeds.
func TestSyncs(t *testing.T) {
	const size = 2*syncEach + bufferSize
	d := &disk{}
	if n, err := copyBody(t.Context(), d, endless(size), sha256.New(), media.MaxSize); err != nil || n != size || d.syncs < 1 {
		t.Errorf("%d bytes with %d syncs, %v", n, d.syncs, err)
	}
	d = &disk{bad: 1}
	if n, err := copyBody(t.Context(), d, endless(size), sha256.New(), media.MaxSize); !errors.Is(err, media.ErrUnavailable) || !errors.Is(err, errDisk) {
		t.Errorf("after a failed sync: %d bytes, %v", n, err)
	}
	d = &disk{}
	if _, err := copyBody(t.Context(), d, endless(syncEach-1), sha256.New(), media.MaxSize); err != nil || d.syncs != 0 {
		t.Errorf("a shorter body: %d syncs, %v", d.syncs, err)
	}
}
