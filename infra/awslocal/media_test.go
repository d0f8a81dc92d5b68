package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/shared/library"
	s3store "oipnode/shared/media/s3"
)

// web is a source on this machine. A path is its own content, but for some.
func web(t testing.TB) (base string, env []string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/none":
			http.NotFound(w, r)
		case r.URL.Path == "/down":
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/large":
			w.Header().Set("Content-Length", fmt.Sprint(len(large)))
			_, _ = io.WriteString(w, large)
		case r.URL.Path == "/cut": // in the middle of a large one
			w.Header().Set("Content-Length", fmt.Sprint(2*len(large)))
			_, _ = io.WriteString(w, large)
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, r.URL.Path)
		}
	}))
	t.Cleanup(server.Close)
	port := server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	return server.URL, []string{"MEDIA_ALLOW_PRIVATE=true", "MEDIA_PORTS=80," + port, "JWT_SECRET=" + contractSecret}
}

// large is more than fits into two parts of an upload.
var large = strings.Repeat("0123456789abcdef", 12<<20/16)

func mediaID(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// reader is a caller of the media API, with a token when it has a key.
type reader struct {
	testing.TB
	base, key string
}

// ask sends a request and follows nothing. v gets the answer, unless it is nil.
func (r reader) ask(method, path, body string, v any) (int, http.Header, string) {
	r.Helper()
	q, err := http.NewRequestWithContext(context.Background(), method, r.base+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	if r.key != "" {
		q.Header.Set("Authorization", "Bearer "+token(r.TB, r.key))
	}
	client := http.Client{Transport: http.DefaultTransport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(q)
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.Fatal(err)
	}
	if v != nil && json.Unmarshal(text, v) != nil {
		r.Fatalf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	return res.StatusCode, res.Header, string(text)
}

// fetch asks for a fetch, and returns the job's id.
func (r reader) fetch(url string) string {
	r.Helper()
	var begun struct{ JobID string }
	if status, _, text := r.ask("POST", "/api/media/fetch", fmt.Sprintf(`{"url":%q}`, url), &begun); status != http.StatusAccepted {
		r.Fatalf("%s: %d %s", url, status, text)
	}
	return begun.JobID
}

// job is a job as its owner sees it.
type mediaJob struct {
	Status, Reason, MediaID string
	Bytes                   int64
}

func (r reader) job(id string) (j mediaJob) {
	r.Helper()
	if status, _, text := r.ask("GET", "/api/media/jobs/"+id, "", &j); status != http.StatusOK {
		r.Fatalf("job %s: %d %s", id, status, text)
	}
	return j
}

// fetcher is the function mediafetch with enough time to begin a job.
func (d *deployment) fetcher() *sandbox.Sandbox {
	d.Helper()
	f := d.function("mediafetch")
	f.Timeout = 5 * time.Minute
	s, err := sandbox.Start(d.Context(), f)
	if err != nil {
		d.Fatalf("mediafetch: %v\n%s", err, d.log)
	}
	d.Cleanup(s.Close)
	return s
}

// mediaMessages receives what is in a queue of the deployment, as Lambda would.
func (d *deployment) mediaMessages(name string, visibility time.Duration) (url string, list []types.Message) {
	d.Helper()
	client := d.options.SQSClient()
	out, err := client.GetQueueUrl(d.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		d.Fatal(err)
	}
	for {
		got, err := client.ReceiveMessage(d.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: out.QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: int32(visibility.Seconds()), MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err != nil {
			d.Fatal(err)
		}
		if len(got.Messages) == 0 {
			return *out.QueueUrl, list
		}
		list = append(list, got.Messages...)
	}
}

// mediaEvent is the event by which Lambda hands one message over.
func mediaEvent(t testing.TB, m types.Message) []byte {
	t.Helper()
	text, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body, Attributes: m.Attributes, EventSource: "aws:sqs",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// deliver does what the event source does: each message in an invocation of its own, and
// those that are not reported as failed are deleted. It returns how many were reported.
func (d *deployment) deliver(s *sandbox.Sandbox) (failed int) {
	d.Helper()
	url, list := d.mediaMessages(d.options.Queue(), 10*time.Minute)
	for _, m := range list {
		var answer events.SQSEventResponse
		if d.invoke(s, mediaEvent(d.TB, m), &answer); len(answer.BatchItemFailures) > 0 {
			failed++
			continue
		}
		if _, err := d.options.SQSClient().DeleteMessage(d.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil && !ended(err) {
			d.Fatal(err)
		}
	}
	return failed
}

// ended is what this server says of a message that was deleted before.
func ended(err error) bool {
	var invalid *types.ReceiptHandleIsInvalid
	return errors.As(err, &invalid) || strings.Contains(err.Error(), "ReceiptHandleIsInvalid")
}

// buried are the reasons of the dead letters that were not looked at before.
func (d *deployment) buried() (reasons []string) {
	d.Helper()
	_, list := d.mediaMessages(d.options.DeadLetters(), time.Hour)
	for _, m := range list {
		reasons = append(reasons, aws.ToString(m.MessageAttributes["reason"].StringValue))
	}
	return reasons
}

// TestMedia fetches through the API and the function as they ship, over DynamoDB, S3 and
// SQS: what is asked for is there, private to who asked, by a URL that is signed.
func TestMedia(t *testing.T) {
	base, env := web(t)
	d := deploy(t, env...)
	d.invoke(d.start("keepdb"), []byte(`{}`), nil)
	url := serve(t, d.pool(2, 29*time.Second))
	ann, bob, nobody := reader{t, url, "key-of-ann"}, reader{t, url, "key-of-bob"}, reader{t, url, ""}

	job := ann.fetch(base + "/film.txt")
	if j := ann.job(job); j.Status != "queued" {
		t.Errorf("a new job is %+v", j)
	}
	fetcher := d.fetcher()
	if n := d.deliver(fetcher); n != 0 {
		t.Errorf("%d jobs failed\n%s", n, d.log)
	}
	id := mediaID("/film.txt")
	if j := ann.job(job); j != (mediaJob{"done", "", id, 9}) {
		t.Errorf("the job is %+v", j)
	}
	status, header, _ := ann.ask("GET", "/api/media/"+id, "", nil)
	if status != http.StatusFound || header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the bytes: %d %v", status, header)
	}
	signed := header.Get("Location")
	if status, header, text := (reader{t, signed, ""}).ask("GET", "", "", nil); status != 200 || text != "/film.txt" ||
		header.Get("Content-Disposition") != `inline; filename="film.txt"` || !strings.Contains(signed, "X-Amz-Expires=300") {
		t.Errorf("behind the redirect: %d %q %v", status, text, header)
	}
	if status, header, _ := ann.ask("HEAD", "/api/media/"+id, "", nil); status != 200 || header.Get("ETag") != `"`+id+`"` || header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("HEAD: %d %v", status, header)
	}
	for who, want := range map[reader]int{bob: 403, nobody: 401} {
		for _, path := range []string{"/api/media/" + id, "/api/media/" + id + "/info"} {
			if status, header, _ := who.ask("GET", path, "", nil); status != want || header.Get("Location") != "" {
				t.Errorf("%s by %q: %d", path, who.key, status)
			}
		}
		unseen := 404
		if who == nobody {
			unseen = 401
		}
		if status, _, _ := who.ask("GET", "/api/media/jobs/"+job, "", nil); status != unseen {
			t.Errorf("the job by %q: %d", who.key, status)
		}
	}
	var list struct {
		Media []struct{ MediaID, OriginalName string }
	}
	if ann.ask("GET", "/api/media", "", &list); len(list.Media) != 1 || list.Media[0].OriginalName != "film.txt" {
		t.Errorf("the list is %+v", list)
	}
	// The same content of another user is the same object, in several parts as well.
	for _, who := range []reader{ann, bob} {
		who.fetch(base + "/large")
	}
	if n := d.deliver(fetcher); n != 0 {
		t.Errorf("%d jobs failed\n%s", n, d.log)
	}
	bucket := d.options.Bucket()
	objects, err := d.options.S3Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil || len(objects.Contents) != 2 {
		t.Errorf("%d objects, %v", len(objects.Contents), err)
	}
	if lines := d.log.errorLines(); len(lines) > 0 {
		t.Errorf("errors were logged: %s", lines)
	}
	if !strings.Contains(d.log.String(), `"QueueDepth"`) {
		t.Error("the depth of the queue was not measured")
	}
}

// TestMediaFailures: what fails for good is among the dead letters with its reason, what
// passes is tried again, and the samples of what nobody sent on purpose do no harm.
func TestMediaFailures(t *testing.T) {
	base, env := web(t)
	d := deploy(t, env...)
	d.invoke(d.start("keepdb"), []byte(`{}`), nil)
	ann := reader{t, serve(t, d.pool(1, 29*time.Second)), "key-of-ann"}
	fetcher := d.fetcher()
	gone, down := ann.fetch(base+"/none"), ann.fetch(base+"/down")
	if n := d.deliver(fetcher); n != 1 {
		t.Errorf("%d jobs are to be tried again", n)
	}
	if j := ann.job(gone); j.Status != "failed" || !strings.Contains(j.Reason, "404") {
		t.Errorf("what is gone: %+v", j)
	}
	if j := ann.job(down); j.Status != "queued" || !strings.Contains(j.Reason, "503") {
		t.Errorf("what is down: %+v", j)
	}
	if reasons := d.buried(); len(reasons) != 1 || !strings.Contains(reasons[0], "404") {
		t.Errorf("the dead letters are %q", reasons)
	}
	// A job of nobody, and a message of somebody else.
	for name, says := range map[string]string{"mediafetch.json": "no such job", "mediafetch-malformed.json": "none of a media job"} {
		if r := d.invoke(fetcher, event(t, name), nil); string(r.Payload) != `{"batchItemFailures":[]}` {
			t.Errorf("%s: %s", name, r.Payload)
		}
		lines := d.log.errorLines()
		if len(lines) == 0 || !strings.Contains(lines[len(lines)-1], says) {
			t.Errorf("%s logged %q", name, lines)
		}
	}
	if reasons := d.buried(); len(reasons) != 2 {
		t.Errorf("the dead letters are %q", reasons)
	}
	for _, bad := range []string{`{}`, `[]`, `"x"`, `{"Records":5}`, `{"Records":[{}]}`, `{"Records":[{"messageId":"x","body":"y"}]}`} {
		logged := len(d.log.errorLines())
		r, err := fetcher.Invoke(t.Context(), []byte(bad))
		if err != nil || r.Status != sandbox.StatusError {
			t.Fatalf("%s: %+v, %v", bad, r, err)
		}
		if lines := d.log.errorLines()[logged:]; len(lines) != 1 || !strings.Contains(lines[0], "malformed event") {
			t.Errorf("%s logged %q", bad, lines)
		}
	}
	// A function that has too little time gives its job back without blame.
	f := d.function("mediafetch")
	f.Timeout = 30 * time.Second
	short, err := sandbox.Start(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer short.Close()
	late := ann.fetch(base + "/late")
	if n := d.deliver(short); n != 1 {
		t.Errorf("%d jobs were given back", n)
	}
	if j := ann.job(late); j.Status != "queued" || j.Reason != "" {
		t.Errorf("what was given back: %+v", j)
	}
	if n := d.deliver(fetcher); n != 0 {
		t.Errorf("%d jobs failed in the end", n)
	}
	if j := ann.job(late); j.Status != "done" {
		t.Errorf("in the end: %+v", j)
	}
}

// mediaPermissions runs all that the functions do with media, behind recorders.
func mediaPermissions(t *testing.T, d *deployment, base string, ann reader, start func(name string, env ...string) *sandbox.Sandbox, maintenance *sandbox.Sandbox) {
	t.Helper()
	fetcher := start("mediafetch")
	ann.fetch(base + "/small")
	ann.fetch(base + "/large")
	ann.fetch(base + "/cut")
	ann.fetch(base + "/none")
	if n := d.deliver(fetcher); n != 1 {
		t.Errorf("%d jobs are to be tried again", n)
	}
	var page struct{ Media []struct{ MediaID string } }
	ann.ask("GET", "/api/media", "", &page)
	if len(page.Media) != 2 {
		t.Fatalf("the list is %+v", page)
	}
	for _, m := range page.Media {
		for path, want := range map[string]int{"": 302, "/info": 200} {
			if status, _, text := ann.ask("GET", "/api/media/"+m.MediaID+path, "", nil); status != want {
				t.Errorf("%s%s: %d %s", m.MediaID, path, status, text)
			}
		}
	}
	// A request that cannot be queued.
	stray := start("api", "MEDIA_QUEUE_URL="+d.options.SQS+"/000000000000/nothing")
	lost := reader{t, serve(t, func(ctx context.Context, event []byte) ([]byte, error) {
		r, err := stray.Invoke(ctx, event)
		return r.Payload, err
	}), ann.key}
	if status, _, text := lost.ask("POST", "/api/media/fetch", `{"url":"`+base+`/x"}`, nil); status != http.StatusServiceUnavailable {
		t.Errorf("a request that cannot be queued: %d %s", status, text)
	}
	// A repair that finds an object without a grant, one that is gone, and what a killed
	// upload left in both of its forms.
	client, bucket := d.options.S3Client(), d.options.Bucket()
	orphan, temp := library.Kind+"/"+mediaID("orphan"), s3store.TempPrefix+"LEFT"
	for _, key := range []string{orphan, temp} {
		if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("orphan")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &temp}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(library.Kind + "/" + mediaID("/small"))}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // S3 counts in seconds, and without a grace all must be older
	var done library.Repaired
	d.invoke(maintenance, []byte(`{"task":"media-repair","graceMinutes":0}`), &done)
	if !done.Complete || done.Removed != 1 || done.Refetched != 1 || done.Swept != 2 {
		t.Errorf("the repair did %+v", done)
	}
	if n := d.deliver(fetcher); n > 1 { // the one that was cut
		t.Errorf("%d jobs are to be tried again", n)
	}
	d.invoke(maintenance, event(t, "maintenance-media-repair.json"), &done)
	if !done.Complete || done.Media != 2 || done.Refetched != 0 {
		t.Errorf("the second repair found %+v", done)
	}
}
