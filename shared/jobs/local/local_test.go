package local_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"oipnode/shared/jobs"
	"oipnode/shared/jobs/local"
)

// killWorkers are the goroutines of the process that is killed.
const killWorkers = 3

// useUntilKilled sends, receives, ends, gives back and buries from several
// goroutines. It writes a line for each call that returned, and one before it ends or
// buries a job, which may be done although nobody hears of it.
func useUntilKilled(path string, out io.Writer) error {
	q, err := local.Open(path, local.Options{MaxReceives: 1000, MaxDead: 100_000})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(context.Background())
	for worker := range killWorkers {
		g.Go(func() error {
			for n := 0; ; n++ {
				if _, err := q.Send(ctx, fmt.Appendf(nil, "%d-%d-%d", os.Getpid(), worker, n), 0); err != nil {
					return err
				}
				if _, err := fmt.Fprintf(out, "sent %d-%d-%d\n", os.Getpid(), worker, n); err != nil {
					return err
				}
				batch, err := q.Receive(ctx, 2, 0, time.Hour)
				if err != nil {
					return err
				}
				for i, j := range batch {
					if err := endOne(ctx, q, j, (n+i)%3, out); err != nil {
						return err
					}
				}
			}
		})
	}
	return errors.Join(g.Wait(), q.Close())
}

// endOne gives a job back, or ends or buries it.
func endOne(ctx context.Context, q *local.Queue, j jobs.Job, way int, out io.Writer) error {
	if way == 2 {
		return q.Extend(ctx, j.Receipt, 0)
	}
	if _, err := fmt.Fprintf(out, "ends %s\n", j.Body); err != nil {
		return err
	}
	end, what := func() error { return q.Ack(ctx, j.Receipt) }, "done"
	if way == 1 {
		end, what = func() error { return q.Bury(ctx, j, "why") }, "dead"
	}
	if err := end(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s %s\n", what, j.Body)
	return err
}

// TestKill proves with a process that is killed at any moment: what Send
// acknowledged is a job, a dead letter or was ended, what was ended does not come
// back, and each job is in one place.
func TestKill(t *testing.T) {
	path := newPath(t)
	rng := rand.New(rand.NewPCG(5, 6))
	state := map[string]string{} // the most that is known of each job
	for range 5 {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), exe, "-use-file", path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for left := 1 + rng.IntN(200); lines.Scan(); left-- {
			what, body, ok := strings.Cut(lines.Text(), " ")
			if !ok || what == "child" {
				t.Fatal(lines.Text())
			}
			// Lines of several workers may be in another order than their calls.
			if rank := []string{"", "sent", "ends", "done", "dead"}; slices.Index(rank, what) > slices.Index(rank, state[body]) {
				state[body] = what
			}
			if left == 1 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) {
			t.Fatalf("the child ended with %v", err)
		}
		checkAfterKill(t, path, state)
	}
	if len(state) < 10 {
		t.Errorf("only %d jobs were sent", len(state))
	}
}

// checkAfterKill reads a copy of the file, so that the next process goes on with the
// jobs as they were left.
func checkAfterKill(t *testing.T, original string, state map[string]string) {
	t.Helper()
	content, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	path := newPath(t)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	q, err := local.Open(path, local.Options{MaxReceives: 1000, MaxDead: 100_000, Now: func() time.Time { return time.Now().Add(24 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	place := map[string]string{}
	for _, d := range dead(t, q) {
		place[string(d.Body)] = "dead"
	}
	for {
		batch, err := q.Receive(t.Context(), 10, 0, time.Hour) // each once: by this clock all are due
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) == 0 {
			break
		}
		for _, j := range batch {
			if place[string(j.Body)] != "" {
				t.Errorf("%s is in two places", j.Body)
			}
			place[string(j.Body)] = "waits"
		}
	}
	for body, what := range state {
		switch got := place[body]; {
		case what == "done" && got != "", what == "dead" && got != "dead", what == "sent" && got != "waits":
			t.Errorf("the last of %s was %q, and now it is %q", body, what, got)
		}
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

// TestFull: the queue and its dead letters are bounded.
func TestFull(t *testing.T) {
	q := openQueue(t, newPath(t), local.Options{MaxJobs: 3, MaxDead: 2})
	for i := range 3 {
		send(t, q, fmt.Sprint(i))
	}
	if _, err := q.Send(t.Context(), []byte("x"), 0); !errors.Is(err, jobs.ErrFull) || !strings.Contains(err.Error(), "3 jobs") {
		t.Errorf("Send to a full queue: %v", err)
	}
	var ids []string
	for range 3 {
		j := receive(t, q)
		ids = append(ids, j.ID)
		if err := q.Bury(t.Context(), j, "why"); err != nil {
			t.Fatal(err)
		}
	}
	list := dead(t, q)
	if len(list) != 2 || list[0].ID != ids[1] || list[1].ID != ids[2] {
		t.Errorf("the dead letters are %+v", list)
	}
	for i := range 3 {
		send(t, q, fmt.Sprint(i))
	}
	if err := q.Redrive(t.Context(), ids[1]); !errors.Is(err, jobs.ErrFull) {
		t.Errorf("Redrive to a full queue: %v", err)
	}
	if list := dead(t, q); len(list) != 2 {
		t.Errorf("a Redrive that failed left %d dead letters", len(list))
	}
	if err := q.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestGivenUpTogether: more jobs than a batch that were received too often hide no
// job behind them, not even from a Receive that does not wait.
func TestGivenUpTogether(t *testing.T) {
	c := &clock{now: time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC)}
	q := openQueue(t, newPath(t), local.Options{MaxReceives: 1, Now: c.Now})
	const bad = 2*jobs.MaxBatch + 3
	for i := range bad {
		send(t, q, fmt.Sprint(i))
		receive(t, q)
	}
	c.Advance(time.Hour)
	good := send(t, q, "good")
	batch, err := q.Receive(t.Context(), 3, 0, time.Minute)
	if err != nil || len(batch) != 1 || batch[0].ID != good {
		t.Errorf("received %+v, %v", batch, err)
	}
	if list := dead(t, q); len(list) != bad || list[0].Reason != "received 1 times and never ended" {
		t.Errorf("%d dead letters, %+v", len(list), list)
	}
	if err := q.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRedrive: a dead letter can be tried again, or be dropped.
func TestRedrive(t *testing.T) {
	q := openQueue(t, newPath(t), local.Options{})
	var ids []string
	for _, body := range []string{"again", "never"} {
		id := send(t, q, body)
		ids = append(ids, id)
		if err := q.Bury(t.Context(), receive(t, q), "why"); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(q.Redrive(t.Context(), ids[0]), q.Drop(t.Context(), ids[1])); err != nil {
		t.Fatal(err)
	}
	if j := receive(t, q); j.ID != ids[0] || string(j.Body) != "again" || j.Attempt != 1 {
		t.Errorf("received %+v", j)
	}
	if list := dead(t, q); len(list) != 0 {
		t.Errorf("%d dead letters are left", len(list))
	}
	for _, id := range []string{ids[0], "", "x", "000000000000000g", strings.Repeat("0", 17)} {
		for call, err := range map[string]error{"Redrive": q.Redrive(t.Context(), id), "Drop": q.Drop(t.Context(), id)} {
			if !errors.Is(err, local.ErrNotFound) {
				t.Errorf("%s %q: %v", call, id, err)
			}
		}
	}
	if _, err := q.Dead(t.Context(), "nonsense", 1); !errors.Is(err, jobs.ErrInvalid) {
		t.Errorf("Dead behind nonsense: %v", err)
	}
	if _, err := q.Dead(t.Context(), "", 0); !errors.Is(err, jobs.ErrInvalid) {
		t.Errorf("Dead with limit 0: %v", err)
	}
	if err := q.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestReceiptAfterRedrive: the receipt of a delivery before the burial is not good
// for one after it.
func TestReceiptAfterRedrive(t *testing.T) {
	q := openQueue(t, newPath(t), local.Options{})
	id := send(t, q, "x")
	old := receive(t, q)
	if err := errors.Join(q.Bury(t.Context(), old, "why"), q.Redrive(t.Context(), id)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // waiting, and received
		if err := q.Ack(t.Context(), old.Receipt); !errors.Is(err, jobs.ErrReceipt) {
			t.Errorf("Ack with the old receipt: %v", err)
		}
		if s, err := q.Stats(t.Context()); err != nil || s.Waiting+s.Running != 1 {
			t.Errorf("Stats: %+v, %v", s, err)
		}
		if _, err := q.Receive(t.Context(), 1, 0, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClose: a Receive that waits ends with the queue, and every call behind it.
func TestClose(t *testing.T) {
	q := openQueue(t, newPath(t), local.Options{})
	ended := make(chan error, 1)
	go func() {
		_, err := q.Receive(context.Background(), 1, jobs.MaxWait, time.Minute)
		ended <- err
	}()
	if err := errors.Join(q.Close(), q.Close()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, jobs.ErrClosed) {
		t.Errorf("a waiting Receive returned %v", err)
	}
	receipt := strings.Repeat("0", 15) + "1-" + strings.Repeat("0", 15) + "1"
	_, sent := q.Send(t.Context(), []byte("x"), 0)
	_, received := q.Receive(t.Context(), 1, 0, time.Minute)
	_, stats := q.Stats(t.Context())
	_, letters := q.Dead(t.Context(), "", 1)
	for call, err := range map[string]error{
		"Send": sent, "Receive": received, "Stats": stats, "Dead": letters, "Ack": q.Ack(t.Context(), receipt),
		"Extend": q.Extend(t.Context(), receipt, 0), "Bury": q.Bury(t.Context(), jobs.Job{Receipt: receipt}, ""),
		"Redrive": q.Redrive(t.Context(), "x"), "Verify": q.Verify(t.Context()),
	} {
		if !errors.Is(err, jobs.ErrClosed) {
			t.Errorf("%s on a closed queue returned %v", call, err)
		}
	}
	err := jobs.Work(t.Context(), q, func(context.Context, jobs.Job) error { return nil }, jobs.Options{})
	if !errors.Is(err, jobs.ErrClosed) {
		t.Errorf("Work on a closed queue returned %v", err)
	}
}

// TestOpen: what cannot be a job file is an error that says why.
func TestOpen(t *testing.T) {
	path := newPath(t)
	q := openQueue(t, path, local.Options{})
	if _, err := local.Open(path, local.Options{LockWait: time.Millisecond}); !errors.Is(err, local.ErrLocked) {
		t.Errorf("open twice: %v", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte("12345678")) })
	if _, err := local.Open(path, local.Options{}); !errors.Is(err, local.ErrFormat) {
		t.Errorf("another format: %v", err)
	}
	other := newPath(t)
	edit(t, other, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("items")); return err })
	if _, err := local.Open(other, local.Options{}); !errors.Is(err, local.ErrFormat) {
		t.Errorf("another program's file: %v", err)
	}
	short := newPath(t)
	if err := os.WriteFile(short, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Open(short, local.Options{}); !errors.Is(err, local.ErrCorrupt) {
		t.Errorf("a short file: %v", err)
	}
	if _, err := local.Open(newPath(t), local.Options{MaxJobs: -1}); !errors.Is(err, jobs.ErrInvalid) {
		t.Errorf("a negative limit: %v", err)
	}
}

// TestDamage: what another hand changed is ErrCorrupt, and nothing of it is done.
func TestDamage(t *testing.T) {
	for name, damage := range map[string]func(tx *bbolt.Tx) error{
		"no body": func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("bodies")).Delete([]byte("\x00\x00\x00\x00\x00\x00\x00\x01"))
		},
		"no head": func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("heads")).Delete([]byte("\x00\x00\x00\x00\x00\x00\x00\x01"))
		},
		"bad head": func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("heads")).Put([]byte("\x00\x00\x00\x00\x00\x00\x00\x01"), []byte("x"))
		},
		"bad due": func(tx *bbolt.Tx) error { return tx.Bucket([]byte("due")).Put([]byte("\x00"), nil) },
	} {
		path := newPath(t)
		q := openQueue(t, path, local.Options{})
		send(t, q, "x")
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		edit(t, path, damage)
		q = openQueue(t, path, local.Options{})
		if batch, err := q.Receive(t.Context(), 1, 0, time.Minute); !errors.Is(err, local.ErrCorrupt) || batch != nil {
			t.Errorf("%s: received %d jobs, %v", name, len(batch), err)
		}
		if err := q.Verify(t.Context()); !errors.Is(err, local.ErrCorrupt) {
			t.Errorf("%s: Verify returned %v", name, err)
		}
	}
	path := newPath(t)
	q := openQueue(t, path, local.Options{})
	send(t, q, "x")
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("dead")).Put([]byte("\x00\x00\x00\x00\x00\x00\x00\x09"), []byte("x"))
	})
	if _, err := openQueue(t, path, local.Options{}).Dead(t.Context(), "", 1); !errors.Is(err, local.ErrCorrupt) {
		t.Errorf("a bad dead letter: %v", err)
	}
}

// edit changes a file behind the package's back.
func edit(t *testing.T, path string, fn func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkSendReceiveAck(b *testing.B) {
	q := openQueue(b, newPath(b), local.Options{})
	for b.Loop() {
		send(b, q, "a job of the usual size, which is an address and an identifier")
		if err := q.Ack(b.Context(), receive(b, q).Receipt); err != nil {
			b.Fatal(err)
		}
	}
}
