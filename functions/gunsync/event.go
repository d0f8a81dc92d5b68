package main

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-lambda-go/events"

	"oipnode/shared/errs"
	"oipnode/shared/function"
	"oipnode/shared/jobs/sqs"
	"oipnode/shared/pace"
)

// maxEvent is more than Lambda hands over of a queue at once, in bytes.
const maxEvent = 8 << 20

// call is one reason of an invocation.
type call struct {
	pace.Message // empty for the schedule
	// again says that the queue has delivered it before.
	again bool
}

// parse reads an event: messages of the queue, or that of the schedule. Whatever the
// schedule's holds is of no meaning, but for force, by which an operator may start a
// pass by hand.
func parse(event json.RawMessage) ([]call, error) {
	if len(event) > maxEvent {
		return nil, errs.E(errs.TooLarge, fmt.Sprintf("the event has %d bytes, at most %d are allowed", len(event), maxEvent), nil)
	}
	var e events.SQSEvent
	if err := json.Unmarshal(event, &e); err != nil || e.Records == nil {
		var by struct{ Force bool }
		if err := function.Decode(event, &by, true); err != nil {
			return nil, err
		}
		return []call{{Message: pace.Message{Force: by.Force}}}, nil
	}
	var calls []call
	for _, job := range sqs.FromEvent(e) {
		m, err := pace.Parse(job.Body)
		if err != nil {
			return nil, errs.E(errs.Invalid, fmt.Sprintf("the message %.100q is neither a link of the chain nor a wish", job.ID), err)
		}
		calls = append(calls, call{m, job.Attempt > 1})
	}
	return calls, nil
}
