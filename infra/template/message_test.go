package template

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/pace"
)

const (
	messageEvent = "SQS"
	// visibilities is for how many durations of the function a message must stay hidden
	// from others, as AWS advises.
	visibilities = 6
)

// messageActions are what Lambda asks for to read a queue, in order.
var messageActions = []string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}

// messages: a function that a queue starts gets a message again when it failed, not
// while it is still at it, and not for ever.
func (c *checker) messages() {
	for _, e := range c.events() {
		if e.kind != messageEvent {
			continue
		}
		id, p := e.function.ID, e.properties
		c.queueARN(id+": Queue", at(p, "Queue"))
		queue := attribute(at(p, "Queue"), "Arn")
		if c.kind(queue) != queueKind {
			continue
		}
		if at(c.resource(queue, "Properties"), "RedrivePolicy") == nil {
			c.fault("%s: its queue %s has no dead letters, so that a bad message comes for ever", id, queue)
		}
		seconds, _ := at(c.resource(queue, "Properties"), "VisibilityTimeout").(int)
		if hidden := time.Duration(seconds) * time.Second; hidden < visibilities*e.function.Timeout {
			c.fault("%s: VisibilityTimeout of %s is %s, less than %d times the function's %s", id, queue, hidden, visibilities, e.function.Timeout)
		}
		kept, _ := at(c.resource(queue, "Properties"), "MessageRetentionPeriod").(int)
		if n, _ := at(c.resource(queue, "Properties"), "RedrivePolicy", "maxReceiveCount").(int); kept <= n*seconds {
			c.fault("%s: %s keeps a message for %d s, which is over before its %d tries of %d s", id, queue, kept, n, seconds)
		}
		partial := slices.Contains(list(at(p, "FunctionResponseTypes")), any("ReportBatchItemFailures"))
		if n, ok := at(p, "BatchSize").(int); !partial && (!ok || n != 1) {
			c.fault("%s: BatchSize is %d, and one message makes all of them come again; it must be 1, or ReportBatchItemFailures", id, n)
		}
		if n, _ := at(p, "ScalingConfig", "MaximumConcurrency").(int); n < 2 || n > 1000 {
			c.fault("%s: ScalingConfig: MaximumConcurrency is %d, must be from 2 to 1000", id, n)
		}
		role := attribute(e.function.properties["Role"], "Arn")
		for _, action := range messageActions {
			var targets []string
			for _, s := range c.statements() {
				if s.Role == role && s.ForService() && slices.Contains(s.Actions, action) {
					for _, r := range s.Resources {
						targets = append(targets, attribute(r, "Arn"))
					}
				}
			}
			if !slices.Equal(targets, []string{queue}) {
				c.fault("%s: %s does not allow %s on %s alone", id, role, action, queue)
			}
		}
	}
}

// TestMessages: the samples of messages are such as the function sends itself, and the
// chain that they make is no closer than the queue can delay.
func TestMessages(t *testing.T) {
	tp := load(t)
	started := 0
	for _, e := range tp.events() {
		if e.kind != messageEvent {
			continue
		}
		started++
		files, err := filepath.Glob(root + "/events/" + e.function.Name + "-*.json")
		if err != nil || len(files) == 0 {
			t.Errorf("%s has no samples of messages, %v", e.function.Name, err)
		}
		for _, file := range files {
			var sample struct {
				Records []struct{ Body, EventSource string }
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &sample); err != nil || len(sample.Records) != 1 || sample.Records[0].EventSource != "aws:sqs" {
				t.Errorf("%s: %+v, %v", file, sample, err)
				continue
			}
			if _, err := pace.Parse([]byte(sample.Records[0].Body)); err != nil && strings.HasPrefix(filepath.Base(file), "gunsync-") {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if started == 0 {
		t.Error("no function is started by a queue")
	}
	least, _ := at(tp.section("Parameters")["GunSyncInterval"], "MinValue").(int)
	if least < int(time.Second.Milliseconds()) {
		t.Errorf("GunSyncInterval may be %d ms, and a queue delays by whole seconds", least)
	}
}
