package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"oipnode/shared/gateway"
	"oipnode/shared/indexer"
)

// script is an indexer whose cycles do what a test says, the last thing for ever.
type script struct {
	cycles []func(ctx context.Context) (indexer.Report, error)
	// at is when each cycle began, since the start.
	at    []time.Duration
	start time.Time
}

func (s *script) Run(ctx context.Context) (indexer.Report, error) {
	s.at = append(s.at, time.Since(s.start))
	i := min(len(s.at), len(s.cycles)) - 1
	return s.cycles[i](ctx)
}

func done(context.Context) (indexer.Report, error) { return indexer.Report{Complete: true}, nil }

func failing(err error) func(context.Context) (indexer.Report, error) {
	return func(context.Context) (indexer.Report, error) { return indexer.Report{}, err }
}

// play runs a loop over the script for a time of the test's own clock, and returns
// the log and how many cycles ended well.
func play(t *testing.T, s *script, delay, interval, total time.Duration) (log string, ended int) {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		s.start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), total)
		defer cancel()
		l := loop{
			index: s, delay: delay, interval: interval,
			ended: func(context.Context, indexer.Report) { ended++ },
			log:   slog.New(slog.NewTextHandler(&out, nil)),
		}
		l.run(ctx)
	})
	return out.String(), ended
}

func TestSchedule(t *testing.T) {
	s := &script{cycles: []func(context.Context) (indexer.Report, error){done}}
	log, ended := play(t, s, 10*time.Second, 5*time.Minute, 11*time.Minute)
	if want := []time.Duration{10 * time.Second, 310 * time.Second, 610 * time.Second}; !slices.Equal(s.at, want) || ended != 3 {
		t.Errorf("cycles at %v, %d ended, want them at %v", s.at, ended, want)
	}
	if log != "" {
		t.Errorf("log %q", log)
	}
}

// A cycle that stopped before it was through is followed soon, unless it did
// nothing: that would go on for ever.
func TestUnfinishedCycle(t *testing.T) {
	s := &script{cycles: []func(context.Context) (indexer.Report, error){
		func(context.Context) (indexer.Report, error) {
			return indexer.Report{Counts: indexer.Counts{Rejected: 20}}, nil
		},
		func(context.Context) (indexer.Report, error) { return indexer.Report{}, nil },
	}}
	_, _ = play(t, s, 0, time.Minute, 90*time.Second)
	if want := []time.Duration{0, catchUpPause, catchUpPause + time.Minute}; !slices.Equal(s.at, want) {
		t.Errorf("cycles at %v, want %v", s.at, want)
	}
}

func TestShortIntervalIsKept(t *testing.T) {
	s := &script{cycles: []func(context.Context) (indexer.Report, error){
		func(context.Context) (indexer.Report, error) {
			return indexer.Report{Counts: indexer.Counts{Indexed: 1}}, nil
		},
	}}
	_, _ = play(t, s, 0, 100*time.Millisecond, 250*time.Millisecond)
	if len(s.at) != 3 {
		t.Errorf("cycles at %v, want three", s.at)
	}
}

// A failure is logged when it begins, when it changes and when it is over. That no
// gateway can be had is one failure, whatever each of them says.
func TestFailuresAreLoggedOnChange(t *testing.T) {
	away := func(at int64) error {
		return fmt.Errorf("choose a gateway: %w", &gateway.NoGatewayError{RetryAt: time.Unix(at, 0)})
	}
	full := errors.New("disk full")
	s := &script{cycles: []func(context.Context) (indexer.Report, error){
		failing(away(1)), failing(away(2)), failing(away(3)), failing(full), failing(full), done, failing(full), done,
	}}
	log, ended := play(t, s, 0, time.Minute, 8*time.Minute+time.Second)
	if failed, again := strings.Count(log, "cycle failed"), strings.Count(log, "works again"); failed != 3 || again != 2 {
		t.Errorf("%d failures and %d recoveries in the log, want 3 and 2:\n%s", failed, again, log)
	}
	if ended != 3 {
		t.Errorf("%d cycles ended well, want 3", ended)
	}
}

func TestLastingFailureIsRepeatedHourly(t *testing.T) {
	s := &script{cycles: []func(context.Context) (indexer.Report, error){failing(errors.New("disk full"))}}
	log, _ := play(t, s, 0, time.Minute, 3*time.Hour+30*time.Second)
	if n := strings.Count(log, "cycle failed"); n != 4 {
		t.Errorf("%d lines in three hours, want one at once and one for each hour:\n%s", n, log)
	}
}

func TestPanicEndsTheCycleOnly(t *testing.T) {
	s := &script{cycles: []func(context.Context) (indexer.Report, error){
		func(context.Context) (indexer.Report, error) { panic("nil map") },
		func(context.Context) (indexer.Report, error) { panic("nil map") },
		done,
	}}
	log, ended := play(t, s, 0, time.Minute, 150*time.Second)
	if strings.Count(log, "panic: nil map") != 1 || !strings.Contains(log, "loop_test.go") || ended != 1 {
		t.Errorf("%d cycles ended well; the log should have the panic and its stack once:\n%s", ended, log)
	}
}

func TestCycleHasADeadline(t *testing.T) {
	var left time.Duration
	s := &script{cycles: []func(context.Context) (indexer.Report, error){
		func(ctx context.Context) (indexer.Report, error) {
			if deadline, ok := ctx.Deadline(); ok {
				left = time.Until(deadline)
			}
			return indexer.Report{Complete: true}, nil
		},
	}}
	_, _ = play(t, s, 0, time.Hour, time.Hour/2)
	if left != cycleTimeout {
		t.Errorf("a cycle has %v, want %v", left, cycleTimeout)
	}
}

// The end of the node during a cycle is no failure, and nothing follows it.
func TestEndDuringACycle(t *testing.T) {
	s := &script{cycles: []func(context.Context) (indexer.Report, error){
		func(ctx context.Context) (indexer.Report, error) {
			<-ctx.Done()
			return indexer.Report{}, ctx.Err()
		},
	}}
	log, ended := play(t, s, 0, time.Minute, 10*time.Second)
	if len(s.at) != 1 || ended != 0 || log != "" {
		t.Errorf("%d cycles, %d ended well, log %q", len(s.at), ended, log)
	}
}

func TestEndDuringTheFirstDelay(t *testing.T) {
	s := &script{cycles: []func(context.Context) (indexer.Report, error){done}}
	if _, ended := play(t, s, time.Hour, time.Minute, time.Second); ended != 0 || len(s.at) != 0 {
		t.Errorf("%d cycles before the delay was over", len(s.at))
	}
}
