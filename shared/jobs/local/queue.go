package local

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"oipnode/shared/jobs"
)

// rounded is a time in whole seconds, as every queue counts it.
func rounded(d time.Duration) time.Duration { return time.Duration(jobs.Seconds(d)) * time.Second }

// Send implements jobs.Queue.
func (q *Queue) Send(ctx context.Context, body []byte, delay time.Duration) (string, error) {
	if err := cmp.Or(jobs.CheckSend(body, delay), ctx.Err()); err != nil {
		return "", err
	}
	var h head
	err := q.update(func(tx *bbolt.Tx) (err error) {
		if number(tx, keyJobs) >= uint64(q.opts.MaxJobs) {
			return fmt.Errorf("%w: it holds %d jobs", jobs.ErrFull, q.opts.MaxJobs)
		}
		if h.id, err = tx.Bucket(bucketHeads).NextSequence(); err != nil {
			return err
		}
		h.sent = q.now()
		h.due = h.sent.Add(rounded(delay))
		return add(tx, h, body)
	})
	if err != nil {
		return "", fmt.Errorf("send: %w", err)
	}
	q.wake.ring()
	return name(h.id), nil
}

// add puts a job into the queue.
func add(tx *bbolt.Tx, h head, body []byte) error {
	if err := write(tx, h); err != nil {
		return err
	}
	if err := tx.Bucket(bucketBodies).Put(key(h.id), body); err != nil {
		return err
	}
	return count(tx, keyJobs, 1)
}

// Receive implements jobs.Queue. While it waits it does nothing, until a job is sent
// or given back, or the next one is due.
func (q *Queue) Receive(ctx context.Context, max int, wait, visibility time.Duration) ([]jobs.Job, error) {
	if err := cmp.Or(jobs.CheckReceive(max, wait, visibility), ctx.Err()); err != nil {
		return nil, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		rung := q.wake.listen()
		batch, next, err := q.take(max, rounded(visibility))
		if err != nil {
			return nil, fmt.Errorf("receive: %w", err)
		}
		if len(batch) > 0 || wait == 0 && next > 0 {
			return batch, nil
		}
		due := time.NewTimer(next)
		select {
		case <-rung:
		case <-due.C:
		case <-timer.C:
			wait = 0 // and look a last time
		case <-q.closed:
			err = jobs.ErrClosed
		case <-ctx.Done():
			err = ctx.Err()
		}
		due.Stop()
		if err != nil {
			return nil, err
		}
	}
}

// take receives up to max jobs that are due. Without one it says how long the next is
// not due yet; 0 means that there may be more, behind those that it buried.
func (q *Queue) take(max int, visibility time.Duration) (batch []jobs.Job, next time.Duration, err error) {
	now := q.now()
	// Looking first spares an idle queue the writes.
	err = q.view(func(tx *bbolt.Tx) error {
		next = time.Hour
		k, _ := tx.Bucket(bucketDue).Cursor().First()
		if k == nil {
			return nil
		}
		due, _, err := splitDue(k)
		next = min(due.Sub(now), next)
		return err
	})
	if err != nil || next > 0 {
		return nil, next, err
	}
	next = 0
	err = q.update(func(tx *bbolt.Tx) error {
		batch = nil
		// Jobs that are buried count as well, so that no transaction grows with them.
		for range max {
			k, _ := tx.Bucket(bucketDue).Cursor().First()
			if k == nil {
				return nil
			}
			due, id, err := splitDue(k)
			if err != nil || due.After(now) {
				return err
			}
			j, ok, err := q.deliver(tx, id, now.Add(visibility))
			if err != nil {
				return err
			}
			if ok {
				batch = append(batch, j)
			}
		}
		return nil
	})
	if err != nil {
		batch = nil
	}
	return batch, next, err
}

// deliver makes a delivery of a job. A job that was delivered too often goes to the
// dead letters instead.
func (q *Queue) deliver(tx *bbolt.Tx, id uint64, until time.Time) (j jobs.Job, ok bool, err error) {
	old, err := decodeHead(id, tx.Bucket(bucketHeads).Get(key(id)))
	if err != nil {
		return jobs.Job{}, false, err
	}
	body := bytes.Clone(tx.Bucket(bucketBodies).Get(key(id)))
	if len(body) == 0 {
		return jobs.Job{}, false, fmt.Errorf("%w: job %s has no body", ErrCorrupt, name(id))
	}
	if old.attempt >= uint64(q.opts.MaxReceives) {
		reason := fmt.Sprintf("received %d times and never ended", old.attempt)
		return jobs.Job{}, false, q.bury(tx, old, letter{attempt: old.attempt, reason: reason, body: body})
	}
	h := old
	h.due = until
	h.attempt++
	if h.delivery, err = tx.Bucket(bucketDue).NextSequence(); err != nil {
		return jobs.Job{}, false, err
	}
	j = jobs.Job{ID: name(id), Body: body, Receipt: h.receipt(), Attempt: int(h.attempt), Sent: h.sent}
	return j, true, move(tx, old, h)
}

// Extend implements jobs.Queue.
func (q *Queue) Extend(ctx context.Context, receipt string, visibility time.Duration) error {
	if err := cmp.Or(jobs.CheckExtend(visibility), ctx.Err()); err != nil {
		return err
	}
	err := q.update(func(tx *bbolt.Tx) error {
		old, ended, err := received(tx, receipt)
		if err != nil {
			return err
		}
		if ended {
			return fmt.Errorf("%w: the job was ended", jobs.ErrReceipt)
		}
		h := old
		h.due = q.now().Add(rounded(visibility))
		return move(tx, old, h)
	})
	if err != nil {
		return fmt.Errorf("extend: %w", err)
	}
	q.wake.ring() // whoever waits for the next job computes anew when it is due
	return nil
}

// Ack implements jobs.Queue. All receipts are one transaction.
func (q *Queue) Ack(ctx context.Context, receipts ...string) error {
	if err := ctx.Err(); err != nil || len(receipts) == 0 {
		return err
	}
	var failed []jobs.AckFailure
	err := q.update(func(tx *bbolt.Tx) error {
		failed = nil
		for _, receipt := range receipts {
			h, ended, err := received(tx, receipt)
			switch {
			case errors.Is(err, jobs.ErrReceipt):
				failed = append(failed, jobs.AckFailure{Receipt: receipt, Err: err})
			case err != nil:
				return err
			case !ended:
				if err := remove(tx, h); err != nil {
					return err
				}
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("ack: %w", err)
	case failed != nil:
		return &jobs.AckError{Failed: failed}
	}
	return nil
}

// Stats implements jobs.Queue. It reads an entry per job, at most Options.MaxJobs.
func (q *Queue) Stats(ctx context.Context) (jobs.Stats, error) {
	if err := ctx.Err(); err != nil {
		return jobs.Stats{}, err
	}
	var s jobs.Stats
	now := q.now()
	err := q.view(func(tx *bbolt.Tx) error {
		s = jobs.Stats{Dead: int64(number(tx, keyDead))}
		return tx.Bucket(bucketHeads).ForEach(func(_, v []byte) error {
			h, err := decodeHead(0, v)
			if err == nil && h.delivery > 0 && h.due.After(now) {
				s.Running++
			} else {
				s.Waiting++
			}
			return err
		})
	})
	if err != nil {
		return jobs.Stats{}, fmt.Errorf("stats: %w", err)
	}
	return s, nil
}
