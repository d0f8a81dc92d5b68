package template

import (
	"slices"

	"oipnode/shared/library"
)

// jobActions are what Lambda asks for to take messages from a queue.
var jobActions = []string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}

// jobs: a function that a queue starts has all of its time for one job, says which jobs
// come again, gives up before the queue itself does, and leaves some room for others.
func (c *checker) jobs() {
	for _, e := range c.events() {
		if e.kind != "SQS" {
			continue
		}
		id, p := e.function.ID, e.properties
		c.queueARN(id+": Queue", at(p, "Queue"))
		queue := c.resource(attribute(at(p, "Queue"), "Arn"), "Properties")
		if at(queue, "RedrivePolicy") == nil {
			c.fault("%s: its queue has no dead letters", id)
		}
		if n, _ := at(queue, "RedrivePolicy", "maxReceiveCount").(int); n <= library.MaxAttempts {
			c.fault("%s: its queue gives a job up after %d tries, without a reason; the function does after %d", id, n, library.MaxAttempts)
		}
		if types := list(at(p, "FunctionResponseTypes")); len(types) != 1 || types[0] != "ReportBatchItemFailures" {
			c.fault("%s: FunctionResponseTypes is %v, so that one job makes its whole batch come again", id, types)
		}
		if n, _ := at(p, "BatchSize").(int); n != 1 {
			c.fault("%s: BatchSize is %d, so that jobs share the time of one call", id, n)
		}
		if at(p, "MaximumBatchingWindowInSeconds") != nil {
			c.fault("%s: a batch of one need not wait for others", id)
		}
		if n, ok := c.number(at(p, "ScalingConfig", "MaximumConcurrency")); !ok || n < 2 || n > 1000 {
			c.fault("%s: MaximumConcurrency is %d, must be from 2 to 1000", id, n)
		}
		role := attribute(e.function.properties["Role"], "Arn")
		for _, action := range jobActions {
			if !slices.ContainsFunc(c.statements(), func(s Statement) bool {
				return s.Role == role && s.ForService() && slices.Contains(s.Actions, action) && len(s.Resources) == 1 &&
					attribute(s.Resources[0], "Arn") == attribute(at(p, "Queue"), "Arn")
			}) {
				c.fault("%s: %s does not allow %s on its queue", id, role, action)
			}
		}
	}
}
