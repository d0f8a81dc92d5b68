package trend

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// A line is found as it is.
func TestFitExact(t *testing.T) {
	var points []Point
	for x := range 20 {
		points = append(points, Point{float64(x), 3 + 2*float64(x)})
	}
	l, err := Fit(points)
	if err != nil || !near(l.Slope, 2) || !near(l.Intercept, 3) || !near(l.Growth(), 38) || !near(l.Mean, 22) || l.Points != 20 {
		t.Errorf("%+v, %v", l, err)
	}
	if !l.Grows(37) || l.Grows(39) {
		t.Errorf("%+v: a growth of 38", l)
	}
}

// The numbers are those that a statistician gets: Anscombe's first set, whose slope
// has the standard error 0.1179 with 9 degrees of freedom. Its neighbours, by X, are
// not correlated.
func TestFitKnown(t *testing.T) {
	points := []Point{{4, 4.26}, {5, 5.68}, {6, 7.24}, {7, 4.82}, {8, 6.95}, {9, 8.81}, {10, 8.04}, {11, 8.33}, {12, 10.84}, {13, 7.58}, {14, 9.96}}
	l, err := Fit(points)
	if err != nil || math.Abs(l.Slope-0.5001) > 1e-3 || math.Abs(l.Intercept-3.0001) > 1e-3 || l.Independent != 11 {
		t.Fatalf("%+v, %v", l, err)
	}
	if want := 0.1179 * 2.262; math.Abs(l.Error-want) > 1e-3 {
		t.Errorf("the interval is ±%v, want %v", l.Error, want)
	}
}

func TestStudent(t *testing.T) {
	for freedom, want := range map[float64]float64{3: 3.182, 5: 2.571, 9: 2.262, 30: 2.042, 120: 1.980, 1e6: 1.960} {
		if got := student(freedom); math.Abs(got-want) > want/100 {
			t.Errorf("student(%v) = %v, want %v", freedom, got, want)
		}
	}
}

func TestNoLine(t *testing.T) {
	same := make([]Point, 20)
	bad := make([]Point, 20)
	for i := range bad {
		bad[i] = Point{float64(i), math.NaN()}
	}
	for name, points := range map[string][]Point{"none": nil, "nine": make([]Point, 9), "one moment": same, "no numbers": bad} {
		if _, err := Fit(points); !errors.Is(err, ErrNoLine) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What never changes does not grow.
func TestConstant(t *testing.T) {
	var points []Point
	for x := range 50 {
		points = append(points, Point{float64(x), 17})
	}
	if l, err := Fit(points); err != nil || l.Slope != 0 || l.Error != 0 || l.Grows(0) {
		t.Errorf("%+v, %v", l, err)
	}
}

// series is memory as a process has it: noise in which each value remembers the one
// before, plus what leaks.
func series(rng *rand.Rand, n int, noise, memory, leak float64) []Point {
	points := make([]Point, n)
	state := 0.0
	for i := range points {
		state = memory*state + rng.NormFloat64()*noise*math.Sqrt(1-memory*memory)
		points[i] = Point{float64(i), 100 + state + leak*float64(i)}
	}
	return points
}

// Noise is rarely taken for growth, whether neighbours are alike or not, and a leak of
// the size of the noise over the whole time is found.
func TestNoiseAndLeak(t *testing.T) {
	const runs, n = 400, 300
	for _, memory := range []float64{0, 0.5, 0.9} {
		rng := rand.New(rand.NewPCG(1, uint64(memory*10)))
		alarms, found := 0, 0
		for range runs {
			if l, err := Fit(series(rng, n, 1, memory, 0)); err != nil {
				t.Fatal(err)
			} else if l.Grows(0) {
				alarms++
			}
			if l, err := Fit(series(rng, n, 1, memory, 4.0/n)); err != nil {
				t.Fatal(err)
			} else if l.Grows(0) {
				found++
			}
		}
		// 2.5 % are expected, some more where the correlation is estimated too low.
		if alarms > runs*7/100 {
			t.Errorf("memory %v: %d of %d flat series grow", memory, alarms, runs)
		}
		if found < runs*8/10 {
			t.Errorf("memory %v: %d of %d leaks were found", memory, found, runs)
		}
	}
}

// FuzzFit: whatever was measured, a line is one of numbers.
func FuzzFit(f *testing.F) {
	f.Add(uint64(1), 10, 1.0, 0.0)
	f.Add(uint64(2), 100, 1e300, 1e300)
	f.Add(uint64(3), 12, 0.0, -1.0)
	f.Fuzz(func(t *testing.T, seed uint64, n int, noise, leak float64) {
		n = min(max(n, 0), 500)
		rng := rand.New(rand.NewPCG(seed, 0))
		l, err := Fit(series(rng, n, noise, 0.5, leak))
		if err != nil {
			return
		}
		if math.IsNaN(l.Slope) || math.IsNaN(l.Error) || l.Error < 0 || l.Independent < minIndependent || l.Independent > float64(n) {
			t.Errorf("%d points: %+v", n, l)
		}
	})
}
