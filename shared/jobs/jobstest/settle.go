package jobstest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/jobs"
)

var receiptCases = []testCase{
	{"Give back", testGiveBack, nil},
	{"Extend", testExtend, nil},
	{"Ack again", testAckAgain, nil},
	{"Ack some", testAckSome, nil},
	{"Old receipt", testOldReceipt, nil},
	{"Old receipt is refused", testOldRefused, strict},
	{"No receipt", testNoReceipt, nil},
}

func testGiveBack(e *env) {
	e.send("x")
	first := e.receive(long)
	if err := e.q.Extend(e.ctx, first.Receipt, 0); err != nil {
		e.Fatal(err)
	}
	if second := e.receive(long); second.ID != first.ID || second.Attempt != 2 {
		e.Errorf("received %+v", second)
	}
}

// testExtend: a job that is extended does not come back at its first visibility.
func testExtend(e *env) {
	e.send("x")
	j := e.receive(2 * time.Second)
	if err := e.q.Extend(e.ctx, j.Receipt, long); err != nil {
		e.Fatal(err)
	}
	e.pass(2200 * time.Millisecond)
	e.none()
	e.ack(j.Receipt)
	e.stats(jobs.Stats{})
}

func testAckAgain(e *env) {
	e.send("x")
	j := e.receive(long)
	e.ack(j.Receipt)
	e.ack(j.Receipt, j.Receipt)
	if err := e.q.Extend(e.ctx, j.Receipt, long); e.h.Strict {
		e.want("Extend of an ended job", err, jobs.ErrReceipt)
	}
	e.none()
}

// testAckSome: one bad receipt keeps no other from being ended, and the error names
// it.
func testAckSome(e *env) {
	const n = 13 // more than SQS takes at once
	var bodies []string
	for i := range n {
		bodies = append(bodies, fmt.Sprint("job ", i))
	}
	e.send(bodies...)
	receipts := []string{""}
	for _, j := range e.receiveAll(n, long) {
		receipts = append(receipts, j.Receipt)
	}
	receipts = append(receipts, strings.Repeat("x", 5000))
	err := e.q.Ack(e.ctx, receipts...)
	var partial *jobs.AckError
	if !errors.As(err, &partial) || !errors.Is(err, jobs.ErrReceipt) {
		e.Fatalf("Ack returned %v", err)
	}
	if f := partial.Failed; len(f) != 2 || f[0].Receipt != receipts[0] || f[1].Receipt != receipts[n+1] {
		e.Errorf("%d receipts failed: %v", len(f), err)
	}
	e.stats(jobs.Stats{})
}

// testOldReceipt: whatever becomes of an old receipt, the new one is good.
func testOldReceipt(e *env) {
	e.send("x")
	old := e.receive(long)
	if err := e.q.Extend(e.ctx, old.Receipt, 0); err != nil {
		e.Fatal(err)
	}
	j := e.receive(long)
	if err := e.q.Extend(e.ctx, j.Receipt, long); err != nil {
		e.Errorf("Extend with the new receipt: %v", err)
	}
	e.ack(j.Receipt)
	e.stats(jobs.Stats{})
	if err := e.q.Ack(e.ctx, old.Receipt); err != nil && !errors.Is(err, jobs.ErrReceipt) {
		e.Errorf("Ack with the old receipt: %v", err)
	}
}

func testOldRefused(e *env) {
	e.send("x")
	old := e.receive(time.Second)
	e.pass(time.Second)
	e.ack() // nobody else received it: the receipt is still good
	if err := e.q.Extend(e.ctx, old.Receipt, 0); err != nil {
		e.Errorf("Extend when the time is over: %v", err)
	}
	j := e.receive(long)
	e.want("Extend", e.q.Extend(e.ctx, old.Receipt, 0), jobs.ErrReceipt)
	e.want("Ack", e.q.Ack(e.ctx, old.Receipt), jobs.ErrReceipt)
	e.want("Bury", e.q.Bury(e.ctx, old, "why"), jobs.ErrReceipt)
	e.stats(jobs.Stats{Running: 1})
	e.ack(j.Receipt)
	e.want("Bury of an ended job", e.q.Bury(e.ctx, j, "why"), jobs.ErrReceipt)
}

func testNoReceipt(e *env) {
	for _, bad := range []string{"", "nonsense", strings.Repeat("x", 10_000)} {
		if bad == "nonsense" && !e.h.Strict {
			continue
		}
		e.want("Extend", e.q.Extend(e.ctx, bad, time.Second), jobs.ErrReceipt)
		e.want("Ack", e.q.Ack(e.ctx, bad), jobs.ErrReceipt)
		e.want("Bury", e.q.Bury(e.ctx, jobs.Job{Receipt: bad, Body: []byte("x")}, "why"), jobs.ErrReceipt)
	}
	e.stats(jobs.Stats{})
}

var deadCases = []testCase{
	{"Bury", testBury, nil},
	{"Reasons", testReasons, nil},
	{"Given up", testGivenUp, nil},
}

func testBury(e *env) {
	e.send("bad")
	j := e.receive(long)
	if err := e.q.Extend(e.ctx, j.Receipt, 0); err != nil {
		e.Fatal(err)
	}
	j = e.receive(long)
	if err := e.q.Bury(e.ctx, j, "the source is gone"); err != nil {
		e.Fatal(err)
	}
	e.none()
	e.stats(jobs.Stats{Dead: 1})
	if got, want := e.dead(1)[0], (Dead{"bad", "the source is gone", j.ID, 2}); got != want {
		e.Errorf("the dead letter is %+v, want %+v", got, want)
	}
}

// testReasons: any text is fit to be a reason, after cleaning.
func testReasons(e *env) {
	reasons := map[string]string{
		"a": strings.Repeat("Ω", 1000), "b": "", "c": "a\x00b\xffc\nd", "d": strings.Repeat("x", jobs.MaxReason),
	}
	for body, reason := range reasons {
		e.send(body)
		if err := e.q.Bury(e.ctx, e.receive(long), reason); err != nil {
			e.Fatalf("Bury for %.20q: %v", reason, err)
		}
	}
	want := []string{strings.Repeat("Ω", jobs.MaxReason/2), "unknown", "a?b?c\nd", strings.Repeat("x", jobs.MaxReason)}
	for i, d := range e.dead(len(reasons)) {
		if d.Reason != want[i] || !utf8.ValidString(d.Reason) {
			e.Errorf("%s was buried for %.40q, want %.40q", d.Body, d.Reason, want[i])
		}
	}
}

// testGivenUp: a job whose receivers do nothing goes to the dead letters by itself.
func testGivenUp(e *env) {
	e.send("kills")
	for range e.h.MaxReceives {
		j := e.receive(long)
		if err := e.q.Extend(e.ctx, j.Receipt, 0); err != nil {
			e.Fatal(err)
		}
	}
	for end := time.Now().Add(patience); ; {
		e.none()
		if s, err := e.q.Stats(e.ctx); err != nil || s.Dead == 1 || time.Now().After(end) {
			break
		}
	}
	if d := e.dead(1)[0]; d.Body != "kills" {
		e.Errorf("the dead letter is %+v", d)
	}
	e.stats(jobs.Stats{Dead: 1})
}

var limitCases = []testCase{
	{"Bodies", testBodies, nil},
	{"Times", testTimes, nil},
}

func testBodies(e *env) {
	for _, bad := range []string{"", "a\x00", "a\x1bb", "\xff", "a\xc3", "\xed\xa0\x80", "\uFFFE", "\uFFFF"} {
		_, err := e.q.Send(e.ctx, []byte(bad), 0)
		e.want(fmt.Sprintf("Send %q", bad), err, jobs.ErrInvalid)
	}
	_, err := e.q.Send(e.ctx, []byte(strings.Repeat("x", jobs.MaxBody+1)), 0)
	e.want("Send of too much", err, jobs.ErrTooLarge)
	e.none()
	for _, good := range []string{"\uFFFD", strings.Repeat("x", jobs.MaxBody), strings.Repeat("Ω", jobs.MaxBody/2), strings.Repeat("<", jobs.MaxBody)} {
		e.send(good)
		j := e.receive(long)
		if string(j.Body) != good {
			e.Errorf("sent %d bytes %.20q, received %d bytes %.20q", len(good), good, len(j.Body), j.Body)
		}
		e.ack(j.Receipt)
	}
}

func testTimes(e *env) {
	for _, delay := range []time.Duration{-1, jobs.MaxDelay + 1} {
		_, err := e.q.Send(e.ctx, []byte("x"), delay)
		e.want(fmt.Sprintf("Send with delay %v", delay), err, jobs.ErrInvalid)
	}
	for _, c := range []struct {
		max              int
		wait, visibility time.Duration
	}{{0, 0, long}, {jobs.MaxBatch + 1, 0, long}, {1, -1, long}, {1, jobs.MaxWait + 1, long}, {1, 0, time.Second - 1}, {1, 0, jobs.MaxVisibility + 1}} {
		batch, err := e.q.Receive(e.ctx, c.max, c.wait, c.visibility)
		e.want(fmt.Sprintf("Receive %+v", c), err, jobs.ErrInvalid)
		if batch != nil {
			e.Errorf("%d jobs were received", len(batch))
		}
	}
	e.send("x")
	j := e.receive(jobs.MaxVisibility)
	for _, visibility := range []time.Duration{-1, jobs.MaxVisibility + 1} {
		e.want(fmt.Sprintf("Extend by %v", visibility), e.q.Extend(e.ctx, j.Receipt, visibility), jobs.ErrInvalid)
	}
	if _, err := e.q.Send(e.ctx, []byte("x"), jobs.MaxDelay); err != nil {
		e.Errorf("Send with the longest delay: %v", err)
	}
}

var concurrentCases = []testCase{{"Many", testMany, nil}}

// testMany: several send and several receive; each job is received, and by one only,
// since none takes longer than its visibility.
func testMany(e *env) {
	const senders, each, receivers = 3, 15, 4
	var mu sync.Mutex
	got := map[string]int{}
	left := senders * each
	var g errgroup.Group
	for s := range senders {
		g.Go(func() error {
			for i := range each {
				if _, err := e.q.Send(e.ctx, fmt.Appendf(nil, "%d-%d", s, i), 0); err != nil {
					return err
				}
			}
			return nil
		})
	}
	end := time.Now().Add(2 * patience)
	for range receivers {
		g.Go(func() error {
			for {
				mu.Lock()
				done := left == 0
				mu.Unlock()
				if done {
					return nil
				}
				if time.Now().After(end) {
					return errors.New("not all jobs came")
				}
				batch, err := e.q.Receive(e.ctx, 3, 0, long)
				if err != nil {
					return err
				}
				if len(batch) == 0 {
					time.Sleep(5 * time.Millisecond)
				}
				for _, j := range batch {
					if err := e.q.Ack(e.ctx, j.Receipt); err != nil {
						return err
					}
					mu.Lock()
					if got[string(j.Body)]++; got[string(j.Body)] == 1 {
						left--
					}
					mu.Unlock()
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		e.Fatal(err)
	}
	for body, n := range got {
		if n > 1 && e.h.Strict {
			e.Errorf("%s was received %d times", body, n)
		}
	}
	e.none()
	e.stats(jobs.Stats{})
}
