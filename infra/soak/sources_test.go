package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oipnode/shared/gun"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state/bolt"
	"oipnode/shared/upstream"
)

// get reads a URL, with a range if there is one.
func get(t *testing.T, url, span string) (status int, body []byte, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if span != "" {
		r.Header.Set("Range", span)
	}
	client, done := newClient()
	defer done()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body, resp.Header
}

func newShelf(t *testing.T, largest int64) *shelf {
	t.Helper()
	s, err := openShelf(largest)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The files have the sizes that are asked for, differ from each other, and are the same
// each time and in each part.
func TestShelf(t *testing.T) {
	s := newShelf(t, 3_000_000)
	if s.size(0) != smallest || s.size(shelfFiles-1) != 3_000_000 || s.size(shelfFiles) != smallest {
		t.Errorf("sizes %d, %d, %d", s.size(0), s.size(shelfFiles-1), s.size(shelfFiles))
	}
	if !strings.HasSuffix(s.server.Address(), ":"+s.port()) || s.port() == "" {
		t.Errorf("port %q of %q", s.port(), s.server.Address())
	}
	sums := map[[32]byte]int{}
	for i := range shelfFiles {
		status, body, header := get(t, s.url(i), "")
		if status != http.StatusOK || int64(len(body)) != s.size(i) || header.Get("ETag") != fmt.Sprintf(`"file-%d"`, i) {
			t.Fatalf("file %d: status %d, %d bytes, %v", i, status, len(body), header)
		}
		sums[sha256.Sum256(body)]++
		from := s.size(i) / 3
		status, part, _ := get(t, s.url(i+shelfFiles), fmt.Sprintf("bytes=%d-%d", from, from+999))
		if status != http.StatusPartialContent || !bytes.Equal(part, body[from:from+1000]) {
			t.Errorf("file %d: status %d, and another part", i, status)
		}
	}
	if len(sums) != shelfFiles {
		t.Errorf("%d different files", len(sums))
	}
	for _, path := range []string{"/", "/file/x", "/file/-1", "/file/24", "/file/1/2"} {
		if status, _, _ := get(t, "http://"+s.server.Address()+path, ""); status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

// A node that does not do what a fetch asks for is found out.
func TestFetcherFinds(t *testing.T) {
	s := newShelf(t, smallest)
	whole := make([]byte, smallest)
	if _, err := io.ReadFull(s.open(0), whole); err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(whole)
	other[smallest/2+5] ^= 1
	for name, c := range map[string]struct {
		job  string
		file []byte
		want string
	}{
		"right":        {`{"jobId":"j","status":"done","mediaId":"m","bytes":1000000}`, whole, ""},
		"failed":       {`{"jobId":"j","status":"failed","reason":"the source is gone"}`, whole, "the source is gone"},
		"cut":          {`{"jobId":"j","status":"done","mediaId":"m","bytes":999999}`, whole, "999999 bytes"},
		"another file": {`{"jobId":"j","status":"done","mediaId":"m","bytes":1000000}`, other, "something else"},
		"nonsense":     {`[`, whole, "unexpected end"},
	} {
		asked := 0
		api := http.NewServeMux()
		api.HandleFunc("POST /api/media/fetch", func(w http.ResponseWriter, r *http.Request) {
			var body struct{ URL string }
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.URL != s.url(0) || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey") {
				t.Errorf("%s: asked for %q as %q, %v", name, body.URL, r.Header.Get("Authorization"), err)
			}
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"jobId":"j","status":"queued"}`)
		})
		api.HandleFunc("GET /api/media/jobs/j", func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked == 1 {
				_, _ = io.WriteString(w, `{"jobId":"j","status":"running","bytes":3}`)
				return
			}
			_, _ = io.WriteString(w, c.job)
		})
		api.HandleFunc("GET /api/media/m", func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(c.file))
		})
		err := fetchOnce(t, s, api)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestShows: each type shows its souls for a step and a half, and not as long as their ids
// live, but in a run that is too short for that.
func TestShows(t *testing.T) {
	o := opening{time.Unix(1000, 0), 1000 * time.Second}
	for _, c := range []struct {
		n     int
		after time.Duration
		want  bool
	}{
		{0, 0, true}, {0, 149 * time.Second, true}, {0, 150 * time.Second, false}, {1, 99 * time.Second, false}, {1, 100 * time.Second, true},
		{9, 899 * time.Second, false}, {9, 900 * time.Second, true}, {9, 1049 * time.Second, true},
	} {
		if got := o.shows(c.n, o.at.Add(c.after)); got != c.want {
			t.Errorf("type %d after %v: %v", c.n, c.after, got)
		}
	}
	if life := idLife(o.in); life != 200*time.Second {
		t.Errorf("ids live %v", life)
	}
	short := opening{o.at, 10 * time.Second}
	if !short.shows(0, o.at.Add(time.Hour)) || short.shows(9, o.at) || idLife(short.in) != time.Hour {
		t.Error("a short run hides souls")
	}
}

// TestPond: a closed pond has nothing, an open one has all souls, and a sync that reads
// them is believed for its own numbers only.
func TestPond(t *testing.T) {
	p, err := openPond(500)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.server.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	store, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	documents, err := embedded.Open(t.Context(), filepath.Join(dir, "records"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(documents.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	sync, err := gun.New(gun.Options{Records: documents, State: store, Peers: []string{p.url()}, Interval: 1})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := sync.Run(t.Context()); err != nil || report.Counts.Discovered != 0 {
		t.Fatalf("a closed pond: %+v, %v", report.Counts, err)
	}
	var r result
	if p.saySync(t.Context(), store, &r); r.Checks[0].OK {
		t.Errorf("before anything was read: %+v", r.Checks)
	}
	p.open(time.Minute)
	if _, err := sync.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.saySync(t.Context(), store, &r); r.Souls < indexedSouls || r.Souls >= int64(p.souls) {
		t.Errorf("%d souls of %d at the begin", r.Souls, p.souls)
	}
	p.open(0)
	for range 20 {
		if _, err := sync.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		r = result{}
		if p.saySync(t.Context(), store, &r); r.Checks[0].OK {
			break
		}
	}
	for _, c := range r.Checks {
		if !c.OK {
			t.Errorf("%s: %s", c.Name, c.Said)
		}
	}
	if r.Souls != int64(p.souls) || p.souls != 500+indexedSouls {
		t.Errorf("%d souls were processed of %d", r.Souls, p.souls)
	}
	counts, err := documents.Count(t.Context(), nil, records.FieldRecordTypeExact)
	if err != nil || len(counts.Buckets) != 1 || counts.Buckets[0].Value != "post" || counts.Buckets[0].Count != indexedSouls {
		t.Errorf("the index has %+v, %v", counts, err)
	}
}

// fetchOnce has the first file fetched by a node that answers like this.
func fetchOnce(t *testing.T, s *shelf, api http.Handler) error {
	t.Helper()
	var server upstream.Server
	if err := server.Start(api); err != nil {
		t.Fatal(err)
	}
	client, done := newClient()
	defer func() {
		done()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	tokens, err := tokensOf("a secret of the tests, which is long enough", 2)
	if err != nil || len(tokens) != 2 || tokens[0] == tokens[1] {
		t.Fatalf("tokens %q, %v", tokens, err)
	}
	f := fetcher{url: "http://" + server.Address(), client: client, shelf: s, tokens: tokens}
	return f.do(t.Context(), 0, time.Now())
}
