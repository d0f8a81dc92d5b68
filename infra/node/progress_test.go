package main

import (
	"strings"
	"testing"
	"time"

	"oipnode/shared/indexer"
)

func TestMeter(t *testing.T) {
	start := time.Unix(1_750_000_000, 0)
	var m meter
	m.read(indexer.Progress{Checkpoint: 1_600_000, Target: 1_700_000}, start)
	if _, ok := m.left(); ok || m.rate() != 0 {
		t.Errorf("one reading gives a pace: %s", m.line())
	}
	m.read(indexer.Progress{Checkpoint: 1_620_000, Target: 1_700_000, Indexed: 1500}, start.Add(10*time.Second))
	if left, ok := m.left(); !ok || left != 40*time.Second {
		t.Errorf("left = %v, %v, want 40s", left, ok)
	}
	// The next cycle counts from 0 again.
	m.read(indexer.Progress{Checkpoint: 1_640_000, Target: 1_700_000, Indexed: 500}, start.Add(20*time.Second))
	if m.total() != 2000 || m.rate() != 100 {
		t.Errorf("total %d, rate %v, want 2000 and 100", m.total(), m.rate())
	}
	want := "Catching up: block 1,640,000 of 1,700,000, 2,000 records, 100/s, about 30 s left"
	if got := m.line(); got != want {
		t.Errorf("line = %q, want %q", got, want)
	}
}

// A fork can take the gateway's height below the checkpoint.
func TestMeterBehindTheCheckpoint(t *testing.T) {
	start := time.Unix(1_750_000_000, 0)
	var m meter
	m.read(indexer.Progress{Checkpoint: 100, Target: 120}, start)
	m.read(indexer.Progress{Checkpoint: 120, Target: 118}, start.Add(time.Second))
	if line := m.line(); strings.Contains(line, "left") {
		t.Errorf("line = %q", line)
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1700000: "1,700,000", 12345678: "12,345,678"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "1 s", 1400 * time.Millisecond: "1 s", 119 * time.Second: "119 s", 150 * time.Second: "3 min",
		3*time.Hour + 20*time.Minute: "3 h 20 min", 72 * time.Hour: "3 days",
	} {
		if got := roughly(d); got != want {
			t.Errorf("roughly(%v) = %q, want %q", d, got, want)
		}
	}
}
