package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// tally counts what became of one kind of load.
type tally struct {
	mu sync.Mutex
	// done went well; failed did not; late were not even begun, because all workers were
	// busy when their moment had come.
	done, failed, late int64
	// first are the first failures.
	first []string
}

// keptFailures is how many failures of a kind of load are told.
const keptFailures = 5

func (t *tally) add(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.done++
		return
	}
	if t.failed++; len(t.first) < keptFailures {
		t.first = append(t.first, err.Error())
	}
}

func (t *tally) missed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.late++
}

// counts is a tally for the report.
type counts struct {
	Done   int64    `json:"done"`
	Failed int64    `json:"failed"`
	Late   int64    `json:"late"`
	First  []string `json:"failures,omitempty"`
}

func (t *tally) counts() counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return counts{t.done, t.failed, t.late, append([]string(nil), t.first...)}
}

func (c counts) String() string {
	return fmt.Sprintf("%d done, %d failed, %d not begun in time", c.Done, c.Failed, c.Late)
}

// pace is a load whose parts begin at set moments, whether or not the ones before have
// ended, so that a node that answers slowly does not get less to do.
type pace struct {
	// every is the time between two parts, workers how many may be under way.
	every   time.Duration
	workers int
	// most is how many parts there are; 0 is as many as there is time for.
	most int
	// do does part i, which should have begun at the moment at.
	do func(ctx context.Context, i int, at time.Time) error
}

// run does parts until ctx ends or there are no more. Those that are under way when
// ctx ends are finished, and not held against the node if that was why they failed.
func (p pace) run(ctx context.Context, t *tally) {
	type part struct {
		i  int
		at time.Time
	}
	parts := make(chan part, p.workers)
	var workers sync.WaitGroup
	for range p.workers {
		workers.Go(func() {
			for w := range parts {
				err := p.do(ctx, w.i, w.at)
				if err != nil && ctx.Err() != nil {
					continue
				}
				t.add(err)
			}
		})
	}
	start := time.Now()
	for i := 0; p.most == 0 || i < p.most; i++ {
		at := start.Add(time.Duration(i) * p.every)
		if wait := time.Until(at); wait > 0 && !pause(ctx, wait) || ctx.Err() != nil {
			break
		}
		select {
		case parts <- part{i, at}:
		default:
			t.missed()
		}
	}
	close(parts)
	workers.Wait()
}
