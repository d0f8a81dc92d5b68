package voice

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// follow opens a stream of ann.
func (w *world) follow(id string, after int) *Stream {
	w.Helper()
	s, err := w.Open(context.Background(), by(ann), id, after)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// TestFollow: a stream gives every event once, in order, and ends after the last.
func TestFollow(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.start()
	w.say(s.ID, "1", "2", "3", "4", "5", "6")
	stream := w.follow(s.ID, 1)
	defer stream.Close()
	got := ""
	for range 2 {
		events, err := stream.Next(ctx, time.Hour)
		if err != nil || len(events) == 0 || len(events) > streamPage {
			t.Fatalf("%d events, %v", len(events), err)
		}
		got += texts(events)
	}
	if got != `"2" "3" "4" "5" "6" ` {
		t.Errorf("got %s", got)
	}
	if events, err := stream.Next(ctx, time.Millisecond); err != nil || len(events) != 0 {
		t.Errorf("nothing new: %v, %v", events, err)
	}
	if _, err := w.End(ctx, by(ann), s.ID); err != nil {
		t.Fatal(err)
	}
	if events, err := stream.Next(ctx, time.Hour); err != nil || texts(events) != `{"status":"ended"} ` {
		t.Errorf("the end: %v, %v", events, err)
	}
	if _, err := stream.Next(ctx, time.Hour); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	w.clock.advance(time.Hour)
	if _, err := stream.Next(ctx, time.Hour); !errors.Is(err, ErrNotFound) {
		t.Errorf("after its time: %v", err)
	}
}

func TestPositions(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	w.say(s.ID, "a", "b")
	for after, good := range map[int]bool{-1: false, 0: true, 2: true, 3: false, 1 << 40: false} {
		stream, err := w.Open(t.Context(), by(ann), s.ID, after)
		var bad *FieldError
		if good != (err == nil) || !good && (!errors.As(err, &bad) || bad.Field != "Last-Event-ID") {
			t.Errorf("after %d: %v", after, err)
		}
		if err == nil {
			stream.Close()
		}
	}
	if w.Streams() != 0 {
		t.Errorf("%d streams", w.Streams())
	}
}

// TestWoken: an append of this process wakes a stream at once, and one of another
// process is found within the time of a poll. The bubble's clock shows which it was.
func TestWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.Poll = time.Second })
		s := w.start()
		stream := w.follow(s.ID, 0)
		defer stream.Close()
		next := func(do func()) time.Duration {
			began := time.Now()
			go func() {
				time.Sleep(10 * time.Millisecond)
				do()
			}()
			events, err := stream.Next(t.Context(), time.Hour)
			if err != nil || len(events) != 1 {
				t.Errorf("%d events, %v", len(events), err)
			}
			return time.Since(began)
		}
		if took := next(func() { w.say(s.ID, "here") }); took != 10*time.Millisecond {
			t.Errorf("woken after %v", took)
		}
		other := w.over(w.store)
		took := next(func() {
			if _, _, err := other.Append(context.Background(), by(ann), s.ID, spoken("there")); err != nil {
				t.Error(err)
			}
		})
		if took > time.Second {
			t.Errorf("found after %v", took)
		}
	})
}

// TestPolls: a stream that waits asks the store once per Poll, not more.
func TestPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.start()
		count := &counting{Store: w.store}
		d := w.over(count, func(o *Options) { o.Poll = time.Second })
		stream, err := d.Open(t.Context(), by(ann), s.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		count.calls = ""
		if events, err := stream.Next(t.Context(), 9500*time.Millisecond); err != nil || len(events) != 0 {
			t.Fatal(events, err)
		}
		if count.calls != "get get get get get get get get get get " {
			t.Errorf("calls %s", count.calls)
		}
	})
}

// TestStreamBounds: of the process, and of one dialogue.
func TestStreamBounds(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxStreams, o.MaxStreamsPerDialogue = 3, 2 })
	a, b := w.start(), w.start()
	one, two := w.follow(a.ID, 0), w.follow(a.ID, 0)
	if _, err := w.Open(t.Context(), by(ann), a.ID, 0); !errors.Is(err, ErrStreams) {
		t.Errorf("a third of one dialogue: %v", err)
	}
	three := w.follow(b.ID, 0)
	if _, err := w.Open(t.Context(), by(ann), b.ID, 0); !errors.Is(err, ErrStreams) {
		t.Errorf("a fourth: %v", err)
	}
	one.Close()
	one.Close()
	w.follow(b.ID, 0).Close()
	two.Close()
	three.Close()
	if w.Streams() != 0 || len(w.hub.open) != 0 {
		t.Errorf("%d streams are left", w.Streams())
	}
}

// TestClose ends the streams, and lets the rest go on.
func TestClose(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	stream := w.follow(s.ID, 0)
	defer stream.Close()
	ended := make(chan error)
	go func() {
		_, err := stream.Next(context.Background(), time.Hour)
		ended <- err
	}()
	w.Close()
	w.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("the stream ended with %v", err)
	}
	if _, err := w.Open(t.Context(), by(ann), s.ID, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("a new stream: %v", err)
	}
	if d := w.say(s.ID, "a"); d.Events != 1 {
		t.Errorf("%+v", d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Get(t.Context(), by(ann), s.ID); err != nil {
		t.Error(err)
	}
	other := w.over(w.store)
	waiting, err := other.Open(t.Context(), by(ann), s.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if _, err := waiting.Next(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("a reader that went away: %v", err)
	}
}
