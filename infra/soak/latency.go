package main

import (
	"math"
	"sync"
	"time"
)

// The buckets of answer times: from 20 µs, each 5 % above the one before, to beyond a
// minute. So a quantile is at most 5 % wrong, in a fixed amount of memory.
const (
	firstBucket = 20 * time.Microsecond
	bucketStep  = 1.05
	buckets     = 320
)

// histogram counts answer times.
type histogram struct {
	counts [buckets]int64
	count  int64
}

func (h *histogram) add(d time.Duration) {
	i := 0
	if d > firstBucket {
		i = int(math.Log(float64(d)/float64(firstBucket))/math.Log(bucketStep)) + 1
	}
	h.counts[min(i, buckets-1)]++
	h.count++
}

// quantile is the upper end of the bucket in which that part of the times ends.
func (h *histogram) quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := max(int64(math.Ceil(q*float64(h.count))), 1)
	for i, n := range h.counts {
		if rank -= n; rank <= 0 {
			return time.Duration(float64(firstBucket) * math.Pow(bucketStep, float64(i)))
		}
	}
	return 0 // not reached: the counts add up to count
}

// latencies are the answer times of the load, those since the last look and all.
type latencies struct {
	mu          sync.Mutex
	window, all histogram
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.window.add(d)
	l.all.add(d)
}

// take returns the times since the last take.
func (l *latencies) take() histogram {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.window
	l.window = histogram{}
	return h
}

// total returns all times.
func (l *latencies) total() histogram {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}
