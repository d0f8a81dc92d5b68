package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"oipnode/shared/media"
	"oipnode/shared/media/mediatest"
	"oipnode/shared/media/s3"
)

const name = "manifest/one.json"

var (
	small = mediatest.Bytes(1, 2000)
	large = mediatest.Bytes(2, 12<<20)
	twice = large[:5<<20+100] // two parts
)

// TestPassing: what passes is repeated, whatever the request, and the caller does
// not hear of it.
func TestPassing(t *testing.T) {
	p, s, client, bucket := newProxy(t, s3.Options{CopyPart: 5 << 20})
	put := func(u media.Upload, content []byte) func() error {
		return func() error {
			u.Body = bytes.NewReader(content)
			stored, err := s.Put(t.Context(), u)
			if err != nil {
				return err
			}
			r, err := s.Open(t.Context(), stored.Name, media.Range{})
			if err != nil {
				return err
			}
			got, err := io.ReadAll(r)
			if err == nil && !bytes.Equal(got, content) {
				err = errors.New("it holds something else")
			}
			return errors.Join(err, r.Close())
		}
	}
	calls := []struct {
		operation string
		call      func() error
	}{
		{"PutObject", put(media.Upload{Name: name}, small)},
		{"GetObject", put(media.Upload{Name: name}, small)},
		{"CreateMultipartUpload", put(media.Upload{Name: name}, twice)},
		{"UploadPart", put(media.Upload{Name: name}, twice)},
		{"CompleteMultipartUpload", put(media.Upload{Name: name}, twice)},
		{"UploadPartCopy", put(media.Upload{Name: "content", ByContent: true}, twice)},
		{"DeleteObject", put(media.Upload{Name: "content", ByContent: true}, twice)},
		{"HeadObject", func() error { _, err := s.Stat(t.Context(), name); return err }},
		{"ListObjectsV2", func() error { _, err := s.List(t.Context(), "manifest", "", 5); return err }},
	}
	for fault, m := range map[string]misbehaviour{
		"500": {status: 500, code: "InternalError"}, "503": {status: 503, code: "SlowDown"}, "429": {status: 429, code: "What"},
		"400": {status: 400, code: "RequestTimeout"}, "409": {status: 409, code: "ConditionalRequestConflict"}, "cut": {cut: true},
		"lost": {done: true, cut: true},
	} {
		for _, c := range calls {
			if c.operation == "HeadObject" && m.code == "RequestTimeout" {
				continue // a HEAD has no code, and 400 alone is final
			}
			p.first(2, c.operation, m)
			if err := c.call(); err != nil {
				t.Errorf("%s of %s: %v", fault, c.operation, err)
			}
			if n := count(p.operations(), c.operation); n < 3 {
				t.Errorf("%s of %s: the request was sent %d times", fault, c.operation, n)
			}
		}
	}
	p.set(nil)
	abortOrphans(t, s, client, bucket)
}

// abortOrphans sweeps the uploads that were begun while their answer was lost.
func abortOrphans(t *testing.T, s *s3.Store, client *awss3.Client, bucket string) {
	t.Helper()
	if _, err := s.Sweep(t.Context(), -time.Hour); err != nil {
		t.Error(err)
	}
	wantNothingLeft(t, client, bucket)
}

// TestLostAnswer: a conditional write whose answer is lost finds itself, and only
// itself.
func TestLostAnswer(t *testing.T) {
	p, s, _, _ := newProxy(t, s3.Options{})
	for i, c := range []struct {
		operation string
		content   []byte
	}{{"PutObject", small}, {"CompleteMultipartUpload", large}} {
		mine := media.Upload{Name: "manifest/mine-" + string(rune('0'+i)), IfAbsent: true, Body: bytes.NewReader(c.content)}
		p.first(1, c.operation, misbehaviour{done: true, cut: true})
		if _, err := s.Put(t.Context(), mine); err != nil {
			t.Errorf("%s: %v", c.operation, err)
		}
		mine.Body = bytes.NewReader(c.content) // the same bytes, but another Put
		p.first(1, c.operation, misbehaviour{status: 500, code: "InternalError"})
		if _, err := s.Put(t.Context(), mine); !errors.Is(err, media.ErrExists) {
			t.Errorf("%s of what exists: %v", c.operation, err)
		}
	}
}

// TestUnavailable: a fault that stays ends in bounded time, and what could not be
// tidied up is swept.
func TestUnavailable(t *testing.T) {
	p, s, client, bucket := newProxy(t, briefly())
	if _, err := s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(small)}); err != nil {
		t.Fatal(err)
	}
	for fault, m := range map[string]misbehaviour{"503": {status: 503, code: "SlowDown"}, "cut": {cut: true}, "hold": {hold: true}} {
		p.set(func(int, string) *misbehaviour { return &m })
		s := s
		if m.hold { // here alone a request is given up soon
			opts := p.opts
			opts.Attempt = patience / 2
			s = openStore(t, opts)
		}
		for call, err := range map[string]error{
			"Put":       last(s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(small)})),
			"Put large": last(s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(large)})),
			"Stat":      last(s.Stat(t.Context(), name)),
			"Open":      last(s.Open(t.Context(), name, media.Range{})),
			"List":      last(s.List(t.Context(), "manifest", "", 1)),
			"Delete":    s.Delete(t.Context(), name),
			"Sweep":     last(s.Sweep(t.Context(), time.Hour)),
		} {
			if !errors.Is(err, media.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %s returned %v, want %v", fault, call, err, media.ErrUnavailable)
			}
		}
	}
	// The parts cannot be sent, and the upload cannot be aborted.
	p.set(func(_ int, operation string) *misbehaviour {
		if operation == "UploadPart" || operation == "AbortMultipartUpload" {
			return &misbehaviour{status: 500, code: "InternalError"}
		}
		return nil
	})
	if _, err := s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(large)}); !errors.Is(err, media.ErrUnavailable) {
		t.Errorf("Put returned %v", err)
	}
	p.set(nil)
	if _, uploads := left(t, client, bucket); uploads != 1 {
		t.Errorf("%d uploads are left, want 1", uploads)
	}
	abortOrphans(t, s, client, bucket)
}

func last[T any](_ T, err error) error { return err }

// TestRefused: what would not change is not repeated, and nothing of S3's message
// gets out.
func TestRefused(t *testing.T) {
	p, s, _, _ := newProxy(t, s3.Options{})
	for _, c := range []struct {
		m    misbehaviour
		want error
	}{
		{misbehaviour{status: 403, code: "AccessDenied"}, s3.ErrRefused},
		{misbehaviour{status: 403, code: "SignatureDoesNotMatch"}, s3.ErrRefused},
		{misbehaviour{status: 400, code: "ExpiredToken"}, s3.ErrRefused},
		{misbehaviour{status: 401, code: "What"}, s3.ErrRefused},
		{misbehaviour{status: 404, code: "NoSuchBucket"}, s3.ErrBucket},
		{misbehaviour{status: 301, code: "PermanentRedirect"}, s3.ErrBucket},
	} {
		p.first(100, "", c.m)
		_, err := s.List(t.Context(), "manifest", "", 1)
		if !errors.Is(err, c.want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v, want %v", c.m.code, err, c.want)
		}
		if n := len(p.operations()); n != 1 {
			t.Errorf("%s: %d requests", c.m.code, n)
		}
	}
	p.first(100, "", misbehaviour{status: 400, code: "EntityTooLarge"})
	if _, err := s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(small)}); err == nil || errors.Is(err, media.ErrUnavailable) {
		t.Errorf("a code that nobody knows: %v", err)
	}
}

// TestReadOn: a reader whose connection breaks goes on where it was.
func TestReadOn(t *testing.T) {
	for fault, m := range map[string]misbehaviour{"cut": {after: 3 << 20, cut: true}, "stall": {after: 3 << 20, hold: true}} {
		p, s, _, _ := newProxy(t, s3.Options{})
		if _, err := s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(large)}); err != nil {
			t.Fatal(err)
		}
		if m.hold {
			opts := p.opts
			opts.Attempt = time.Second
			s = openStore(t, opts)
		}
		for _, r := range []media.Range{{}, {Offset: 1000, Length: 11 << 20}} {
			p.first(3, "GetObject", m)
			reader, err := s.Open(t.Context(), name, r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(reader)
			if err := errors.Join(err, reader.Close()); err != nil || !bytes.Equal(got, large[r.Offset:r.Offset+reader.Length]) {
				t.Errorf("%s: %d bytes, %v", fault, len(got), err)
			}
			// What a busy machine takes a second for is a stall too.
			if n := count(p.operations(), "GetObject"); n < 4 || n > 4 && !m.hold {
				t.Errorf("%s: %d requests", fault, n)
			}
		}
	}
}

// TestReadOnChanged: the rest of another version is not the rest.
func TestReadOnChanged(t *testing.T) {
	p, s, _, _ := newProxy(t, briefly())
	for _, c := range []struct {
		change func() error
		want   error
	}{
		{func() error { return last(s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(small)})) }, media.ErrChanged},
		{func() error { return s.Delete(t.Context(), name) }, media.ErrNotFound},
		{func() error { p.first(1000, "GetObject", misbehaviour{cut: true}); return nil }, media.ErrUnavailable},
	} {
		p.first(1, "GetObject", misbehaviour{after: 3 << 20, cut: true})
		if _, err := s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(large)}); err != nil {
			t.Fatal(err)
		}
		reader, err := s.Open(t.Context(), name, media.Range{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(reader)
		if !errors.Is(err, c.want) || !bytes.HasPrefix(large, got) {
			t.Errorf("read %d bytes, %v, want %v", len(got), err, c.want)
		}
		if _, again := reader.Read(make([]byte, 1)); !errors.Is(again, c.want) {
			t.Errorf("a reader that failed goes on with %v", again)
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSpoiled: bytes that change on the way are noticed in both directions.
func TestSpoiled(t *testing.T) {
	p, s, _, _ := newProxy(t, s3.Options{})
	for _, c := range []struct {
		operation string
		content   []byte
	}{{"PutObject", small}, {"UploadPart", large}} {
		p.first(1, c.operation, misbehaviour{spoil: true})
		if _, err := s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(c.content)}); err != nil {
			t.Errorf("%s: %v", c.operation, err)
		}
		if n := count(p.operations(), c.operation); n < 2 {
			t.Errorf("%s: nobody noticed", c.operation)
		}
		r, err := s.Open(t.Context(), name, media.Range{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, c.content) {
			t.Errorf("%s: stored %d bytes, %v", c.operation, len(got), err)
		}
	}
	if _, err := s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(small)}); err != nil {
		t.Fatal(err)
	}
	p.first(1, "GetObject", misbehaviour{garble: true})
	r, err := s.Open(t.Context(), name, media.Range{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, media.ErrUnavailable) {
		t.Errorf("reading garbled bytes: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestAbortAfterCancel: the context is over while a part is on its way, and the
// upload is aborted all the same.
func TestAbortAfterCancel(t *testing.T) {
	p, s, client, bucket := newProxy(t, s3.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	p.set(func(_ int, operation string) *misbehaviour {
		if operation != "UploadPart" {
			return nil
		}
		cancel()
		return &misbehaviour{hold: true}
	})
	if _, err := s.Put(ctx, media.Upload{Name: name, Body: bytes.NewReader(large)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Put returned %v", err)
	}
	if !slices.Contains(p.operations(), "AbortMultipartUpload") {
		t.Errorf("the requests were %q", p.operations())
	}
	wantNothingLeft(t, client, bucket)
}

// TestPartBehindAbort: a part whose call was cut off is kept by S3 when its upload has been
// aborted already, and with it the upload. It is aborted again.
func TestPartBehindAbort(t *testing.T) {
	p, s, client, bucket := newProxy(t, s3.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	late := make(chan struct{})
	p.set(func(_ int, operation string) *misbehaviour {
		switch operation {
		case "UploadPart":
			time.AfterFunc(100*time.Millisecond, cancel) // the engine has the first half
			return &misbehaviour{late: late}
		case "AbortMultipartUpload":
			if count(p.seen, operation) == 1 {
				time.AfterFunc(20*time.Millisecond, func() { close(late) }) // behind it, and before the next
			}
		}
		return nil
	})
	if _, err := s.Put(ctx, media.Upload{Name: name, Body: bytes.NewReader(large[:6<<20])}); !errors.Is(err, context.Canceled) {
		t.Errorf("Put returned %v", err)
	}
	if n := count(p.operations(), "AbortMultipartUpload"); n != 3 {
		t.Errorf("aborted %d times: %q", n, p.operations())
	}
	wantNothingLeft(t, client, bucket)
}

// TestSweep: only what is old enough goes, and no object that has a name.
func TestSweep(t *testing.T) {
	client := newClient(t)
	bucket := newBucket(t, client)
	s := openStore(t, s3.Options{Client: client, Bucket: bucket})
	if _, err := s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(small)}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"_temp/A", "_temp/B"} {
		if _, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("x")}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Sweep(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("swept %d young ones, %v", n, err)
	}
	if n, err := s.Sweep(t.Context(), -time.Hour); n != 4 || err != nil {
		t.Errorf("swept %d, %v, want 4", n, err)
	}
	wantNothingLeft(t, client, bucket)
	if _, err := s.Stat(t.Context(), name); err != nil {
		t.Error(err)
	}
}

// TestStrangers: keys that are no names are passed over, also where they fill pages.
func TestStrangers(t *testing.T) {
	client := newClient(t)
	bucket := newBucket(t, client)
	s := openStore(t, s3.Options{Client: client, Bucket: bucket})
	for _, key := range []string{"kind/.a", "kind/AA", "kind/Z.", "kind/aa", "kind/a_x", "kind/ab/deeper", "kind/zz", "kind/~"} {
		if _, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("x")}); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{1, 2, 10} {
		var got []string
		for after := ""; ; {
			page, err := s.List(t.Context(), "kind", after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page {
				after = o.Name
				got = append(got, o.Name)
			}
			if len(page) < limit {
				break
			}
		}
		if want := []string{"kind/aa", "kind/zz"}; !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %q, want %q", limit, got, want)
		}
	}
}

// TestNew: what cannot work is said at once, and a bucket that is not there by the
// first call.
func TestNew(t *testing.T) {
	client := newClient(t)
	for _, opts := range []s3.Options{
		{Bucket: "b"}, {Client: client}, {Client: client, Bucket: "b", CopyPart: 1}, {Client: client, Bucket: "b", CopyPart: 6 << 30},
	} {
		if _, err := s3.New(opts); err == nil {
			t.Errorf("%+v was accepted", opts)
		}
	}
	s := openStore(t, s3.Options{Client: client, Bucket: "media-that-is-not-there"})
	if _, err := s.Put(t.Context(), media.Upload{Name: name, Body: bytes.NewReader(small)}); !errors.Is(err, s3.ErrBucket) {
		t.Errorf("Put returned %v", err)
	}
	if _, err := s.List(t.Context(), "kind", "", 1); !errors.Is(err, s3.ErrBucket) {
		t.Errorf("List returned %v", err)
	}
	refused := openStore(t, s3.Options{Bucket: newBucket(t, client), Client: newClient(t, func(o *awss3.Options) {
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "testkey", SecretAccessKey: "another"}, nil
		})
	})})
	if _, err := refused.List(t.Context(), "kind", "", 1); !errors.Is(err, s3.ErrRefused) {
		t.Errorf("with a wrong key: %v", err)
	}
	nobody := openStore(t, s3.Options{Bucket: "b", Client: newClient(t, func(o *awss3.Options) {
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("none")
		})
	})})
	if _, err := nobody.URL(t.Context(), name, media.Link{Life: time.Minute}); !errors.Is(err, media.ErrUnavailable) {
		t.Errorf("a URL without credentials: %v", err)
	}
}
