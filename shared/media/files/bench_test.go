package files_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"oipnode/shared/media"
	"oipnode/shared/media/files"
	"oipnode/shared/media/mediatest"
)

// benchSize is what the benchmarks of Put store, as a media fetch may.
const benchSize = 256 << 20

// BenchmarkPut and BenchmarkCopy are meant for each other: the store hashes, and
// both write through to the disk.
func BenchmarkPut(b *testing.B) {
	s := openStore(b, b.TempDir(), files.Options{})
	mediatest.Measure(b, benchSize, func(body io.Reader) error {
		_, err := s.Put(b.Context(), media.Upload{Name: "bench/put", Body: body})
		return err
	})
}

func BenchmarkCopy(b *testing.B) {
	path := filepath.Join(b.TempDir(), "copy")
	mediatest.Measure(b, benchSize, func(body io.Reader) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.Copy(f, body); err != nil {
			return err
		}
		return f.Sync()
	})
}

func BenchmarkPutSmall(b *testing.B) {
	s := openStore(b, b.TempDir(), files.Options{})
	mediatest.Measure(b, 500, func(body io.Reader) error {
		_, err := s.Put(b.Context(), media.Upload{Name: "bench/put", Body: body})
		return err
	})
}
