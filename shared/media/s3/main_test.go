package s3_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"go.uber.org/goleak"

	"oipnode/infra/engines"
	"oipnode/shared/awsclient"
	"oipnode/shared/media"
	"oipnode/shared/media/mediatest"
	"oipnode/shared/media/s3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	buckets := map[media.Store]string{}
	client := newClient(t)
	open := func(t *testing.T, bucket string) media.Store {
		// Pieces as small as can be, so that the suite copies in several.
		s := openStore(t, s3.Options{Client: client, Bucket: bucket, CopyPart: 5 << 20})
		buckets[s] = bucket
		return s
	}
	mediatest.Run(t, mediatest.Harness{
		Open: func(t *testing.T) media.Store {
			bucket := newBucket(t, client)
			t.Cleanup(func() { wantNothingLeft(t, client, bucket) }) // no call leaves anything
			return open(t, bucket)
		},
		Another: func(t *testing.T, s media.Store) media.Store { return open(t, buckets[s]) },
	})
}

// newClient returns a client of the engine with connections of its own.
func newClient(t testing.TB, options ...func(*awss3.Options)) *awss3.Client {
	t.Helper()
	cfg := engines.S3.AWS(t)
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	cfg.HTTPClient = awsclient.HTTP(&http.Client{Transport: transport})
	return awss3.NewFromConfig(cfg, append([]func(*awss3.Options){func(o *awss3.Options) {
		o.UsePathStyle = true
		o.Logger = logging.Nop{} // the tests cut connections, which the SDK warns of
	}}, options...)...)
}

// newBucket makes a bucket that the test's end empties and removes.
func newBucket(t testing.TB, client *awss3.Client) string {
	t.Helper()
	bucket := "media-" + strings.ToLower(rand.Text())
	if _, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		abortAll(ctx, t, client, bucket)
		for {
			page, err := client.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &bucket})
			if err != nil {
				t.Error(err)
				return
			}
			for _, o := range page.Contents {
				if _, err := client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &bucket, Key: o.Key}); err != nil {
					t.Error(err)
				}
			}
			if !aws.ToBool(page.IsTruncated) {
				break
			}
		}
		if _, err := client.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: &bucket}); err != nil {
			t.Error(err)
		}
	})
	return bucket
}

// abortAll ends the uploads that a test left on purpose.
func abortAll(ctx context.Context, t testing.TB, client *awss3.Client, bucket string) {
	uploads, err := client.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Error(err)
		return
	}
	for _, u := range uploads.Uploads {
		_, err := client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &bucket, Key: u.Key, UploadId: u.UploadId})
		if err != nil {
			t.Error(err)
		}
	}
}

func openStore(t testing.TB, opts s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// left counts the temporary objects and the uploads under way.
func left(t testing.TB, client *awss3.Client, bucket string) (temps, uploads int) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	page, err := client.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("_temp/")})
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Contents), len(list.Uploads)
}

func wantNothingLeft(t testing.TB, client *awss3.Client, bucket string) {
	t.Helper()
	if temps, uploads := left(t, client, bucket); temps+uploads > 0 {
		t.Errorf("%d temporary objects and %d uploads are left", temps, uploads)
	}
}
