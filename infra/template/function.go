package template

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	functionKind = "AWS::Serverless::Function"
	alarmKind    = "AWS::CloudWatch::Alarm"
)

// Function is a Lambda function of the template.
type Function struct {
	// ID is its name in the template, such as KeepdbFunction.
	ID string
	// Name is the name of its folder below functions, such as keepdb.
	Name    string
	Timeout time.Duration
	// Memory is what it gets unless the operator says otherwise, in MB.
	Memory int
	// Environment are the values of its variables as they stand in the template;
	// those of Globals are among them.
	Environment map[string]any

	properties map[string]any
}

// Functions are the functions by their names in the template, each with what Globals
// says about all of them.
func (t *Template) Functions() []Function {
	common, _ := at(t.root, "Globals", "Function").(map[string]any)
	var functions []Function
	for _, id := range t.ofKind(functionKind) {
		own, _ := t.resource(id, "Properties").(map[string]any)
		f := Function{ID: id, Name: strings.ToLower(strings.TrimSuffix(id, "Function")), properties: maps.Clone(common)}
		if f.properties == nil {
			f.properties = make(map[string]any)
		}
		maps.Copy(f.properties, own)
		f.Environment = make(map[string]any)
		for _, from := range []map[string]any{common, own} {
			variables, _ := at(from, "Environment", "Variables").(map[string]any)
			maps.Copy(f.Environment, variables)
		}
		seconds, _ := t.number(f.properties["Timeout"])
		f.Timeout = time.Duration(seconds) * time.Second
		f.Memory, _ = t.number(f.properties["MemorySize"])
		functions = append(functions, f)
	}
	return functions
}

// Variables are the names of all variables that the template sets for any function.
func (t *Template) Variables() []string {
	names := make(map[string]bool)
	for _, f := range t.Functions() {
		for name := range f.Environment {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Alarms is how many alarms there are.
func (t *Template) Alarms() int { return len(t.ofKind(alarmKind)) }

// Watched are the metrics of a namespace that alarms and the dashboard look at, by the
// names of the functions that record them.
func (t *Template) Watched(namespace string) map[string][]string {
	names := make(map[string]string)
	for _, f := range t.Functions() {
		names[f.ID] = f.Name
	}
	watched := t.shown(namespace, names)
	for _, id := range t.ofKind(alarmKind) {
		metric, _ := t.resource(id, "Properties", "MetricName").(string)
		if t.resource(id, "Properties", "Namespace") != namespace {
			continue
		}
		for _, dimension := range list(t.resource(id, "Properties", "Dimensions")) {
			if name := names[ref(at(dimension, "Value"))]; name != "" && !slices.Contains(watched[name], metric) {
				watched[name] = append(watched[name], metric)
			}
		}
	}
	return watched
}

// shown are the metrics of a namespace that dashboards show of functions, whose names are
// given by their ids. What is no dashboard shows nothing.
func (t *Template) shown(namespace string, names map[string]string) map[string][]string {
	found := make(map[string][]string)
	for _, id := range t.ofKind("AWS::CloudWatch::Dashboard") {
		body, _ := t.resource(id, "Properties", "DashboardBody", "Fn::Sub").(string)
		var board struct {
			Widgets []struct{ Properties struct{ Metrics [][]any } }
		}
		if err := json.Unmarshal([]byte(body), &board); err != nil {
			continue
		}
		for _, w := range board.Widgets {
			for _, m := range w.Properties.Metrics {
				if len(m) < 4 || m[0] != namespace {
					continue
				}
				metric, _ := m[1].(string)
				value, _ := m[3].(string)
				if name := names[strings.TrimSuffix(strings.TrimPrefix(value, "${"), "}")]; name != "" && !slices.Contains(found[name], metric) {
					found[name] = append(found[name], metric)
				}
			}
		}
	}
	return found
}

// number is a whole number, or the default of the parameter that stands for it.
func (t *Template) number(v any) (int, bool) {
	if name := ref(v); name != "" {
		v = at(t.section("Parameters")[name], "Default")
	}
	n, ok := v.(int)
	return n, ok
}
