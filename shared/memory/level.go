package memory

import (
	"fmt"

	"oipnode/shared/config"
)

// Level is how near the process is to its end.
type Level uint8

// The levels.
const (
	OK Level = iota
	Warning
	Critical
)

// String is the level as pages and the log show it.
func (l Level) String() string { return [...]string{"ok", "warning", "critical"}[l] }

// Thresholds are the bounds above which the levels begin. They are the settings of the
// configuration; a bound of 0 is none.
type Thresholds config.Memory

// CacheSize is how large a cache is, in bytes.
type CacheSize struct {
	Name string
	// Bytes should stay at or below Bound.
	Bytes, Bound int64
}

// Alert is a warning besides the level.
type Alert struct {
	// Name tells alerts apart, Text is one sentence for the operator.
	Name, Text string
}

// Verdict is what a sample means.
type Verdict struct {
	// Level is that of the memory alone.
	Level Level
	// Alerts are warnings by themselves: too many goroutines, a cache that has grown
	// beyond its bound.
	Alerts []Alert
}

// Status is the level of everything together: with an alert it is a warning at least.
func (v Verdict) Status() Level {
	if len(v.Alerts) > 0 {
		return max(v.Level, Warning)
	}
	return v.Level
}

// Judge says what a sample means, and depends on nothing else.
func (t Thresholds) Judge(s Sample, caches []CacheSize) Verdict {
	v := Verdict{Level: t.level(s.Percent(), 0)}
	if t.MaxGoroutines > 0 && s.Goroutines > int64(t.MaxGoroutines) {
		v.Alerts = append(v.Alerts, Alert{"goroutines",
			fmt.Sprintf("there are %d goroutines, more than MAX_GOROUTINES, which is %d", s.Goroutines, t.MaxGoroutines)})
	}
	for _, c := range caches {
		if c.Bytes > c.Bound {
			v.Alerts = append(v.Alerts, Alert{"cache " + c.Name,
				fmt.Sprintf("the cache %q has grown beyond its bound: %d bytes, at most %d are allowed", c.Name, c.Bytes, c.Bound)})
		}
	}
	return v
}

// level is the level of a utilization when the thresholds are lower by some percent, but
// by no more than half of them.
func (t Thresholds) level(percent, lower float64) Level {
	above := func(threshold int) bool {
		return threshold > 0 && percent > float64(threshold)-min(lower, float64(threshold)/2)
	}
	switch {
	case above(t.CriticalPercent):
		return Critical
	case above(t.WarningPercent):
		return Warning
	}
	return OK
}

// margin is by how many percent the utilization must fall below a threshold before its
// level is left, so that a process that stays near it does not cross it all the time.
const margin = 5

// next is the level after another one: up at the thresholds, down with the margin.
func (t Thresholds) next(before Level, percent float64) Level {
	return max(t.level(percent, 0), min(before, t.level(percent, margin)))
}

// sentences are what a page says of a verdict.
func (v Verdict) sentences(s Sample, t Thresholds) []string {
	list := []string{}
	switch v.Level {
	case Critical:
		list = append(list, fmt.Sprintf("memory is at %s of its limit, above the critical %d%%", s.Utilization(), t.CriticalPercent))
	case Warning:
		list = append(list, fmt.Sprintf("memory is at %s of its limit, above the %d%% of a warning", s.Utilization(), t.WarningPercent))
	}
	for _, a := range v.Alerts {
		list = append(list, a.Text)
	}
	return list
}
