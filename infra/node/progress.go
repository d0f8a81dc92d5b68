package main

import (
	"fmt"
	"strings"
	"time"

	"oipnode/shared/indexer"
)

// meter makes rates out of what the indexer tells of its cycles. It measures from
// its first reading on, across cycles.
type meter struct {
	start time.Time
	first int64 // checkpoint of the first reading

	records  int // of the cycles before this one
	inCycle  int
	reading  indexer.Progress
	measured time.Time
}

// read takes a reading.
func (m *meter) read(p indexer.Progress, now time.Time) {
	if m.start.IsZero() {
		m.start, m.first = now, p.Checkpoint
	}
	if p.Indexed < m.inCycle { // another cycle has begun
		m.records += m.inCycle
	}
	m.inCycle = p.Indexed
	m.reading, m.measured = p, now
}

// total is how many records were written since the first reading.
func (m *meter) total() int { return m.records + m.inCycle }

// rate is records per second; 0 while it cannot be told.
func (m *meter) rate() float64 {
	seconds := m.measured.Sub(m.start).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(m.total()) / seconds
}

// left is how long it takes to the tip at the present pace of blocks; ok is false
// while there is no pace.
func (m *meter) left() (left time.Duration, ok bool) {
	done, todo := m.reading.Checkpoint-m.first, m.reading.Target-m.reading.Checkpoint
	elapsed := m.measured.Sub(m.start)
	if done <= 0 || todo < 0 || elapsed <= 0 {
		return 0, false
	}
	return time.Duration(float64(elapsed) * float64(todo) / float64(done)), true
}

// line is the reading for a person.
func (m *meter) line() string {
	parts := []string{
		fmt.Sprintf("block %s of %s", grouped(m.reading.Checkpoint), grouped(m.reading.Target)),
		fmt.Sprintf("%s records", grouped(int64(m.total()))),
		fmt.Sprintf("%.0f/s", m.rate()),
	}
	if left, ok := m.left(); ok {
		parts = append(parts, "about "+roughly(left)+" left")
	}
	return "Catching up: " + strings.Join(parts, ", ")
}

// grouped writes a number that is not negative with commas between thousands.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// roughly writes a duration with one unit, two for hours.
func roughly(d time.Duration) string {
	switch {
	case d < time.Second:
		return "1 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int64(d.Round(time.Second)/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int64(d.Round(time.Minute)/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int64(d/time.Hour), int64(d%time.Hour/time.Minute))
	}
	return fmt.Sprintf("%d days", int64(d/(24*time.Hour)))
}
