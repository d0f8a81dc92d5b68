package memory

import (
	"math"
	"slices"
	"time"

	"oipnode/shared/trend"
)

// Point is how much was used at a moment.
type Point struct {
	At   time.Time
	Used int64
}

// Growth is a line through points.
type Growth struct {
	// PerHour is the slope in bytes, and lies with 95 % within Uncertainty of that.
	PerHour, Uncertainty float64
	// Sure says that memory grows by more than noise explains, and by more than does
	// not matter.
	Sure bool
	// ToLimit is how long it is at this pace until the limit is reached; 0 when that is
	// not to be expected.
	ToLimit time.Duration
}

// longest is the farthest end that is worth a projection.
const longest = 10 * 365 * 24 * time.Hour

// growthShare is the growth over the measured time, as a share of its mean, up to which
// even a sure one does not matter: caches and pools fill, and the heap breathes.
const growthShare = 0.03

// Project fits a line through points in the order of their times and follows it up to
// the limit, which is 0 when it is not known. ok is false for fewer than trend.MinPoints
// points.
func Project(points []Point, limit int64) (g Growth, ok bool) {
	if len(points) == 0 {
		return Growth{}, false
	}
	xy := make([]trend.Point, len(points))
	for i, p := range points {
		xy[i] = trend.Point{X: p.At.Sub(points[0].At).Hours(), Y: float64(p.Used)}
	}
	line, err := trend.Fit(xy)
	if err != nil {
		return Growth{}, false
	}
	g = Growth{PerHour: line.Slope, Uncertainty: line.Error, Sure: line.Grows(growthShare * line.Mean)}
	if left := float64(limit - points[len(points)-1].Used); g.Sure && limit > 0 {
		if hours := max(left, 0) / line.Slope; hours < longest.Hours() {
			g.ToLimit = max(time.Duration(hours*float64(time.Hour)), 1)
		}
	}
	return g, true
}

// The history of a process is its last hour.
const (
	historyStep   = 15 * time.Second
	historyPoints = int(time.Hour / historyStep)
)

// history keeps points that are historyStep apart.
type history struct{ points []Point }

func (h *history) add(p Point) {
	if n := len(h.points); n > 0 {
		if gone := p.At.Sub(h.points[n-1].At); gone >= 0 && gone < historyStep {
			return
		} else if gone < 0 { // the clock was put back: what was is of no use any more
			h.points = h.points[:0]
		}
	}
	old := 0 // a process may have been frozen for hours
	for old < len(h.points) && (p.At.Sub(h.points[old].At) >= time.Hour || len(h.points)-old == historyPoints) {
		old++
	}
	h.points = slices.Delete(h.points, 0, old)
	h.points = append(h.points, p)
}

// pick returns at most n of the points, evenly chosen, the last one among them.
func pick(points []Point, n int) []Point {
	if len(points) <= n {
		return slices.Clone(points)
	}
	chosen := make([]Point, n)
	step := float64(len(points)-1) / float64(n-1)
	for i := range chosen {
		chosen[i] = points[int(math.Round(float64(i)*step))]
	}
	return chosen
}
