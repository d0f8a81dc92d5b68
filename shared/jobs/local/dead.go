package local

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"oipnode/shared/jobs"
)

// MaxDeadPage is the most dead letters that one Dead returns.
const MaxDeadPage = 100

// DeadLetter is a job that failed for good.
type DeadLetter struct {
	// ID is the job's.
	ID string
	// Body is what was sent.
	Body []byte
	// Attempt is how often the job was delivered.
	Attempt int
	// Sent and Buried are when the job was sent and became a dead letter.
	Sent, Buried time.Time
	// Reason is for operators.
	Reason string
}

// letter is a dead letter as it is stored: three numbers of eight bytes, the length
// of the reason in two, the reason, the body.
type letter struct {
	sent, buried time.Time
	attempt      uint64
	reason       string
	body         []byte
}

const letterLen = 3*8 + 2

func (l letter) encode() []byte {
	b := make([]byte, 0, letterLen+len(l.reason)+len(l.body))
	for _, n := range []uint64{nanos(l.sent), nanos(l.buried), l.attempt} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(l.reason))) // at most jobs.MaxReason
	return append(append(b, l.reason...), l.body...)
}

func decodeLetter(b []byte) (letter, error) {
	if len(b) < letterLen {
		return letter{}, fmt.Errorf("%w: a dead letter has %d bytes", ErrCorrupt, len(b))
	}
	n := func(i int) uint64 { return binary.BigEndian.Uint64(b[8*i:]) }
	l := letter{sent: moment(n(0)), buried: moment(n(1)), attempt: n(2)}
	rest := b[letterLen:]
	end := int(binary.BigEndian.Uint16(b[3*8:]))
	if end > len(rest) {
		return letter{}, fmt.Errorf("%w: the reason of a dead letter is cut off", ErrCorrupt)
	}
	l.reason, l.body = string(rest[:end]), bytes.Clone(rest[end:])
	return l, nil
}

// Bury implements jobs.Queue.
func (q *Queue) Bury(ctx context.Context, j jobs.Job, reason string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := q.update(func(tx *bbolt.Tx) error {
		h, ended, err := received(tx, j.Receipt)
		if err != nil {
			return err
		}
		if ended {
			return fmt.Errorf("%w: the job was ended", jobs.ErrReceipt)
		}
		body := bytes.Clone(tx.Bucket(bucketBodies).Get(key(h.id)))
		return q.bury(tx, h, letter{attempt: h.attempt, reason: reason, body: body})
	})
	if err != nil {
		return fmt.Errorf("bury: %w", err)
	}
	return nil
}

// bury makes a dead letter of a job, and lets go of the oldest when there are too
// many.
func (q *Queue) bury(tx *bbolt.Tx, h head, l letter) error {
	l.sent, l.buried, l.reason = h.sent, q.now(), jobs.CleanReason(l.reason)
	dead := tx.Bucket(bucketDead)
	if err := errors.Join(remove(tx, h), dead.Put(key(h.id), l.encode()), count(tx, keyDead, 1)); err != nil {
		return err
	}
	for number(tx, keyDead) > uint64(q.opts.MaxDead) {
		oldest, _ := dead.Cursor().First()
		if oldest == nil {
			return fmt.Errorf("%w: there are fewer dead letters than were counted", ErrCorrupt)
		}
		if err := errors.Join(dead.Delete(oldest), count(tx, keyDead, -1)); err != nil {
			return err
		}
	}
	return nil
}

// Dead returns dead letters in the order in which their jobs were sent: those behind
// the job ID after, "" for the first, at most limit (1 to MaxDeadPage; a larger limit
// means MaxDeadPage). Fewer than that means that there are no more.
func (q *Queue) Dead(ctx context.Context, after string, limit int) ([]DeadLetter, error) {
	last, ok := parseName(cmp.Or(after, name(0)))
	if !ok || limit < 1 {
		return nil, fmt.Errorf("dead letters: %w: behind %.40q at most %d", jobs.ErrInvalid, after, limit)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var list []DeadLetter
	err := q.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketDead).Cursor()
		for k, v := c.Seek(key(last + 1)); k != nil && len(list) < min(limit, MaxDeadPage); k, v = c.Next() {
			l, err := decodeLetter(v)
			if err != nil {
				return err
			}
			list = append(list, DeadLetter{
				ID: name(binary.BigEndian.Uint64(k)), Body: l.body, Attempt: int(l.attempt), Sent: l.sent, Buried: l.buried, Reason: l.reason,
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return list, nil
}

// Redrive makes a dead letter a job again, with all its attempts before it. It
// returns ErrNotFound, or jobs.ErrFull.
func (q *Queue) Redrive(ctx context.Context, id string) error {
	err := q.takeDead(ctx, id, func(tx *bbolt.Tx, job uint64, l letter) error {
		if number(tx, keyJobs) >= uint64(q.opts.MaxJobs) {
			return fmt.Errorf("%w: it holds %d jobs", jobs.ErrFull, q.opts.MaxJobs)
		}
		return add(tx, head{id: job, sent: l.sent, due: q.now()}, l.body)
	})
	if err != nil {
		return fmt.Errorf("redrive: %w", err)
	}
	q.wake.ring()
	return nil
}

// Drop removes a dead letter. It returns ErrNotFound.
func (q *Queue) Drop(ctx context.Context, id string) error {
	if err := q.takeDead(ctx, id, func(*bbolt.Tx, uint64, letter) error { return nil }); err != nil {
		return fmt.Errorf("drop: %w", err)
	}
	return nil
}

// takeDead removes a dead letter and does something with it in the same transaction.
func (q *Queue) takeDead(ctx context.Context, id string, do func(tx *bbolt.Tx, id uint64, l letter) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return q.update(func(tx *bbolt.Tx) error {
		n, ok := parseName(id)
		v := tx.Bucket(bucketDead).Get(key(n))
		if !ok || v == nil {
			return fmt.Errorf("%w: %.40q", ErrNotFound, id)
		}
		l, err := decodeLetter(v)
		if err != nil {
			return err
		}
		return errors.Join(tx.Bucket(bucketDead).Delete(key(n)), count(tx, keyDead, -1), do(tx, n, l))
	})
}

// Verify reads the whole file and returns ErrCorrupt, with what is wrong, unless each
// job has a head, a body and one entry in the due bucket, and the numbers are right.
func (q *Queue) Verify(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return q.view(func(tx *bbolt.Tx) error {
		var heads, bodies, dues, letters uint64
		err := tx.Bucket(bucketHeads).ForEach(func(k, v []byte) error {
			h, err := decodeHead(binary.BigEndian.Uint64(k), v)
			if err == nil && (tx.Bucket(bucketBodies).Get(k) == nil || tx.Bucket(bucketDue).Get(h.dueKey()) == nil) {
				err = fmt.Errorf("%w: job %s has no body, or is never due", ErrCorrupt, name(h.id))
			}
			heads++
			return err
		})
		each := func(bucket []byte, n *uint64) error {
			return tx.Bucket(bucket).ForEach(func(_, _ []byte) error { *n++; return nil })
		}
		err = errors.Join(err, each(bucketBodies, &bodies), each(bucketDue, &dues), tx.Bucket(bucketDead).ForEach(func(_, v []byte) error {
			letters++
			_, err := decodeLetter(v)
			return err
		}))
		if err == nil && (bodies != heads || dues != heads || number(tx, keyJobs) != heads || number(tx, keyDead) != letters) {
			err = fmt.Errorf("%w: %d heads, %d bodies, %d due, %d counted; %d dead letters, %d counted",
				ErrCorrupt, heads, bodies, dues, number(tx, keyJobs), letters, number(tx, keyDead))
		}
		return err
	})
}
