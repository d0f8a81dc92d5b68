package main

import (
	"fmt"
	"time"

	"oipnode/shared/trend"
)

// series is one row of measurements, and how much of growth is too little to matter.
type series struct {
	Name string
	Unit string
	// of takes the measurement out of a sample.
	of func(reading) float64
	// share of the mean, and amount in the unit: growth over the measured time up to the
	// larger of both is let pass even when it is sure.
	share, amount float64
	// shown says that it is drawn and told, and not judged.
	shown bool
}

const mebibyte = 1 << 20

// rows are what is measured. What is let pass does not depend on the length of the run,
// so a longer one is stricter. A leak shows in the heap, in goroutines or in files first.
// Private memory follows the peaks of the heap, of which a busier minute has higher ones,
// and a pool may open a connection late. RSS has the pages of the stores' mapped files in it besides, as
// many as the system cares to keep, and the stores grow: by the blocks, and by a row for
// each processed id. So it is shown beside the size of the stores, and not judged.
var rows = []series{
	{Name: "Heap after collection", Unit: "MiB", of: func(r reading) float64 { return float64(r.Heap) / mebibyte }, share: 0.03, amount: 0.5},
	{Name: "Private memory", Unit: "MiB", of: func(r reading) float64 { return float64(r.Private) / mebibyte }, share: 0.10},
	{Name: "RSS, with mapped files", Unit: "MiB", of: func(r reading) float64 { return float64(r.RSS) / mebibyte }, shown: true},
	{Name: "Stores on the disk, without media", Unit: "MiB", of: func(r reading) float64 { return float64(r.Disk) / mebibyte }, shown: true},
	{Name: "Goroutines", of: func(r reading) float64 { return float64(r.Goroutines) }, amount: 4},
	{Name: "Open files and connections", of: func(r reading) float64 { return float64(r.Files) }, amount: 4},
	{Name: "API, 99 of 100 answered within", Unit: "ms", of: func(r reading) float64 { return r.P99 }, share: 0.25, amount: 2},
	{Name: "API, half answered within", Unit: "ms", of: func(r reading) float64 { return r.P50 }, share: 0.25, amount: 1},
	{Name: "API requests between two samples", of: func(r reading) float64 { return float64(r.Requests) }, shown: true},
}

// outcome is what became of one series.
type outcome struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"`
	// First, Mean and Most are of the measured time; Growth is what the line rises in it,
	// and lies with 95 % within Uncertainty of that.
	First       float64 `json:"first"`
	Mean        float64 `json:"mean"`
	Most        float64 `json:"most"`
	Growth      float64 `json:"growth"`
	Uncertainty float64 `json:"uncertainty"`
	// Allowed is the growth that is let pass.
	Allowed float64 `json:"allowed"`
	Grows   bool    `json:"grows"`
	// Judged is false for a series that is only shown.
	Judged bool `json:"judged"`

	line trend.Line
}

// judge fits a line through each series, from the end of the warm-up on.
func judge(list []reading, warmUp time.Duration) ([]outcome, error) {
	var outcomes []outcome
	for _, s := range rows {
		var points []trend.Point
		o := outcome{Name: s.Name, Unit: s.Unit, Judged: !s.shown}
		for _, r := range list {
			if r.Second < warmUp.Seconds() {
				continue
			}
			y := s.of(r)
			if len(points) == 0 {
				o.First = y
			}
			o.Most = max(o.Most, y)
			points = append(points, trend.Point{X: r.Second, Y: y})
		}
		line, err := trend.Fit(points)
		if err != nil {
			return nil, fmt.Errorf("%s: %d samples behind the warm-up: %w", s.Name, len(points), err)
		}
		o.line, o.Mean, o.Growth, o.Uncertainty = line, line.Mean, line.Growth(), line.Uncertainty()
		o.Allowed = max(s.share*line.Mean, s.amount)
		o.Grows = o.Judged && line.Grows(o.Allowed)
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

// check is something that must hold besides.
type check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Said string `json:"said"`
}

// result is all that is known at the end.
type result struct {
	Started time.Time         `json:"started"`
	Minutes float64           `json:"minutes"`
	WarmUp  float64           `json:"warmUpSeconds"`
	Machine string            `json:"machine"`
	Load    map[string]counts `json:"load"`
	// Souls is how many ids of the GUN peer were processed.
	Souls    int64      `json:"souls"`
	Rest     [2]reading `json:"rest"`
	Outcomes []outcome  `json:"outcomes"`
	Checks   []check    `json:"checks"`
	Passed   bool       `json:"passed"`
	Samples  []reading  `json:"samples"`

	// quiet is when nothing was asked of the node any more.
	quiet time.Time
}

// conclude fills in whether all held.
func (r *result) conclude() {
	r.Passed = true
	for _, o := range r.Outcomes {
		r.Passed = r.Passed && !o.Grows
	}
	for _, c := range r.Checks {
		r.Passed = r.Passed && c.OK
	}
}

// say adds a check.
func (r *result) say(name string, ok bool, format string, args ...any) {
	r.Checks = append(r.Checks, check{name, ok, fmt.Sprintf(format, args...)})
}

// lateShare is the part of a load that may be left out because the machine had other
// things to do; more, and the load was not the one that was asked for.
const lateShare = 0.01

// sayLoad checks the load of one kind.
func (r *result) sayLoad(name string, c counts) {
	ok := c.Failed == 0 && c.Done > 0 && float64(c.Late) <= lateShare*float64(c.Done+c.Late)
	said := c.String()
	if len(c.First) > 0 {
		said += "; the first failure: " + c.First[0]
	}
	r.say(name, ok, "%s", said)
}
