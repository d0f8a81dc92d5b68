// Package prom is the metrics' Recorder of a process that Prometheus comes to: the local
// node. Names, kinds and meanings are those of the one table in package metrics, so that
// CloudWatch and Prometheus tell the same; a metric with a label there is a series of its
// family here.
package prom

import (
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"oipnode/shared/metrics"
)

// Recorder keeps what was recorded in the life of the process. It is safe for concurrent
// use.
type Recorder struct {
	registry *prometheus.Registry
	counters map[string]*prometheus.CounterVec
	gauges   map[string]*prometheus.GaugeVec
	timings  map[string]*prometheus.HistogramVec
}

var _ metrics.Recorder = (*Recorder)(nil)

// seconds are the upper bounds of a timing's buckets: from a quick answer of the API to a
// cycle that takes all of its time.
var seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900}

// New makes a Recorder with all families of the table. Counters begin at 0; a gauge is
// not there before it was set.
func New() *Recorder {
	r := &Recorder{
		registry: prometheus.NewRegistry(), counters: make(map[string]*prometheus.CounterVec),
		gauges: make(map[string]*prometheus.GaugeVec), timings: make(map[string]*prometheus.HistogramVec),
	}
	for _, d := range metrics.Definitions() {
		switch d.Kind {
		case metrics.KindCounter:
			family(r.registry, r.counters, d, func(help string, labels []string) *prometheus.CounterVec {
				return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Family, Help: help}, labels)
			}).WithLabelValues(values(d)...)
		case metrics.KindGauge:
			family(r.registry, r.gauges, d, func(help string, labels []string) *prometheus.GaugeVec {
				return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Family, Help: help}, labels)
			})
		case metrics.KindTiming:
			family(r.registry, r.timings, d, func(help string, labels []string) *prometheus.HistogramVec {
				return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Family, Help: help, Buckets: seconds}, labels)
			}).WithLabelValues(values(d)...)
		}
	}
	return r
}

// family is that of a metric, made with the first of its series.
func family[T prometheus.Collector](registry *prometheus.Registry, all map[string]T, d metrics.Definition, create func(help string, labels []string) T) T {
	if f, ok := all[d.Family]; ok {
		return f
	}
	var labels []string
	if d.Label != "" {
		labels = []string{d.Label}
	}
	f := create(help(d), labels)
	registry.MustRegister(f) // the table's own test knows that names are good and there once
	all[d.Family] = f
	return f
}

// help is the text of a family: the meaning of its one metric, or of each of them.
func help(d metrics.Definition) (text string) {
	if d.Label == "" {
		return d.Meaning
	}
	for _, other := range metrics.Definitions() {
		if other.Family == d.Family {
			if text != "" {
				text += " "
			}
			text += other.Value + ": " + other.Meaning
		}
	}
	return text
}

// values are those of the metric's labels.
func values(d metrics.Definition) []string {
	if d.Label == "" {
		return nil
	}
	return []string{d.Value}
}

// Add counts.
func (r *Recorder) Add(c metrics.Counter, n int64) {
	if n > 0 {
		d := c.Definition()
		r.counters[d.Family].WithLabelValues(values(d)...).Add(float64(n))
	}
}

// Set replaces a value.
func (r *Recorder) Set(g metrics.Gauge, value float64) {
	if !math.IsNaN(value) && !math.IsInf(value, 0) {
		d := g.Definition()
		r.gauges[d.Family].WithLabelValues(values(d)...).Set(value)
	}
}

// Observe keeps a duration, in seconds.
func (r *Recorder) Observe(t metrics.Timing, took time.Duration) {
	d := t.Definition()
	r.timings[d.Family].WithLabelValues(values(d)...).Observe(max(took, 0).Seconds())
}

// Page is the page that Prometheus reads. refresh is called before each reading, for the
// gauges of what is at that moment; it may be nil.
func (r *Recorder) Page(refresh func(*http.Request)) http.Handler {
	page := promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if refresh != nil {
			refresh(q)
		}
		w.Header().Set("Cache-Control", "no-store")
		page.ServeHTTP(w, q)
	})
}
