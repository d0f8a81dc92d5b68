package remote_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"flag"
	"fmt"
	"hash"

	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"oipnode/infra/engines"
	"oipnode/shared/media"
)

var mediaSize = flag.Int64("media-size", 64<<20, "bytes of the file that the benchmarks fetch")

// maxMemory is what a process that fetches may have, in KiB.
const maxMemory = 64 << 10

// child starts this binary again in another role.
func child(ctx context.Context, tb testing.TB, arguments ...string) *exec.Cmd {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self, arguments...)
	cmd.Stderr = os.Stderr
	return cmd
}

// startSource starts a source in a process of its own and returns the file's URL.
func startSource(tb testing.TB, size int64) string {
	tb.Helper()
	cmd := child(context.WithoutCancel(tb.Context()), tb, "-serve-size", fmt.Sprint(size))
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close() // its end is the child's
		if err := cmd.Wait(); err != nil {
			tb.Errorf("the source ended with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// copied is what a process said that copied a file.
type copied struct {
	name string
	// took is nanoseconds, peak KiB, -1 when the system does not tell.
	took, peak int64
}

// copyOnce copies a file in a process of its own.
func copyOnce(tb testing.TB, by, from, to string) (c copied) {
	tb.Helper()
	out, err := child(tb.Context(), tb, "-copy-by", by, "-copy-from", from, "-copy-to", to).Output()
	if err == nil {
		_, err = fmt.Sscan(string(out), &c.name, &c.took, &c.peak)
	}
	if err != nil {
		tb.Fatalf("%s: %q, %v", by, out, err)
	}
	return c
}

// contentName is the name that a file of the source has in a store.
func contentName(size int64) string {
	sum := sha256.New()
	for rest := size; rest > 0; rest -= int64(len(chunk)) {
		sum.Write(chunk[:min(rest, int64(len(chunk)))])
	}
	return media.ContentName("content", digest(sum))
}

func digest(h hash.Hash) [32]byte { return [32]byte(h.Sum(nil)) }

// TestMemory: a process that fetches a file has, over its whole life, far less
// memory than the file has bytes.
func TestMemory(t *testing.T) {
	const size = 160 << 20
	c := copyOnce(t, "fetch-files", startSource(t, size), t.TempDir())
	if want := contentName(size); c.name != want {
		t.Errorf("the file is %s, want %s", c.name, want)
	}
	if c.peak > maxMemory && !raceDetector {
		t.Errorf("the process had %d KiB, more than %d", c.peak, maxMemory)
	}
	t.Logf("peak %d KiB", c.peak)
}

// BenchmarkFetch copies a file from another process, in turns by a fetch and
// plainly, each in a process of its own, and compares the best of both. make
// bench-media runs it with 5 GiB.
func BenchmarkFetch(b *testing.B) {
	b.Run("Files", func(b *testing.B) {
		folder := b.TempDir()
		compare(b, "plain-files", "fetch-files", folder, func() { empty(b, folder) })
	})
	// A bucket knows no renaming: what is named by its content is copied inside of it,
	// behind the upload, and so is what it is compared with. Named is the upload alone.
	b.Run("S3Named", func(b *testing.B) { compareS3(b, "plain-s3", "named-s3") })
	b.Run("S3", func(b *testing.B) { compareS3(b, "moved-s3", "fetch-s3") })
}

// compare measures two ways. tidy removes what they leave.
func compare(b *testing.B, plain, way, to string, tidy func()) {
	from := startSource(b, *mediaSize)
	want := contentName(*mediaSize)
	best := map[string]int64{plain: math.MaxInt64, way: math.MaxInt64}
	peak := int64(0)
	for b.Loop() {
		for _, by := range []string{plain, way} {
			c := copyOnce(b, by, from, to)
			tidy()
			best[by] = min(best[by], c.took)
			if by == way {
				peak = max(peak, c.peak)
			}
			if strings.HasPrefix(by, "fetch") && c.name != want {
				b.Fatalf("the file is %s, want %s", c.name, want)
			}
		}
	}
	if peak > maxMemory {
		b.Errorf("a fetch had %d KiB, more than %d", peak, maxMemory)
	}
	speed := func(by string) float64 { return float64(*mediaSize) / (1 << 20) / (float64(best[by]) / 1e9) }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(speed(plain), "plain-MiB/s")
	b.ReportMetric(speed(way), "fetch-MiB/s")
	b.ReportMetric(speed(way)/speed(plain), "of-plain")
	b.ReportMetric(float64(peak)/1024, "peak-MiB")
}

func compareS3(b *testing.B, plain, way string) {
	client := awss3.NewFromConfig(engines.S3.AWS(b), func(o *awss3.Options) { o.UsePathStyle = true })
	bucket := "media-" + strings.ToLower(rand.Text())
	if _, err := client.CreateBucket(b.Context(), &awss3.CreateBucketInput{Bucket: &bucket}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		emptyBucket(b, client, bucket)
		if _, err := client.DeleteBucket(context.WithoutCancel(b.Context()), &awss3.DeleteBucketInput{Bucket: &bucket}); err != nil {
			b.Error(err)
		}
	})
	compare(b, plain, way, bucket, func() { emptyBucket(b, client, bucket) })
}

// emptyBucket removes the objects, and the uploads that failed; there are few.
func emptyBucket(b *testing.B, client *awss3.Client, bucket string) {
	ctx := context.WithoutCancel(b.Context())
	uploads, err := client.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		b.Error(err)
		return
	}
	for _, u := range uploads.Uploads {
		_, err := client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &bucket, Key: u.Key, UploadId: u.UploadId})
		if err != nil {
			b.Errorf("%s: %v", aws.ToString(u.Key), err)
		}
	}
	page, err := client.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		b.Error(err)
		return
	}
	for _, o := range page.Contents {
		if _, err := client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &bucket, Key: o.Key}); err != nil {
			b.Errorf("%s: %v", aws.ToString(o.Key), err)
		}
	}
}

// empty removes what is in a folder.
func empty(b *testing.B, folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
			b.Fatal(err)
		}
	}
}
