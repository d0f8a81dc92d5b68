// Package trend says whether a row of measurements grows, or only moves up and down.
//
// A line is fitted by least squares. How sure its slope is depends on the noise, and
// on how much each measurement tells that the one before it did not: memory that was
// high a second ago is high now. So the number of measurements is reduced to that of
// independent ones by the correlation of neighbouring residuals, before the interval
// of the slope is taken from Student's distribution (Santer et al. 2000, Statistical
// significance of trends and trend differences, section 4).
package trend

import (
	"errors"
	"math"
)

// ErrNoLine is returned by Fit for fewer than MinPoints points, for points that all
// have the same X, and for numbers that are too large to be measurements.
var ErrNoLine = errors.New("trend: no line can be fitted")

// MinPoints is the least number of measurements that a line is fitted to.
const MinPoints = 10

// Point is a measurement Y at the time X.
type Point struct{ X, Y float64 }

// Line is a fitted line: Y is about Intercept + Slope*X.
type Line struct {
	Intercept, Slope float64
	// Error is half of the interval in which the slope lies with 95 %.
	Error float64
	// Noise is the standard deviation of the measurements from the line.
	Noise float64
	// Mean is that of the measurements, Span the range of X.
	Mean, Span float64
	// Points are the measurements, Independent how many of them count as such.
	Points      int
	Independent float64
}

// Fit fits a line to points in the order of X.
func Fit(points []Point) (Line, error) {
	n := float64(len(points))
	if len(points) < MinPoints {
		return Line{}, ErrNoLine
	}
	var sumX, sumY float64
	for _, p := range points {
		sumX += p.X
		sumY += p.Y
	}
	meanX, meanY := sumX/n, sumY/n
	var xx, xy float64
	for _, p := range points {
		xx += (p.X - meanX) * (p.X - meanX)
		xy += (p.X - meanX) * (p.Y - meanY)
	}
	if xx == 0 || math.IsNaN(xx+xy) || math.IsInf(xx+xy, 0) {
		return Line{}, ErrNoLine
	}
	l := Line{Slope: xy / xx, Mean: meanY, Span: points[len(points)-1].X - points[0].X, Points: len(points)}
	l.Intercept = meanY - l.Slope*meanX

	var squares, neighbours float64
	var before float64
	for i, p := range points {
		residual := p.Y - l.At(p.X)
		squares += residual * residual
		if i > 0 {
			neighbours += residual * before
		}
		before = residual
	}
	if math.IsInf(squares, 0) || math.IsNaN(squares+neighbours) {
		return Line{}, ErrNoLine
	}
	l.Noise = math.Sqrt(squares / n)
	l.Independent = n
	if squares > 0 {
		correlation := min(max(neighbours/squares, 0), 1)
		l.Independent = max(n*(1-correlation)/(1+correlation), minIndependent)
	}
	freedom := l.Independent - 2
	l.Error = student(freedom) * math.Sqrt(squares/freedom/xx)
	return l, nil
}

// minIndependent keeps a degree of freedom above which the approximation of Student's
// distribution holds.
const minIndependent = 5

// At is the line's value.
func (l Line) At(x float64) float64 { return l.Intercept + l.Slope*x }

// Growth is how much the line rises over the measured time; it may be negative.
func (l Line) Growth() float64 { return l.Slope * l.Span }

// Uncertainty is how much Growth may be wrong, to either side.
func (l Line) Uncertainty() float64 { return l.Error * l.Span }

// Grows reports whether the measurements grow: by more than the tolerance over the
// measured time, and by more than noise explains. The tolerance is for what is too
// small to matter, since enough measurements make any slope sure.
func (l Line) Grows(tolerance float64) bool {
	return l.Growth() > tolerance && l.Growth() > l.Uncertainty()
}

// student is the 97.5th percentile of Student's distribution, by the expansion around
// the normal one (Abramowitz and Stegun 26.7.5); three degrees or more are within 1 %.
func student(freedom float64) float64 {
	const z = 1.959963984540054
	z3, z5, z7 := math.Pow(z, 3), math.Pow(z, 5), math.Pow(z, 7)
	return z + (z3+z)/4/freedom + (5*z5+16*z3+3*z)/96/math.Pow(freedom, 2) + (3*z7+19*z5+17*z3-15*z)/384/math.Pow(freedom, 3)
}
