package memory

import "oipnode/shared/metrics"

// Record records a sample: the same numbers as the pages and the log have. Without a
// limit there is no share of it.
func Record(r metrics.Recorder, s Sample, peak int64) {
	r.Set(metrics.MemoryUsed, float64(s.Used))
	r.Set(metrics.MemoryPeak, float64(peak))
	r.Set(metrics.Goroutines, float64(s.Goroutines))
	if s.Limit > 0 {
		r.Set(metrics.MemoryLimit, float64(s.Limit))
		r.Set(metrics.MemoryPercent, s.Percent())
	}
}
