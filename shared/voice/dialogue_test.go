package voice

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestLife is a dialogue from its start to its end.
func TestLife(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.start()
	noon := w.clock.Now()
	if !validID(s.ID) || s.Status != Active || !s.StartTime.Equal(noon) || !s.ExpiresAt.Equal(noon.Add(30*time.Minute)) || s.Events != 0 {
		t.Fatalf("started %+v", s)
	}
	w.clock.advance(10 * time.Minute)
	d := w.say(s.ID, "a", "b")
	if d.Events != 2 || !d.StartTime.Equal(noon) || !d.LastActivity.Equal(w.clock.Now()) || !d.ExpiresAt.Equal(noon.Add(40*time.Minute)) {
		t.Errorf("after two events %+v", d)
	}
	got, err := w.Get(ctx, by(bob, ann), s.ID)
	if err != nil || got != d {
		t.Errorf("read %+v, %v, want %+v", got, err, d)
	}
	if all, err := w.List(ctx, by(ann)); err != nil || len(all) != 1 || all[0] != d {
		t.Errorf("list %+v, %v", all, err)
	}
	w.clock.advance(time.Minute)
	ended, err := w.End(ctx, by(ann), s.ID)
	if err != nil || ended.Status != Ended || ended.Events != 3 || !ended.ExpiresAt.Equal(w.clock.Now().Add(time.Minute)) {
		t.Errorf("ended %+v, %v", ended, err)
	}
	if again, err := w.End(ctx, by(ann), s.ID); err != nil || again != ended {
		t.Errorf("ended again %+v, %v", again, err)
	}
	if events := w.heard(s.ID); texts(events) != `"a" "b" {"status":"ended"} ` || events[2].Event != "done" {
		t.Errorf("events %+v", events)
	}
	if _, _, err := w.Append(ctx, by(ann), s.ID, spoken("c")); !errors.Is(err, ErrEnded) {
		t.Errorf("append to an ended dialogue: %v", err)
	}
	if all, err := w.List(ctx, by(ann)); err != nil || len(all) != 0 {
		t.Errorf("an ended dialogue is listed: %+v, %v", all, err)
	}
	w.clock.advance(time.Minute)
	w.gone(s.ID)
}

// gone checks that nobody sees anything of a dialogue.
func (w *world) gone(id string) {
	w.Helper()
	ctx := context.Background()
	c := by(ann)
	for name, call := range map[string]func() error{
		"Get":    func() error { _, err := w.Get(ctx, c, id); return err },
		"Append": func() error { _, _, err := w.Append(ctx, c, id, spoken("x")); return err },
		"Events": func() error { _, err := w.Events(ctx, c, id, 0, 10, 1000); return err },
		"End":    func() error { _, err := w.End(ctx, c, id); return err },
		"Open":   func() error { _, err := w.Open(ctx, c, id, 0); return err },
	} {
		if err := call(); !errors.Is(err, ErrNotFound) {
			w.Errorf("%s of a dialogue that is gone: %v", name, err)
		}
	}
	all, err := w.List(ctx, c)
	for _, d := range all {
		if d.ID == id {
			w.Errorf("it is listed: %+v", d)
		}
	}
	if err != nil {
		w.Error(err)
	}
}

// TestVerySecond: a dialogue is there until its last second and gone with it.
func TestVerySecond(t *testing.T) {
	w := newWorld(t)
	w.clock.advance(300 * time.Millisecond) // the end is rounded up
	s := w.start()
	w.say(s.ID, "a")
	w.clock.advance(s.ExpiresAt.Sub(w.clock.Now()) - 1)
	if texts(w.heard(s.ID)) != `"a" ` {
		t.Error("gone too early")
	}
	w.clock.advance(1)
	w.gone(s.ID)
}

// TestActivity: only appends lengthen a dialogue's life, and no longer than MaxLife.
func TestActivity(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxLife = time.Hour })
	quiet, busy := w.start(), w.start()
	for range 3 {
		w.clock.advance(9 * time.Minute)
		w.heard(quiet.ID)
		w.say(busy.ID, "still here")
	}
	w.clock.advance(4 * time.Minute)
	w.gone(quiet.ID)
	if d := w.say(busy.ID, "and now"); !d.ExpiresAt.Equal(busy.StartTime.Add(time.Hour)) {
		t.Errorf("expires at %v", d.ExpiresAt)
	}
	w.clock.advance(29*time.Minute - 1)
	if got := len(w.heard(busy.ID)); got != 4 {
		t.Errorf("%d events just before the end", got)
	}
	w.clock.advance(1)
	w.gone(busy.ID)
}

// TestNumbers: an append with a number happens once, however often it is repeated.
func TestNumbers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.start()
	numbered := func(text string, n int) NewEvent {
		e := spoken(text)
		e.Number = n
		return e
	}
	for range 3 {
		e, d, err := w.Append(ctx, by(ann), s.ID, numbered("a", 1))
		if err != nil || e.Number != 1 || d.Events != 1 {
			t.Fatalf("%+v %+v %v", e, d, err)
		}
	}
	w.say(s.ID, "b")
	if e, _, err := w.Append(ctx, by(ann), s.ID, numbered("a", 1)); err != nil || e.Number != 1 {
		t.Errorf("repeated later: %+v, %v", e, err)
	}
	for _, e := range []NewEvent{numbered("a", 2), numbered("c", 1), numbered("d", 4), {Event: "done", Data: []byte(`"a"`), Number: 1}} {
		var wrong *NumberError
		if _, _, err := w.Append(ctx, by(ann), s.ID, e); !errors.As(err, &wrong) || wrong.Next != 3 || wrong.Number != e.Number {
			t.Errorf("%s %d: %v", e.Data, e.Number, err)
		}
	}
	if _, err := w.End(ctx, by(ann), s.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Append(ctx, by(ann), s.ID, numbered("b", 2)); err != nil {
		t.Errorf("repeated after the end: %v", err)
	}
	if got := texts(w.heard(s.ID)); got != `"a" "b" {"status":"ended"} ` {
		t.Errorf("events %s", got)
	}
}

func TestBounds(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxEvents, o.MaxBytes, o.MaxEventBytes, o.MaxPerOwner = 3, 20, 10, 2 })
	ctx := t.Context()
	s := w.start()
	var bad *FieldError
	if _, _, err := w.Append(ctx, by(ann), s.ID, spoken("123456789")); !errors.As(err, &bad) || bad.Field != "data" || !strings.Contains(bad.Must, "10 bytes") {
		t.Errorf("too long an event: %v", err)
	}
	for _, data := range []string{"", "{", `{ "a":1}`, "1\n", "\"\xff\""} {
		if _, _, err := w.Append(ctx, by(ann), s.ID, NewEvent{Event: "done", Data: []byte(data)}); !errors.As(err, &bad) || bad.Field != "data" {
			t.Errorf("data %q: %v", data, err)
		}
	}
	if _, _, err := w.Append(ctx, by(ann), s.ID, NewEvent{Event: "x\ndata: y", Data: []byte("1")}); !errors.As(err, &bad) || bad.Field != "event" {
		t.Errorf("event name: %v", err)
	}
	w.say(s.ID, "12345678", "12345678")
	if _, _, err := w.Append(ctx, by(ann), s.ID, spoken("1")); !errors.Is(err, ErrFull) {
		t.Errorf("too many bytes: %v", err)
	}
	second := w.start()
	w.say(second.ID, "a", "b", "c")
	if _, _, err := w.Append(ctx, by(ann), second.ID, spoken("d")); !errors.Is(err, ErrFull) {
		t.Errorf("too many events: %v", err)
	}
	if _, err := w.Start(ctx, ann); !errors.Is(err, ErrTooMany) {
		t.Errorf("a third dialogue: %v", err)
	}
	if _, err := w.Start(ctx, bob); err != nil {
		t.Errorf("another's first: %v", err)
	}
	if d, err := w.End(ctx, by(ann), second.ID); err != nil || d.Events != 4 {
		t.Errorf("a full dialogue can be ended: %+v, %v", d, err)
	}
	third := w.start()
	w.clock.advance(30 * time.Minute)
	w.gone(third.ID)
	w.start() // what expired does not count
	w.start()
	if _, err := w.Start(ctx, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("without an owner: %v", err)
	}
}

// TestPages: events come in parts that join without a gap, bounded in number and size.
func TestPages(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	var want []string
	for i := range 50 {
		want = append(want, strings.Repeat("x", i))
	}
	w.say(s.ID, want...)
	for _, limit := range []int{1, 7, 16, 17, 50, 1000} {
		for _, maxBytes := range []int{1, 100, 1e6} {
			all, calls := "", 0
			for after, more := 0, true; more; calls++ {
				p, err := w.Events(t.Context(), by(ann), s.ID, after, limit, maxBytes)
				if err != nil || len(p.Events) == 0 || len(p.Events) > limit {
					t.Fatalf("limit %d: %d events, %v", limit, len(p.Events), err)
				}
				if last := p.Events[len(p.Events)-1]; len(texts(p.Events))-len(p.Events)-len(last.Data) >= maxBytes {
					t.Errorf("limit %d: %d bytes", limit, len(texts(p.Events)))
				}
				all += texts(p.Events)
				after, more = p.Events[len(p.Events)-1].Number, p.More
			}
			if all != texts(w.heard(s.ID)) || calls > 50 {
				t.Errorf("limit %d, %d bytes: %d calls gave %s", limit, maxBytes, calls, all)
			}
		}
	}
	if p, err := w.Events(t.Context(), by(ann), s.ID, 50, 10, 100); err != nil || len(p.Events) != 0 || p.More {
		t.Errorf("behind the last: %+v, %v", p, err)
	}
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	if _, err := New(Options{}); err == nil {
		t.Error("no store is no error")
	}
	for name, change := range map[string]func(*Options){
		"Timeout":       func(o *Options) { o.Timeout = time.Millisecond },
		"MaxEventBytes": func(o *Options) { o.MaxEventBytes = 257 << 10 },
		"MaxPerOwner":   func(o *Options) { o.MaxPerOwner = 91 },
		"MaxEvents":     func(o *Options) { o.MaxEvents = -1 },
		"EndedLife":     func(o *Options) { o.EndedLife = 48 * time.Hour },
	} {
		o := Options{State: w.store}
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	long, err := New(Options{State: w.store, Timeout: 720 * time.Hour})
	if err != nil || long.opt.MaxLife != 720*time.Hour {
		t.Errorf("a long timeout: %v", err)
	}
	if got := w.Limits(); got != (Limits{10_000, 192 << 10, 20, 32 << 20}) {
		t.Errorf("limits %+v", got)
	}
}
