package local_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/jobs"
	"oipnode/shared/jobs/jobstest"
	"oipnode/shared/jobs/local"
)

// TestKill starts the test binary again with this flag, to kill it.
var useFile = flag.String("use-file", "", "use this job file until killed")

func TestMain(m *testing.M) {
	flag.Parse()
	if *useFile == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := useUntilKilled(*useFile, os.Stdout); err != nil {
		fmt.Println("child failed:", err)
	}
}

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const maxReceives = 4

// TestQueue runs the suite twice: on a clock that is moved, and on the real one.
func TestQueue(t *testing.T) {
	c := &clock{now: time.Date(2026, 5, 17, 12, 0, 0, 250e6, time.UTC)}
	for name, harness := range map[string]jobstest.Harness{"still": {Advance: c.Advance}, "running": {}} {
		t.Run(name, func(t *testing.T) {
			opts := local.Options{MaxReceives: maxReceives}
			if harness.Advance != nil {
				opts.Now = c.Now
			}
			var paths sync.Map // by queue
			open := func(t *testing.T, path string) jobs.Queue {
				q := openQueue(t, path, opts)
				paths.Store(q, path)
				t.Cleanup(func() {
					if err := q.Verify(context.Background()); err != nil && !errors.Is(err, jobs.ErrClosed) {
						t.Error(err)
					}
				})
				return q
			}
			harness.Open = func(t *testing.T) jobs.Queue { return open(t, newPath(t)) }
			harness.Reopen = func(t *testing.T, q jobs.Queue) jobs.Queue {
				if err := q.(*local.Queue).Close(); err != nil {
					t.Fatal(err)
				}
				path, _ := paths.Load(q)
				return open(t, path.(string))
			}
			harness.Dead = func(t *testing.T, q jobs.Queue) (list []jobstest.Dead) {
				for _, d := range dead(t, q.(*local.Queue)) {
					list = append(list, jobstest.Dead{Body: string(d.Body), Reason: d.Reason, Job: d.ID, Attempt: d.Attempt})
				}
				return list
			}
			harness.MaxReceives, harness.Strict, harness.LongWait = maxReceives, true, true
			jobstest.Run(t, harness)
		})
	}
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "jobs.db") }

// openQueue opens a queue that the test's end closes.
func openQueue(t testing.TB, path string, opts local.Options) *local.Queue {
	t.Helper()
	q, err := local.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

// dead returns all dead letters, a page of three at a time.
func dead(t testing.TB, q *local.Queue) (list []local.DeadLetter) {
	t.Helper()
	for after := ""; ; {
		page, err := q.Dead(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, page...)
		if len(page) < 3 {
			return list
		}
		after = page[len(page)-1].ID
	}
}

func send(t testing.TB, q *local.Queue, body string) string {
	t.Helper()
	id, err := q.Send(t.Context(), []byte(body), 0)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func receive(t testing.TB, q *local.Queue) jobs.Job {
	t.Helper()
	batch, err := q.Receive(t.Context(), 1, 0, time.Minute)
	if err != nil || len(batch) != 1 {
		t.Fatalf("received %d jobs, %v", len(batch), err)
	}
	return batch[0]
}
