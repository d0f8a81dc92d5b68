package remote_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"oipnode/shared/media"
	"oipnode/shared/media/files"
	"oipnode/shared/media/mediatest"
	"oipnode/shared/media/s3"
	"oipnode/shared/remote"
)

// The test binary starts itself again with these: as a source in a process of its
// own, and as a process that does nothing but one copy, so that its memory is that
// of the copy.
var (
	serveSize = flag.Int64("serve-size", 0, "be a source of a file of so many bytes")
	copyBy    = flag.String("copy-by", "", "copy one file in this way")
	copyFrom  = flag.String("copy-from", "", "URL of the file to copy")
	copyTo    = flag.String("copy-to", "", "folder or bucket to copy to")
)

// chunk is what the source's file repeats.
var chunk = mediatest.Bytes(1, 1<<20)

// beSource serves a file until standard input ends, and writes its URL.
func beSource(size int64) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		for rest := size; rest > 0; rest -= int64(len(chunk)) {
			if _, err := w.Write(chunk[:min(rest, int64(len(chunk)))]); err != nil {
				return
			}
		}
	})}
	fmt.Printf("http://%s/file.bin\n", listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// copiers are the ways to copy a file to a folder or bucket. Each returns the name
// that it has there.
var copiers = map[string]func(ctx context.Context, from, to string) (string, error){
	"fetch-files": func(ctx context.Context, from, to string) (string, error) {
		store, err := files.Open(to, files.Options{})
		if err != nil {
			return "", err
		}
		return fetch(ctx, from, store, media.Upload{Name: "content", ByContent: true})
	},
	"plain-files": copyIntoFile,
	"fetch-s3":    func(ctx context.Context, from, to string) (string, error) { return fetchIntoS3(ctx, from, to, true) },
	"named-s3":    func(ctx context.Context, from, to string) (string, error) { return fetchIntoS3(ctx, from, to, false) },
	"plain-s3":    copyIntoS3,
	"moved-s3":    moveIntoS3,
}

// beCopier makes one copy, and writes the name, the nanoseconds that it took, and
// the most memory in KiB that the process had at any time, -1 when unknown.
func beCopier() error {
	began := time.Now()
	name, err := copiers[*copyBy](context.Background(), *copyFrom, *copyTo)
	if err != nil {
		return err
	}
	_, err = fmt.Println(name, time.Since(began).Nanoseconds(), peakMemory())
	return err
}

// peakMemory is what the kernel calls the high water mark of the resident set.
func peakMemory() string {
	status, err := os.ReadFile("/proc/self/status")
	_, rest, found := strings.Cut(string(status), "VmHWM:")
	if err != nil || !found {
		return "-1"
	}
	return strings.Fields(rest)[0]
}

// fetch takes the way of a media fetch.
func fetch(ctx context.Context, from string, store media.Store, u media.Upload) (_ string, err error) {
	source, err := url.Parse(from)
	if err != nil {
		return "", err
	}
	port, err := strconv.Atoi(source.Port())
	if err != nil {
		return "", err
	}
	c := remote.New(remote.Options{AllowPrivate: true, Ports: []int{port}, MaxBytes: media.MaxSize})
	stream, err := c.Open(ctx, from)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	u.Body = stream
	stored, err := store.Put(ctx, u)
	return stored.Name, err
}

func fetchIntoS3(ctx context.Context, from, bucket string, byContent bool) (string, error) {
	client, err := newClient(ctx)
	if err != nil {
		return "", err
	}
	store, err := s3.New(s3.Options{Client: client, Bucket: bucket})
	if err != nil {
		return "", err
	}
	u := media.Upload{Name: "content", ByContent: true}
	if !byContent {
		u = media.Upload{Name: "named/" + strings.ToLower(rand.Text())}
	}
	return fetch(ctx, from, store, u)
}

func newClient(ctx context.Context) (*awss3.Client, error) {
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	c.HTTPClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	return awss3.NewFromConfig(c, func(o *awss3.Options) { o.UsePathStyle = true }), nil
}

// copyIntoFile is the plain copy to a disk: what comes is written, and synced.
func copyIntoFile(ctx context.Context, from, folder string) (_ string, err error) {
	body, err := get(ctx, from)
	if err != nil {
		return "", err
	}
	defer body.Close()
	f, err := os.Create(filepath.Join(folder, rand.Text()))
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, body)
	return filepath.Base(f.Name()), errors.Join(err, f.Sync(), f.Close())
}

// get opens a URL as anybody does.
func get(ctx context.Context, from string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// copyIntoS3 is the plain copy to a bucket: parts of 5 MiB, one behind the other,
// under a name that is known before.
func copyIntoS3(ctx context.Context, from, bucket string) (string, error) {
	client, err := newClient(ctx)
	if err != nil {
		return "", err
	}
	body, err := get(ctx, from)
	if err != nil {
		return "", err
	}
	defer body.Close()
	key := aws.String("plain/" + rand.Text())
	upload, err := client.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{
		Bucket: &bucket, Key: key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return "", err
	}
	var done []types.CompletedPart
	part := make([]byte, 5<<20)
	for number := int32(1); ; number++ {
		n, err := io.ReadFull(body, part)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return "", err
		}
		out, err := client.UploadPart(ctx, &awss3.UploadPartInput{
			Bucket: &bucket, Key: key, UploadId: upload.UploadId, PartNumber: &number, Body: bytes.NewReader(part[:n]),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
		})
		if err != nil {
			return "", err
		}
		done = append(done, types.CompletedPart{PartNumber: aws.Int32(number), ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
	}
	_, err = client.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{
		Bucket: &bucket, Key: key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	return *key, err
}

// moveIntoS3 is the plain copy to a bucket under a name that is not known before:
// under another one, and then copied inside of the bucket.
func moveIntoS3(ctx context.Context, from, bucket string) (string, error) {
	client, err := newClient(ctx)
	if err != nil {
		return "", err
	}
	key, err := copyIntoS3(ctx, from, bucket)
	if err != nil {
		return "", err
	}
	to := "moved/" + rand.Text()
	if _, err := client.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: &bucket, Key: &to, CopySource: aws.String(bucket + "/" + key)}); err != nil {
		return "", err
	}
	_, err = client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &bucket, Key: &key})
	return to, err
}
