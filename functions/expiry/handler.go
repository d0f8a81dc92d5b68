package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"oipnode/shared/errs"
	"oipnode/shared/expiry"
	"oipnode/shared/function"
	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
	"oipnode/shared/voice"
)

const (
	// maxEvent is more than Lambda hands over of a stream at once, in bytes.
	maxEvent = 8 << 20
	// answerTime is kept of an invocation's time to count and to answer.
	answerTime = 10 * time.Second
)

func newHandler(p *function.Parts) (any, error) {
	return func(ctx context.Context, event json.RawMessage) (events.DynamoDBEventResponse, error) {
		return take(ctx, p, event)
	}, nil
}

// take takes in a batch of the stream's records. What it could not finish, because the
// store was away or its time was up, it names in its answer, so that Lambda hands the
// batch over again from there on. A record that is none of the stream would be none the
// next time either: it is logged and left out, and holds up nobody behind it.
func take(ctx context.Context, p *function.Parts, event json.RawMessage) (events.DynamoDBEventResponse, error) {
	answer := events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}
	b, err := parse(event)
	if err != nil {
		p.Log.ErrorContext(ctx, "malformed event", "error", err)
		return answer, err
	}
	if b.malformed > 0 {
		p.Log.ErrorContext(ctx, "malformed records are left out", "records", b.malformed, "first", b.first)
	}
	if len(b.keys) == 0 {
		return answer, nil
	}
	store, err := p.State(ctx)
	if err != nil {
		return answer, function.Failed(ctx, p.Log, "open the state store", err)
	}
	dialogues, err := voice.New(voice.Options{State: store, Log: p.Log})
	if err != nil {
		return answer, function.Failed(ctx, p.Log, "voice dialogues", err)
	}
	removals, err := expiry.New(expiry.Options{Voice: dialogues, Metrics: p.Metrics, Log: p.Log})
	if err != nil {
		return answer, function.Failed(ctx, p.Log, "expired rows", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(answerTime, time.Until(deadline)/4)))
		defer cancel()
	}
	if done, err := removals.Take(ctx, b.keys); err != nil {
		p.Log.ErrorContext(ctx, "expired rows are left for the next try", "rows", len(b.keys)-done, "error", err)
		answer.BatchItemFailures = append(answer.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: b.sequences[done]})
	}
	return answer, nil
}

// batch is what an event holds.
type batch struct {
	// keys are those of the rows that expired, and sequences their records.
	keys      []state.Key
	sequences []string
	// malformed counts what is no record of the stream, and first says why the first one
	// is none.
	malformed int
	first     error
}

// parse reads an event of the stream. Changes that processes made are left out, should
// the filter of the event source ever let them through.
func parse(event []byte) (b batch, err error) {
	var e struct{ Records []json.RawMessage }
	switch {
	case len(event) > maxEvent:
		return b, errs.E(errs.TooLarge, fmt.Sprintf("the event has %d bytes, at most %d are allowed", len(event), maxEvent), nil)
	case json.Unmarshal(event, &e) != nil || e.Records == nil:
		return b, errs.E(errs.Invalid, "the event is not an object with the Records of a table's stream", nil)
	}
	for _, record := range e.Records {
		c, err := dynamo.ParseChange(record)
		switch {
		case err != nil && b.malformed == 0:
			b.malformed, b.first = 1, err
		case err != nil:
			b.malformed++
		case c.Expired:
			b.keys, b.sequences = append(b.keys, c.Key), append(b.sequences, c.Sequence)
		}
	}
	return b, nil
}
