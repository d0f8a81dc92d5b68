package template

import "oipnode/shared/library"

// jobs: the function of the media jobs has all of its time for one of them, says by
// itself which come again, and gives up before the queue does, which knows no reason.
func (c *checker) jobs() {
	found := false
	for _, e := range c.events() {
		if e.kind != messageEvent || e.function.Name != "mediafetch" {
			continue
		}
		found = true
		id, p := e.function.ID, e.properties
		queue := c.resource(attribute(at(p, "Queue"), "Arn"), "Properties")
		if n, _ := at(queue, "RedrivePolicy", "maxReceiveCount").(int); n <= library.MaxAttempts {
			c.fault("%s: its queue gives a job up after %d tries, without a reason; the function does after %d", id, n, library.MaxAttempts)
		}
		if types := list(at(p, "FunctionResponseTypes")); len(types) != 1 || types[0] != "ReportBatchItemFailures" {
			c.fault("%s: FunctionResponseTypes is %v; the pause after a failed try is the function's own", id, types)
		}
		if n, _ := at(p, "BatchSize").(int); n != 1 {
			c.fault("%s: BatchSize is %d, so that jobs share the time of one call", id, n)
		}
		if at(p, "MaximumBatchingWindowInSeconds") != nil {
			c.fault("%s: a batch of one need not wait for others", id)
		}
	}
	if !found {
		c.fault("no queue starts the function of the media jobs")
	}
}
