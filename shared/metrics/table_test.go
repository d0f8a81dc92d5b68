package metrics

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The declarations hold for CloudWatch and for systems with labels.
func TestDefinitions(t *testing.T) {
	names, series := make(map[string]bool), make(map[string]bool)
	families := make(map[string]Definition)
	for _, d := range Definitions() {
		if !regexp.MustCompile(`^[A-Z][A-Za-z0-9]{2,39}$`).MatchString(d.Name) || d.Name == Dimension || names[d.Name] {
			t.Errorf("name %q, which is the only one: %v", d.Name, !names[d.Name])
		}
		names[d.Name] = true
		if !slices.Contains(units, string(d.Unit)) {
			t.Errorf("%s: CloudWatch does not know the unit %q", d.Name, d.Unit)
		}
		if !regexp.MustCompile(`^oipnode_[a-z]+(_[a-z]+)*$`).MatchString(d.Family) || (d.Kind == KindCounter) != strings.HasSuffix(d.Family, "_total") {
			t.Errorf("%s: family %q", d.Name, d.Family)
		}
		if (d.Label == "") != (d.Value == "") || !regexp.MustCompile(`^([a-z]+)?$`).MatchString(d.Label) {
			t.Errorf("%s: label %q, value %q", d.Name, d.Label, d.Value)
		}
		if key := d.Family + "{" + d.Value; series[key] {
			t.Errorf("%s: the series %q is there twice", d.Name, key)
		} else {
			series[key] = true
		}
		if first, ok := families[d.Family]; ok && (first.Kind != d.Kind || first.Label != d.Label || first.Unit != d.Unit || d.Label == "") {
			t.Errorf("%s is not of one family with %s", d.Name, first.Name)
		}
		families[d.Family] = d
		if !strings.HasSuffix(d.Meaning, ".") || strings.ContainsAny(d.Meaning, "|\n") {
			t.Errorf("%s: meaning %q", d.Name, d.Meaning)
		}
		if suffix := map[Unit]string{Bytes: "_bytes", Percent: "_percent", Seconds: "_seconds", Milliseconds: "_seconds"}[d.Unit]; !strings.HasSuffix(d.Family, suffix) {
			t.Errorf("%s: family %q, unit %s", d.Name, d.Family, d.Unit)
		}
	}
	if want := int(counters) + int(gauges) + int(timings); len(names) != want {
		t.Errorf("%d metrics, want %d", len(names), want)
	}
}

// Each constant has the row of its own name.
func TestConstants(t *testing.T) {
	for name, d := range map[string]Definition{
		"RecordsIndexed": RecordsIndexed.Definition(), "ColdStarts": ColdStarts.Definition(), "APIRequests5xx": APIRequests5xx.Definition(),
		"LagBlocks": LagBlocks.Definition(), "LedgerOther": LedgerOther.Definition(), "MemoryPercent": MemoryPercent.Definition(),
		"CycleDuration": CycleDuration.Definition(), "APILatency": APILatency.Definition(),
	} {
		if d.Name != name {
			t.Errorf("%s has the row of %s", name, d.Name)
		}
	}
	if got := APILatency.in(1500 * time.Microsecond); got != 1.5 {
		t.Errorf("1.5 ms are %v ms", got)
	}
	if got := CycleDuration.in(1500 * time.Millisecond); got != 1.5 {
		t.Errorf("1.5 s are %v s", got)
	}
}

// Whoever changes what Definitions returned does not change the table.
func TestDefinitionsAreACopy(t *testing.T) {
	Definitions()[0].Name = "Other"
	Definitions()[counters].Name = "Other"
	if RecordsIndexed.Definition().Name != "RecordsIndexed" || LagBlocks.Definition().Name != "LagBlocks" {
		t.Error("the table has changed")
	}
}

// last keeps the last values.
type last struct {
	counts map[Counter]int64
	values map[Gauge]float64
	took   map[Timing]time.Duration
}

func newLast() *last {
	return &last{make(map[Counter]int64), make(map[Gauge]float64), make(map[Timing]time.Duration)}
}
func (l *last) Add(c Counter, n int64)            { l.counts[c] += n }
func (l *last) Set(g Gauge, v float64)            { l.values[g] = v }
func (l *last) Observe(t Timing, d time.Duration) { l.took[t] = d }

func TestRequest(t *testing.T) {
	for status, want := range map[int]Counter{
		200: APIRequests2xx, 206: APIRequests2xx, 304: APIRequests2xx, 400: APIRequests4xx, 499: APIRequests4xx,
		500: APIRequests5xx, 503: APIRequests5xx, 599: APIRequests5xx,
	} {
		l := newLast()
		Request(l, status, time.Second)
		if len(l.counts) != 1 || l.counts[want] != 1 || l.took[APILatency] != time.Second {
			t.Errorf("%d: %+v", status, l)
		}
	}
}

func TestLedger(t *testing.T) {
	l := newLast()
	Ledger(l, map[string]int64{
		"waiting:creator": 1, "waiting:template": 2, "waiting:data": 3, "partial": 4, "pending": 5, "parked": 6,
		"rejected:signature": 7, "rejected:too_large": 8, "deleted": 9, "waiting": 10, "something new": 20, "waiting:gas": 30,
	})
	want := map[Gauge]float64{
		LedgerCreator: 1, LedgerTemplate: 2, LedgerData: 3, LedgerPartial: 4, LedgerPending: 5, LedgerParked: 6,
		LedgerRejected: 15, LedgerDeleted: 9, LedgerOther: 60,
	}
	for g, v := range want {
		if l.values[g] != v {
			t.Errorf("%s is %v, want %v", g.Definition().Name, l.values[g], v)
		}
	}
	// A state that is empty again says so.
	Ledger(l, nil)
	for g := range want {
		if v, ok := l.values[g]; v != 0 || !ok {
			t.Errorf("%s is %v, want 0", g.Definition().Name, v)
		}
	}
	if len(l.values) != len(want) {
		t.Errorf("%d gauges, want %d", len(l.values), len(want))
	}
}
