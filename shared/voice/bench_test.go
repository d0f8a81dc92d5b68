package voice

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// BenchmarkAppend is one event of 60 KB, a second or so of speech, from the writer to
// the store, as the state file grows.
func BenchmarkAppend(b *testing.B) {
	w := newWorld(b, func(o *Options) { o.MaxBytes = 1 << 30 })
	s := w.start()
	data := make([]byte, 60<<10)
	for i := range data {
		data[i] = 'x'
	}
	e := spoken(string(data))
	for b.Loop() {
		if _, d, err := w.Append(context.Background(), by(ann), s.ID, e); err != nil {
			b.Fatal(err)
		} else if d.Events == w.opt.MaxEvents {
			s = w.start()
		}
	}
}

// BenchmarkFollow is an append that so many streams wait for: the time until the last
// of them has it, and the memory that one waiting stream holds.
func BenchmarkFollow(b *testing.B) {
	for _, streams := range []int{1, 100} {
		b.Run(fmt.Sprint(streams), func(b *testing.B) {
			w := newWorld(b, func(o *Options) { o.MaxStreamsPerDialogue, o.Poll, o.MaxEvents = streams, time.Hour, 1e6 })
			s := w.start()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			got := make(chan error, streams)
			ctx, cancel := context.WithCancel(b.Context())
			for range streams {
				stream := w.follow(s.ID, 0)
				go func() {
					defer stream.Close()
					for {
						events, err := stream.Next(ctx, time.Hour)
						for range events {
							got <- nil
						}
						if err != nil {
							got <- err
							return
						}
					}
				}()
			}
			time.Sleep(10 * time.Millisecond)
			runtime.GC()
			runtime.ReadMemStats(&after)
			held := float64(after.HeapAlloc+after.StackInuse) - float64(before.HeapAlloc+before.StackInuse)
			for b.Loop() {
				w.say(s.ID, "x")
				for range streams {
					if err := <-got; err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(held/float64(streams), "B/stream")
			cancel()
			for range streams {
				<-got
			}
		})
	}
}
