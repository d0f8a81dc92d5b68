package library_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"oipnode/shared/access"
	"oipnode/shared/errs"
	"oipnode/shared/jobs"
	"oipnode/shared/library"
)

func sum(content string) string {
	s := sha256.Sum256([]byte(content))
	return hex.EncodeToString(s[:])
}

// TestFetch: what a URL has becomes a medium of whoever asked, and nobody else's.
func TestFetch(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		url := w.source.file("/pictures/Löwe.png", "image/png", "a lion")
		job := w.want(ann, library.Wanted{URL: url + "?key=secret#part"})
		if j := w.job(ann, job.ID); encoded(j) != fmt.Sprintf(`{"jobId":%q,"status":"queued","reason":"","mediaId":"","bytes":0}`, job.ID) {
			t.Errorf("queued: %s", encoded(j))
		}
		w.work()
		id := sum("a lion")
		if j := w.job(ann, job.ID); encoded(j) != fmt.Sprintf(`{"jobId":%q,"status":"done","reason":"","mediaId":%q,"bytes":6}`, job.ID, id) {
			t.Errorf("done: %s", encoded(j))
		}
		m := w.manifest(ann, id)
		if m.CreatedAt.IsZero() {
			t.Error("it was never made")
		}
		m.CreatedAt = time.Time{}
		want := library.Manifest{MediaID: id, OriginalName: "Löwe.png", MimeType: "image/png", FileSize: 6, HTTPURL: "/api/media/" + id,
			SourceURL: w.source.URL + "/pictures/L%C3%B6we.png?key=secret", UserPublicKey: "key-of-ann", AccessLevel: "private"}
		if m != want {
			t.Errorf("got  %+v\nwant %+v", m, want)
		}
		for _, v := range []access.Viewer{bob, {Authenticated: true}, {Authenticated: true, UserID: "key-of-ann"}, {Authenticated: true, PublicKey: "key-of-ann "}} {
			if _, err := w.Find(t.Context(), v, id); !errors.Is(err, library.ErrForbidden) {
				t.Errorf("%+v: %v", v, err)
			}
			if _, err := w.Job(t.Context(), v, job.ID); !errors.Is(err, library.ErrNotFound) {
				t.Errorf("the job to %+v: %v", v, err)
			}
		}
		if _, err := w.Find(t.Context(), access.Viewer{PublicKey: "key-of-ann"}, id); !errors.Is(err, library.ErrUnauthorized) {
			t.Errorf("without a token: %v", err)
		}
		for _, none := range []string{sum("nothing"), "", "x", id[1:], strings.ToUpper(id), "../" + id} {
			if _, err := w.Find(t.Context(), ann, none); !errors.Is(err, library.ErrNotFound) {
				t.Errorf("%q: %v", none, err)
			}
		}
		if got := w.listed(ann); got != "Löwe.png:private" {
			t.Errorf("ann's list is %q", got)
		}
		if got := w.listed(bob); got != "" {
			t.Errorf("bob's list is %q", got)
		}
		if w.rows("media-open") != 0 || len(w.queue.deadReasons(t)) != 0 {
			t.Error("something is left of the job")
		}
	})
}

// TestRefused: what can be refused at once is, with the field and the reason, and makes
// no job.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *library.Options) { o.MaxPerOwner = 2 })
	for _, c := range []struct {
		wanted library.Wanted
		field  string
		says   string
	}{
		{library.Wanted{}, "url", "or did"},
		{library.Wanted{URL: "http://a.example/", DID: "did:arweave:x"}, "url", "one of them"},
		{library.Wanted{URL: "ftp://a.example/"}, "url", "http"},
		{library.Wanted{URL: "http://u:p@a.example/"}, "url", "credentials"},
		{library.Wanted{URL: "http://a.example:22/"}, "url", "port"},
		{library.Wanted{URL: "http://a.example/" + strings.Repeat("x", 3000)}, "url", "2048"},
		{library.Wanted{URL: "ar://short"}, "url", "id of a transaction"},
		{library.Wanted{DID: "nonsense"}, "did", "did:arweave"},
		{library.Wanted{URL: "http://a.example/", Level: "shared"}, "accessLevel", "private or public"},
		{library.Wanted{DID: "did:arweave:x", Level: library.Public}, "accessLevel", "private"},
	} {
		_, err := w.Request(t.Context(), ann, c.wanted)
		var field *library.FieldError
		if !errors.As(err, &field) || field.Field != c.field || !strings.Contains(field.Error(), c.says) {
			t.Errorf("%+v: %v", c.wanted, err)
		}
	}
	private := library.Wanted{URL: "http://127.0.0.1/"}
	strict := w.another(func(o *library.Options) { o.Remote = strictRemote() })
	var field *library.FieldError
	if _, err := strict.Request(t.Context(), ann, private); !errors.As(err, &field) || errs.Status(field.Cause) != 400 || strings.Contains(field.Error(), "127") {
		t.Errorf("a private address: %v", err)
	}
	for _, v := range []access.Viewer{nobody, {Authenticated: true}} {
		if _, err := w.Request(t.Context(), v, library.Wanted{URL: "http://a.example/"}); !errors.Is(err, library.ErrUnauthorized) {
			t.Errorf("%+v: %v", v, err)
		}
	}
	if _, err := w.Request(t.Context(), ann, library.Wanted{DID: "did:arweave:nothing"}); !errors.Is(err, library.ErrNotFound) {
		t.Errorf("no such record: %v", err)
	}
	if w.rows("media-open") != 0 {
		t.Error("something that was refused made a job")
	}
	for range 2 {
		w.want(ann, library.Wanted{URL: w.source.file("/x", "", "x")})
	}
	if _, err := w.Request(t.Context(), ann, library.Wanted{URL: w.source.URL + "/x"}); !errors.Is(err, library.ErrTooMany) {
		t.Errorf("a third job: %v", err)
	}
	w.want(bob, library.Wanted{URL: w.source.URL + "/x"})
	w.work()
	w.want(ann, library.Wanted{URL: w.source.URL + "/x"})
}

// TestFails: an error that stays ends the item at once, one that passes after some tries.
// Both have a reason, for the owner and among the dead letters, without anything inside.
func TestFails(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.source.status("/gone", http.StatusGone)
		w.source.status("/down", http.StatusServiceUnavailable)
		w.source.file("/large", "", strings.Repeat("x", 101))
		w.source.put("/endless", func(rw http.ResponseWriter, _ *http.Request) {
			for range 10 {
				_, _ = rw.Write(make([]byte, 50))
				_ = http.NewResponseController(rw).Flush()
			}
		})
		for path, want := range map[string]struct {
			tries int
			says  string
		}{"/none": {1, "404"}, "/gone": {1, "410"}, "/down": {library.MaxAttempts, "503"}, "/large": {1, "larger"}, "/endless": {1, "larger"}} {
			j := w.want(ann, library.Wanted{URL: w.source.URL + path})
			w.work()
			j = w.job(ann, j.ID)
			if j.Status != library.Failed || !strings.Contains(j.Reason, want.says) || j.MediaID != "" || w.source.times(path) != want.tries {
				t.Errorf("%s: %+v after %d tries, want %+v", path, j, w.source.times(path), want)
			}
			if strings.Contains(j.Reason, w.source.URL) || strings.Contains(j.Reason, "127.0.0.1") {
				t.Errorf("%s: the reason tells too much: %q", path, j.Reason)
			}
		}
		if reasons := w.queue.deadReasons(t); len(reasons) != 5 {
			t.Errorf("the dead letters are %q", reasons)
		}
		if len(w.objects()) != 0 || w.rows("media-open") != 0 || w.rows("media-head") != 0 || w.listed(ann) != "" {
			t.Error("something is left of what failed")
		}
	}, func(o *library.Options) { o.MaxBytes = 100 })
}

// TestPoison: a message that is none of ours is buried with a reason, and one of a job
// that has expired as well.
func TestPoison(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expired := w.want(ann, library.Wanted{URL: w.source.file("/x", "", "x")})
	w.clock.advance(8 * 24 * time.Hour)
	for _, body := range []string{"nonsense", "{}", `{"job":"../x","item":0}`, fmt.Sprintf(`{"job":%q,"item":-1}`, expired.ID), "[]"} {
		if _, err := w.queue.Send(t.Context(), []byte(body), 0); err != nil {
			t.Fatal(err)
		}
	}
	w.work()
	reasons := w.queue.deadReasons(t)
	if len(reasons) != 6 || strings.Count(strings.Join(reasons, "\n"), "none of a media job") != 5 || strings.Count(strings.Join(reasons, "\n"), "expired") != 1 {
		t.Errorf("the dead letters are %q", reasons)
	}
	if w.source.times("/x") != 0 {
		t.Error("an expired job was run")
	}
	if _, err := w.Job(t.Context(), ann, expired.ID); !errors.Is(err, library.ErrNotFound) {
		t.Errorf("an expired job: %v", err)
	}
	// An item that the job does not have.
	j := w.want(ann, library.Wanted{URL: w.source.URL + "/x"})
	err := w.Run(t.Context(), jobs.Job{Body: fmt.Appendf(nil, `{"job":%q,"item":7}`, j.ID)})
	if errs.ClassOf(err) != errs.Permanent {
		t.Errorf("item 7: %v", err)
	}
}

// TestSameContent: what two users fetched is one object, of which each sees their own
// manifest, and neither that of the other.
func TestSameContent(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		a := w.source.file("/a/ann.png", "image/png", "the same")
		b := w.source.file("/b/bob.gif", "image/gif", "the same")
		id := w.fetched(ann, library.Wanted{URL: a})
		if other := w.fetched(bob, library.Wanted{URL: b}); other != id || len(w.objects()) != 1 {
			t.Fatalf("%s and %s, objects %v", id, other, w.objects())
		}
		for v, name := range map[*access.Viewer]string{&ann: "ann.png", &bob: "bob.gif"} {
			if m := w.manifest(*v, id); m.OriginalName != name || m.AccessLevel != "private" {
				t.Errorf("%s: %+v", name, m)
			}
		}
		carla := user("key-of-carla")
		if _, err := w.Find(t.Context(), carla, id); !errors.Is(err, library.ErrForbidden) {
			t.Errorf("carla: %v", err)
		}
		// Bob publishes it: everybody sees his manifest, without the query of his URL,
		// and Ann her own still. Nothing of what others see changes with Ann's having it.
		w.clock.advance(time.Second)
		w.fetched(bob, library.Wanted{URL: b + "?signed=secret", Level: library.Public})
		for _, v := range []access.Viewer{nobody, carla} {
			m := w.manifest(v, id)
			if m.OriginalName != "bob.gif" || m.AccessLevel != "public" || m.UserPublicKey != "key-of-bob" || m.SourceURL != b {
				t.Errorf("%+v sees %+v", v, m)
			}
			if strings.Contains(encoded(m), "ann") {
				t.Errorf("%+v sees Ann: %s", v, encoded(m))
			}
		}
		if m := w.manifest(ann, id); m.OriginalName != "ann.png" {
			t.Errorf("ann sees %+v", m)
		}
		// Fetching it again changes nothing.
		first := w.manifest(ann, id)
		w.clock.advance(time.Hour)
		w.fetched(ann, library.Wanted{URL: b})
		if m := w.manifest(ann, id); m != first {
			t.Errorf("again: %+v, was %+v", m, first)
		}
		if a, b := w.listed(ann), w.listed(bob); a != "ann.png:private" || b != "bob.gif:public bob.gif:private" {
			t.Errorf("the lists are %q and %q", a, b)
		}
	})
}

// TestTwice: a message that is delivered twice, at once or later, is one medium.
func TestTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.want(ann, library.Wanted{URL: w.source.file("/x", "", "x")})
	message := jobs.Job{Body: fmt.Appendf(nil, `{"job":%q,"item":0}`, j.ID), Attempt: 1}
	failed := make(chan error, 4)
	for range cap(failed) {
		go func() { failed <- w.another().Run(context.Background(), message) }()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	times := w.source.times("/x")
	w.work()
	if w.source.times("/x") != times || w.listed(ann) != "x:private" || len(w.objects()) != 1 {
		t.Errorf("asked %d times, then %d; list %q", times, w.source.times("/x"), w.listed(ann))
	}
}

// TestProgress: while a file comes, its job says how much has; a job that must stop is
// queued again, is not blamed, and goes on later.
func TestProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *library.Options) { o.Progress = 2 * time.Millisecond })
	more := make(chan struct{})
	url := w.source.put("/slow", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Length", "8")
		_, _ = rw.Write([]byte("half"))
		_ = http.NewResponseController(rw).Flush()
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
		_, _ = rw.Write([]byte("full"))
	})
	j := w.want(ann, library.Wanted{URL: url})
	message := jobs.Job{Body: fmt.Appendf(nil, `{"job":%q,"item":0}`, j.ID), Attempt: library.MaxAttempts}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	run := func() { ended <- w.Run(ctx, message) }
	go run()
	half := func() {
		for {
			if got := w.job(ann, j.ID); got.Status == library.Running && got.Bytes == 4 {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	half()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if got := w.job(ann, j.ID); got.Status != library.Queued || len(w.objects()) != 0 {
		t.Errorf("stopped: %+v, objects %v", got, w.objects())
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	go run()
	half()
	close(more)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := w.job(ann, j.ID); got.Status != library.Done || got.Bytes != 8 {
		t.Errorf("done: %+v", got)
	}
}

// TestTimeout: a source that is too slow fails with that as the reason, also when the
// time is that of a function which must stop.
func TestTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *library.Options) { o.Timeout, o.Reserve = time.Hour, 3*time.Second })
	url := w.source.put("/hangs", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Length", "8")
		_, _ = rw.Write([]byte("half"))
		_ = http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	})
	for name, l := range map[string]*library.Library{
		"the deadline": w.Library,
		"the option":   w.another(func(o *library.Options) { o.Timeout = 50 * time.Millisecond }),
	} {
		j := w.want(ann, library.Wanted{URL: url})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if name == "the deadline" {
			ctx, cancel = context.WithTimeout(t.Context(), 4*time.Second)
		}
		err := l.Run(ctx, jobs.Job{Body: fmt.Appendf(nil, `{"job":%q,"item":0}`, j.ID), Attempt: library.MaxAttempts})
		cancel()
		if !errors.Is(err, errs.Timeout) {
			t.Errorf("%s: %v", name, err)
		}
		if got := w.job(ann, j.ID); got.Status != library.Failed || !strings.Contains(got.Reason, "within") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
