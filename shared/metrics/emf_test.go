package metrics

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var clock = time.Date(2026, 11, 24, 12, 0, 0, 7e6, time.UTC)

// lines is a writer that counts its Writes.
type lines struct {
	bytes.Buffer
	writes int
}

func (l *lines) Write(p []byte) (int, error) {
	l.writes++
	return l.Buffer.Write(p)
}

func newEMF(t testing.TB, out io.Writer) *EMF {
	t.Helper()
	e, err := NewEMF(out, "stack-keepdb", func() time.Time { return clock })
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// flush flushes and reads the line; there is none when nothing is written.
func flush(t testing.TB, e *EMF, out *lines) (d document, written bool) {
	t.Helper()
	out.Reset()
	out.writes = 0
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if out.Len() == 0 {
		return d, false
	}
	line, ok := strings.CutSuffix(out.String(), "\n")
	if !ok || out.writes != 1 {
		t.Fatalf("%d writes: %q", out.writes, out.String())
	}
	d, err := validate([]byte(line))
	if err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	if d.at != clock.Local() || len(d.dimensions) != 1 || d.dimensions[Dimension] != "stack-keepdb" {
		t.Errorf("%v, %v", d.at, d.dimensions)
	}
	return d, true
}

func TestFlush(t *testing.T) {
	var out lines
	e := newEMF(t, &out)
	if _, written := flush(t, e, &out); written {
		t.Error("a line of nothing")
	}
	e.Add(RecordsIndexed, 3)
	e.Add(RecordsIndexed, 4)
	e.Set(LagBlocks, 9)
	e.Set(LagBlocks, 0)
	e.Observe(APILatency, 1500*time.Microsecond)
	e.Observe(APILatency, 2*time.Second)
	e.Observe(CycleDuration, 90*time.Second)
	d, _ := flush(t, e, &out)
	for name, want := range map[string][]float64{
		"RecordsIndexed": {7}, "LagBlocks": {0}, "APILatency": {1.5, 2000}, "CycleDuration": {90},
	} {
		if !slices.Equal(d.values[name], want) {
			t.Errorf("%s is %v, want %v", name, d.values[name], want)
		}
	}
	if len(d.values) != 4 || d.units["LagBlocks"] != "Count" || d.units["APILatency"] != "Milliseconds" || d.units["CycleDuration"] != "Seconds" {
		t.Errorf("%+v", d)
	}
	if _, written := flush(t, e, &out); written {
		t.Error("what was written is written again")
	}
	e.Add(RecordsIndexed, 1)
	if d, _ := flush(t, e, &out); !slices.Equal(d.values["RecordsIndexed"], []float64{1}) || len(d.values) != 1 {
		t.Errorf("%+v", d)
	}
}

// All that there is fits into a line, at its largest.
func TestEverything(t *testing.T) {
	var out lines
	e := newEMF(t, &out)
	for c := range counters {
		e.Add(c, math.MaxInt64)
		e.Add(c, math.MaxInt64)
	}
	for g := range gauges {
		e.Set(g, -maxValue/3)
	}
	for m := range timings {
		for range 1000 {
			e.Observe(m, math.MaxInt64)
		}
	}
	d, _ := flush(t, e, &out)
	if len(d.values) != len(Definitions()) {
		t.Errorf("%d metrics, want %d", len(d.values), len(Definitions()))
	}
	for _, def := range Definitions() {
		if d.units[def.Name] != string(def.Unit) {
			t.Errorf("%s has the unit %q", def.Name, d.units[def.Name])
		}
	}
	if d.values["ColdStarts"][0] != math.MaxInt64 || len(d.values["APILatency"]) != maxValues {
		t.Errorf("%v, %d values", d.values["ColdStarts"], len(d.values["APILatency"]))
	}
}

// What is no value is not recorded, and does not make a line.
func TestNoValues(t *testing.T) {
	var out lines
	e := newEMF(t, &out)
	e.Add(CycleErrors, 0)
	e.Add(CycleErrors, math.MinInt64)
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Nextafter(maxValue, math.Inf(1)), -2 * maxValue} {
		e.Set(LagBlocks, v)
	}
	if _, written := flush(t, e, &out); written {
		t.Errorf("a line of nothing: %s", out.String())
	}
	e.Set(LagBlocks, maxValue)
	e.Observe(CycleDuration, -time.Second)
	if d, _ := flush(t, e, &out); d.values["LagBlocks"][0] != maxValue || d.values["CycleDuration"][0] != 0 {
		t.Errorf("%+v", d.values)
	}
}

// Whatever is recorded, in whatever order, the lines are valid and together say what a
// plain model says.
func TestRandom(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var out lines
		e := newEMF(t, &out)
		counts, values, took := make(map[string]float64), make(map[string]float64), make(map[string][]float64)
		for range random.IntN(400) {
			switch random.IntN(20) {
			case 0:
				d, written := flush(t, e, &out)
				if written != (len(counts)+len(values)+len(took) > 0) || len(d.values) != len(counts)+len(values)+len(took) {
					t.Fatalf("seed %d: %d metrics, want %d", seed, len(d.values), len(counts)+len(values)+len(took))
				}
				for name, want := range counts {
					if d.values[name][0] != want {
						t.Errorf("seed %d: %s is %v, want %v", seed, name, d.values[name], want)
					}
				}
				for name, want := range values {
					if d.values[name][0] != want {
						t.Errorf("seed %d: %s is %v, want %v", seed, name, d.values[name], want)
					}
				}
				for name, all := range took {
					got := d.values[name]
					if len(got) != min(len(all), maxValues) || len(all) <= maxValues && !slices.Equal(got, all) {
						t.Errorf("seed %d: %s has %d values, want %d", seed, name, len(got), len(all))
					}
					for _, v := range got {
						if !slices.Contains(all, v) {
							t.Errorf("seed %d: %s: %v was never observed", seed, name, v)
						}
					}
				}
				clear(counts)
				clear(values)
				clear(took)
			case 1, 2, 3:
				c, n := Counter(random.IntN(int(counters))), random.Int64N(1000)+1
				e.Add(c, n)
				counts[c.Definition().Name] += float64(n)
			case 4, 5, 6:
				g, v := Gauge(random.IntN(int(gauges))), random.NormFloat64()*1e6
				e.Set(g, v)
				values[g.Definition().Name] = v
			default:
				m, d := Timing(random.IntN(int(timings))), time.Duration(random.Int64N(int64(time.Hour)))
				e.Observe(m, d)
				name := m.Definition().Name
				took[name] = append(took[name], m.in(d))
			}
		}
	}
}

// A hundred values stand for all of them, and not only for the first ones.
func TestSample(t *testing.T) {
	var out lines
	e := newEMF(t, &out)
	for i := range 100_000 {
		e.Observe(CycleDuration, time.Duration(i)*time.Second)
	}
	d, _ := flush(t, e, &out)
	got := d.values["CycleDuration"]
	slices.Sort(got)
	if len(got) != maxValues || len(slices.Compact(slices.Clone(got))) != maxValues {
		t.Errorf("%d values, some more than once", len(got))
	}
	// Each half misses with a chance of one to 2^100.
	if got[0] >= 50_000 || got[maxValues-1] < 50_000 {
		t.Errorf("the values are from %v to %v, of 0 to 99999", got[0], got[maxValues-1])
	}
}

// failing fails a few times, once in the middle of a line.
type failing struct {
	lines
	short, fail int
}

var errFull = errors.New("no space")

func (f *failing) Write(p []byte) (int, error) {
	if f.short > 0 {
		f.short--
		return len(p) / 2, nil
	}
	if f.fail > 0 {
		f.fail--
		return 0, errFull
	}
	return f.lines.Write(p)
}

// What could not be written comes with the next line.
func TestWriterFails(t *testing.T) {
	out := &failing{short: 1, fail: 1}
	e := newEMF(t, out)
	e.Add(CacheHits, 2)
	e.Observe(CycleDuration, time.Second)
	if err := e.Flush(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error %v", err)
	}
	e.Add(CacheHits, 3)
	if err := e.Flush(); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
	d, _ := flush(t, e, &out.lines)
	if !slices.Equal(d.values["CacheHits"], []float64{5}) || !slices.Equal(d.values["CycleDuration"], []float64{1}) {
		t.Errorf("%+v", d.values)
	}
	if _, written := flush(t, e, &out.lines); written {
		t.Error("it is written twice")
	}
}

func TestFunctionName(t *testing.T) {
	for _, name := range []string{"f", "stack-api-1A2B", strings.Repeat("x", 255), `quo"te\`, "a b", "<&>"} {
		var out lines
		e, err := NewEMF(&out, name, nil)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		before := time.Now().Truncate(time.Millisecond)
		e.Add(ColdStarts, 1)
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		d, err := validate(bytes.TrimSuffix(out.Bytes(), []byte("\n")))
		if err != nil || d.dimensions[Dimension] != name || d.at.Before(before) || d.at.After(time.Now()) {
			t.Errorf("%q: %+v, %v", name, d, err)
		}
	}
	for _, name := range []string{"", "  ", "a\nb", "ä", "\x7f", strings.Repeat("x", 256)} {
		if _, err := NewEMF(io.Discard, name, nil); err == nil || !strings.Contains(err.Error(), "function") || !strings.Contains(err.Error(), "allowed") {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

// Nothing is lost or torn when everybody records and flushes at once.
func TestConcurrently(t *testing.T) {
	var out lines
	e := newEMF(t, &out)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 500 {
				e.Add(RecordsIndexed, 1)
				e.Set(LagBlocks, float64(i))
				e.Observe(APILatency, time.Duration(i))
				if i%50 == 0 {
					if err := e.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	sum, n := 0.0, 0
	for line := range strings.Lines(out.String()) {
		d, err := validate([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if values := d.values["RecordsIndexed"]; values != nil {
			sum += values[0]
		}
		n++
	}
	if sum != 8*500 || n != out.writes {
		t.Errorf("%v records in %d lines of %d writes", sum, n, out.writes)
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	e := newEMF(t, io.Discard)
	if n := testing.AllocsPerRun(1000, func() { record(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { record(Discard) }); n != 0 {
		t.Errorf("%v allocations to discard", n)
	}
}

func record(r Recorder) {
	r.Add(RecordsIndexed, 7)
	r.Set(LagBlocks, 3)
	Request(r, 200, 12*time.Millisecond)
}

func BenchmarkRecord(b *testing.B) {
	e := newEMF(b, io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		record(e)
	}
}

func BenchmarkFlush(b *testing.B) {
	e := newEMF(b, io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		record(e)
		e.Set(MemoryUsed, 1<<20)
		if err := e.Flush(); err != nil {
			b.Fatal(err)
		}
	}
}
