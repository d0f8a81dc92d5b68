package memory

import (
	"math/rand/v2"
	"testing"
	"time"
)

// line are points of a process that grows by so many bytes an hour, with noise.
func line(n int, step time.Duration, perHour, noise float64) []Point {
	rng := rand.New(rand.NewPCG(1, 2))
	var points []Point
	for i := range n {
		at := time.Duration(i) * step
		points = append(points, Point{noon.Add(at), int64(100*mib + perHour*at.Hours() + noise*rng.NormFloat64())})
	}
	return points
}

func TestProject(t *testing.T) {
	for _, c := range []struct {
		name    string
		points  []Point
		limit   int64
		ok      bool
		sure    bool
		toLimit time.Duration
	}{
		{"none", nil, 512 * mib, false, false, 0},
		{"nine", line(9, time.Minute, 60*mib, 0), 512 * mib, false, false, 0},
		{"a leak", line(61, time.Minute, 60*mib, 0), 220 * mib, true, true, time.Hour},
		{"a leak with noise", line(61, time.Minute, 60*mib, 2*mib), 220 * mib, true, true, time.Hour},
		{"noise", line(61, time.Minute, 0, 2*mib), 220 * mib, true, false, 0},
		{"it shrinks", line(61, time.Minute, -60*mib, 0), 220 * mib, true, false, 0},
		{"it stands", line(61, time.Minute, 0, 0), 220 * mib, true, false, 0},
		{"too little to matter", line(61, time.Minute, mib, 0), 220 * mib, true, false, 0},
		{"no limit", line(61, time.Minute, 60*mib, 0), 0, true, true, 0},
		{"above the limit", line(61, time.Minute, 60*mib, 0), 110 * mib, true, true, 1},
		{"one moment", line(20, 0, 60*mib, 0), 512 * mib, false, false, 0},
	} {
		g, ok := Project(c.points, c.limit)
		if ok != c.ok || g.Sure != c.sure || (g.ToLimit-c.toLimit).Abs() > c.toLimit/10 {
			t.Errorf("%s: %+v, %v", c.name, g, ok)
		}
	}
	if g, _ := Project(line(61, time.Minute, 60*mib, 0), 512*mib); g.PerHour < 59*mib || g.PerHour > 61*mib {
		t.Errorf("%v MiB an hour", g.PerHour/mib)
	}
}

// The history is the last hour, in steps, and begins anew when the clock is put back.
func TestHistory(t *testing.T) {
	var h history
	for i := range 3 * 60 * 60 {
		h.add(Point{noon.Add(time.Duration(i) * time.Second), int64(i)})
	}
	n := len(h.points)
	if n != historyPoints || h.points[n-1].Used != 3*60*60-15 || h.points[0].Used != 2*60*60 {
		t.Errorf("%d points, from %d to %d", n, h.points[0].Used, h.points[n-1].Used)
	}
	picked := pick(h.points, 60)
	if len(picked) != 60 || picked[0] != h.points[0] || picked[59] != h.points[n-1] {
		t.Errorf("%d points are picked", len(picked))
	}
	if got := pick(h.points[:5], 60); len(got) != 5 {
		t.Errorf("of five points %d are picked", len(got))
	}
	h.add(Point{noon, 1})
	if len(h.points) != 1 {
		t.Errorf("%d points after the clock was put back", len(h.points))
	}
	h.add(Point{noon.Add(30 * time.Minute), 2})
	h.add(Point{noon.Add(time.Hour), 3})
	if len(h.points) != 2 {
		t.Errorf("%d points, one of them of an hour ago", len(h.points))
	}
}
