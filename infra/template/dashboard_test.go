package template

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const dashboardKind = "AWS::CloudWatch::Dashboard"

// number is a whole number as text.
func number(n int64) string { return strconv.FormatInt(n, 10) }

// widget is one field of the dashboard.
type widget struct {
	Type                string
	X, Y, Width, Height int
	Properties          struct {
		Title, Region, View, Stat string
		Period                    int
		Metrics                   [][]json.RawMessage
		YAxis                     json.RawMessage
	}
}

// substituted is what !Sub replaces.
var substituted = regexp.MustCompile(`^\$\{([A-Za-z]+)(?:\.([A-Za-z]+))?\}$`)

// dashboard: its body is JSON with nothing unknown in it, its fields do not lie on each
// other, and each of its metrics is one that there is.
func (c *checker) dashboard() {
	boards := c.ofKind(dashboardKind)
	if len(boards) != 1 {
		c.fault("%d dashboards", len(boards))
		return
	}
	id := boards[0]
	var body struct{ Widgets []widget }
	decoder := json.NewDecoder(strings.NewReader(text(c.resource(id, "Properties", "DashboardBody", "Fn::Sub"))))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil || len(body.Widgets) == 0 {
		c.fault("%s: its body is no dashboard: %v", id, err)
		return
	}
	for i, w := range body.Widgets {
		if w.Type != "metric" || w.Width < 1 || w.Height < 1 || w.X < 0 || w.Y < 0 || w.X+w.Width > 24 {
			c.fault("%s: the field %q lies outside", id, w.Properties.Title)
		}
		for _, other := range body.Widgets[:i] {
			if w.X < other.X+other.Width && other.X < w.X+w.Width && w.Y < other.Y+other.Height && other.Y < w.Y+w.Height {
				c.fault("%s: the fields %q and %q lie on each other", id, other.Properties.Title, w.Properties.Title)
			}
		}
		if w.Properties.Region != "${AWS::Region}" || w.Properties.Period%60 != 0 || w.Properties.Period == 0 || len(w.Properties.Metrics) == 0 {
			c.fault("%s: the field %q has no metrics of this region", id, w.Properties.Title)
		}
		for _, m := range w.Properties.Metrics {
			c.plotted(id, m)
		}
	}
}

// plotted checks one metric: namespace, name, dimension, value, and perhaps how it is shown.
func (c *checker) plotted(id string, m []json.RawMessage) {
	var parts [4]string
	if len(m) != 4 && len(m) != 5 {
		c.fault("%s: %s is no metric with one dimension", id, m)
		return
	}
	for i := range parts {
		if err := json.Unmarshal(m[i], &parts[i]); err != nil {
			c.fault("%s: %s: %v", id, m, err)
			return
		}
	}
	if len(m) == 5 {
		var shown struct{ Label, Stat, YAxis string }
		if err := json.Unmarshal(m[4], &shown); err != nil {
			c.fault("%s: %s: %v", id, m, err)
		}
	}
	value := substituted.FindStringSubmatch(parts[3])
	if value == nil {
		c.fault("%s: %s names no resource", id, m)
		return
	}
	c.emits(id, parts[0], parts[1], parts[2], value[1], value[2])
}

// TestDashboardShowsEverything: whoever looks at the dashboard sees each function.
func TestDashboardShowsEverything(t *testing.T) {
	body := text(load(t).resource("Dashboard", "Properties", "DashboardBody", "Fn::Sub"))
	for _, f := range load(t).Functions() {
		for _, metric := range []string{"Duration", "Errors", "MemoryPercent"} {
			if !strings.Contains(body, `"`+metric+`","FunctionName","${`+f.ID+`}"`) {
				t.Errorf("%s of %s is not shown", metric, f.ID)
			}
		}
	}
}
