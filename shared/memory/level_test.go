package memory

import (
	"strings"
	"testing"

	"oipnode/shared/config"
)

// thresholds are those that the configuration has when nothing is set.
func thresholds(t testing.TB) Thresholds {
	t.Helper()
	c, err := config.LoadEnviron(nil)
	if err != nil {
		t.Fatal(err)
	}
	return Thresholds(c.Memory)
}

func TestJudge(t *testing.T) {
	th := thresholds(t)
	for percent, want := range map[float64]Level{0: OK, 79.99: OK, 80: OK, 80.01: Warning, 90: Warning, 90.01: Critical, 100: Critical, 250: Critical} {
		if v := th.Judge(sample(percent), nil); v.Level != want || v.Status() != want || len(v.Alerts) > 0 {
			t.Errorf("%v%%: %+v, want %v", percent, v, want)
		}
	}
	unknown := sample(99)
	unknown.Limit = 0
	if v := th.Judge(unknown, nil); v.Level != OK {
		t.Errorf("without a limit: %+v", v)
	}
	if v := (Thresholds{}).Judge(sample(99), []CacheSize{{"a", 5, 5}}); v.Status() != OK {
		t.Errorf("without thresholds: %+v", v)
	}
}

// Too many goroutines and a cache beyond its bound are warnings by themselves, and none
// of them makes the memory critical.
func TestAlerts(t *testing.T) {
	th := thresholds(t)
	s := sample(10)
	s.Goroutines = 10_000
	if v := th.Judge(s, []CacheSize{{"records", 16 * mib, 16 * mib}}); v.Status() != OK {
		t.Errorf("at the bounds: %+v", v)
	}
	s.Goroutines++
	v := th.Judge(s, []CacheSize{{"records", 16*mib + 1, 16 * mib}, {"other", 1, 2}})
	if v.Level != OK || v.Status() != Warning || len(v.Alerts) != 2 ||
		!strings.Contains(v.Alerts[0].Text, "10001") || !strings.Contains(v.Alerts[0].Text, "MAX_GOROUTINES") || !strings.Contains(v.Alerts[1].Text, `"records"`) {
		t.Errorf("%+v", v)
	}
	s.Used = 99_000
	if v := th.Judge(s, nil); v.Status() != Critical {
		t.Errorf("%+v", v)
	}
}

// TestLevels: up at the thresholds, down five percent below.
func TestLevels(t *testing.T) {
	th := thresholds(t)
	level := OK
	for i, c := range []struct {
		percent float64
		want    Level
	}{
		{50, OK}, {80, OK}, {81, Warning}, {79, Warning}, {75.01, Warning}, {75, OK}, {79, OK}, {81, Warning}, {89, Warning}, {86, Warning},
		{91, Critical}, {89, Critical}, {85.01, Critical}, {85, Warning}, {89, Warning}, {91, Critical}, {70, OK}, {99, Critical}, {0, OK},
	} {
		if level = th.next(level, c.percent); level != c.want {
			t.Fatalf("step %d, %v%%: %v, want %v", i, c.percent, level, c.want)
		}
	}
	// A low threshold can be left too.
	low := Thresholds{WarningPercent: 2, CriticalPercent: 3}
	if low.next(Critical, 1) != OK || low.next(OK, 3.01) != Critical || low.next(Critical, 2) != Critical {
		t.Error("low thresholds")
	}
}
