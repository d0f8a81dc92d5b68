package library_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"oipnode/shared/access"
	"oipnode/shared/errs"
	"oipnode/shared/library"
	"oipnode/shared/records"
	"oipnode/shared/remote"
)

// TestRecord: of a record all addresses are fetched, each once, and also those of the
// records that it refers to, as far as whoever asks may read them.
func TestRecord(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		id := transactionID(t, 1)
		w.source.file("/raw/"+id, "image/webp", "of the chain")
		lion := w.source.file("/lion.bin", "application/octet-stream", "a lion")
		hidden := w.source.file("/hidden.png", "image/png", "hidden")
		public := w.publish(map[int]fields{basic: {0: "lion"}, image: {webUrl: lion, arweaveAddress: id, filename: "König.png", contentType: "image/png"}})
		private := w.publish(map[int]fields{image: {webUrl: hidden}, accessControl: restricted("private", "key-of-bob")})
		album := w.publish(map[int]fields{post: {0: w.source.URL + "/page", 1: public, 2: []any{private, public, "did:arweave:" + transactionID(t, 99)}}})

		job := w.want(ann, library.Wanted{DID: album})
		w.work()
		job = w.job(ann, job.ID)
		if job.Status != library.Done || len(job.Items) != 2 || job.MediaID != sum("of the chain") || job.Bytes != int64(len("of the chain")+len("a lion")) {
			t.Fatalf("the job is %s", encoded(job))
		}
		for i, want := range []string{"ar://" + id, lion} {
			if it := job.Items[i]; it.Source != want || it.Status != library.Done {
				t.Errorf("item %d is %+v, want %s", i, it, want)
			}
		}
		if w.source.times("/hidden.png")+w.source.times("/page") != 0 {
			t.Error("more was fetched than there is to fetch")
		}
		// What belongs to a public record is for everybody, and tells nothing of Ann.
		m := w.manifest(nobody, sum("a lion"))
		if m.OriginalName != "König.png" || m.MimeType != "image/png" || m.AccessLevel != "public" || m.Record != public || m.SourceURL != lion || m.UserPublicKey != "" {
			t.Errorf("the manifest is %s", encoded(m))
		}
		if m := w.manifest(ann, sum("of the chain")); m.MimeType != "image/webp" || m.SourceURL != "ar://"+id {
			t.Errorf("the manifest is %s", encoded(m))
		}
		// Bob may read all of it.
		job = w.want(bob, library.Wanted{DID: album})
		w.work()
		if job = w.job(bob, job.ID); job.Status != library.Done || len(job.Items) != 3 {
			t.Fatalf("bob's job is %s", encoded(job))
		}
		if m := w.manifest(bob, sum("hidden")); m.AccessLevel != "private" || m.Record != private || m.UserPublicKey != "key-of-bob" {
			t.Errorf("the manifest is %s", encoded(m))
		}
		for v, want := range map[*access.Viewer]error{&ann: library.ErrForbidden, &nobody: library.ErrUnauthorized} {
			if _, err := w.Find(t.Context(), *v, sum("hidden")); !errors.Is(err, want) {
				t.Errorf("%+v: %v", *v, err)
			}
			if _, err := w.Request(t.Context(), ann, library.Wanted{DID: private}); !errors.Is(err, library.ErrNotFound) {
				t.Errorf("a record of bob's: %v", err)
			}
		}
	})
}

// TestRecordRule: whoever may read the record now may read its media, and nobody else.
func TestRecordRule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	carla := user("key-of-carla")
	file := w.source.file("/x.png", "image/png", "x")
	shared := w.publish(map[int]fields{image: {webUrl: file}, accessControl: restricted("shared", "key-of-ann", "key-of-bob")})
	for _, v := range []access.Viewer{carla, nobody} {
		if _, err := w.Request(t.Context(), v, library.Wanted{DID: shared}); err == nil {
			t.Errorf("%+v may fetch it", v)
		}
	}
	id := w.fetched(bob, library.Wanted{DID: shared})
	for _, v := range []access.Viewer{ann, bob} {
		if m := w.manifest(v, id); m.AccessLevel != "shared" {
			t.Errorf("%+v sees %+v", v, m)
		}
	}
	if m := w.manifest(ann, id); m.UserPublicKey != "" {
		t.Errorf("ann sees who fetched it: %+v", m)
	}
	if _, err := w.Find(t.Context(), carla, id); !errors.Is(err, library.ErrForbidden) {
		t.Errorf("carla: %v", err)
	}
	// Another record of the same file admits others, and changes nothing for these.
	public := w.publish(map[int]fields{image: {webUrl: file}})
	w.fetched(carla, library.Wanted{DID: public})
	if m := w.manifest(nobody, id); m.Record != public {
		t.Errorf("nobody sees %+v", m)
	}
	// Many who fetch the same do not hide another record behind them.
	for n := range 12 {
		w.fetched(user(fmt.Sprint("reader ", n)), library.Wanted{DID: public})
	}
	if got := w.listed(bob) + "|" + w.listed(carla); got != "x.png:shared|x.png:public" {
		t.Errorf("the lists are %q", got)
	}
	w.write(records.Op{Delete: public, Fence: 1})
	if _, err := w.Find(t.Context(), carla, id); !errors.Is(err, library.ErrForbidden) {
		t.Errorf("carla, when her record is gone: %v", err)
	}
	if got := w.listed(carla); got != "" {
		t.Errorf("carla's list is %q", got)
	}
	if m := w.manifest(ann, id); m.Record != shared {
		t.Errorf("ann sees %+v", m)
	}
	// Who wants a copy whatever becomes of the record asks for a private one.
	w.fetched(bob, library.Wanted{DID: shared, Level: library.Private})
	w.write(records.Op{Delete: shared, Fence: 1})
	if m := w.manifest(bob, id); m.AccessLevel != "private" || m.Record != "" {
		t.Errorf("bob sees %+v", m)
	}
	if _, err := w.Find(t.Context(), ann, id); !errors.Is(err, library.ErrForbidden) {
		t.Errorf("ann, when the record is gone: %v", err)
	}
}

// TestRecordBounds: no record makes more work than the options say, and an address that
// is refused says why and hinders no other.
func TestRecordBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *library.Options) { o.MaxItems = 3 })
	var thumbnails []any
	for n := range 5 {
		path := fmt.Sprintf("/thumbnail%d", n)
		thumbnails = append(thumbnails, w.publish(map[int]fields{image: {webUrl: w.source.file(path, "image/png", path)}}))
	}
	did := w.publish(map[int]fields{video: {webUrl: "gopher://a.example/" + strings.Repeat("x", 1000), 4: thumbnails}})
	j := w.want(ann, library.Wanted{DID: did})
	w.work()
	j = w.job(ann, j.ID)
	if j.Status != library.Done || len(j.Items) != 3 || j.LeftOut != 3 || !strings.Contains(j.Reason, "http") || len(w.objects()) != 2 {
		t.Errorf("the job is %s", encoded(j))
	}
	if bad := j.Items[0]; bad.Status != library.Failed || len(bad.Source) > 210 {
		t.Errorf("the refused address is %+v", bad)
	}
	for name, parts := range map[string]map[int]fields{
		"no media":           {basic: {0: "x"}},
		"an empty address":   {image: {webUrl: " ", filename: "x"}},
		"only refused ones":  {image: {webUrl: "file:///etc/passwd"}},
		"only a page":        {post: {0: w.source.URL + "/page"}},
		"a reference to air": {post: {1: "did:arweave:" + transactionID(t, 5)}},
	} {
		var field *library.FieldError
		if _, err := w.Request(t.Context(), ann, library.Wanted{DID: w.publish(parts)}); !errors.As(err, &field) || field.Field != "did" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGateways: a transaction is fetched from the first gateway that delivers it whole.
func TestGateways(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := transactionID(t, 7)
	path := func(gateway string) string { return "/" + gateway + "/raw/" + id }
	w.source.status(path("away"), http.StatusBadGateway)
	w.source.put(path("short"), func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "100")
		_, _ = rw.Write([]byte("half a transaction"))
		panic(http.ErrAbortHandler)
	})
	w.source.file(path("good"), "text/plain; charset=utf-8", "a transaction")
	over := func(gateways ...string) *library.Library {
		return w.another(func(o *library.Options) {
			o.GatewayRemote, o.Gateways = w.source.client(t), nil
			o.Remote = remote.New(remote.Options{}) // gateways are the operator's choice, and need not be public
			for _, g := range gateways {
				o.Gateways = append(o.Gateways, w.source.URL+"/"+g+"/")
			}
		})
	}
	for _, c := range []struct {
		gateways []string
		status   library.Status
		says     string
		tries    int
	}{
		{[]string{"none", "away", "short", "good", "unasked"}, library.Done, "", 1},
		{[]string{"none"}, library.Failed, "404", 1},
		{[]string{"none", "away"}, library.Failed, "502", library.MaxAttempts},
		{nil, library.Failed, "no gateway", 0},
	} {
		l := over(c.gateways...)
		j, err := l.Request(t.Context(), ann, library.Wanted{URL: "ar://" + id})
		if err != nil {
			t.Fatal(err)
		}
		asked := w.source.times(path("none"))
		w.workBy(l)
		if j = w.job(ann, j.ID); j.Status != c.status || !strings.Contains(j.Reason, c.says) || w.source.times(path("none"))-asked != c.tries {
			t.Errorf("%v: %+v after %d tries", c.gateways, j, w.source.times(path("none"))-asked)
		}
	}
	if m := w.manifest(ann, sum("a transaction")); m.MimeType != "text/plain; charset=utf-8" || m.OriginalName != id || m.SourceURL != "ar://"+id {
		t.Errorf("the manifest is %+v", m)
	}
	if w.source.times(path("unasked")) != 0 {
		t.Error("a gateway was asked for what another had delivered")
	}
}

// TestRecordsAway: when the records cannot be asked, nobody is taken for a stranger.
func TestRecordsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.fetched(ann, library.Wanted{DID: w.publish(map[int]fields{image: {webUrl: w.source.file("/x", "image/png", "x")}})})
	closed(t, w.records.Close())
	if _, err := w.Find(t.Context(), ann, id); err == nil || errors.Is(err, library.ErrForbidden) || errors.Is(err, library.ErrNotFound) {
		t.Errorf("find: %v", err)
	}
	if _, err := w.List(t.Context(), ann, "", 10); err == nil || errs.Status(err) < 500 {
		t.Errorf("list: %v", err)
	}
}
