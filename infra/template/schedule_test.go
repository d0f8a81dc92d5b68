package template

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// gatewayLimit is how long API Gateway waits for a function.
	gatewayLimit = 30 * time.Second
	// functionLimit is the longest that Lambda lets a function run.
	functionLimit = 15 * time.Minute
	// eventAge is how old a schedule's event may become, in seconds, unless its interval
	// is shorter: then that long.
	eventAge = 240
)

// time: every function has a limit, and answers before its caller gives up.
func (c *checker) time() {
	for _, f := range c.Functions() {
		if f.Timeout <= 0 || f.Timeout > functionLimit {
			c.fault("%s: Timeout is %s; Lambda allows up to %s", f.ID, f.Timeout, functionLimit)
		}
		if f.Memory < 128 {
			c.fault("%s: MemorySize is %d MB, at least 128 are needed", f.ID, f.Memory)
		}
	}
	for _, e := range c.events() {
		if e.kind != "HttpApi" {
			continue
		}
		if e.function.Timeout >= gatewayLimit {
			c.fault("%s: Timeout is %s, but API Gateway gives up after %s", e.function.ID, e.function.Timeout, gatewayLimit)
		}
		wait, _ := at(e.properties, "TimeoutInMillis").(int)
		if wait := time.Duration(wait) * time.Millisecond; wait > gatewayLimit || wait < e.function.Timeout {
			c.fault("%s: API Gateway waits %s; must be from the function's %s to %s", e.function.ID, wait, e.function.Timeout, gatewayLimit)
		}
	}
}

// schedules: no event waits until the next one, none is lost without a trace, and no
// function is still at work when it is called again.
func (c *checker) schedules() {
	expressions := make(map[string]string)
	for _, e := range c.events() {
		if e.kind == "Schedule" {
			c.fault("%s: %s is a schedule without a failure queue of its own; use ScheduleV2", e.function.ID, e.name)
		}
		if e.kind != "ScheduleV2" {
			continue
		}
		id := e.function.ID
		interval, text, err := c.interval(at(e.properties, "ScheduleExpression"))
		if err != nil {
			c.fault("%s: ScheduleExpression: %v", id, err)
		} else if e.function.Timeout >= interval {
			c.fault("%s: Timeout is %s, and the schedule can call again after %s", id, e.function.Timeout, interval)
		}
		expressions[e.function.Name] = text
		if at(e.properties, "OmitName") != true {
			c.fault("%s: OmitName is not set: a name would keep a second stack out", id)
		}
		for _, place := range []struct {
			what string
			v    any
		}{{"RetryPolicy", at(e.properties, "RetryPolicy")}, {"EventInvokeConfig", e.function.properties["EventInvokeConfig"]}} {
			oldest := min(eventAge, int(max(interval, time.Minute).Seconds()))
			if age, _ := at(place.v, "MaximumEventAgeInSeconds").(int); age != oldest {
				c.fault("%s: %s: MaximumEventAgeInSeconds is %d, must be %d", id, place.what, age, oldest)
			}
			if retries, ok := at(place.v, "MaximumRetryAttempts").(int); !ok || retries != 0 {
				c.fault("%s: %s: MaximumRetryAttempts must be 0: the next event does the work", id, place.what)
			}
		}
		c.queueARN(id+": DeadLetterConfig", at(e.properties, "DeadLetterConfig", "Arn"))
		c.queueARN(id+": EventInvokeConfig", at(e.function.properties["EventInvokeConfig"], "DestinationConfig", "OnFailure", "Destination"))
		if role := attribute(at(e.properties, "RoleArn"), "Arn"); c.kind(role) != roleKind {
			c.fault("%s: the schedule has no role of the template", id)
		} else {
			c.schedulerRole(id, role, attribute(at(e.properties, "DeadLetterConfig", "Arn"), "Arn"))
		}
		if err := scheduleInput(at(e.properties, "Input")); err != nil {
			c.fault("%s: Input: %v", id, err)
		}
	}
	if expressions["keepdb"] == "" || expressions["keepdb"] != expressions["cacherefresh"] {
		c.fault("keepdb (%s) and cacherefresh (%s) must have the same schedule", expressions["keepdb"], expressions["cacherefresh"])
	}
}

// schedulerRole: the scheduler may call the function and use the queue.
func (c *checker) schedulerRole(function, role, queue string) {
	for action, target := range map[string]string{"lambda:InvokeFunction": function, "sqs:SendMessage": queue} {
		allowed := slices.ContainsFunc(c.statements(), func(s Statement) bool {
			return s.Role == role && slices.Contains(s.Actions, action) &&
				slices.ContainsFunc(s.Resources, func(r any) bool { return attribute(r, "Arn") == target })
		})
		if !allowed {
			c.fault("%s: its scheduler's role %s does not allow %s on %s", function, role, action, target)
		}
	}
}

var (
	rate      = regexp.MustCompile(`^rate\(([1-9][0-9]*|\$\{[A-Za-z0-9]+\}) (minute|hour|day)(s?)\)$`)
	rateUnits = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
)

// interval is the shortest time between two events of a schedule that an operator can
// choose, and the expression as it stands there.
func (c *checker) interval(v any) (shortest time.Duration, text string, err error) {
	if sub, ok := at(v, "Fn::Sub").(string); ok {
		v = sub
	}
	text, _ = v.(string)
	m := rate.FindStringSubmatch(text)
	if m == nil {
		return 0, text, fmt.Errorf("%q is not rate(N minutes), rate(N hours) or rate(N days)", text)
	}
	least, most := 0, 0
	if name, ok := strings.CutPrefix(m[1], "${"); ok {
		parameter := c.section("Parameters")[strings.TrimSuffix(name, "}")]
		least, _ = at(parameter, "MinValue").(int)
		most, _ = at(parameter, "MaxValue").(int)
	} else if least, err = strconv.Atoi(m[1]); err == nil {
		most = least
	}
	switch {
	case err != nil:
		return 0, text, err
	case least < 1 || most < least:
		return 0, text, fmt.Errorf("%q: the parameter has no bounds, or they allow 0", text)
	case m[3] == "" && most != 1, m[3] != "" && least == 1:
		return 0, text, fmt.Errorf("%q: the unit is singular for 1 and plural for all others", text)
	}
	return time.Duration(least) * rateUnits[m[2]], text, nil
}

// supplied are the words that the scheduler replaces in an input.
var (
	placeholder = regexp.MustCompile(`<[^>]*>`)
	supplied    = []string{"<aws.scheduler.schedule-arn>", "<aws.scheduler.scheduled-time>", "<aws.scheduler.execution-id>", "<aws.scheduler.attempt-number>"}
)

// scheduleInput: what the scheduler sends is a JSON object, before and after it has put
// its words in.
func scheduleInput(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("%v is not a text", v)
	}
	for _, word := range placeholder.FindAllString(text, -1) {
		if !slices.Contains(supplied, word) {
			return fmt.Errorf("the scheduler does not know %s", word)
		}
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	return nil
}
