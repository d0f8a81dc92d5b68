package prom

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"oipnode/shared/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scrape reads the page as Prometheus does.
func scrape(t *testing.T, h http.Handler) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// series is the one of a declaration; nil when it is not there.
func series(families map[string]*dto.MetricFamily, d metrics.Definition) *dto.Metric {
	for _, m := range families[d.Family].GetMetric() {
		if d.Label == "" || len(m.GetLabel()) == 1 && m.GetLabel()[0].GetName() == d.Label && m.GetLabel()[0].GetValue() == d.Value {
			return m
		}
	}
	return nil
}

// everything records each metric once, with a value of its own.
func everything(r metrics.Recorder) (want map[string]float64) {
	want = make(map[string]float64)
	n := 0.0
	for c := metrics.RecordsIndexed; c <= metrics.ColdStarts; c++ {
		n++
		r.Add(c, int64(n))
		want[c.Definition().Name] = n
	}
	for g := metrics.LagBlocks; g <= metrics.Goroutines; g++ {
		n++
		r.Set(g, n+0.25)
		want[g.Definition().Name] = n + 0.25
	}
	for m := metrics.CycleDuration; m <= metrics.APILatency; m++ {
		n++
		r.Observe(m, time.Duration(n)*time.Second)
		want[m.Definition().Name] = n
	}
	return want
}

// TestSameAsEMF: whatever is declared is on the page, under the name, the label and the
// value of its declaration, and has the number that a line of EMF has.
func TestSameAsEMF(t *testing.T) {
	var line bytes.Buffer
	emf, err := metrics.NewEMF(&line, "stack-keepdb", nil)
	if err != nil {
		t.Fatal(err)
	}
	everything(emf)
	if err := emf.Flush(); err != nil {
		t.Fatal(err)
	}
	var written map[string]any
	if err := json.Unmarshal(line.Bytes(), &written); err != nil {
		t.Fatal(err)
	}
	r := New()
	want := everything(r)
	families := scrape(t, r.Page(nil))
	kinds := map[metrics.Kind]dto.MetricType{metrics.KindCounter: dto.MetricType_COUNTER, metrics.KindGauge: dto.MetricType_GAUGE, metrics.KindTiming: dto.MetricType_HISTOGRAM}
	total := 0
	for _, d := range metrics.Definitions() {
		m := series(families, d)
		if m == nil || families[d.Family].GetType() != kinds[d.Kind] || families[d.Family].GetHelp() == "" {
			t.Errorf("%s: %v in %v", d.Name, m, families[d.Family])
			continue
		}
		total++
		got := m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetHistogram().GetSampleSum()
		inLine := written[d.Name]
		if list, ok := inLine.([]any); ok {
			inLine = list[0]
			if d.Unit == metrics.Milliseconds {
				inLine = inLine.(float64) / 1000
			}
		}
		if got != want[d.Name] || got != inLine {
			t.Errorf("%s is %v on the page and %v in the line, want %v", d.Name, got, inLine, want[d.Name])
		}
	}
	onPage := 0
	for _, f := range families {
		onPage += len(f.GetMetric())
	}
	if onPage != total {
		t.Errorf("%d series on the page, %d are declared", onPage, total)
	}
}

// Counters begin at 0, so that their first step is one; a gauge that nobody has set has
// no value that could be wrong.
func TestBegin(t *testing.T) {
	r := New()
	families := scrape(t, r.Page(nil))
	for _, d := range metrics.Definitions() {
		if m := series(families, d); (m == nil) != (d.Kind == metrics.KindGauge) {
			t.Errorf("%s: %v", d.Name, m)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		r.Set(metrics.LagBlocks, v)
	}
	r.Add(metrics.CacheHits, 0)
	r.Add(metrics.CacheHits, math.MinInt64)
	r.Observe(metrics.CycleDuration, -time.Second)
	families = scrape(t, r.Page(nil))
	if m := series(families, metrics.LagBlocks.Definition()); m != nil {
		t.Errorf("no number is one: %v", m)
	}
	if m := series(families, metrics.CacheHits.Definition()); m.GetCounter().GetValue() != 0 {
		t.Errorf("%v", m)
	}
	if h := series(families, metrics.CycleDuration.Definition()).GetHistogram(); h.GetSampleCount() != 1 || h.GetSampleSum() != 0 {
		t.Errorf("%v", h)
	}
}

// What is at the moment is set before the page is written; many may record meanwhile.
func TestRefresh(t *testing.T) {
	r := New()
	page := r.Page(func(*http.Request) { r.Set(metrics.QueueDepth, 42) })
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				metrics.Request(r, 200, time.Millisecond)
			}
		})
	}
	if m := series(scrape(t, page), metrics.QueueDepth.Definition()); m.GetGauge().GetValue() != 42 {
		t.Errorf("%v", m)
	}
	all.Wait()
	if m := series(scrape(t, page), metrics.APIRequests2xx.Definition()); m.GetCounter().GetValue() != 4000 {
		t.Errorf("%v", m)
	}
}
