package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Namespace is that of all metrics in CloudWatch.
const Namespace = "OIPNode"

// Bounds of CloudWatch.
const (
	maxValues  = 100 // values of one metric in one line
	maxMetrics = 100 // metrics of one line
	maxText    = 255 // bytes of a name or of a dimension's value
)

// maxValue is the largest value that CloudWatch takes.
var maxValue = math.Ldexp(1, 360)

// EMF writes what was recorded in CloudWatch's embedded metric format. A line is one
// Write and holds what was recorded since the line before: of a counter the sum, of a
// gauge the last value, of a timing the single values. When there are more than a
// hundred of those, a hundred of them chosen at random stand for all.
type EMF struct {
	out      io.Writer
	function string
	now      func() time.Time

	mu       sync.Mutex
	recorded bool
	counts   [counters]int64
	values   [gauges]float64
	set      [gauges]bool
	samples  [timings]sample
}

var _ Recorder = (*EMF)(nil)

// sample is a choice of all values so far, each as likely as the others.
type sample struct {
	seen   int
	values [maxValues]float64
}

// NewEMF makes an EMF that writes to out. function is the value of Dimension, the
// function's name: 1 to 255 printable ASCII characters, and not blank. now is the
// clock; nil stands for time.Now.
func NewEMF(out io.Writer, function string, now func() time.Time) (*EMF, error) {
	blank := true
	for _, c := range []byte(function) {
		if c < ' ' || c > '~' {
			return nil, fmt.Errorf("metrics: function %.40q: printable ASCII is allowed", function)
		}
		blank = blank && c == ' '
	}
	if blank || len(function) > maxText {
		return nil, fmt.Errorf("metrics: function %.40q: 1 to %d characters are allowed, not only spaces", function, maxText)
	}
	if now == nil {
		now = time.Now
	}
	return &EMF{out: out, function: function, now: now}, nil
}

// Add counts.
func (e *EMF) Add(c Counter, n int64) {
	if n < 1 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recorded = true
	e.counts[c] += min(n, math.MaxInt64-e.counts[c])
}

// Set replaces a value.
func (e *EMF) Set(g Gauge, value float64) {
	if !(math.Abs(value) <= maxValue) { // nor NaN
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recorded, e.set[g], e.values[g] = true, true, value
}

// Observe keeps a duration.
func (e *EMF) Observe(t Timing, took time.Duration) {
	value := t.in(max(took, 0))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recorded = true
	s := &e.samples[t]
	s.seen++
	if s.seen <= maxValues {
		s.values[s.seen-1] = value
	} else if i := rand.IntN(s.seen); i < maxValues {
		s.values[i] = value
	}
}

// Flush writes a line of what was recorded since the last one, and nothing when that is
// nothing. After an error the next Flush writes it again, with what is added until then.
func (e *EMF) Flush() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.recorded {
		return nil
	}
	line, err := json.Marshal(e.document())
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	line = append(line, '\n')
	n, err := e.out.Write(line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("metrics: write: %w", err)
	}
	e.recorded, e.counts, e.set, e.samples = false, [counters]int64{}, [gauges]bool{}, [timings]sample{}
	return nil
}

// Parts of a document, named as the format names them.
type (
	metadata struct {
		Timestamp         int64 // milliseconds since 1970
		CloudWatchMetrics []directive
	}
	directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []declared
	}
	declared struct {
		Name string
		Unit Unit
	}
)

// document is the line as JSON: the values beside the declaration that names them.
func (e *EMF) document() map[string]any {
	root := map[string]any{Dimension: e.function}
	var metrics []declared
	put := func(d Definition, value any) {
		root[d.Name] = value
		metrics = append(metrics, declared{d.Name, d.Unit})
	}
	for c, n := range e.counts {
		if n > 0 {
			put(counterTable[c], n)
		}
	}
	for g, value := range e.values {
		if e.set[g] {
			put(gaugeTable[g], value)
		}
	}
	for t, s := range e.samples {
		if s.seen > 0 {
			put(timingTable[t], s.values[:min(s.seen, maxValues)])
		}
	}
	root["_aws"] = metadata{e.now().UnixMilli(), []directive{{Namespace, [][]string{{Dimension}}, metrics}}}
	return root
}

// One line has room for all metrics that there are.
var _ [maxMetrics - int(counters) - int(gauges) - int(timings)]struct{}
