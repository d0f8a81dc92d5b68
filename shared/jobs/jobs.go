// Package jobs is work that must be done once its request was answered: a queue of
// small texts, and the code that runs them.
//
// Two implementations of Queue keep the same contract, proven by one suite
// (jobstest): an embedded one on bbolt, and SQS. So nothing here assumes more than
// SQS promises: a job is delivered at least once, in no order, and again when it was
// not acknowledged in time. What a job does must therefore bear being done twice.
//
// A job is received for a time, its visibility, in which nobody else receives it.
// Whoever received it ends it with Ack, gives it back with Extend, or moves it to
// the dead letters with Bury; a receiver that dies does nothing, and the job comes
// back. A job that came back too often is moved to the dead letters by the queue
// itself, so that one that kills its receiver does not do so for ever.
//
// Batch and Work run jobs. A Lambda function that SQS invokes runs Batch on what it
// was given and reports the failed ones; the local node runs Work on its own queue.
// Both take the same Handler.
package jobs

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Limits that every implementation keeps. CheckSend, CheckReceive and CheckExtend
// enforce them for every implementation alike. SQS allows more only for the body
// (256 KiB): what a job works on belongs into a store.
const (
	// MaxBody is the longest body in bytes.
	MaxBody = 64 << 10
	// MaxBatch is the most jobs that one Receive returns.
	MaxBatch = 10
	// MaxDelay is the longest delay of a Send.
	MaxDelay = 15 * time.Minute
	// MaxWait is the longest wait of a Receive.
	MaxWait = 20 * time.Second
	// MaxVisibility is the longest time for which a job is received.
	MaxVisibility = 12 * time.Hour
	// MaxReason is the longest reason in bytes that is kept with a dead letter.
	MaxReason = 1 << 10
)

var (
	// ErrInvalid is returned for an argument that no queue accepts; the text names
	// it and what is allowed.
	ErrInvalid = errors.New("jobs: invalid argument")
	// ErrTooLarge is returned by Send for a body over MaxBody.
	ErrTooLarge = errors.New("jobs: over the size limit")
	// ErrReceipt is returned for a receipt that is not good any more: the job was
	// ended, or its visibility passed and somebody else received it.
	ErrReceipt = errors.New("jobs: the receipt is not valid any more")
	// ErrFull is returned by Send when the queue holds as many jobs as it may.
	ErrFull = errors.New("jobs: the queue is full")
	// ErrUnavailable is returned when the queue cannot be reached, or is overloaded,
	// for longer than it is willing to wait. Nothing is known of the call, which may
	// be repeated: a repeated Send may deliver the job twice.
	ErrUnavailable = errors.New("jobs: queue unavailable")
	// ErrClosed is returned by every call on a queue after its Close.
	ErrClosed = errors.New("jobs: queue is closed")
)

// Job is one delivery of a job.
type Job struct {
	// ID is the job's, the same for all its deliveries.
	ID string
	// Body is what was sent, the receiver's own copy.
	Body []byte
	// Receipt is this delivery's, and stands for it in Extend and Ack.
	Receipt string
	// Attempt counts the deliveries, from 1. It may be too high by some, never too low
	// by more than SQS's own count.
	Attempt int
	// Sent is when the job was sent.
	Sent time.Time
}

// Stats are the numbers of a queue. Those of SQS are approximate.
type Stats struct {
	// Waiting are the jobs that can be received, now or when their delay is over.
	Waiting int64
	// Running are the jobs that are received, or were given back with a pause.
	Running int64
	// Dead are the dead letters.
	Dead int64
}

// Queue is the seam. Every method is safe for concurrent use and honours its
// context. Times are rounded up to whole seconds.
type Queue interface {
	// Send adds a job, which is durable when Send returns. It is received after the
	// delay, 0 to MaxDelay. The body is UTF-8 text that XML can hold, 1 to MaxBody
	// bytes. ErrTooLarge, ErrFull.
	Send(ctx context.Context, body []byte, delay time.Duration) (id string, err error)
	// Receive returns 1 to max jobs (max is 1 to MaxBatch), or none when there were
	// none for the whole wait, 0 to MaxWait. They are the caller's for visibility,
	// 1 second to MaxVisibility. A Receive that was cancelled may have received jobs,
	// which come back after their visibility.
	Receive(ctx context.Context, max int, wait, visibility time.Duration) ([]Job, error)
	// Extend makes a received job the caller's for that time from now, 0 to
	// MaxVisibility; 0 gives it back at once. All together no job can be had for more
	// than MaxVisibility at a time. ErrReceipt.
	Extend(ctx context.Context, receipt string, visibility time.Duration) error
	// Ack ends jobs. Each receipt is tried; an AckError tells which failed. A job
	// that was ended already is fine. An old receipt of a job that was received again
	// has no effect, or is ErrReceipt. So does one that the queue never made, where it
	// cannot tell that from one of a job that is gone.
	Ack(ctx context.Context, receipts ...string) error
	// Bury moves a received job to the dead letters, with its body, its Attempt and
	// the reason, which is for operators; CleanReason is applied to it. A Bury that
	// fails may have made the dead letter without ending the job. ErrReceipt.
	Bury(ctx context.Context, j Job, reason string) error
	// Stats counts.
	Stats(ctx context.Context) (Stats, error)
}

// AckError says which receipts an Ack could not end; the others are ended.
type AckError struct{ Failed []AckFailure }

// AckFailure is a receipt that could not be ended.
type AckFailure struct {
	Receipt string
	Err     error
}

// Error names the causes, not the receipts.
func (e *AckError) Error() string {
	texts := make([]string, 0, len(e.Failed))
	for _, f := range e.Failed {
		texts = append(texts, f.Err.Error())
	}
	return "jobs: not acknowledged: " + strings.Join(texts, "; ")
}

// Unwrap gives the causes, so that errors.Is finds them.
func (e *AckError) Unwrap() []error {
	causes := make([]error, 0, len(e.Failed))
	for _, f := range e.Failed {
		causes = append(causes, f.Err)
	}
	return causes
}
