package library_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/access"
	"oipnode/shared/jobs"
	"oipnode/shared/jobs/local"
	"oipnode/shared/library"
	"oipnode/shared/media"
	"oipnode/shared/media/files"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/remote"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the time of a test. It stands still unless it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// source is a web server with the files of a test. It serves what was put under a path.
type source struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string]http.HandlerFunc
	asked map[string]int
}

func newSource(t testing.TB) *source {
	s := &source{files: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		h := s.files[r.URL.Path]
		s.asked[r.URL.Path]++
		s.mu.Unlock()
		if h == nil {
			http.NotFound(w, r)
			return
		}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// put makes a path answer with a handler, and returns its URL.
func (s *source) put(path string, h http.HandlerFunc) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = h
	return s.URL + path
}

// file makes a path answer with a content.
func (s *source) file(path, contentType, content string) string {
	return s.put(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write([]byte(content))
	})
}

// status makes a path answer with a status only.
func (s *source) status(path string, status int) string {
	return s.put(path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

func (s *source) times(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

// client reads from the source, which is on this machine.
func (s *source) client(t testing.TB) *remote.Client {
	t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return remote.New(remote.Options{Ports: []int{80, n}, AllowPrivate: true, Pause: time.Millisecond, MaxResumes: -1})
}

// queue is a jobs.Queue whose dead letters can be read.
type queue interface {
	jobs.Queue
	deadReasons(t testing.TB) []string
}

// localQueue is the embedded queue.
type localQueue struct{ *local.Queue }

func (q localQueue) deadReasons(t testing.TB) []string {
	t.Helper()
	letters, err := q.Dead(context.Background(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, l := range letters {
		reasons = append(reasons, l.Reason)
	}
	return reasons
}

// world is a node's stores, a source on the web, and the library over them.
type world struct {
	testing.TB
	*library.Library
	clock   *clock
	state   state.Store
	media   media.Store
	queue   queue
	records records.Store
	source  *source
	opt     library.Options
	log     *journal
}

// stores are what a world is made of.
type stores struct {
	state state.Store
	media media.Store
	queue queue
	// records and source may be shared by worlds; nil means own ones.
	records records.Store
	source  *source
}

// newWorld has the embedded stores; change may replace any option.
func newWorld(t testing.TB, change ...func(*library.Options)) *world {
	t.Helper()
	c := newClock()
	return worldOver(t, c, embeddedStores(t, c), change...)
}

// embeddedStores are empty ones in a folder of the test.
func embeddedStores(t testing.TB, c *clock) stores {
	t.Helper()
	dir := t.TempDir()
	kept, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Options{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, kept.Close()) })
	q, err := local.Open(filepath.Join(dir, "jobs.db"), local.Options{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, q.Close()) })
	f, err := files.Open(filepath.Join(dir, "media"), files.Options{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return stores{state: kept, media: f, queue: localQueue{q}}
}

// worldOver makes what is missing of records and source.
func worldOver(t testing.TB, c *clock, s stores, change ...func(*library.Options)) *world {
	t.Helper()
	if s.records == nil {
		store, err := embedded.Open(context.Background(), filepath.Join(t.TempDir(), "records"), embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closed(t, store.Close()) })
		s.records, s.source = store, newSource(t)
	}
	w := &world{TB: t, clock: c, state: s.state, media: s.media, queue: s.queue, records: s.records, source: s.source, log: &journal{}}
	w.opt = library.Options{State: s.state, Media: s.media, Queue: s.queue, Remote: w.source.client(t), Records: s.records, Now: c.Now,
		Gateways: []string{w.source.URL},
		Log:      slog.New(slog.NewTextHandler(w.log, nil))}
	for _, ch := range change {
		ch(&w.opt)
	}
	w.Library = w.another()
	return w
}

// another is another process over the same stores.
func (w *world) another(change ...func(*library.Options)) *library.Library {
	w.Helper()
	o := w.opt
	for _, ch := range change {
		ch(&o)
	}
	l, err := library.New(o)
	if err != nil {
		w.Fatal(err)
	}
	return l
}

func closed(t testing.TB, err error) {
	if err != nil {
		t.Errorf("close: %v", err)
	}
}

// journal keeps a log.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// user is a caller with a key.
func user(key string) access.Viewer { return access.Viewer{Authenticated: true, PublicKey: key} }

var (
	ann, bob = user("key-of-ann"), user("key-of-bob")
	nobody   access.Viewer
)

// want asks for something that must be taken.
func (w *world) want(v access.Viewer, q library.Wanted) library.Job {
	w.Helper()
	j, err := w.Request(context.Background(), v, q)
	if err != nil {
		w.Fatalf("request %+v: %v", q, err)
	}
	if j.Status != library.Queued || len(j.ID) != 32 {
		w.Fatalf("a new job is %+v", j)
	}
	return j
}

// work runs what is in the queue until nothing is left, each job as often as it takes.
func (w *world) work() {
	w.Helper()
	w.workBy(w.Library)
}

func (w *world) workBy(l *library.Library) {
	w.Helper()
	opts := jobs.Options{MaxAttempts: library.MaxAttempts, Pause: func(int) time.Duration { return 0 }, Log: w.opt.Log}
	for range 1000 {
		batch, err := w.queue.Receive(context.Background(), jobs.MaxBatch, 0, 10*time.Minute)
		if err != nil {
			w.Fatal(err)
		}
		if len(batch) == 0 {
			return
		}
		failed := jobs.Batch(context.Background(), w.queue, batch, l.Run, opts)
		again := map[string]bool{}
		for _, id := range failed {
			again[id] = true
		}
		for _, j := range batch {
			if again[j.ID] {
				continue
			}
			if err := w.queue.Ack(context.Background(), j.Receipt); err != nil {
				w.Fatal(err)
			}
		}
	}
	w.Fatal("the queue has no end")
}

// job is a job of its owner.
func (w *world) job(v access.Viewer, id string) library.Job {
	w.Helper()
	j, err := w.Job(context.Background(), v, id)
	if err != nil {
		w.Fatal(err)
	}
	return j
}

// fetched asks for a URL and does the work; it must succeed. It returns the medium's id.
func (w *world) fetched(v access.Viewer, q library.Wanted) string {
	w.Helper()
	id := w.want(v, q).ID
	w.work()
	j := w.job(v, id)
	if j.Status != library.Done || j.MediaID == "" {
		w.Fatalf("%+v became %+v: %s", q, j, w.log)
	}
	return j.MediaID
}

// manifest is what a viewer finds.
func (w *world) manifest(v access.Viewer, id string) library.Manifest {
	w.Helper()
	m, err := w.Find(context.Background(), v, id)
	if err != nil {
		w.Fatal(err)
	}
	return m
}

// listed are the ids and levels of a viewer's media, the newest first.
func (w *world) listed(v access.Viewer) string {
	w.Helper()
	var all []string
	for after := ""; ; {
		p, err := w.List(context.Background(), v, after, 2)
		if err != nil {
			w.Fatal(err)
		}
		for _, m := range p.Media {
			all = append(all, m.OriginalName+":"+m.AccessLevel)
		}
		if after = p.Next; after == "" {
			return strings.Join(all, " ")
		}
	}
}

// objects are the names of the objects in the media store.
func (w *world) objects() []string {
	w.Helper()
	list, err := w.media.List(context.Background(), library.Kind, "", 1000)
	if err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, o := range list {
		names = append(names, strings.TrimPrefix(o.Name, library.Kind+"/"))
	}
	return names
}

// rows counts the rows of a space.
func (w *world) rows(space string) int {
	w.Helper()
	items, err := w.state.Range(context.Background(), space, "", "", 1000)
	if err != nil {
		w.Fatal(err)
	}
	return len(items)
}

// encoded is a value as JSON.
func encoded(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprint(err))
	}
	return string(text)
}

// strictRemote reads only from public addresses.
func strictRemote() *remote.Client { return remote.New(remote.Options{}) }
