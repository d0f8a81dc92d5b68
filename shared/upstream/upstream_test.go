package upstream_test

import (
	"errors"
	"io"
	"math"
	"net/http"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// history is what a schedule does to n requests of every identity, in the order
// of the identities or the other way round.
func history(s *upstream.Schedule, identities, n int, backwards bool) [][]bool {
	out := make([][]bool, identities)
	for range n {
		for i := range identities {
			if backwards {
				i = identities - 1 - i
			}
			d := s.Draw(upstream.Scatter(uint64(i)))
			out[i] = append(out[i], d.Hits(0), d.Hits(1), d.Pick(1, 7) > 3, d.HitsAlways(2, d.Identity()))
		}
	}
	return out
}

func scheduled(seed uint64) *upstream.Schedule {
	s := upstream.NewSchedule(seed, 3)
	s.Set(0, 0.3)
	s.Set(1, 0.5)
	s.Set(2, 0.5)
	s.Set(3, 1) // there is none
	s.Set(-1, 1)
	return s
}

func TestScheduleIsAFunctionOfTheRequests(t *testing.T) {
	one, same, other := history(scheduled(4), 50, 5, false), history(scheduled(4), 50, 5, true), history(scheduled(5), 50, 5, false)
	differs := 0
	for i := range one {
		for j := range one[i] {
			if one[i][j] != same[i][j] {
				t.Fatalf("identity %d meets other faults in another order", i)
			}
			if one[i][j] != other[i][j] {
				differs++
			}
		}
	}
	if differs < 100 {
		t.Errorf("another seed changes only %d decisions", differs)
	}
}

func TestProbabilities(t *testing.T) {
	s := scheduled(9)
	const n = 4000
	for i := range n {
		d := s.Draw(uint64(i))
		d.Hits(0)
		d.Hits(1)
		if d.Attempt() != 0 || d.Identity() != uint64(i) {
			t.Fatalf("draw %d is the attempt %d of %d", i, d.Attempt(), d.Identity())
		}
	}
	for kind, p := range map[int]float64{0: 0.3, 1: 0.5, 2: 0} {
		if got := float64(s.Fired(kind)) / n; math.Abs(got-p) > 0.05 {
			t.Errorf("kind %d fired at %v, want %v", kind, got, p)
		}
	}
	if p := s.Probability(1); p != 0.5 {
		t.Errorf("probability %v", p)
	}
}

// What is drawn for an id lasts; what is drawn for a request changes.
func TestHitsAlways(t *testing.T) {
	lasting, changing := 0, 0
	for _, h := range history(scheduled(1), 40, 6, false) {
		for i := 4; i < len(h); i += 4 {
			if h[i+3] != h[3] {
				t.Fatal("an id's fate changed")
			}
			if h[i] != h[0] {
				changing++
			}
		}
		if h[3] {
			lasting++
		}
	}
	if lasting < 8 || lasting > 32 || changing == 0 {
		t.Errorf("%d of 40 ids struck at one half, %d requests fared otherwise", lasting, changing)
	}
}

func TestStop(t *testing.T) {
	s := scheduled(2)
	s.Set(0, 1)
	if !s.Draw(1).Hits(0) {
		t.Fatal("a sure fault does not strike")
	}
	s.Set(0, 0)
	if s.Draw(1).Hits(0) {
		t.Error("a kind that was switched off strikes")
	}
	s.Set(0, 1)
	s.Stop()
	var none *upstream.Schedule
	for _, d := range []upstream.Draw{s.Draw(1), none.Draw(1), {}} {
		if d.Hits(0) || d.HitsAlways(0, 1) || d.Roll(0, 1, 1) != 0 {
			t.Error("a fault without a schedule")
		}
	}
	if s.Fired(0) != 1 {
		t.Errorf("fired %d times", s.Fired(0))
	}
}

// Memory is bounded: after very many identities all counts begin anew.
func TestAttemptsAreForgotten(t *testing.T) {
	s := upstream.NewSchedule(1, 1)
	s.Draw(0)
	if got := s.Draw(0).Attempt(); got != 1 {
		t.Fatalf("attempt %d", got)
	}
	for i := range uint64(1 << 17) {
		s.Draw(i + 1)
	}
	if got := s.Draw(0).Attempt(); got != 0 {
		t.Errorf("attempt %d after 131072 others", got)
	}
}

// Close ends a handler that waits for its client, and its connection.
func TestServerClose(t *testing.T) {
	var s upstream.Server
	if err := s.Close(); err != nil || s.Address() != "" {
		t.Errorf("before Start: address %q, Close %v", s.Address(), err)
	}
	waiting := make(chan struct{})
	var once sync.Once
	err := s.Start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(waiting) })
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(http.NotFoundHandler()); !errors.Is(err, upstream.ErrStarted) {
		t.Errorf("second Start: %v", err)
	}
	failed := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + s.Address())
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		failed <- err
	}()
	<-waiting
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := <-failed; err == nil {
		t.Error("the request was answered")
	}
	if resp, err := http.Get("http://" + s.Address()); err == nil {
		resp.Body.Close()
		t.Error("it answers after Close")
	}
}
