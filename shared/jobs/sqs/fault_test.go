package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/jobs"
	"oipnode/shared/jobs/sqs"
)

// call uses a queue. It is given a job that was received.
type call func(context.Context, *sqs.Queue, jobs.Job) error

// calls are all ways to use a queue, by the operation that they begin with.
var calls = map[string]call{
	"SendMessage": func(ctx context.Context, q *sqs.Queue, _ jobs.Job) error {
		_, err := q.Send(ctx, []byte("body"), 0)
		return err
	},
	"ReceiveMessage": func(ctx context.Context, q *sqs.Queue, _ jobs.Job) error {
		_, err := q.Receive(ctx, 1, 0, time.Minute)
		return err
	},
	"ChangeMessageVisibility": func(ctx context.Context, q *sqs.Queue, j jobs.Job) error {
		return q.Extend(ctx, j.Receipt, time.Minute)
	},
	"DeleteMessageBatch": func(ctx context.Context, q *sqs.Queue, j jobs.Job) error { return q.Ack(ctx, j.Receipt) },
	"GetQueueAttributes": func(ctx context.Context, q *sqs.Queue, _ jobs.Job) error {
		_, err := q.Stats(ctx)
		return err
	},
}

// each runs a test for each of the calls, side by side.
func each(t *testing.T, test func(t *testing.T, operation string, call call)) {
	for operation, call := range calls {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			test(t, operation, call)
		})
	}
}

// job sends a job and receives it, past the proxy and with patience.
func (p *proxy) job(t *testing.T) jobs.Job {
	t.Helper()
	p.set(nil)
	q := openQueue(t, sqs.Options{Client: p.direct, URL: p.url, DeadURL: p.deadURL})
	if _, err := q.Send(t.Context(), []byte("body"), 0); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		batch, err := q.Receive(t.Context(), 1, 0, 10*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) == 1 {
			return batch[0]
		}
	}
	t.Fatal("the job did not come")
	return jobs.Job{}
}

// TestPassing: what passes is repeated, whatever the request, and the caller does
// not hear of it.
func TestPassing(t *testing.T) {
	each(t, func(t *testing.T, operation string, call call) {
		p, q := newProxy(t, sqs.Options{})
		for _, m := range []misbehaviour{
			code(500, "InternalFailure"), code(503, "ServiceUnavailable"), code(400, "ThrottlingException"), code(400, "RequestThrottled"),
			code(403, "RequestThrottled"), code(400, "OverLimit"), code(400, "KmsThrottled"), code(429, "What"), {status: 502, body: "<html>"},
			{status: 429, body: "busy"}, {status: 200, body: `{"Mess`}, {cut: true}, {done: true, cut: true},
		} {
			if m.status == 200 && operation == "ChangeMessageVisibility" {
				continue // its answer has nothing to read
			}
			j := p.job(t)
			p.first(2, operation, m)
			if err := call(t.Context(), q, j); err != nil {
				t.Errorf("%+v: %v", m, err)
			}
			if got := p.operations(); len(got) < 3 || got[2] != operation {
				t.Errorf("%+v: requests %q", m, got)
			}
		}
	})
}

// TestPatienceEnds: the queue answers nothing useful for ever, or nothing at all. Only to
// the latter a request is given up soon: a busy machine takes its time for an answer.
func TestPatienceEnds(t *testing.T) {
	each(t, func(t *testing.T, operation string, call call) {
		p, q := newProxy(t, briefly())
		silent := p.open(t, sqs.Options{Patience: patience, Attempt: patience / 2})
		j := p.job(t)
		for _, m := range []misbehaviour{code(400, "ThrottlingException"), code(500, "InternalFailure"), {cut: true}, {status: 503, body: "<html>"}, {hold: true}} {
			p.always(m)
			if m.hold {
				q = silent
			}
			begun := time.Now()
			err := call(t.Context(), q, j)
			if !errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), operation) {
				t.Errorf("%s with %+v: %v", operation, m, err)
			}
			if err != nil && strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s: %v", operation, err)
			}
			// A pause takes less than the last quarter of the patience.
			if n := len(p.operations()); n < 2 && time.Since(begun) < patience*3/4 {
				t.Errorf("%s with %+v: %d requests", operation, m, n)
			}
		}
	})
}

// TestFinal: what will not pass is not repeated, and is an error that says what it
// means, without what AWS writes about credentials.
func TestFinal(t *testing.T) {
	p, q := newProxy(t, sqs.Options{})
	j := p.job(t)
	for operation, call := range calls {
		for _, c := range []struct {
			m    misbehaviour
			want error
		}{
			{code(400, "QueueDoesNotExist"), sqs.ErrQueue},
			{code(400, "AWS.SimpleQueueService.NonExistentQueue"), sqs.ErrQueue},
			{code(400, "InvalidAddress"), sqs.ErrQueue},
			{code(403, "AccessDeniedException"), sqs.ErrRefused},
			{code(403, "InvalidClientTokenId"), sqs.ErrRefused},
			{code(400, "ExpiredToken"), sqs.ErrRefused},
			{code(403, "SomethingNew"), sqs.ErrRefused},
			{code(400, "KmsAccessDenied"), sqs.ErrRefused},
			{code(400, "SomethingNew"), nil},
		} {
			p.always(c.m)
			err := call(t.Context(), q, j)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, jobs.ErrReceipt) {
				t.Errorf("%s with %+v: %v", operation, c.m, err)
				continue
			}
			if text := err.Error(); strings.Contains(text, "SECRET") || !strings.Contains(text, operation) {
				t.Errorf("%s: %v", operation, err)
			}
			if got := p.operations(); len(got) != 1 {
				t.Errorf("%s with %+v: requests %q", operation, c.m, got)
			}
		}
	}
}

// TestNoQueue: the engine itself says that there is none.
func TestNoQueue(t *testing.T) {
	p, _ := newProxy(t, sqs.Options{})
	j := p.job(t)
	none := openQueue(t, sqs.Options{Client: p.direct, URL: p.url + "-none", DeadURL: p.deadURL + "-none"})
	for operation, call := range calls {
		if err := call(t.Context(), none, j); !errors.Is(err, sqs.ErrQueue) {
			t.Errorf("%s: %v", operation, err)
		}
	}
	if err := none.Bury(t.Context(), j, "why"); !errors.Is(err, sqs.ErrQueue) {
		t.Errorf("Bury: %v", err)
	}
	sender := openQueue(t, sqs.Options{Client: p.direct, URL: p.url})
	if err := sender.Bury(t.Context(), j, "why"); !errors.Is(err, sqs.ErrQueue) {
		t.Errorf("Bury without a queue of dead letters: %v", err)
	}
	if s, err := sender.Stats(t.Context()); err != nil || s.Dead != 0 || s.Running != 1 {
		t.Errorf("Stats without a queue of dead letters: %+v, %v", s, err)
	}
}

// TestExtendLost: each of the ways to say that a job is somebody else's.
func TestExtendLost(t *testing.T) {
	p, q := newProxy(t, sqs.Options{})
	j := p.job(t)
	for _, name := range []string{"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue", "InvalidParameterValueException"} {
		p.always(code(400, name))
		if err := q.Extend(t.Context(), j.Receipt, time.Minute); !errors.Is(err, jobs.ErrReceipt) || len(p.operations()) != 1 {
			t.Errorf("%s: %v after %q", name, err, p.operations())
		}
	}
}

// TestAckEntries: SQS answers for each receipt by itself.
func TestAckEntries(t *testing.T) {
	p, q := newProxy(t, sqs.Options{})
	receipts := []string{p.job(t).Receipt, p.job(t).Receipt, p.job(t).Receipt}
	entry := func(id, name string, fault bool) misbehaviour {
		return misbehaviour{status: 200, body: fmt.Sprintf(`{"Successful":[],"Failed":[{"Id":%q,"Code":%q,"SenderFault":%v,"Message":"SECRET"}]}`, id, name, fault)}
	}
	// What is not the sender's fault is asked again.
	for _, m := range []misbehaviour{entry("1", "InternalError", false), entry("3", "What", true), entry("-1", "What", true), entry("x", "What", true)} {
		p.first(1, "", m)
		if err := q.Ack(t.Context(), receipts...); err != nil || len(p.operations()) != 2 {
			t.Errorf("%+v: %v after %q", m, err, p.operations())
		}
	}
	p.always(entry("1", "InternalError", false))
	var failed *jobs.AckError
	err := p.open(t, briefly()).Ack(t.Context(), receipts...)
	if !errors.As(err, &failed) || len(failed.Failed) != 3 || !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("an entry that fails for ever: %v", err)
	}
	// What is, is told of that receipt alone.
	p.always(entry("1", "InvalidParameterValue", true))
	err = q.Ack(t.Context(), receipts...)
	if !errors.As(err, &failed) || len(failed.Failed) != 1 || failed.Failed[0].Receipt != receipts[1] || !errors.Is(err, jobs.ErrReceipt) ||
		strings.Contains(err.Error(), "SECRET") {
		t.Errorf("a receipt that SQS refuses: %v", err)
	}
	// One that stands for no job is no failure, and hides none.
	p.always(misbehaviour{status: 200, body: `{"Failed":[{"Id":"0","Code":"ReceiptHandleIsInvalid","SenderFault":true},` +
		`{"Id":"2","Code":"InvalidParameterValue","SenderFault":true}]}`})
	err = q.Ack(t.Context(), receipts...)
	if !errors.As(err, &failed) || len(failed.Failed) != 1 || failed.Failed[0].Receipt != receipts[2] {
		t.Errorf("a job that is gone: %v", err)
	}
}

// TestAckChunks: a request that fails keeps no other from being sent.
func TestAckChunks(t *testing.T) {
	p, q := newProxy(t, sqs.Options{})
	var receipts []string
	for range maxEntries + 2 {
		receipts = append(receipts, p.job(t).Receipt)
	}
	p.first(1, "", code(403, "AccessDenied"))
	err := q.Ack(t.Context(), receipts...)
	var failed *jobs.AckError
	if !errors.As(err, &failed) || len(failed.Failed) != maxEntries || !errors.Is(err, sqs.ErrRefused) || len(p.operations()) != 2 {
		t.Errorf("Ack returned %v after %q", err, p.operations())
	}
	wantStats(t, q, jobs.Stats{Running: maxEntries})
}

const maxEntries = 10

// wantStats waits for numbers, which SQS has late.
func wantStats(t *testing.T, q *sqs.Queue, want jobs.Stats) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, err := q.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Errorf("Stats are %+v, want %+v", got, want)
			return
		}
	}
}

// TestBuryHalf: a job whose dead letter was made and which could not be ended comes
// back, and is lost at no moment.
func TestBuryHalf(t *testing.T) {
	p, q := newProxy(t, briefly())
	j := p.job(t)
	p.set(func(_ int, operation string) *misbehaviour {
		if operation == "DeleteMessageBatch" {
			return &misbehaviour{status: 503}
		}
		return nil
	})
	if err := q.Bury(t.Context(), j, "why"); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("Bury returned %v", err)
	}
	p.set(nil)
	wantStats(t, q, jobs.Stats{Running: 1, Dead: 1})
	// Nothing is ended when the dead letter could not be made.
	p.first(9, "SendMessage", code(403, "AccessDenied"))
	if err := q.Bury(t.Context(), j, "why"); !errors.Is(err, sqs.ErrRefused) || slices.Contains(p.operations(), "DeleteMessageBatch") {
		t.Errorf("Bury returned %v after %q", err, p.operations())
	}
	wantStats(t, q, jobs.Stats{Running: 1, Dead: 1})
}

// TestSpoiled: a body that changed on its way is not taken for the job's.
func TestSpoiled(t *testing.T) {
	p, q := newProxy(t, sqs.Options{})
	j := p.job(t)
	if err := q.Extend(t.Context(), j.Receipt, 0); err != nil {
		t.Fatal(err)
	}
	p.first(1, "ReceiveMessage", misbehaviour{spoil: true})
	batch, err := q.Receive(t.Context(), 1, 0, time.Minute)
	if err != nil || len(batch) > 0 || len(p.operations()) != 2 {
		// The job was received by the first request, and comes back after a minute.
		t.Errorf("received %+v, %v after %q", batch, err, p.operations())
	}
}

// TestStatsNonsense: numbers that are none.
func TestStatsNonsense(t *testing.T) {
	p, q := newProxy(t, sqs.Options{})
	for _, body := range []string{"{}", `{"Attributes":{"ApproximateNumberOfMessages":"many"}}`} {
		p.always(misbehaviour{status: 200, body: body})
		if s, err := q.Stats(t.Context()); !errors.Is(err, jobs.ErrUnavailable) || s != (jobs.Stats{}) {
			t.Errorf("%s: %+v, %v", body, s, err)
		}
	}
}

// TestWaitIsNoFault: a request that waits for jobs longer than an attempt may take is
// not given up.
func TestWaitIsNoFault(t *testing.T) {
	p, q := newProxy(t, sqs.Options{Attempt: 900 * time.Millisecond})
	if batch, err := q.Receive(t.Context(), 1, time.Second, time.Minute); err != nil || batch != nil || len(p.operations()) != 1 {
		t.Errorf("received %+v, %v after %q", batch, err, p.operations())
	}
}

// TestEndedWhileWaiting: a context does not wait for the patience, neither in a
// request nor between two.
func TestEndedWhileWaiting(t *testing.T) {
	p, q := newProxy(t, sqs.Options{Patience: time.Hour, Attempt: time.Hour})
	j := p.job(t)
	for _, m := range []misbehaviour{code(400, "ThrottlingException"), {hold: true}} {
		for operation, call := range calls {
			ctx, cancel := context.WithCancel(t.Context())
			p.set(func(n int, _ string) *misbehaviour {
				if n == 1 {
					cancel()
				}
				return &m
			})
			if err := call(ctx, q, j); !errors.Is(err, context.Canceled) {
				t.Errorf("%s with %+v: %v", operation, m, err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p.always(misbehaviour{hold: true})
	if err := q.Bury(ctx, j, "why"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("Bury returned %v", err)
	}
}

// TestUnreachable: nobody listens.
func TestUnreachable(t *testing.T) {
	p, _ := newProxy(t, sqs.Options{})
	opts := briefly()
	opts.URL, opts.Client = p.url, nowhere(t)
	if _, err := openQueue(t, opts).Send(t.Context(), []byte("x"), 0); !errors.Is(err, jobs.ErrUnavailable) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Send returned %v", err)
	}
}

func TestNew(t *testing.T) {
	for name, opts := range map[string]sqs.Options{
		"no client": {URL: "x"}, "no address": {Client: nowhere(t)}, "queue itself": {Client: nowhere(t), URL: "x", DeadURL: "x"},
	} {
		if q, err := sqs.New(opts); err == nil || q != nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
