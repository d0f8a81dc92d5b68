package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"
	"time"
)

// document is a line as CloudWatch reads it.
type document struct {
	at         time.Time
	dimensions map[string]string
	units      map[string]string
	values     map[string][]float64
}

// units are all that CloudWatch knows.
var units = []string{
	"Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes",
	"Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second",
	"Megabytes/Second", "Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second",
	"Gigabits/Second", "Terabits/Second", "Count/Second", "None",
}

// validate reads one line by the rules of the format's specification and those of
// CloudWatch for metrics, and returns what it extracts.
func validate(line []byte) (d document, err error) {
	if len(line) > 256<<10 {
		return d, fmt.Errorf("%d bytes, an event of a log has 262144 at most", len(line))
	}
	if bytes.ContainsAny(line, "\n\r") {
		return d, fmt.Errorf("more than one line")
	}
	root, err := object(line)
	if err != nil {
		return d, fmt.Errorf("root: %w", err)
	}
	meta, err := object(root["_aws"], "Timestamp", "CloudWatchMetrics")
	if err != nil {
		return d, fmt.Errorf("_aws: %w", err)
	}
	var ms int64
	if err := json.Unmarshal(meta["Timestamp"], &ms); err != nil || ms < 0 {
		return d, fmt.Errorf("timestamp %s: %w", meta["Timestamp"], err)
	}
	d = document{at: time.UnixMilli(ms), dimensions: map[string]string{}, units: map[string]string{}, values: map[string][]float64{}}
	var directives []json.RawMessage
	if err := json.Unmarshal(meta["CloudWatchMetrics"], &directives); err != nil || len(directives) == 0 {
		return d, fmt.Errorf("%d directives: %w", len(directives), err)
	}
	for _, text := range directives {
		if err := d.directive(text, root); err != nil {
			return d, err
		}
	}
	return d, nil
}

// object reads a JSON object without members that are there twice. With names it has
// these members and no others.
func object(text []byte, names ...string) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil || all == nil {
		return nil, fmt.Errorf("no object: %.50s: %w", text, err)
	}
	tokens := json.NewDecoder(bytes.NewReader(text))
	depth, members := 0, 0
	for key := false; ; {
		token, err := tokens.Token()
		if err == io.EOF { //nolint:errorlint // Token returns io.EOF itself
			break
		}
		if err != nil {
			return nil, err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			key = depth == 1
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
		default:
			if depth == 1 && key {
				members++
				key = false
				continue
			}
		}
		if depth == 1 {
			key = true
		}
	}
	if members != len(all) {
		return nil, fmt.Errorf("%d members with %d names", members, len(all))
	}
	for _, name := range names {
		if _, ok := all[name]; !ok {
			return nil, fmt.Errorf("no member %s", name)
		}
	}
	if len(names) > 0 && len(all) != len(names) {
		return nil, fmt.Errorf("members besides %q", names)
	}
	return all, nil
}

// directive checks one set of metrics and extracts their values.
func (d *document) directive(text []byte, root map[string]json.RawMessage) error {
	object, err := object(text, "Namespace", "Dimensions", "Metrics")
	if err != nil {
		return fmt.Errorf("directive: %w", err)
	}
	var namespace string
	var sets [][]string
	var metrics []struct {
		Name, Unit        string
		StorageResolution *int
	}
	strict := json.NewDecoder(bytes.NewReader(object["Metrics"]))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&metrics); err != nil || len(metrics) == 0 || len(metrics) > 100 {
		return fmt.Errorf("%d metrics: %w", len(metrics), err)
	}
	if err := json.Unmarshal(object["Namespace"], &namespace); err != nil || !isName(namespace) {
		return fmt.Errorf("namespace %q: %w", namespace, err)
	}
	if err := json.Unmarshal(object["Dimensions"], &sets); err != nil || len(sets) == 0 {
		return fmt.Errorf("%d dimension sets: %w", len(sets), err)
	}
	for _, set := range sets {
		if len(set) > 30 {
			return fmt.Errorf("%d dimensions", len(set))
		}
		for _, name := range set {
			var value string
			if err := json.Unmarshal(root[name], &value); err != nil || !isName(name) || len(value) < 1 || len(value) > 1024 {
				return fmt.Errorf("dimension %q: %q: %w", name, value, err)
			}
			d.dimensions[name] = value
		}
	}
	for _, m := range metrics {
		if !isName(m.Name) || !slices.Contains(units, m.Unit) || m.StorageResolution != nil && *m.StorageResolution != 1 && *m.StorageResolution != 60 {
			return fmt.Errorf("metric %+v", m)
		}
		if _, twice := d.values[m.Name]; twice {
			return fmt.Errorf("metric %s twice", m.Name)
		}
		if d.values[m.Name], err = numbers(root[m.Name]); err != nil {
			return fmt.Errorf("metric %s: %w", m.Name, err)
		}
		d.units[m.Name] = m.Unit
	}
	return nil
}

// numbers are the values of a metric: a number, or 1 to 100 of them.
func numbers(text json.RawMessage) ([]float64, error) {
	var all []float64
	if err := json.Unmarshal(text, &all); err != nil {
		all = make([]float64, 1)
		if err := json.Unmarshal(text, &all[0]); err != nil || string(text) == "null" {
			return nil, fmt.Errorf("value %.40s: %w", text, err)
		}
	}
	if len(all) < 1 || len(all) > 100 {
		return nil, fmt.Errorf("%d values", len(all))
	}
	for _, v := range all {
		if math.Abs(v) > math.Ldexp(1, 360) {
			return nil, fmt.Errorf("value %v", v)
		}
	}
	return all, nil
}

// isName reports whether CloudWatch takes a name.
func isName(name string) bool {
	for _, c := range []byte(name) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(name) >= 1 && len(name) <= 255 && name[0] != ':'
}

// The validator takes the specification's kind of line and refuses others.
func TestValidate(t *testing.T) {
	const good = `{"_aws":{"Timestamp":1574109732004,"CloudWatchMetrics":[{"Namespace":"n","Dimensions":[["v"]],"Metrics":[{"Name":"time","Unit":"Milliseconds"}]}]},"v":"$LATEST","time":[100,2.5e1],"requestId":"x"}`
	d, err := validate([]byte(good))
	if err != nil || !slices.Equal(d.values["time"], []float64{100, 25}) || d.dimensions["v"] != "$LATEST" || d.at.UnixMilli() != 1574109732004 {
		t.Errorf("%+v, %v", d, err)
	}
	for _, change := range [][2]string{
		{`"_aws"`, `"aws"`}, {`"Timestamp":1574109732004,`, ``}, {`1574109732004`, `"now"`}, {`1574109732004`, `1.5`},
		{`"Namespace":"n",`, ``}, {`"n"`, `""`}, {`[["v"]]`, `["v"]`}, {`[["v"]]`, `[]`}, {`"$LATEST"`, `7`}, {`"$LATEST"`, `""`},
		{`Milliseconds`, `ms`}, {`"Name":"time"`, `"Name":"other"`}, {`"Name":"time"`, `"Name":""`}, {`"Unit"`, `"Units"`},
		{`[100,2.5e1]`, `[]`}, {`[100,2.5e1]`, `null`}, {`[100,2.5e1]`, `"1"`}, {`[100,2.5e1]`, `{"a":1}`}, {`2.5e1`, `1e200`},
		{`"time":[`, `"time":1,"time":[`}, {`}]}]}`, `}],"More":1}]}`}, {`{"_aws"`, "{\n\"_aws\""}, {`"x"}`, `"x"}{}`},
		{`[{"Name":"time","Unit":"Milliseconds"}]`, `[]`},
		{`}]}]}`, `},{"Name":"time","Unit":"Count"}]}]}`},
	} {
		bad := bytes.Replace([]byte(good), []byte(change[0]), []byte(change[1]), 1)
		if _, err := validate(bad); err == nil || bytes.Equal(bad, []byte(good)) {
			t.Errorf("%s passes: %s", change, bad)
		}
	}
}
