package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"oipnode/shared/trend"
)

// tenMinutes are samples of a node that takes what it takes, with noise. grow adds to
// the sample of each second.
func tenMinutes(grow func(r *reading, second float64)) []reading {
	rng := rand.New(rand.NewPCG(1, 2))
	list := make([]reading, 600)
	for i := range list {
		second := float64(i)
		noise := func(mean, width float64) float64 { return mean + width*rng.NormFloat64() }
		list[i] = reading{
			Second: second, RSS: int64(noise(40, 1) * mebibyte), Private: int64(noise(15, 0.5) * mebibyte), Heap: int64(noise(5, 0.5) * mebibyte),
			Goroutines: int64(noise(60, 3)), Files: int64(noise(50, 2)), Disk: int64(noise(80, 1) * mebibyte), Requests: int64(noise(200, 5)), P50: noise(3, 0.5), P99: noise(20, 5),
		}
		if grow != nil {
			grow(&list[i], second)
		}
	}
	return list
}

func TestFlatPasses(t *testing.T) {
	outcomes, err := judge(tenMinutes(nil), 2*time.Minute)
	if err != nil || len(outcomes) != len(rows) {
		t.Fatalf("%d outcomes, %v", len(outcomes), err)
	}
	for _, o := range outcomes {
		if o.Grows || o.Mean == 0 || o.Most < o.Mean {
			t.Errorf("%+v", o)
		}
	}
}

// Each leak of the reference server's kinds is found, in its own series.
func TestLeaksFail(t *testing.T) {
	for name, grow := range map[string]func(r *reading, second float64){
		// 20 bytes a request at 200 a second
		"Heap after collection": func(r *reading, s float64) { r.Heap += int64(20 * 200 * s) },
		"Private memory":        func(r *reading, s float64) { r.Private += int64(6000 * s) },
		// a goroutine for every hundredth dialogue
		"Goroutines":                     func(r *reading, s float64) { r.Goroutines += int64(s / 6) },
		"Open files and connections":     func(r *reading, s float64) { r.Files += int64(s / 30) },
		"API, 99 of 100 answered within": func(r *reading, s float64) { r.P99 += s / 30 },
		"API, half answered within":      func(r *reading, s float64) { r.P50 += s / 200 },
	} {
		outcomes, err := judge(tenMinutes(grow), 2*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes {
			if o.Grows != (o.Name == name) {
				t.Errorf("with a leak in %q: %+v", name, o)
			}
		}
		r := result{Outcomes: outcomes}
		if r.conclude(); r.Passed {
			t.Errorf("with a leak in %q the soak passes", name)
		}
	}
}

// What rises while caches fill is not held against the node.
func TestWarmUp(t *testing.T) {
	outcomes, err := judge(tenMinutes(func(r *reading, s float64) { r.Heap += int64(min(s, 100) * mebibyte / 10) }), 2*time.Minute)
	if err != nil || outcomes[0].Grows || outcomes[0].First < 10 {
		t.Errorf("%+v, %v", outcomes[0], err)
	}
	if _, err := judge(tenMinutes(nil), time.Hour); !errors.Is(err, trend.ErrNoLine) {
		t.Errorf("nothing behind the warm-up: %v", err)
	}
}

func TestSayLoad(t *testing.T) {
	for _, c := range []struct {
		counts counts
		ok     bool
	}{
		{counts{Done: 1000}, true}, {counts{Done: 1000, Late: 9}, true}, {counts{Done: 1000, Late: 50}, false},
		{counts{Done: 1000, Failed: 1, First: []string{"status 500"}}, false}, {counts{}, false},
	} {
		var r result
		r.sayLoad("load", c.counts)
		if r.Checks[0].OK != c.ok || !strings.Contains(r.Checks[0].Said, strings.Join(c.counts.First, "")) {
			t.Errorf("%+v: %+v", c.counts, r.Checks[0])
		}
		if r.conclude(); r.Passed != c.ok {
			t.Errorf("%+v: passed %v", c.counts, r.Passed)
		}
	}
}

// The reports say what the result says, whatever is in it.
func TestReports(t *testing.T) {
	r := result{Started: time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC), Minutes: 10, WarmUp: 120, Machine: "a | machine", Samples: tenMinutes(func(r *reading, s float64) { r.Heap += int64(9000 * s) })}
	var err error
	if r.Outcomes, err = judge(r.Samples, 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	r.say("A check", true, "with a | and a\nline")
	r.say("Another", false, "why")
	r.conclude()
	text := string(r.markdown())
	for _, want := range []string{"# Soak: FAILED", "**grows**", "with a \\| and a line", "| Another | **failed** | why |", "480 samples", "2026-05-17", "10 minutes"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "**grows**"); n != 1 {
		t.Errorf("%d series grow", n)
	}
	data, err := r.text()
	var read result
	if err != nil || json.Unmarshal(data, &read) != nil || len(read.Samples) != 600 || read.Samples[599] != r.Samples[599] || read.Checks[1] != r.Checks[1] || read.Passed {
		t.Errorf("%v: %.500s", err, data)
	}
	decoder := xml.NewDecoder(bytes.NewReader(r.plot()))
	lines := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != len(rows) {
		t.Errorf("%d panels, want %d", lines, len(rows))
	}
}
