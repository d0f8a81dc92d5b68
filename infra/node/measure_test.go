package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"oipnode/infra/sample"
)

// metrics reads the page of a running node.
func (p *process) metrics(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	resp, err := client.Get(p.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	return families
}

// value is that of a series, by the value of its label; ok is false when it is not there.
func value(families map[string]*dto.MetricFamily, family, label string) (v float64, ok bool) {
	for _, m := range families[family].GetMetric() {
		if label == "" || m.GetLabel()[0].GetValue() == label {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount()), true
		}
	}
	return 0, false
}

// TestNodeMetrics: a node counts what it does, and its pages of the memory agree with
// what Prometheus reads.
func TestNodeMetrics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startNode(t, dir, nil)
	h := p.until(t, "settled", settled)
	families := p.metrics(t)
	for _, c := range []struct {
		family, label string
		least, most   float64
	}{
		{"oipnode_records_total", "indexed", 100, 1000}, {"oipnode_records_total", "rejected", 2, 1000},
		{"oipnode_cycle_duration_seconds", "", float64(h.Cycles), 1e6}, {"oipnode_cycle_errors_total", "", 0, 0},
		{"oipnode_lag_blocks", "", 0, 0}, {"oipnode_checkpoint_height", "", sample.Tip, sample.Tip},
		{"oipnode_ledger_entries", "rejected", 2, 2}, {"oipnode_ledger_entries", "deleted", 1, 1}, {"oipnode_ledger_entries", "creator", 0, 0},
		{"oipnode_queue_depth", "", 0, 0}, {"oipnode_api_requests_total", "2xx", 1, 1e6}, {"oipnode_expiries_total", "dialogue", 0, 0},
		{"oipnode_cache_requests_total", "hit", 0, 1e6}, {"oipnode_memory_used_bytes", "", 1 << 20, 1 << 34},
		{"oipnode_memory_limit_bytes", "", 1 << 27, 1 << 45}, {"oipnode_memory_used_percent", "", 0.01, 100}, {"oipnode_goroutines", "", 5, 10000},
	} {
		if v, ok := value(families, c.family, c.label); !ok || v < c.least || v > c.most {
			t.Errorf("%s %s: %v, %v, want %v to %v", c.family, c.label, v, ok, c.least, c.most)
		}
	}
	var page struct {
		Status string
		Heap   struct {
			SizeLimit, UsedHeapSize int64
			LimitBy, Utilization    string
		}
		Functions []struct {
			Name                    string
			Instances               int
			LimitMB, UsedMB, PeakMB float64
		}
	}
	p.ask(t, "/api/health/memory", &page)
	limit, _ := value(families, "oipnode_memory_limit_bytes", "")
	if page.Status != "ok" || float64(page.Heap.SizeLimit) != limit || page.Heap.LimitBy == "unknown" || page.Heap.UsedHeapSize < 1<<20 {
		t.Errorf("%+v, the metrics have the limit %v", page, limit)
	}
	if len(page.Functions) != 1 || page.Functions[0].Name != "node" || page.Functions[0].UsedMB < 1 {
		t.Errorf("%+v", page.Functions)
	}
	// The next process shows what this one told of itself.
	p.kill()
	p = startNode(t, dir, nil)
	eventually(t, "sample of the new process", func() bool {
		p.ask(t, "/api/health/memory", &page)
		return page.Functions[0].Instances == 2
	})
	p.stop(t)
}

// TestNodeIsShortOfMemory: a node that is above its critical threshold says so on its
// pages and once in its log, refuses the heaviest queries only, and begins no fetch.
func TestNodeIsShortOfMemory(t *testing.T) {
	t.Parallel()
	// Two percent of 64 MB are less than any node needs.
	p := startNode(t, t.TempDir(), map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "64", "MEMORY_WARNING_THRESHOLD": "1",
		"MEMORY_CRITICAL_THRESHOLD": "2", "MAX_GOROUTINES": "1"})
	p.until(t, "settled", settled)
	status := func(path string) (code int, text string, header http.Header) {
		resp, err := client.Get(p.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body), resp.Header
	}
	for _, c := range []struct {
		path string
		code int
		says []string
	}{
		{"/api/health/memory", 200, []string{`"status":"critical"`, "MAX_GOROUTINES", `"limitBy":"function"`, `"sizeLimit":67108864`}},
		{"/api/health/memory/tracker", 200, []string{`"status":"critical"`}},
		{"/api/health/memory/analyze", 200, []string{`"mediaJobsWait":true`, `"heavyQueriesRefused":true`, "goroutine profile"}},
		{"/api/health", 200, nil}, {"/api/health/keepdb", 200, nil}, {"/api/records?limit=20", 200, nil},
		{"/api/records?limit=1000", 503, []string{"short of memory"}}, {"/api/records/recordTypes", 503, nil},
	} {
		code, text, header := status(c.path)
		if code != c.code || (code == 503) != (header.Get("Retry-After") != "") {
			t.Errorf("%s: %d %.300s", c.path, code, text)
		}
		for _, part := range c.says {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q is missing in %s", c.path, part, text)
			}
		}
	}
	p.stop(t)
	for _, line := range []string{"more than MAX_GOROUTINES", "memory has crossed a level", "caches were dropped"} {
		if n := strings.Count(p.log(), line); n != 1 {
			t.Errorf("%q stands %d times in the log", line, n)
		}
	}
}
