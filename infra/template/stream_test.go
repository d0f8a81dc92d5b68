package template

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// streamLife is how long a table's stream keeps a record.
const streamLife = 24 * time.Hour

// streamActions are what Lambda asks for to read a stream, in order.
var streamActions = []string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}

// streams: a function that a table's stream starts gets what it is for and nothing else,
// again when it failed, and not for ever; what came to nothing leaves a trace.
func (c *checker) streams() {
	for _, e := range c.events() {
		if e.kind != streamEvent {
			continue
		}
		id, p := e.function.ID, e.properties
		table := attribute(at(p, "Stream"), "StreamArn")
		if c.kind(table) != tableKind || at(c.resource(table, "Properties"), "StreamSpecification") == nil {
			c.fault("%s: Stream is no StreamArn of a table of the template that has a stream", id)
		}
		if start := at(p, "StartingPosition"); start != "TRIM_HORIZON" && start != "LATEST" {
			c.fault("%s: StartingPosition is %v, must be TRIM_HORIZON or LATEST", id, start)
		}
		if types := list(at(p, "FunctionResponseTypes")); len(types) != 1 || types[0] != "ReportBatchItemFailures" {
			c.fault("%s: FunctionResponseTypes is %v, so that one record makes its whole batch come again", id, types)
		}
		if at(p, "BisectBatchOnFunctionError") != true {
			c.fault("%s: BisectBatchOnFunctionError is not on: one record could hold up all others", id)
		}
		if n, ok := at(p, "MaximumRetryAttempts").(int); !ok || n < 1 || n > 100 {
			c.fault("%s: MaximumRetryAttempts is %d, must be from 1 to 100", id, n)
		}
		age, _ := at(p, "MaximumRecordAgeInSeconds").(int)
		if age := time.Duration(age) * time.Second; age < time.Hour || age >= streamLife {
			c.fault("%s: MaximumRecordAgeInSeconds is %v, must be from an hour to less than the stream's %v", id, age, streamLife)
		}
		if n, ok := at(p, "BatchSize").(int); !ok || n < 1 || n > 1000 {
			c.fault("%s: BatchSize is %d, must be from 1 to 1000", id, n)
		}
		if at(p, "DestinationConfig", "OnFailure", "Type") != "SQS" {
			c.fault("%s: what failed goes to no queue", id)
		}
		c.queueARN(id+": DestinationConfig", at(p, "DestinationConfig", "OnFailure", "Destination"))
		if s, err := c.Stream(e.function.Name); err != nil {
			c.fault("%s: FilterCriteria: %v", id, err)
		} else if len(s.Filters) == 0 {
			c.fault("%s: it has no filter, so that every change of the table starts it", id)
		}
		c.streamRole(id, attribute(e.function.properties["Role"], "Arn"), table)
	}
}

// streamRole: Lambda may read the stream in the function's name, and only that one.
func (c *checker) streamRole(function, role, table string) {
	for _, action := range append(slices.Clone(streamActions), "dynamodb:ListStreams") {
		var targets []any
		for _, s := range c.statements() {
			if s.Role == role && s.ForService() && slices.Contains(s.Actions, action) {
				targets = append(targets, s.Resources...)
			}
		}
		ok := len(targets) == 1 && attribute(targets[0], "StreamArn") == table
		if action == "dynamodb:ListStreams" { // it is asked of all streams of a table
			ok = len(targets) == 1 && at(targets[0], "Fn::Sub") == "${"+table+".Arn}/stream/*"
		}
		if !ok {
			c.fault("%s: %s does not allow %s on the stream of %s alone", function, role, action, table)
		}
	}
}

// samples are the records in a file of the folder events.
func samples(t *testing.T, name string) []any {
	t.Helper()
	text, err := os.ReadFile(root + "/events/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var e struct{ Records []any }
	if err := json.Unmarshal(text, &e); err != nil || len(e.Records) == 0 {
		t.Fatalf("%s: %d records, %v", name, len(e.Records), err)
	}
	return e.Records
}

// TestStream: what the time to live removes starts the function expiry, and what
// processes do does not.
func TestStream(t *testing.T) {
	s, err := load(t).Stream("expiry")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"expiry.json": true, "expiry-delete.json": false} {
		for i, record := range samples(t, name) {
			if s.Matches(record) != want {
				t.Errorf("%s: record %d is let through: %v", name, i, !want)
			}
		}
	}
	if s.BatchSize < 100 {
		t.Errorf("batches of %d", s.BatchSize)
	}
	if _, err := load(t).Stream("api"); err == nil {
		t.Error("the API has a stream")
	}
}

func TestFilter(t *testing.T) {
	decode := func(text string) (v any) {
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	f, err := ParseFilter(`{"a":["x","y"],"b":{"c":["z"]}}`)
	if err != nil {
		t.Fatal(err)
	}
	for record, want := range map[string]bool{
		`{"a":"x","b":{"c":"z"},"d":1}`: true, `{"a":"y","b":{"c":"z"}}`: true,
		`{"a":"z","b":{"c":"z"}}`: false, `{"a":"x","b":{"c":"x"}}`: false, `{"a":"x"}`: false, `{"a":["x"],"b":{"c":"z"}}`: false,
		`{"a":"x","b":"z"}`: false, `{"a":1,"b":{"c":"z"}}`: false, `{"a":"x","b":null}`: false, `[]`: false, `null`: false,
	} {
		if f.Matches(decode(record)) != want {
			t.Errorf("%s is let through: %v", record, !want)
		}
	}
	for _, pattern := range []string{``, `{}`, `[]`, `"x"`, `{"a":"x"}`, `{"a":[]}`, `{"a":[1]}`, `{"a":{}}`, `{"a":[{"exists":true}]}`, `{"a":{"b":"x"}}`,
		`{"a":["` + strings.Repeat("x", maxFilter) + `"]}`} {
		if _, err := ParseFilter(pattern); err == nil {
			t.Errorf("%.40s is a pattern", pattern)
		}
	}
}

// FuzzParseFilter: any text is a pattern or refused, and a pattern takes any record.
func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{`{"eventName":["REMOVE"],"userIdentity":{"type":["Service"]}}`, `{"a":{"a":{"a":["x"]}}}`, `{`, `{"a":[null]}`} {
		f.Add(seed, `{"a":{"a":{"a":"x"}}}`)
	}
	f.Fuzz(func(t *testing.T, pattern, record string) {
		filter, err := ParseFilter(pattern)
		if err != nil {
			return
		}
		var v any
		if json.Unmarshal([]byte(record), &v) == nil {
			filter.Matches(v)
		}
		if filter.Matches(nil) {
			t.Errorf("%q lets nothing through", pattern)
		}
	})
}
