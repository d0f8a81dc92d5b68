package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/errs"
	"oipnode/shared/jobs"
	"oipnode/shared/jobs/local"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faulty is a real queue whose methods fail when the test says so.
type faulty struct {
	*local.Queue
	mu sync.Mutex
	// fail is asked before each call; an error is returned instead of doing it.
	fail func(method string) error
	seen []string
}

func newQueue(t *testing.T, bodies ...string) *faulty {
	t.Helper()
	q, err := local.Open(filepath.Join(t.TempDir(), "jobs.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, body := range bodies {
		if _, err := q.Send(t.Context(), []byte(body), 0); err != nil {
			t.Fatal(err)
		}
	}
	return &faulty{Queue: q}
}

func (f *faulty) judge(method string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, method)
	if f.fail == nil {
		return nil
	}
	return f.fail(method)
}

func (f *faulty) times(method string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.seen {
		if s == method {
			n++
		}
	}
	return n
}

func (f *faulty) Receive(ctx context.Context, max int, wait, visibility time.Duration) ([]jobs.Job, error) {
	if err := f.judge("Receive"); err != nil {
		return nil, err
	}
	return f.Queue.Receive(ctx, max, wait, visibility)
}

func (f *faulty) Extend(ctx context.Context, receipt string, visibility time.Duration) error {
	if err := f.judge("Extend"); err != nil {
		return err
	}
	return f.Queue.Extend(ctx, receipt, visibility)
}

func (f *faulty) Ack(ctx context.Context, receipts ...string) error {
	if err := f.judge("Ack"); err != nil {
		return err
	}
	return f.Queue.Ack(ctx, receipts...)
}

func (f *faulty) Bury(ctx context.Context, j jobs.Job, reason string) error {
	if err := f.judge("Bury"); err != nil {
		return err
	}
	return f.Queue.Bury(ctx, j, reason)
}

func (f *faulty) all(t *testing.T) []jobs.Job {
	t.Helper()
	batch, err := f.Queue.Receive(t.Context(), jobs.MaxBatch, 0, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func (f *faulty) stats(t *testing.T, want jobs.Stats) {
	t.Helper()
	if got, err := f.Stats(t.Context()); err != nil || got != want {
		t.Errorf("Stats are %+v, %v, want %+v", got, err, want)
	}
}

var errDown = fmt.Errorf("%w: for the test", jobs.ErrUnavailable)

// TestRenew: a job that runs longer than its visibility is kept, and is lost to
// nobody.
func TestRenew(t *testing.T) {
	q := newQueue(t, "long")
	const visibility = 3 * time.Second // whose second and third thirds are for a busy machine
	batch, err := q.Queue.Receive(t.Context(), 1, 0, visibility)
	if err != nil {
		t.Fatal(err)
	}
	failed := jobs.Batch(t.Context(), q, batch, func(ctx context.Context, _ jobs.Job) error {
		for q.times("Extend") < 4 && ctx.Err() == nil { // 4 thirds of it
			time.Sleep(10 * time.Millisecond)
		}
		if batch, err := q.Queue.Receive(ctx, 1, 0, time.Second); err != nil || len(batch) != 0 {
			return fmt.Errorf("somebody else received the job: %w", err)
		}
		return nil
	}, jobs.Options{Visibility: visibility})
	if len(failed) != 0 {
		t.Errorf("%q failed", failed)
	}
}

// TestLost: a job that is somebody else's by now is stopped, and not settled.
func TestLost(t *testing.T) {
	q := newQueue(t, "lost")
	batch := q.all(t)
	if err := q.Queue.Extend(t.Context(), batch[0].Receipt, 0); err != nil {
		t.Fatal(err)
	}
	other := q.all(t)[0]
	var results []jobs.Result
	failed := jobs.Batch(t.Context(), q, batch, func(ctx context.Context, _ jobs.Job) error {
		<-ctx.Done()
		return errs.E(errs.Invalid, "", ctx.Err()) // a permanent failure, of which it is not the time
	}, jobs.Options{Visibility: time.Second, Report: func(r jobs.Result) { results = append(results, r) }})
	if !slices.Equal(failed, []string{other.ID}) || len(results) != 1 || !errors.Is(results[0].Err, jobs.ErrReceipt) {
		t.Errorf("failed %q, %+v", failed, results)
	}
	if n := q.times("Bury"); n != 0 {
		t.Errorf("it was buried %d times", n)
	}
	q.stats(t, jobs.Stats{Running: 1})
	if err := q.Queue.Ack(t.Context(), other.Receipt); err != nil {
		t.Errorf("the other's receipt: %v", err)
	}
}

// TestTimeout: a job that takes too long is stopped and tried again.
func TestTimeout(t *testing.T) {
	q := newQueue(t, "slow")
	var results []jobs.Result
	failed := jobs.Batch(t.Context(), q, q.all(t), func(ctx context.Context, _ jobs.Job) error {
		<-ctx.Done()
		return ctx.Err()
	}, jobs.Options{Timeout: time.Millisecond, Report: func(r jobs.Result) { results = append(results, r) }})
	if len(failed) != 1 || len(results) != 1 || results[0].Outcome != jobs.Retried || !errors.Is(results[0].Err, context.DeadlineExceeded) {
		t.Errorf("failed %q, %+v", failed, results)
	}
}

// TestNoTime: when the context is over, or nearly, jobs are given back at once, and
// are not blamed, however often they were tried.
func TestNoTime(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	soon, cancelSoon := context.WithTimeout(t.Context(), time.Minute)
	defer cancelSoon()
	for name, c := range map[string]struct {
		ctx     context.Context
		reserve time.Duration
	}{"over": {over, 0}, "soon": {soon, time.Hour}} {
		q := newQueue(t, "a", "b")
		batch := q.all(t)
		failed := jobs.Batch(c.ctx, q, batch, func(context.Context, jobs.Job) error {
			t.Errorf("%s: a job was begun", name)
			return nil
		}, jobs.Options{Reserve: c.reserve, MaxAttempts: 1})
		if !slices.Equal(failed, []string{batch[0].ID, batch[1].ID}) {
			t.Errorf("%s: failed %q", name, failed)
		}
		q.stats(t, jobs.Stats{Waiting: 2})
	}
	// One that was running when the context ended is not blamed either.
	q := newQueue(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	failed := jobs.Batch(ctx, q, q.all(t), func(ctx context.Context, _ jobs.Job) error {
		cancel()
		return ctx.Err()
	}, jobs.Options{MaxAttempts: 1})
	if len(failed) != 1 {
		t.Errorf("failed %q", failed)
	}
	q.stats(t, jobs.Stats{Waiting: 1})
}

// TestUnsettled: when the queue cannot be reached to settle a job, it comes back.
func TestUnsettled(t *testing.T) {
	var log bytes.Buffer
	q := newQueue(t, "permanent", "transient")
	q.fail = func(string) error { return errDown }
	failed := jobs.Batch(t.Context(), q, q.all(t), func(_ context.Context, j jobs.Job) error {
		if string(j.Body) == "permanent" {
			return errs.E(errs.NotFound, "it is gone", nil)
		}
		return errDown
	}, jobs.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if len(failed) != 2 || q.times("Bury") != 1 || q.times("Extend") != 1 {
		t.Errorf("failed %q after %q", failed, q.seen)
	}
	if n := strings.Count(log.String(), "could not be settled"); n != 2 {
		t.Errorf("logged %d times: %s", n, log.String())
	}
	q.stats(t, jobs.Stats{Running: 2})
}

// TestClassIsSaid: whether a job failed for good because of its cause or of its tries
// stands in the log as a word, also where the log is JSON.
func TestClassIsSaid(t *testing.T) {
	for want, cause := range map[string]error{"permanent": errs.E(errs.NotFound, "it is gone", nil), "transient": errDown} {
		var log bytes.Buffer
		q := newQueue(t, "x")
		jobs.Batch(t.Context(), q, q.all(t), func(context.Context, jobs.Job) error { return cause },
			jobs.Options{MaxAttempts: 1, Log: slog.New(slog.NewJSONHandler(&log, nil))})
		if !strings.Contains(log.String(), `"class":"`+want+`"`) {
			t.Errorf("%s is not in %s", want, log.String())
		}
	}
}

// TestPauses: a job that failed rests longer each time.
func TestPauses(t *testing.T) {
	q := newQueue(t)
	for attempt, want := range map[int]time.Duration{
		0: 30 * time.Second, 1: 30 * time.Second, 2: time.Minute, 3: 2 * time.Minute, 6: 15 * time.Minute, 1000: 15 * time.Minute,
	} {
		var got []time.Duration
		recorder := &extensions{Queue: q, got: &got}
		jobs.Batch(t.Context(), recorder, []jobs.Job{{ID: "x", Attempt: attempt}}, func(context.Context, jobs.Job) error { return errDown },
			jobs.Options{MaxAttempts: 2000})
		if !slices.Equal(got, []time.Duration{want}) {
			t.Errorf("attempt %d rests for %v, want %v", attempt, got, want)
		}
	}
}

// extensions notes by how much jobs are extended.
type extensions struct {
	jobs.Queue
	got *[]time.Duration
}

func (e *extensions) Extend(_ context.Context, _ string, visibility time.Duration) error {
	*e.got = append(*e.got, visibility)
	return nil
}

// TestParallel: no more jobs run at once than the options say, and so many do.
func TestParallel(t *testing.T) {
	var bodies []string
	for i := range 9 {
		bodies = append(bodies, fmt.Sprint(i))
	}
	q := newQueue(t, bodies...)
	var running, most atomic.Int32
	met := make(chan struct{})
	var once sync.Once
	failed := jobs.Batch(t.Context(), q, q.all(t), func(ctx context.Context, _ jobs.Job) error {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == 3 {
			once.Do(func() { close(met) })
		}
		select {
		case <-met:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, jobs.Options{Parallel: 3})
	if len(failed) != 0 || most.Load() != 3 {
		t.Errorf("%d at once, failed %q", most.Load(), failed)
	}
}

// TestWorkGoesOn: a queue that cannot be asked, and an acknowledgement that fails, do
// not end the work; the job is done again.
func TestWorkGoesOn(t *testing.T) {
	q := newQueue(t, "x")
	asked, acked := 0, 0
	q.fail = func(method string) error {
		switch method {
		case "Receive":
			if asked++; asked == 1 {
				return errDown
			}
		case "Ack":
			if acked++; acked == 1 {
				return errDown
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	runs := 0
	err := jobs.Work(ctx, q, func(context.Context, jobs.Job) error {
		if runs++; runs == 2 {
			cancel()
		}
		return nil
	}, jobs.Options{Visibility: time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil || runs != 2 {
		t.Errorf("Work returned %v after %d runs", err, runs)
	}
	q.stats(t, jobs.Stats{})
	for _, line := range []string{"the queue could not be asked", "could not be acknowledged"} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log does not say %q: %s", line, log.String())
		}
	}
	if err := jobs.Work(t.Context(), q, nil, jobs.Options{Visibility: time.Millisecond}); !errors.Is(err, jobs.ErrInvalid) {
		t.Errorf("Work with a visibility of 1ms: %v", err)
	}
}

// TestSecrets: the cause of a failure is for the log; the reason, which is kept and
// shown, has the public message only.
func TestSecrets(t *testing.T) {
	q := newQueue(t, "x")
	jobs.Batch(t.Context(), q, q.all(t), func(context.Context, jobs.Job) error {
		return errs.E(errs.Forbidden, "the source may not be fetched", errors.New("password=hunter2"))
	}, jobs.Options{})
	list, err := q.Dead(t.Context(), "", 10)
	if err != nil || len(list) != 1 || list[0].Reason != "forbidden: the source may not be fetched (attempt 1)" {
		t.Errorf("the dead letters are %+v, %v", list, err)
	}
}

// FuzzCheckSend: a body that is accepted is a text of the right length, and a reason
// is always fit.
func FuzzCheckSend(f *testing.F) {
	for _, seed := range []string{"", "x", "a\x00", "\xff", "Ω𝄞", "\uFFFE", "\uFFFD"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := jobs.CheckSend(body, 0)
		if err != nil && !errors.Is(err, jobs.ErrInvalid) && !errors.Is(err, jobs.ErrTooLarge) {
			t.Errorf("%q: %v", body, err)
		}
		if err == nil && jobs.CleanReason(string(body[:min(len(body), 100)])) == "" {
			t.Errorf("%q makes an empty reason", body)
		}
		reason := jobs.CleanReason(string(body))
		if len(reason) > jobs.MaxReason || jobs.CheckSend([]byte(reason), 0) != nil {
			t.Errorf("%q makes the reason %q", body, reason)
		}
		if err == nil && len(body) <= jobs.MaxReason && reason != string(body) {
			t.Errorf("%q became the reason %q", body, reason)
		}
	})
}

// TestHold: while jobs are held, none is begun and none is lost or tried in vain; what is
// running goes on.
func TestHold(t *testing.T) {
	q := newQueue(t, "first", "second")
	var held atomic.Bool
	running, end := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	var seen atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{}, 1)
	done.Go(func() {
		err := jobs.Work(ctx, q, func(_ context.Context, j jobs.Job) error {
			if seen.Add(1) == 1 {
				held.Store(true)
				close(running)
				<-end
			} else {
				cancel()
			}
			if j.Attempt != 1 {
				t.Errorf("attempt %d", j.Attempt)
			}
			return nil
		}, jobs.Options{Hold: func() bool {
			if !held.Load() {
				return false
			}
			select {
			case asked <- struct{}{}:
			default:
			}
			return true
		}})
		if err != nil {
			t.Error(err)
		}
	})
	<-running
	close(end) // the one that runs may end
	for range 2 {
		<-asked
	}
	q.stats(t, jobs.Stats{Waiting: 1})
	held.Store(false)
	done.Wait()
	q.stats(t, jobs.Stats{})
	if seen.Load() != 2 {
		t.Errorf("%d jobs were run", seen.Load())
	}
}
