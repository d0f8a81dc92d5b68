package template

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"oipnode/shared/metrics"
)

const (
	topicKind = "AWS::SNS::Topic"
	apiKind   = "AWS::Serverless::HttpApi"

	// alarmWindow is the longest time that one alarm can look at.
	alarmWindow = 24 * time.Hour
)

// emission is what a kind of resource tells CloudWatch by itself: the namespace, the
// dimension that names the resource, the attribute that holds this name ("" for !Ref),
// and the metrics that are in use here or could be.
type emission struct {
	namespace, dimension, attribute string
	metrics                         []string
}

var emissions = map[string]emission{
	functionKind:           {"AWS/Lambda", "FunctionName", "", []string{"Duration", "Errors", "Invocations", "IteratorAge", "Throttles"}},
	"AWS::SQS::Queue":      {"AWS/SQS", "QueueName", "QueueName", []string{"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"}},
	"AWS::DynamoDB::Table": {"AWS/DynamoDB", "TableName", "", []string{"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents"}},
	apiKind:                {"AWS/ApiGateway", "ApiId", "", []string{"4xx", "5xx", "Count", "IntegrationLatency", "Latency"}},
}

// emitters are the functions that record a metric of ours; what is not here, all do. That
// they really write it is seen where all of them run (TestPermissions of package awslocal).
var emitters = []struct {
	functions []string
	names     *regexp.Regexp
}{
	{[]string{"keepdb"}, regexp.MustCompile(`^(Records[A-Z].*|LagBlocks|CheckpointHeight|CycleErrors|CycleDuration)$`)},
	{[]string{"cacherefresh"}, regexp.MustCompile(`^Ledger.*$`)},
	{[]string{"keepdb", "maintenance"}, regexp.MustCompile(`^GatewayErrors$`)},
	{[]string{"gunsync"}, regexp.MustCompile(`^Gun.*$`)},
	{[]string{"expiry"}, regexp.MustCompile(`^.*Expiries$`)},
	{[]string{"api"}, regexp.MustCompile(`^(API.*|Cache.*)$`)},
	{[]string{"mediafetch"}, regexp.MustCompile(`^QueueDepth$`)},
}

// emits: the resource really has the metric.
func (c *checker) emits(who, namespace, metric, dimension, resource, attribute string) {
	kind := c.kind(resource)
	e, known := emissions[kind]
	if !known {
		c.fault("%s: %s is no resource with metrics", who, resource)
		return
	}
	if dimension != e.dimension || attribute != e.attribute {
		c.fault("%s: the metrics of %s have the dimension %s", who, resource, e.dimension)
	}
	if namespace != metrics.Namespace {
		if namespace != e.namespace || !slices.Contains(e.metrics, metric) {
			c.fault("%s: %s has no metric %s %s", who, resource, namespace, metric)
		}
		if metric == "IteratorAge" && !slices.ContainsFunc(c.events(), func(e event) bool { return e.kind == streamEvent && e.function.ID == resource }) {
			c.fault("%s: %s reads no stream", who, resource)
		}
		return
	}
	if kind != functionKind || dimension != metrics.Dimension || !slices.ContainsFunc(metrics.Definitions(), func(d metrics.Definition) bool { return d.Name == metric }) {
		c.fault("%s: %s has no metric %s %s", who, resource, namespace, metric)
	}
	for _, e := range emitters {
		if name := strings.ToLower(strings.TrimSuffix(resource, "Function")); e.names.MatchString(metric) && !slices.Contains(e.functions, name) {
			c.fault("%s: %s never records %s", who, resource, metric)
		}
	}
}

// alarm is an alarm of the template as it is evaluated.
type alarm struct {
	id, namespace, metric, statistic string
	// resource is what the metric is of.
	resource  string
	threshold any
}

// alarms: everybody who needs one has one, each looks at a metric that there is, says so
// to the one topic, and has what an operator sets as a parameter.
func (c *checker) alarms() {
	topics := c.ofKind(topicKind)
	if len(topics) != 1 {
		c.fault("%d topics of alarms, one is needed", len(topics))
		return
	}
	var all []alarm
	for _, id := range c.ofKind(alarmKind) {
		all = append(all, c.alarm(id, topics[0]))
	}
	needs := func(what string, is func(a alarm) bool) {
		if !slices.ContainsFunc(all, is) {
			c.fault("no alarm for %s", what)
		}
	}
	on := func(resource, metric, parameter string) func(alarm) bool {
		return func(a alarm) bool {
			return a.resource == resource && a.metric == metric && (parameter == "" || ref(a.threshold) == parameter)
		}
	}
	for _, f := range c.Functions() {
		needs("the duration of "+f.ID, on(f.ID, "Duration", "AlarmDurationPercent"))
		needs("much memory of "+f.ID, on(f.ID, "MemoryPercent", "MemoryWarning"))
		needs("no memory of "+f.ID, on(f.ID, "MemoryPercent", "MemoryCritical"))
	}
	for _, e := range c.events() {
		switch e.kind {
		case "ScheduleV2":
			needs("the schedule of "+e.function.ID, on(e.function.ID, "Invocations", ""))
		case streamEvent:
			needs("the stream of "+e.function.ID, on(e.function.ID, "IteratorAge", ""))
		}
	}
	for queue := range c.failures() {
		needs("what failed into "+queue, on(queue, "ApproximateNumberOfMessagesVisible", ""))
	}
	for _, table := range c.ofKind("AWS::DynamoDB::Table") {
		needs("reads of "+table, on(table, "ReadThrottleEvents", ""))
		needs("writes of "+table, on(table, "WriteThrottleEvents", ""))
	}
	needs("failures of the API", on("Api", "5xx", ""))
	needs("the lag", on("KeepdbFunction", "LagBlocks", ""))
	needs("failing cycles", on("KeepdbFunction", "CycleErrors", ""))
	c.playbook()
}

// failures are the queues that hold what came to nothing: wherever a destination or
// dead letters are named.
func (c *checker) failures() map[string]bool {
	found := make(map[string]bool)
	walk(c.section("Resources"), func(v any) {
		for _, target := range []any{at(v, "OnFailure", "Destination"), at(v, "DeadLetterConfig", "Arn"), at(v, "RedrivePolicy", "deadLetterTargetArn")} {
			if queue := attribute(target, "Arn"); queue != "" {
				found[queue] = true
			}
		}
	})
	return found
}

// alarm reads and checks one.
func (c *checker) alarm(id, topic string) alarm {
	get := func(name string) any { return c.resource(id, "Properties", name) }
	a := alarm{id: id, namespace: text(get("Namespace")), metric: text(get("MetricName")), statistic: text(get("Statistic")), threshold: get("Threshold")}
	dimensions, period := list(get("Dimensions")), get("Period")
	if queries := list(get("Metrics")); queries != nil {
		dimensions, period = c.percentOfTimeout(&a, queries)
	}
	for _, name := range []string{"AlarmActions", "OKActions"} {
		if actions := list(get(name)); len(actions) != 1 || ref(actions[0]) != topic {
			c.fault("%s: %s must be %s alone", id, name, topic)
		}
	}
	if !strings.HasSuffix(text(get("AlarmDescription")), ".") {
		c.fault("%s: AlarmDescription is no sentence", id)
	}
	if !slices.Contains([]string{"breaching", "notBreaching", "ignore"}, text(get("TreatMissingData"))) {
		c.fault("%s: it does not say what it means that nothing is measured", id)
	}
	if !slices.Contains([]string{"Minimum", "Maximum", "Sum"}, a.statistic) {
		c.fault("%s: Statistic is %q", id, a.statistic)
	}
	if len(dimensions) != 1 {
		c.fault("%s: %d dimensions", id, len(dimensions))
		return a
	}
	dimension, value := text(at(dimensions[0], "Name")), at(dimensions[0], "Value")
	if a.resource = ref(value); a.resource != "" {
		c.emits(id, a.namespace, a.metric, dimension, a.resource, "")
	} else if a.resource = attribute(value, "QueueName"); a.resource != "" {
		c.emits(id, a.namespace, a.metric, dimension, a.resource, "QueueName")
	} else {
		c.fault("%s: its dimension names no resource", id)
	}
	c.tunable(a, get("EvaluationPeriods"))
	c.window(id, period, get("EvaluationPeriods"))
	c.stale(a)
	return a
}

// tunable: when it goes off is a parameter's business, which has a default.
func (c *checker) tunable(a alarm, periods any) {
	for _, v := range []any{a.threshold, periods} {
		if p := ref(v); p != "" {
			if _, ok := c.number(v); !ok {
				c.fault("%s: %s is no number with a default", a.id, p)
			}
			return
		}
	}
	c.fault("%s: no parameter says when it goes off", a.id)
}

// window: CloudWatch looks back that far, whatever the operator sets.
func (c *checker) window(id string, period, periods any) {
	seconds, _ := period.(int)
	n, _ := c.number(periods)
	if p := ref(periods); p != "" {
		n, _ = at(c.section("Parameters")[p], "MaxValue").(int)
	}
	if seconds < 60 || seconds%60 != 0 || n < 1 || time.Duration(seconds*n)*time.Second > alarmWindow {
		c.fault("%s: %d periods of %d s", id, n, seconds)
	}
}

// stale: an alarm of what does not happen takes silence for it, looks over more than
// the longest interval, and is only there when the schedule is switched on.
func (c *checker) stale(a alarm) {
	if a.metric != "Invocations" {
		return
	}
	if missing := c.resource(a.id, "Properties", "TreatMissingData"); missing != "breaching" {
		c.fault("%s: silence must be breaching", a.id)
	}
	least, _ := at(c.section("Parameters")[ref(c.resource(a.id, "Properties", "EvaluationPeriods"))], "MinValue").(int)
	seconds, _ := c.resource(a.id, "Properties", "Period").(int)
	for _, e := range c.events() {
		if e.kind != "ScheduleV2" || e.function.ID != a.resource {
			continue
		}
		// An interval has a shortest value only; the parameter's longest one counts here.
		longest := time.Hour
		if window := time.Duration(least*seconds) * time.Second; window <= longest {
			c.fault("%s: %s are no longer than %s, the longest interval", a.id, window, longest)
		}
		var condition any
		if branches := list(at(e.properties, "State", "Fn::If")); len(branches) == 3 {
			condition = branches[0]
		}
		if c.resource(a.id, "Condition") != condition {
			c.fault("%s: its condition must be that of the schedule, %v", a.id, condition)
		}
	}
}

// quotient is the expression of an alarm in percent of a timeout, in milliseconds.
var quotient = regexp.MustCompile(`^100 \* ([a-z]+) / ([0-9]+)$`)

// percentOfTimeout: the alarm's expression is the percentage of that function's timeout.
func (c *checker) percentOfTimeout(a *alarm, queries []any) (dimensions []any, period any) {
	var divided, divisor string
	for _, q := range queries {
		if parts := quotient.FindStringSubmatch(text(at(q, "Expression"))); parts != nil {
			divided, divisor = parts[1], parts[2]
			continue
		}
		metric := at(q, "MetricStat", "Metric")
		a.namespace, a.metric, a.statistic = text(at(metric, "Namespace")), text(at(metric, "MetricName")), text(at(q, "MetricStat", "Stat"))
		dimensions, period = list(at(metric, "Dimensions")), at(q, "MetricStat", "Period")
		if at(q, "ReturnData") != false || text(at(q, "Id")) != divided {
			c.fault("%s: the expression has to follow from %q, and come first", a.id, divided)
		}
	}
	if len(queries) != 2 || len(dimensions) != 1 {
		c.fault("%s: %d queries", a.id, len(queries))
		return dimensions, period
	}
	for _, f := range c.Functions() {
		if f.ID == ref(at(dimensions[0], "Value")) && divisor != number(f.Timeout.Milliseconds()) {
			c.fault("%s: it divides by %q, the timeout of %s is %d ms", a.id, divisor, f.ID, f.Timeout.Milliseconds())
		}
	}
	return dimensions, period
}

// entry is a row of the playbook; a name that begins with … stands for all that end so.
var entry = regexp.MustCompile("(?m)^\\| `(…?[A-Za-z]+Alarm)`(?:, `(…?[A-Za-z]+Alarm)`)? \\| [^|]+\\. \\| [^|]+\\. \\| [^|]+\\. \\|$")

// playbook: each alarm has its entry in the README, and each entry its alarm.
func (c *checker) playbook() {
	readme, err := fs.ReadFile(c.repository, "README.md")
	if err != nil {
		c.fault("README.md: %v", err)
		return
	}
	ids := c.ofKind(alarmKind)
	told := make(map[string]bool)
	for _, row := range entry.FindAllStringSubmatch(string(readme), -1) {
		for _, name := range row[1:] {
			suffix, isMany := strings.CutPrefix(name, "…")
			found := false
			for _, id := range ids {
				if id == name || isMany && strings.HasSuffix(id, suffix) {
					told[id], found = true, true
				}
			}
			if name != "" && !found {
				c.fault("README.md: the playbook has %s, which is no alarm", name)
			}
		}
	}
	for _, id := range ids {
		if !told[id] {
			c.fault("%s: the README's playbook has no entry for it", id)
		}
	}
}
