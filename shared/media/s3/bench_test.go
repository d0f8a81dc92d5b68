package s3_test

import (
	"io"
	"os"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"oipnode/shared/media"
	"oipnode/shared/media/mediatest"
	"oipnode/shared/media/s3"
)

// benchSize is what the benchmarks of Put store, as a media fetch may.
const benchSize = 256 << 20

// BenchmarkPut stores a stream under a name, BenchmarkPutContent by its content,
// which copies it inside S3; BenchmarkPutObject is the client alone, which needs a
// file for the same.
func BenchmarkPut(b *testing.B)        { benchmarkPut(b, media.Upload{Name: "bench/put"}) }
func BenchmarkPutContent(b *testing.B) { benchmarkPut(b, media.Upload{Name: "bench", ByContent: true}) }

func benchmarkPut(b *testing.B, u media.Upload) {
	client := newClient(b)
	s := openStore(b, s3.Options{Client: client, Bucket: newBucket(b, client)})
	mediatest.Measure(b, benchSize, func(body io.Reader) error {
		u.Body = body
		_, err := s.Put(b.Context(), u)
		return err
	})
}

func BenchmarkPutObject(b *testing.B) {
	client := newClient(b)
	bucket := newBucket(b, client)
	key := "bench/put"
	mediatest.Measure(b, benchSize, func(body io.Reader) error {
		f, err := os.CreateTemp(b.TempDir(), "")
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.Copy(f, body); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err = client.PutObject(b.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: f})
		return err
	})
}
