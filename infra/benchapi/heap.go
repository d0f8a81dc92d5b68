package main

import (
	"context"
	"fmt"
	"net/url"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/records"
	"oipnode/shared/trend"
)

const (
	// heapCache bounds the cache of the heap's measurement, in bytes, with a hundred
	// thousand requests; with fewer it is smaller in proportion, but for leastHeapCache.
	// The answers are together many times as large.
	heapCache      = 16 << 20
	leastHeapCache = 1 << 20
	// heapSamples are taken over the requests, heapWarmUp is the part of them that no
	// line is fitted to: the cache fills.
	heapSamples = 200
	heapWarmUp  = 0.2
	// leastHeapRequests have enough samples for a line.
	leastHeapRequests = 1000
	// The growth that is let pass even when it is sure, as the soak has it: the larger
	// of a share of the mean and so many bytes.
	heapShare  = 0.03
	heapAmount = 0.5 * mebibyte
)

const mebibyte = 1 << 20

// heapResult is what became of the heap.
type heapResult struct {
	Requests int
	Took     time.Duration
	Cache    int64 // bytes of the bound
	Answers  int64 // bytes
	Line     trend.Line
	Most     float64 // bytes
	Allowed  float64
}

// grows reports whether the heap grows.
func (h heapResult) grows() bool { return h.Line.Grows(h.Allowed) }

// different is query i; no two are the same. Seven of eight ask for one record, the
// others for a page, so that answers of all sizes push each other out.
func different(i int, dids []string) string {
	if i%8 == 7 {
		page := i / 8
		return fmt.Sprintf("limit=%d&page=%d&dateStart=%d", 1+page%20, 1+page/20%20, page)
	}
	return fmt.Sprintf("did=%s&limit=%d", url.QueryEscape(dids[i%len(dids)]), 1+i/len(dids)%records.MaxLimit)
}

// measureHeap asks for many different things over a store.
func measureHeap(ctx context.Context, s settings, store records.Store) (result *heapResult, err error) {
	dids, err := allDIDs(ctx, store)
	if err != nil {
		return nil, err
	}
	room := max(min(heapCache, heapCache/100_000*int64(s.heapRequests)), leastHeapCache)
	server, err := serve(ctx, store, room)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := server.close(); err == nil {
			err = e
		}
	}()
	begun := time.Now()
	var next, bytes atomic.Int64
	every := int64(max(s.heapRequests/heapSamples, 1))
	samples := make(chan trend.Point, heapSamples+2)
	g, ctx := errgroup.WithContext(ctx)
	for range s.connections {
		g.Go(func() error {
			c, err := connect(ctx, server.url)
			if err != nil {
				return err
			}
			defer func() { _ = c.close() }()
			for {
				i := next.Add(1) - 1
				if i >= int64(s.heapRequests) {
					return nil
				}
				request, err := server.request(different(int(i), dids))
				if err != nil {
					return err
				}
				c.requests = [][]byte{request}
				if err := c.ask(ctx); err != nil {
					return err
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				bytes.Add(c.bytes)
				if i%every == every-1 {
					samples <- trend.Point{X: float64(i), Y: liveHeap()}
				}
			}
		})
	}
	err = g.Wait()
	close(samples)
	if err != nil {
		return nil, err
	}
	r := &heapResult{Requests: s.heapRequests, Cache: room, Took: time.Since(begun), Answers: bytes.Load()}
	return r, r.judge(samples)
}

// judge fits the line.
func (h *heapResult) judge(samples <-chan trend.Point) (err error) {
	var points []trend.Point
	for p := range samples {
		if p.X < heapWarmUp*float64(h.Requests) {
			continue
		}
		h.Most = max(h.Most, p.Y)
		points = append(points, p)
	}
	if h.Line, err = trend.Fit(points); err != nil {
		return fmt.Errorf("the heap: %d samples: %w", len(points), err)
	}
	h.Allowed = max(heapShare*h.Line.Mean, heapAmount)
	return nil
}

// liveHeap is what a collection leaves alive, in bytes. The first one only marks what is
// under way: pools give their contents up at the second.
func liveHeap() float64 {
	runtime.GC()
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return float64(live[0].Value.Uint64())
}

// allDIDs are those of all records that anybody may read. What was needed to read them is
// given back, so that it is not in the measurement.
func allDIDs(ctx context.Context, store records.Store) (dids []string, err error) {
	q := records.Query{Where: records.Is(records.FieldAccess, "public"), Sort: []records.Sort{{Field: records.FieldDID}}, Limit: records.MaxLimit, EnvelopeOnly: true}
	for {
		page, err := store.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, hit := range page.Hits {
			dids = append(dids, hit.DID)
		}
		if page.Next == "" {
			debug.FreeOSMemory()
			return dids, nil
		}
		q.After = page.Next
	}
}
