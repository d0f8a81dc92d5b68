package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"oipnode/shared/jobs"
)

// maxEntries is how many messages SQS deletes by one request.
const maxEntries = 10

// Ack implements jobs.Queue. It sends a request for each ten receipts.
func (q *Queue) Ack(ctx context.Context, receipts ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var failed []jobs.AckFailure
	var good []string
	for _, receipt := range receipts {
		if err := checkReceipt(receipt); err != nil {
			failed = append(failed, jobs.AckFailure{Receipt: receipt, Err: err})
		} else {
			good = append(good, receipt)
		}
	}
	for some := range slices.Chunk(good, maxEntries) {
		bad, err := q.ack(ctx, some)
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil { // the others may still be ended
			for _, receipt := range some {
				failed = append(failed, jobs.AckFailure{Receipt: receipt, Err: err})
			}
		}
		failed = append(failed, bad...)
	}
	if failed != nil {
		return &jobs.AckError{Failed: failed}
	}
	return nil
}

// ack ends up to maxEntries jobs. SQS answers for each by itself. An answer that a
// receipt is not valid means that there is nothing to end by it: SQS says so of what
// it never made, other servers of the protocol of a job that was ended before. The
// second is fine by the contract, also where a request is repeated whose answer was
// lost, and the first cannot be told from it.
func (q *Queue) ack(ctx context.Context, receipts []string) (failed []jobs.AckFailure, err error) {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &q.url}
	for i, receipt := range receipts {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipt)})
	}
	err = q.do(ctx, "DeleteMessageBatch", 0, func(ctx context.Context) error {
		out, err := q.client.DeleteMessageBatch(ctx, in, once)
		if err != nil {
			return err
		}
		failed = nil
		var later []types.DeleteMessageBatchRequestEntry
		for _, f := range out.Failed {
			i, err := strconv.Atoi(aws.ToString(f.Id))
			if err != nil || i < 0 || i >= len(receipts) {
				return errEntry
			}
			if aws.ToString(f.Code) == codeReceipt {
				continue
			}
			if !f.SenderFault {
				later = append(later, types.DeleteMessageBatchRequestEntry{Id: f.Id, ReceiptHandle: aws.String(receipts[i])})
				continue
			}
			failed = append(failed, jobs.AckFailure{Receipt: receipts[i], Err: fmt.Errorf("%w: %.60s", jobs.ErrReceipt, aws.ToString(f.Code))})
		}
		if later != nil {
			return errEntry // the whole request again: what was ended already is fine
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return failed, nil
}

// codeReceipt is the code of a receipt that stands for no job.
const codeReceipt = "ReceiptHandleIsInvalid"

// errEntry is the failure of an entry that SQS takes the blame for.
var errEntry = errors.New("an entry failed inside SQS")

// FromEvent is what Lambda invokes a function with as jobs, in the same order.
func FromEvent(e events.SQSEvent) []jobs.Job {
	batch := make([]jobs.Job, 0, len(e.Records))
	for _, m := range e.Records {
		batch = append(batch, newJob(m.MessageId, m.Body, m.ReceiptHandle, m.Attributes))
	}
	return batch
}

// Failures is the answer of a function that has ReportBatchItemFailures: the jobs
// that Lambda must not delete, as jobs.Batch returns them.
func Failures(failed []string) events.SQSEventResponse {
	// An empty list, and not none: Lambda takes null for all is well, too, but what it
	// reads should say so.
	r := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, id := range failed {
		r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	return r
}
